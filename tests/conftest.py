"""What every test may ask for."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
