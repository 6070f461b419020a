"""The project's git clone: whether MLflow fetched it for one run only, and whether its history is shallow."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from hilum.addresses import mask
from hilum.progress import say

TEMPORARY = re.compile(r"tmp[a-z0-9_]{8}")  # a folder of `tempfile.mkdtemp`, into which MLflow fetches


def is_fetched(root: Path) -> bool:
    """Whether MLflow fetched this project from a git address or an archive for one run, into a temporary folder.

    `mlflow run <address>` uses the store of the folder where it was typed, so that runs and their artifacts are there.
    """
    store, temporary = os.environ.get("MLFLOW_TRACKING_URI", ""), Path(tempfile.gettempdir()).resolve()
    if not store or not root.resolve().is_relative_to(temporary):
        return False
    parts = root.resolve().relative_to(temporary).parts
    return bool(parts) and TEMPORARY.fullmatch(parts[0]) is not None and f"{root}/" not in store


def fetched_from(root: Path) -> tuple[str, str]:
    """The address that MLflow fetched this project from, without its password, and the commit; empty if it is no git clone."""
    return mask(_git(root, "config", "--get", "remote.origin.url").stdout.strip()), _git(root, "rev-parse", "HEAD").stdout.strip()


def check_full_path(root: Path, option: str, path: str) -> None:
    """Refuse a relative path where the project is a copy for one run: the user means the folder where the command was typed.

    Raises:
        ValueError: it is one.
    """
    if is_fetched(root) and not Path(path).expanduser().is_absolute():
        raise ValueError(
            f"{option} must be a full path where MLflow fetches the project for one run, got {path}, which would be a place in "
            f"{root}; write $PWD/{path}"
        )


def check_store_place(root: Path) -> None:
    """Refuse a store by a relative path where the project is a copy for one run: its stages would write into that copy.

    Raises:
        ValueError: it is one.
    """
    store = os.environ.get("MLFLOW_TRACKING_URI", "")
    if is_fetched(root) and re.match(r"sqlite:///[^/]", store):
        raise ValueError(
            f"MLFLOW_TRACKING_URI must hold a full path where MLflow fetches the project for one run, got {store}, which would "
            f"be a file in {root}; write sqlite:///$PWD/{store.removeprefix('sqlite:///')}, or unset it: then the store is "
            "mlflow.db where the command is typed"
        )


def complete_history(root: Path) -> None:
    """Fetch the rest of a shallow history (`git clone --depth 1`, MLflow): DVC loses experiments there.

    Raises:
        ValueError: the rest cannot be fetched.
    """
    if not _is_cut_off(root):
        return
    say("this clone has only a part of the project's history, and DVC loses experiments there: fetching the rest")
    prediction = _git(root, "fetch", "--quiet", "--unshallow")
    if prediction.returncode or _is_cut_off(root):
        reason = mask(prediction.stderr.strip()) or "the history is still shallow"
        raise ValueError(
            f"an override needs the project's whole history, and `git fetch --unshallow` in {root} ended with: {reason}; make "
            "the clone's address answer, or change params.yaml itself and run `dvc repro`"
        )


def _is_cut_off(root: Path) -> bool:
    return _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
