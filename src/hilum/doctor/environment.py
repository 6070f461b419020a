"""The environment: Python, the installed packages against the lock, the programs that DVC calls, variables, git."""

import os
import platform
import shutil
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import hilum
from hilum.doctor.finding import Examined, Project

LOCK = "requirements.lock"
SHOWN = 6  # packages of a list that are named


def examine_environment(project: Project) -> Examined:
    """Python, packages, `python` on the PATH, and variables that a shell may have left."""
    found = Examined([f"Python {platform.python_version()} at {sys.executable}"])
    _examine_python(project, found)
    _examine_packages(project, found)
    _examine_programs(project, found)
    if os.environ.get("MLFLOW_RUN_ID"):
        found.add(
            f"MLFLOW_RUN_ID is set to {os.environ['MLFLOW_RUN_ID']}: runs that start in this shell are nested below it",
            "unset MLFLOW_RUN_ID",
        )
    return found


def _examine_python(project: Project, found: Examined) -> None:
    from packaging.specifiers import SpecifierSet

    with suppress(OSError, KeyError, tomllib.TOMLDecodeError):
        wanted = tomllib.loads((project.workspace.root / "pyproject.toml").read_text())["project"]["requires-python"]
        if platform.python_version() not in SpecifierSet(wanted):
            found.add(
                f"Python must be {wanted}, got {platform.python_version()}",
                "make the environment again with another Python: rm -r .venv && make env PYTHON=python3.11",
            )


def _examine_packages(project: Project, found: Examined) -> None:
    """Every line of the lock that applies here, against what is installed."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    lock, install = project.workspace.root / LOCK, f"uv pip install --python {sys.executable} -r {LOCK}"
    if not lock.is_file():
        found.add(f"there must be a {LOCK} to compare the environment with, got none", f"git checkout {LOCK}")
        return
    installed: dict[str, str] = {}
    for one in metadata.distributions():  # the first of a name is the one that is imported
        installed.setdefault(canonicalize_name(one.name or ""), one.version)
    absent, other, count = [], [], 0
    for line in lock.read_text().splitlines():
        with suppress(InvalidRequirement):
            wanted = Requirement(line.partition("#")[0].strip())
            if wanted.marker is not None and not wanted.marker.evaluate():
                continue
            count += 1
            version = installed.get(canonicalize_name(wanted.name))
            if version is None:
                absent.append(f"{wanted.name}{wanted.specifier}")
            elif version not in wanted.specifier:
                other.append(f"{wanted.name} {version} instead of {str(wanted.specifier).removeprefix('==')}")
    if absent:
        found.add(f"packages of {LOCK} are not installed: {_some(absent)}", install)
    if other:
        found.add(f"packages have other versions than {LOCK}, so that results may differ: {_some(other)}", install)
    if not absent and not other:
        found.facts.append(f"{count} packages as in {LOCK}")


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _examine_programs(project: Project, found: Examined) -> None:
    own, root = Path(sys.executable).parent, project.workspace.root
    called = shutil.which("python")
    if called is None or Path(called).parent.resolve() != own.resolve():
        found.add(
            f"DVC starts stages with the `python` of the PATH, which is {called or 'none'}, not that of {own}",
            f". {own / 'activate'}" if (own / "activate").is_file() else f"export PATH={own}:$PATH",
        )
    code = Path(hilum.__file__).parents[1]
    if (root / "src" / "hilum").is_dir() and code.resolve() != (root / "src").resolve():
        found.add(
            f"this `hilum` runs the code of {code}, but DVC runs that of {root / 'src'}",
            f"uv pip install --python {sys.executable} --no-deps -e {root}",
        )
    if shutil.which("git") is None:
        found.add("experiments need git, and there is no `git` on the PATH", "install git with the system's package manager")
    elif subprocess.run(["git", "-C", str(root), "rev-parse", "-q", "--verify", "HEAD"], capture_output=True).returncode:
        found.add(
            "experiments need a git repository with a commit, and this folder has none",
            "git init && git add -A && git commit -m 'the project'",
        )
