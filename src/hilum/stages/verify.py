"""verify: read every file under DVC and compare its bytes with dvc.lock, in the workspace and in the cache."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from hilum.data.integrity import find_absent, find_changed, list_outputs
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
    lock = yaml.safe_load(file.read_text())
    faults, absent = find_changed(workspace.root, lock, cache, bar("files read")), find_absent(workspace.root, lock, cache)
    if faults:
        print("\n  ".join(("hilum verify: every file must match dvc.lock:", *faults)), file=sys.stderr)
        raise FoundError({"changed": faults, "absent": absent})
    if absent and len(absent) == len(list_outputs(lock)):
        raise ValueError(
            f"there must be files to compare with dvc.lock, but none of its {len(absent)} outputs is here, nor in DVC's cache; "
            "run `dvc pull` or `dvc repro` first"
        )
    say("every file that is in the workspace or in DVC's cache matches dvc.lock")
    if absent:
        say(f"not compared, because they are in neither: {', '.join(absent)}; `dvc pull` or `dvc repro` brings them")
    return {"changed": [], "absent": absent}
