"""What an examination returns: facts, and findings, each with what mends it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hilum.doctor.processes import Process, list_processes, runs
from hilum.settings.params import Params, read_params
from hilum.workspace import Workspace


def remove(path: Path) -> str:
    """Delete a file or a folder; returns what was done, in words."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return f"{path} is deleted"


@dataclass(frozen=True)
class Finding:
    """what: the rule and the evidence; remedy: the command, or what a person must do; mend: does it without a loss, and returns
    what it did. None where only a person can decide."""

    what: str
    remedy: str
    mend: Callable[[], str] | None = None


@dataclass
class Examined:
    """facts: a few words each, for a person who asks for help; findings: what is wrong."""

    facts: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def add(self, what: str, remedy: str, mend: Callable[[], str] | None = None) -> None:
        self.findings.append(Finding(what, remedy, mend))


@dataclass(frozen=True)
class Project:
    """What all examinations read."""

    workspace: Workspace

    @cached_property
    def params(self) -> Params | None:
        """The settings; None where they cannot be read, which the examination of settings reports."""
        try:
            return read_params(self.workspace.params)
        except (ValueError, OSError):
            return None

    @cached_property
    def processes(self) -> list[Process]:
        """The living processes of this machine that this user may look at; empty without /proc."""
        return list_processes()

    def working(self, *programs: str) -> list[Process]:
        """Living processes in this project's folder that run one of these programs; those that look only are left out."""
        here = [one for one in self.processes if one.is_in(self.workspace.home) and "doctor" not in one.command.split()]
        return [one for one in here if runs(one.command, *programs)]
