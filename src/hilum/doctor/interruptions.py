"""What interrupted runs leave behind: locks of ended processes, copies of the project, stages that work on."""

import json
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hilum.doctor.finding import Examined, Project, remove
from hilum.doctor.processes import Process, is_below
from hilum.progress import tell_bytes
from hilum.project.stage_records import measure

OWNERS = ("dvc", "hilum")  # programs that own what is below .dvc/tmp; `mlflow run` has one of them below it


def examine_interruptions(project: Project) -> Examined:
    """Locks, copies and processes of runs that were ended from outside."""
    found = Examined()
    working = project.working(*OWNERS)
    if working:
        found.facts.append(f"at work here: {', '.join(f'process {one.pid} ({one.command[:60]})' for one in working[:3])}")
    _examine_rwlock(project, working, found)
    _examine_hardlink(project, working, found)
    examine_copies(project, working, found)
    examine_orphans(project, found)
    _examine_git(project, found)
    return found


def _examine_rwlock(project: Project, working: list[Process], found: Examined) -> None:
    file = project.workspace.root / ".dvc" / "tmp" / "rwlock"
    if not file.is_file():
        return
    remedy = "rm .dvc/tmp/rwlock (while no dvc runs here)"
    try:
        held = json.loads(file.read_text())
        users = _users(held)
    except (ValueError, KeyError, TypeError, AttributeError):
        mend = None if working else partial(remove, file)
        found.add(".dvc/tmp/rwlock must be what DVC wrote, got a file that is cut: every call of DVC fails", remedy, mend)
        return
    living = {one.pid for one in project.processes if "dvc" in one.command}
    ended = {pid: command for pid, command in users.items() if pid not in living}
    if ended and Path("/proc/self").exists():
        pid, command = next(iter(ended.items()))
        found.add(
            f".dvc/tmp/rwlock names process {pid} (`{command}`), which is no DVC any more: once its number is used again, DVC "
            "waits for another program",
            remedy,
            None if working else partial(remove, file),
        )


def _users(held: Any) -> dict[int, str]:
    """Process -> command of every entry of a rwlock file."""
    entries = [*held.get("write", {}).values(), *(one for readers in held.get("read", {}).values() for one in readers)]
    return {int(entry["pid"]): str(entry["cmd"]) for entry in entries}


def _examine_hardlink(project: Project, working: list[Process], found: Examined) -> None:
    """The lock of `core.hardlink_lock`, a file that its owner must remove; DVC's other lock ends with its process."""
    folder = project.workspace.root / ".dvc" / "tmp"
    claim = ""
    with suppress(OSError, UnicodeDecodeError):
        claim = Path((folder / "lock").read_text().strip()).name
    if claim.endswith(".lock") and not working:
        found.add(
            ".dvc/tmp/lock is held by core.hardlink_lock, and no DVC of this machine runs here: every call of DVC waits for it",
            f"if none runs on another machine either: rm .dvc/tmp/lock .dvc/tmp/{claim}",
        )


def examine_copies(project: Project, working: list[Process], found: Examined) -> None:
    """Copies of the project in which no process works."""
    folder = project.workspace.home / ".dvc" / "tmp" / "exps"
    copies = [path for level in ("tmp*", "*/tmp*") for path in folder.glob(level) if path.is_dir()]
    used = {copy for copy in copies for one in project.processes if one.is_in(copy)}
    for copy in sorted(set(copies) - used):
        name = copy.relative_to(project.workspace.home)
        found.add(
            f"{name} ({tell_bytes(measure([copy])[1])}) is the copy of an experiment that was ended from outside, unused",
            f"rm -r {name}",
            None if working else partial(remove, copy),
        )


def examine_orphans(project: Project, found: Examined) -> None:
    """Stages at work whose dvc has ended."""
    for one in project.processes:
        started_here = one.is_in(project.workspace.home) and "DVC_STAGE" in one.variables and "src/hilum" in one.command
        if started_here and not is_below(one, "dvc", project.processes):
            stage = one.variables["DVC_STAGE"]
            found.add(
                f"process {one.pid} works on at {stage} in {one.folder}, though the dvc that started it has ended: a second run "
                "would write into the same files",
                f"kill {one.pid} (or wait for it), then dvc repro",
            )


def _examine_git(project: Project, found: Examined) -> None:
    file = project.workspace.root / ".git" / "index.lock"
    if file.is_file() and not project.working("git"):
        found.add(
            ".git/index.lock was left by a git that has ended: experiments and commits fail",
            "rm .git/index.lock",
            partial(remove, file) if Path("/proc/self").exists() else None,
        )
