"""What every test may ask for: the folder of real films, and a small project with phantom films, split once per session."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from killed_processes import Nursery
from stepping import shrink_arms

from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
FILMS = 60


def pytest_collection_finish() -> None:
    """TensorFlow's threads are set once, before any test starts it; tests without TensorFlow do not import it for that."""
    if "tensorflow" in sys.modules:
        from hilum.training.learning.fit import begin_training

        begin_training(0)


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's top level."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real films beside the project; without it the test skips, unless HILUM_REQUIRE_SHARED=1."""
    folder = ROOT.parent / "shared"
    if (folder / "data").is_dir():
        return folder
    if os.environ.get("HILUM_REQUIRE_SHARED") == "1":
        pytest.fail(f"HILUM_REQUIRE_SHARED=1 but there is no {folder}")
    return pytest.skip("needs the real films of ../shared, which a stranger's clone does not have")


@pytest.fixture(autouse=True)
def same_environment() -> Iterator[None]:
    """What a test, or MLflow in it, writes into the environment ends with the test."""
    with _kept_environment():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
    """What the making of a module's or the session's fixture writes there ends with the making: MLflow names its last store."""
    if fixturedef.scope == "function":
        return (yield)
    with _kept_environment():
        return (yield)


@contextlib.contextmanager
def _kept_environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def make_project() -> Callable[..., Workspace]:
    """A function that writes params.yaml (the repository's with some values replaced) and dvc.yaml into a folder."""

    def make(root: Path, **changes: Any) -> Workspace:
        values = shrink_arms(yaml.safe_load((ROOT / "params.yaml").read_text()))
        values["acquire"]["sources"]["phantom"].update(films=FILMS, size=64)
        values["prepare"]["size"] = 64
        values["split"].update(explain_films=4, tuning_films=3)
        for key, value in changes.items():
            *path, last = key.split("__")
            place = values
            for step in path:
                place = place[step]
            place[last] = value
        root.mkdir(parents=True, exist_ok=True)
        (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        shutil.copy(ROOT / "dvc.yaml", root / "dvc.yaml")
        return Workspace(root.resolve(), root.resolve())

    return make


@pytest.fixture(scope="session")
def split_project(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Workspace:
    """check, acquire, prepare and split have run here; tests read it and change nothing."""
    from hilum.stages import acquire, check, prepare, split

    workspace = make_project(tmp_path_factory.mktemp("phantom"))
    with contextlib.chdir(workspace.root):
        check.run()
        acquire.run(source="phantom")
        prepare.run()
        split.run()
    return workspace


@pytest.fixture
def own_copy(split_project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of that project, and the working folder of the test."""
    shutil.copytree(split_project.root, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return Workspace(tmp_path.resolve() / "project", tmp_path.resolve() / "project")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Starts processes that are killed."""
    found = Nursery(tmp_path_factory.mktemp("nursery") / "log.txt")
    yield found
    found.close()
