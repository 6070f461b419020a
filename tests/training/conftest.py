import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from architecture import PACKAGE
from tiny_task import write_awake_backbone

from hilum import code_version


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone's weights through which the signal of a film reaches the head."""
    return write_awake_backbone(tmp_path_factory.mktemp("weights") / "mobilenet_025.weights.h5")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of activations for all tests, which read the same films."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def edit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """A function that lets caches see the package with a line more in the file of that name, and in no other."""
    folder = tmp_path / "edited" / "hilum"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    edited: list[str] = []

    def edit(name: str) -> None:
        for other in edited:
            shutil.copy(PACKAGE / other, folder / other)
        edited[:] = [name]
        (folder / name).write_bytes((PACKAGE / name).read_bytes() + b"# a line more\n")
        code_version.code_version.cache_clear()

    with monkeypatch.context() as patch:
        patch.setattr(code_version, "PACKAGE", folder)
        yield edit
    code_version.code_version.cache_clear()
