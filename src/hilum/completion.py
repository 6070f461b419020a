"""Completion of verbs, options and paths in a shell, by shtab."""

import argparse
from collections.abc import Sequence
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")
FILES = ("image", "model", "out")  # options that take a file; `images` takes a folder


class PrintCompletion(argparse.Action):
    """Print a shell's completion script for the parser, and end."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option: Any = None,
    ) -> None:
        print(completion_script(parser, str(values)))
        parser.exit(0)


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that a shell reads to complete the words of a command. shell: one of SHELLS."""
    import shtab  # only here: no verb waits for it

    for verbs in (action for action in parser._actions if isinstance(action, argparse._SubParsersAction)):
        for verb in verbs.choices.values():
            for action in verb._actions:
                if action.dest in FILES:
                    action.complete = shtab.FILE
                elif action.dest == "images":
                    action.complete = shtab.DIRECTORY
    return str(shtab.complete(parser, shell=shell))
