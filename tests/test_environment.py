"""One environment told in three files that agree; what git keeps is code and text, of no machine in particular."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from hilum.models.backbones import BACKBONES

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


def lock() -> list[str]:
    return (ROOT / "requirements.lock").read_text().splitlines()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_line_of_the_lock_is_one_pinned_version() -> None:
    for line in lock():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.+]*( ; .+)?", line), line


def test_conda_installs_the_lock_line_by_line() -> None:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text())
    python, pip, wheels = environment["dependencies"]
    assert wheels == {"pip": lock()}
    assert pip == "pip"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert python.removeprefix("python=") == wanted.removeprefix(">=").split(",")[0]


def test_what_pyproject_pins_stands_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [line for lines in project["project"]["optional-dependencies"].values() for line in lines]
    pinned = [
        line for line in [*project["project"]["dependencies"], *extras, *project["dependency-groups"]["dev"]] if "==" in line
    ]
    assert len(pinned) > 20
    locked = {normal(line.partition("==")[0]): line.partition("==")[2].split(" ")[0] for line in lock()}
    for line in pinned:
        name, _, version = line.partition("==")
        assert locked[normal(name)] == version, line


def test_the_packages_of_weights_that_the_registry_names_are_the_extra_of_that_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = [row.imagenet for row in BACKBONES.values() if row.imagenet is not None]
    assert project["optional-dependencies"]["imagenet"] == [f"{one.package}=={one.version}" for one in packages]


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]:
        assert re.fullmatch(r"[\w-]+==[\w.]+", line), line


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
