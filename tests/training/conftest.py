from pathlib import Path

import pytest
from tiny_task import write_awake_backbone


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone's weights through which the signal of a film reaches the head."""
    return write_awake_backbone(tmp_path_factory.mktemp("weights") / "mobilenet_025.weights.h5")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of activations for all tests, which read the same films."""
    return tmp_path_factory.mktemp("features")
