"""verify: read every file under DVC and compare its bytes with dvc.lock, in the workspace and in the cache."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from hilum.data.integrity import find_changed
from hilum.exits import FoundError
from hilum.progress import bar, say
from hilum.workspace import find_workspace


def run() -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    file = workspace.root / "dvc.lock"
    if not file.is_file():
        raise ValueError("there must be a dvc.lock to compare with, got none; run `dvc repro` first")
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    asked = subprocess.run(command, cwd=workspace.root, capture_output=True, text=True)
    if asked.returncode:
        raise ValueError(f"`dvc cache dir` must name DVC's cache, but it ended with: {asked.stderr.strip()}")
    cache = workspace.root / asked.stdout.strip()
    faults = find_changed(workspace.root, yaml.safe_load(file.read_text()), cache, bar("files read"))
    if faults:
        print("\n  ".join(("hilum verify: every file must match dvc.lock:", *faults)), file=sys.stderr)
        raise FoundError({"changed": faults})
    say("every file in the workspace and in DVC's cache matches dvc.lock")
    return {"changed": []}
