"""The commit of the project, and whether its files are as that commit has them."""

import subprocess
from dataclasses import dataclass

from hilum.workspace import Workspace

NORMAL = ("dvc.lock", ".gitignore")  # DVC writes them at every run
OF_A_COPY = "params.yaml"  # there it holds what the experiment overrides, which its run logs


@dataclass(frozen=True)
class Commit:
    """id: hexadecimal, empty where there is no commit. changed: whether a tracked file differs from it."""

    id: str
    changed: bool


def find_commit(workspace: Workspace) -> Commit:
    """The commit that the code in a workspace came from; of tracked files, those that DVC itself writes may differ.

    A copy that `dvc exp run --temp` made is a repository of its own: its commit stays when somebody commits at home meanwhile,
    and changes that were not committed at home are changes there too.
    """
    left_out = [*NORMAL, OF_A_COPY] if workspace.root != workspace.home else NORMAL
    paths = [".", *(f":(exclude,glob)**/{name}" for name in left_out)]
    command = ["git", "--no-optional-locks", "-C", str(workspace.root), "status", "--porcelain=v2", "--branch"]
    answer = subprocess.run(
        [*command, "--untracked-files=no", "--", *paths], capture_output=True, text=True, check=False
    )  # a file that git does not know decides nothing unless one that it knows was changed to read it
    lines = answer.stdout.splitlines() if answer.returncode == 0 else []
    told = next((line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")), "")
    if not told or told == "(initial)":
        return Commit("", changed=False)
    return Commit(told, changed=any(not line.startswith("#") for line in lines))


def describe_commit(commit: Commit) -> str:
    """`0123456789ab`, `0123456789ab with uncommitted changes` or `none`."""
    return f"{commit.id[:12]}{' with uncommitted changes' if commit.changed else ''}" if commit.id else "none"
