"""A disk that fails once, in this process: at the k-th write (after half of its bytes), rename or flush."""

import _io
import builtins
import errno
import io
import os
from typing import Any

import pytest

Opened = Any


class FailingDisk:
    """Counts steps; the one with the number `at` fails as on a full disk. steps: their kinds so far."""

    def __init__(self, at: int, patch: pytest.MonkeyPatch) -> None:
        self.at, self.steps, self._open = at, list[str](), io.open
        for module in (builtins, io, _io):
            patch.setattr(module, "open", self.open)
        for name in ("replace", "rename", "fsync"):
            patch.setattr(os, name, self._counted(name, getattr(os, name)))
        patch.setattr(os, "pwrite", self._pwrite)

    @property
    def failed(self) -> bool:
        return len(self.steps) > self.at

    def step(self, kind: str) -> bool:
        """Count a step; whether it is the one that fails."""
        self.steps.append(kind)
        return len(self.steps) - 1 == self.at

    def open(self, *arguments: Any, **named: Any) -> Opened:
        opened = self._open(*arguments, **named)
        return _Counted(opened, self) if opened.writable() else opened

    def _pwrite(self, descriptor: int, content: bytes, place: int) -> int:
        if self.step("write"):
            os.writev(descriptor, [content[: len(content) // 2]])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.writev(descriptor, [content])

    def _counted(self, kind: str, call: Any) -> Any:
        def counted(*arguments: Any, **named: Any) -> Any:
            if self.step(kind):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*arguments, **named)

        return counted


class _Counted:
    """A file that is open for writing."""

    def __init__(self, opened: Opened, disk: FailingDisk) -> None:
        self._opened, self._disk = opened, disk

    def write(self, content: Any) -> Any:
        if self._disk.step("write"):
            self._opened.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._opened.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    def __enter__(self) -> "_Counted":
        self._opened.__enter__()
        return self

    def __exit__(self, *fault: Any) -> Any:
        return self._opened.__exit__(*fault)

    def __iter__(self) -> Any:
        return iter(self._opened)
