"""The living processes of this machine, read from /proc."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """command: its words, a blank between; folder: where it works; variables: of its environment."""

    pid: int
    parent: int
    command: str
    folder: str
    variables: dict[str, str]

    def is_in(self, folder: Path) -> bool:
        """Whether it works in this folder or below."""
        return bool(self.folder) and Path(self.folder).is_relative_to(folder)


def list_processes() -> list[Process]:
    """Every other process that can be looked at: those of this user, or all for root. Empty where there is no /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) != os.getpid():
            with suppress(OSError, ValueError):
                state, *fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if state not in "ZX":
                    found.append(
                        Process(int(entry.name), int(fields[0]), _words(entry / "cmdline"), _folder(entry), _variables(entry))
                    )
    return found


def runs(command: str, *programs: str) -> bool:
    """Whether a command is one of these programs, called by name, by path or as a module."""
    return bool({Path(word).name for word in command.split()[:4]} & {*programs})


def has_open(file: Path) -> list[int]:
    """The processes that have a file open, as far as they can be looked at."""
    wanted, found = str(file.resolve()), []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(os.readlink(one) == wanted for one in (entry / "fd").iterdir()):  # noqa: PTH115
                found.append(int(entry.name))
    return found


def is_below(process: Process, program: str, processes: Sequence[Process]) -> bool:
    """Whether a process that started this one, directly or through others, runs this program."""
    known, seen = {one.pid: one for one in processes}, set()
    above = known.get(process.parent)
    while above is not None and above.pid not in seen:
        if runs(above.command, program):
            return True
        seen.add(above.pid)
        above = known.get(above.parent)
    return False


def _words(file: Path) -> str:
    return file.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def _folder(entry: Path) -> str:
    with suppress(OSError):
        return str((entry / "cwd").readlink()).removesuffix(" (deleted)")
    return ""


def _variables(entry: Path) -> dict[str, str]:
    with suppress(OSError):
        pairs = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return {}
