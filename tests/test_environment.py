"""One environment told in files that agree; what git keeps is code and text, of no machine in particular."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hilum.models.backbones import BACKBONES
from hilum.packages import PARTS

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 1_000_000  # bytes
BINARIES = {".keras", ".h5", ".hdf5", ".npz", ".npy", ".db", ".sqlite", ".pkl", ".pickle", ".joblib", ".pt", ".onnx", ".tflite"}
OWNED_BY_DVC = ("data/", "results/", "mlruns/", ".hilum/", ".venv/")


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    """The files that git keeps."""
    answer = git("ls-files", "-z")
    if answer.returncode:
        pytest.skip("needs a git repository; this is an unpacked archive")
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts(tracked: list[Path]) -> dict[str, str]:
    found = {}
    for path in tracked:
        try:
            found[path.relative_to(ROOT).as_posix()] = path.read_text()
        except UnicodeDecodeError:
            continue
    return found


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
OF_EXTRAS = [line for lines in EXTRAS.values() for line in lines]
TESTED_WITH = ("mypy", "playwright", "pytest", "ruff")


def lock(name: str = "requirements.lock") -> list[str]:
    return (ROOT / name).read_text().splitlines()


def versions(lines: list[str]) -> dict[str, set[str]]:
    """Package -> its pins with their markers: several where they depend on the Python or the system."""
    found: dict[str, set[str]] = {}
    for line in lines:
        wanted = Requirement(line)
        found.setdefault(canonicalize_name(wanted.name), set()).add(f"{wanted.specifier} ; {wanted.marker}")
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_line_of_a_lock_is_one_pinned_version(name: str) -> None:
    assert len(lock(name)) > 100
    for line in lock(name):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.+]*( ; .+)?", line), line


def test_conda_installs_the_lock_of_users_line_by_line() -> None:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text())
    python, pip, wheels = environment["dependencies"]
    assert wheels == {"pip": lock()}
    assert pip == "pip"
    wanted = PROJECT["project"]["requires-python"]
    assert python.removeprefix("python=") == wanted.removeprefix(">=").split(",")[0]


def test_mlflow_makes_of_conda_yaml_an_environment_without_conda_too() -> None:
    """`mlflow run --env-manager uv` takes the Python and the wheels of conda.yaml."""
    from mlflow.projects._project_spec import load_project
    from mlflow.utils.environment import _PythonEnv

    made = _PythonEnv.from_conda_yaml(load_project(str(ROOT)).env_config_path)
    assert (made.python, made.build_dependencies, made.dependencies) == ("3.11", ["pip"], lock())


def test_the_readme_names_the_mlflow_that_its_environments_hold() -> None:
    """One store is read by the MLflow that a person types and by that of the environment; another version may refuse it."""
    named = re.findall(r"mlflow==([\d.]+)", (ROOT / "README.md").read_text())
    assert named and {f"=={version} ; None" for version in named} == versions(lock())["mlflow"]


def test_the_lock_of_developers_holds_that_of_users_and_what_tests_and_extras_need() -> None:
    users, developers = versions(lock()), versions(lock("requirements-dev.lock"))
    assert {name: developers.get(name) for name in users} == users
    assert not set(TESTED_WITH) & set(users)
    assert set(TESTED_WITH) <= set(developers)
    assert {canonicalize_name(Requirement(line).name) for line in OF_EXTRAS} <= set(developers)


def test_what_pyproject_pins_stands_in_the_lock() -> None:
    direct = PROJECT["project"]["dependencies"]
    assert len(direct) > 20
    tools = [line for line in PROJECT["dependency-groups"]["dev"] if "==" in line]
    for lines, locked in (
        (direct, versions(lock())),
        ([*tools, *OF_EXTRAS], versions(lock("requirements-dev.lock"))),
    ):
        for line in lines:
            wanted = Requirement(line)
            pins = {pin.partition(" ; ")[0] for pin in locked[canonicalize_name(wanted.name)]}
            assert pins == {str(wanted.specifier)}, line


def test_a_missing_driver_is_told_with_an_extra_that_brings_it() -> None:
    told = {extra: package for package, _, extra in PARTS.values() if extra}
    for extra, package in told.items():
        names = [line.partition("==")[0] for line in EXTRAS[extra]]
        assert package in names, extra


def test_the_packages_of_weights_that_the_registry_names_are_the_extra_of_that_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = [row.imagenet for row in BACKBONES.values() if row.imagenet is not None]
    assert project["optional-dependencies"]["imagenet"] == [f"{one.package}=={one.version}" for one in packages]


def test_every_direct_dependency_is_pinned() -> None:
    for line in [*PROJECT["project"]["dependencies"], *OF_EXTRAS]:
        assert re.fullmatch(r"[\w-]+(\[\w+\])?==[\w.]+", line), line


def test_no_committed_file_names_a_place_on_a_machine(tracked: list[Path]) -> None:
    place = re.compile(r"(?<![\w.~$}/-])/((root|work|workspace)/[\w.]|(home|Users|mnt)/[\w.-]+/)|\b[A-Z]:\\\\?Users")
    found = [
        f"{name}: {line.strip()[:100]}"
        for name, text in texts(tracked).items()
        for line in text.splitlines()
        if place.search(line)
    ]
    assert found == []


def test_no_committed_file_names_a_registry(tracked: list[Path]) -> None:
    host = re.compile(r"(extra-)?index-url|find-links|pythonhosted|artifactory|\bnexus\b|pypi\.org|/simple\b", re.IGNORECASE)
    own = Path(__file__).relative_to(ROOT).as_posix()
    found = [
        f"{name}: {line.strip()[:100]}"
        for name, text in texts(tracked).items()
        for line in text.splitlines()
        if name != own and host.search(line)
    ]
    assert found == []


def test_nothing_large_or_made_by_a_run_is_committed(tracked: list[Path]) -> None:  # defect 25
    names = [path.relative_to(ROOT).as_posix() for path in tracked]
    assert [name for name, path in zip(names, tracked, strict=True) if path.stat().st_size > LARGEST] == []
    assert [name for name in names if Path(name).suffix.lower() in BINARIES] == []
    assert [name for name in names if name.startswith(OWNED_BY_DVC) or name in ("mlflow.db", "params.lock")] == []


def test_pictures_are_committed_for_the_readme_only(tracked: list[Path]) -> None:
    names = [path.relative_to(ROOT).as_posix() for path in tracked]
    pictures = [name for name in names if Path(name).suffix.lower() in {".png", ".jpg", ".jpeg", ".gif", ".dcm"}]
    assert [name for name in pictures if not name.startswith("docs/")] == []


@pytest.mark.parametrize(
    "path",
    [
        "data/raw/phantom/films/a.png",
        "data/facts.json",
        "results/arms/baseline/training/model.keras",
        "mlruns/hilum/x",
        "mlflow.db",
        "mlflow.db-journal",
        ".hilum/studies.db",
        ".venv/bin/python",
        "src/hilum/__pycache__/cli.pyc",
        ".dvc/cache/files/x",
        ".dvc/tmp/exps/x",
    ],
)
def test_what_a_run_leaves_is_ignored_by_git(path: str, tracked: list[Path]) -> None:
    assert git("check-ignore", "-q", "--no-index", path).returncode == 0


@pytest.mark.parametrize(
    "path", ["dvc.lock", "dvc.yaml", "params.yaml", ".dvc/config", "recipes/pediatric.yaml", "src/hilum/data/phantom.py"]
)
def test_what_makes_a_run_is_not_ignored(path: str, tracked: list[Path]) -> None:
    assert git("check-ignore", "-q", "--no-index", path).returncode == 1


def test_compiled_files_are_no_dependency_of_a_stage() -> None:
    assert "__pycache__" in (ROOT / ".dvcignore").read_text().splitlines()


def test_the_tests_that_ci_runs_are_there() -> None:  # defect 25
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert all((ROOT / folder).is_dir() for folder in project["tool"]["pytest"]["ini_options"]["testpaths"])
