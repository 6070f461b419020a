"""dvc.lock, which DVC rewrites in place: a file that a kill or a full disk cut is replaced by a whole one."""

import fcntl
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from hilum.progress import say
from hilum.project.set_aside import set_aside
from hilum.workspace import Workspace

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
CONFLICT = ("<<<<<<< ", ">>>>>>> ")  # what git leaves of two versions that it cannot join


def keep_lock(workspace: Workspace) -> None:
    """Keep a copy of a whole dvc.lock below `.hilum/`, or put a whole one in the place of a cut one, aloud.

    Only a file that DVC cannot read is replaced, and it is kept below `.hilum/set_aside`. Of two versions that git could not join
    a person must choose: they stay. While a DVC writes here nothing is done. Without space for the copy there is none.
    """
    file = workspace.root / "dvc.lock"
    if workspace.root != workspace.home or not file.is_file():
        return
    with _no_dvc_writes(workspace) as alone:
        content = file.read_bytes()
        text = content.decode(errors="replace")
        fault, copy = find_lock_fault(text), _copy_of(workspace)
        if fault and alone and not is_conflict(text):
            say(f"dvc.lock {fault}: a run was ended while DVC wrote it; {restore_lock(workspace)}")
        elif not fault and not (copy.is_file() and copy.read_bytes() == content):
            with suppress(OSError):
                _write_whole(copy, content)


@contextmanager
def _no_dvc_writes(workspace: Workspace) -> Iterator[bool]:
    """Whether no DVC holds its lock of this project; it is held meanwhile."""
    place = workspace.root / ".dvc" / "tmp" / "lock"  # which DVC holds while it reads and writes dvc.lock, not while a stage runs
    if not place.is_file():
        yield True
        return
    with place.open("rb+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def restore_lock(workspace: Workspace) -> str:
    """Set a broken dvc.lock aside and put a whole one in its place, if there is one; returns what was done, in words.

    The newest whole one is the copy that `keep_lock` made; without one, that of the last commit; without either, DVC writes anew.
    """
    source, text = find_whole_lock(workspace)
    broken = set_aside(workspace.root / "dvc.lock", workspace.cache, stays=bool(source))  # without one all stages would run again
    if source:
        _write_whole(workspace.root / "dvc.lock", text.encode())
    return f"it is kept as {broken}; {f'{source} is in its place' if source else 'DVC writes a new one'}"


def find_whole_lock(workspace: Workspace) -> tuple[str, str]:
    """What a whole dvc.lock is, in words, and its text: hilum's copy, or the last commit's; two empty texts if there is none."""
    copy = _copy_of(workspace)
    if copy.is_file() and not find_lock_fault(text := copy.read_text(errors="replace")):
        return "hilum's own copy of the last whole one", text
    command = ["git", "-C", str(workspace.root), "show", "HEAD:./dvc.lock"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode == 0 and not find_lock_fault(answer.stdout):
        return "that of the last commit", answer.stdout
    return "", ""


def is_conflict(text: str) -> bool:
    """Whether git left two versions in it."""
    return any(line.startswith(CONFLICT) for line in text.splitlines())


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


def _copy_of(workspace: Workspace) -> Path:
    return workspace.cache / "dvc.lock"


def _write_whole(file: Path, content: bytes) -> None:
    """Written beside, flushed, renamed: at no instant is there half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as beside:
        try:
            beside.write(content)
            beside.flush()
            os.fsync(beside.fileno())
            Path(beside.name).replace(file)
        except OSError:
            Path(beside.name).unlink(missing_ok=True)
            raise
