"""What DVC keeps: dvc.yaml, dvc.lock, its settings and its cache."""

import configparser
from pathlib import Path

import yaml

from hilum.doctor.finding import Examined, Project
from hilum.project.dvc_lock import LOADER, find_lock_fault, find_whole_lock, is_conflict, restore_lock


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
    if is_conflict(text):
        found.add(
            "dvc.lock holds two versions that git could not join",
            "take one, then let DVC run what differs: git checkout --ours dvc.lock && dvc repro",
        )
    elif fault := find_lock_fault(text):
        whole, _ = find_whole_lock(project.workspace)
        found.add(
            f"dvc.lock must be what DVC wrote, got a file that {fault}: a run was ended while DVC wrote it, and "
            "every call of DVC fails",
            f"hilum check ({f'puts {whole} in its place' if whole else 'sets it aside'}) && dvc repro (what has run before comes "
            "from DVC's cache)",
            lambda: f"dvc.lock: {restore_lock(project.workspace)}: run `dvc repro`",
        )


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
