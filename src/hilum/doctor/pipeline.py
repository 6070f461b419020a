"""What DVC keeps: dvc.yaml, dvc.lock, its settings and its cache."""

import configparser
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from hilum.doctor.finding import Examined, Project

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
CONFLICT = ("<<<<<<< ", ">>>>>>> ")  # what git leaves of two versions that it cannot join


def examine_pipeline(project: Project) -> Examined:
    """dvc.yaml and dvc.lock can be read, DVC is initialised, and its cache is there."""
    found = Examined()
    _examine_stages(project, found)
    _examine_lock(project, found)
    _examine_settings(project, found)
    return found


def _examine_stages(project: Project, found: Examined) -> None:
    try:
        written = yaml.load((project.workspace.root / "dvc.yaml").read_text(), LOADER)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        found.add(f"dvc.yaml must be YAML, got {' '.join(str(error).split())}", "correct it, or: git checkout dvc.yaml")
        return
    if not isinstance(written, dict) or not isinstance(written.get("stages"), dict):
        found.add("dvc.yaml must hold `stages`, got none", "git checkout dvc.yaml")
        return
    found.facts.append(f"{len(written['stages'])} kinds of stages in dvc.yaml")


def _examine_lock(project: Project, found: Examined) -> None:
    file = project.workspace.root / "dvc.lock"
    if not file.is_file():
        found.facts.append("no dvc.lock: nothing has run yet")
        return
    text = file.read_text(errors="replace")
    if any(line.startswith(CONFLICT) for line in text.splitlines()):
        found.add(
            "dvc.lock holds two versions that git could not join",
            "take one, then let DVC run what differs: git checkout --ours dvc.lock && dvc repro",
        )
    elif fault := find_lock_fault(text):
        kept = _committed_lock(project)
        source = "git checkout dvc.lock" if kept else "mv dvc.lock dvc.lock.broken"
        found.add(
            f"dvc.lock must be what DVC wrote, got a file that {fault}: a run was ended while DVC wrote it, and "
            "every call of DVC fails",
            f"{source} && dvc repro (what has run before comes from DVC's cache)",
            lambda: _restore_lock(project, file, kept),
        )


def find_lock_fault(text: str) -> str:
    """What keeps DVC from reading a dvc.lock, or shows that it was cut; empty where nothing does."""
    if not text.strip():
        return "is empty"
    try:
        written = yaml.load(text, LOADER)
    except yaml.YAMLError as error:
        return f"is no YAML ({' '.join(str(error).split())[:120]})"
    if not isinstance(written, dict) or not isinstance(written.get("stages"), dict) or str(written.get("schema")) != "2.0":
        return "holds no stages"
    for name, stage in written["stages"].items():
        if not isinstance(stage, dict) or not isinstance(stage.get("cmd"), str | list):
            return f"holds no command of {name}"
        for entry in _entries(stage):
            if not isinstance(entry, dict) or not isinstance(entry.get("path"), str) or None in entry.values():
                return f"holds an incomplete entry of {name}"
            if not MD5.fullmatch(str(entry.get("md5"))):
                return f"holds an entry of {name} without its hash"
        params = stage.get("params", {})
        if not isinstance(params, dict) or not all(isinstance(values, dict) for values in params.values()):
            return f"holds no values of {name}"
    return ""


def _entries(stage: dict[str, Any]) -> Iterator[Any]:
    for part in ("deps", "outs"):
        listed = stage.get(part, [])
        yield from listed if isinstance(listed, list) else [None]


def _committed_lock(project: Project) -> str:
    """The last commit's dvc.lock if it can be read, else an empty text."""
    command = ["git", "-C", str(project.workspace.root), "show", "HEAD:./dvc.lock"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 and not find_lock_fault(answer.stdout) else ""


def _restore_lock(project: Project, file: Path, kept: str) -> str:
    broken = project.set_aside(file)
    if kept:
        file.write_text(kept)
    what = "that of the last commit is back" if kept else "DVC writes a new one"
    return f"the broken dvc.lock is {broken}; {what}: run `dvc repro`"


def _examine_settings(project: Project, found: Examined) -> None:
    folder = project.workspace.root / ".dvc"
    if not (folder / "config").is_file():
        found.add("DVC must be initialised here, got no .dvc/config", "git checkout .dvc/config (or, in a new project: dvc init)")
        return
    settings = configparser.ConfigParser(strict=False, interpolation=None)
    try:
        settings.read_string("\n".join(_without_margin(folder / name) for name in ("config", "config.local")))
    except configparser.Error as error:
        found.add(f".dvc/config must be readable, got {' '.join(str(error).split())}", "correct it, or: git checkout .dvc/config")
        return
    cache = settings.get("cache", "dir", fallback="")
    place = (folder / cache).expanduser()
    if cache and not place.is_dir():
        found.add(
            f"DVC's cache is {place} by .dvc/config, and there is no such folder: every stage would run again",
            "mount its disk, or name another folder: dvc cache dir --local FOLDER",
        )


def _without_margin(file: Path) -> str:
    """The lines of a settings file without the blanks in front, which mean nothing to DVC."""
    return "\n".join(line.strip() for line in file.read_text().splitlines()) if file.is_file() else ""
