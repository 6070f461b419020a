"""The commit of the project, and whether its files differ from it."""

import subprocess
from dataclasses import dataclass

from hilum.workspace import Workspace

NORMAL = ("dvc.lock", ".gitignore")  # DVC writes them at every run
OF_A_COPY = "params.yaml"  # in an experiment it holds the overrides, which its run logs


@dataclass(frozen=True)
class Commit:
    """id: hexadecimal, empty where there is no commit. changed: whether a tracked file differs from it."""

    id: str
    changed: bool


def find_commit(workspace: Workspace) -> Commit:
    """The commit that the code in a workspace came from; of tracked files, those that DVC itself writes may differ.

    A copy that `dvc exp run --temp` made is a repository of its own: its commit stays when there is a new commit at home,
    and uncommitted changes at home are changes there too.
    """
    left_out = [*NORMAL, OF_A_COPY] if workspace.root != workspace.home else NORMAL
    paths = [".", *(f":(exclude,glob)**/{name}" for name in left_out)]
    command = ["git", "--no-optional-locks", "-C", str(workspace.root), "status", "--porcelain=v2", "--branch"]
    answer = subprocess.run(
        [*command, "--untracked-files=no", "--", *paths], capture_output=True, text=True, check=False
    )  # an untracked file has no effect unless a tracked one was changed to read it
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    told = next((line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")), "")
    if not told or told == "(initial)":
        return Commit("", changed=False)
    return Commit(told, changed=any(not line.startswith("#") for line in lines))


def describe_commit(commit: Commit) -> str:
    """`0123456789ab`, `0123456789ab with uncommitted changes` or `none`."""
    return f"{commit.id[:12]}{' with uncommitted changes' if commit.changed else ''}" if commit.id else "none"
