"""The exit status of every verb."""

from collections.abc import Mapping
from typing import Any

DONE, REFUSED, MISUSED, FOUND, INTERRUPTED = 0, 1, 2, 3, 130
EXITS = {
    DONE: "done",
    REFUSED: "refused: the message says what is wrong and what to do; a traceback is a fault of hilum itself",
    MISUSED: "wrong command: an unknown verb or option, or one that is missing",
    FOUND: "looked and found something: `doctor` a finding, `verify` a file that differs from dvc.lock",
    INTERRUPTED: "interrupted (Ctrl-C, SIGTERM): what is finished is kept, the same command continues",
}


class FoundError(Exception):
    """A verb that only looks has found something, which it has already printed. found: the same for `--json`."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        super().__init__("found")
        self.found = found
