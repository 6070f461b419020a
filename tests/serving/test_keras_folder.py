"""A folder under a Keras model, by this process; workers are in test_folder_workers.py."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_models import SIZE, save_own
from PIL import Image

from hilum.serving.folder_workers import Workers
from hilum.serving.keras_folder import predict_by_keras
from hilum.serving.model_facts import Told
from hilum.workspace import Workspace

ALONE = Workers("serial", 1, 0)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_project(tmp_path / "project").root
    (root / "films").mkdir()
    for number in range(2):
        grey = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        Image.fromarray(grey).save(root / "films" / f"{number}.png")
    save_own(root / "model", "softmax")
    monkeypatch.chdir(root)
    return root


def test_every_film_has_a_row_and_with_methods_a_panel(project: Path) -> None:
    model, films = "model/model.keras", project / "films"
    counts = predict_by_keras(model, films, project / "plain.csv", "", Told(), ALONE)
    assert (counts["films"], counts["predicted"]) == (2, 2) and not (project / "plain_panels").exists()
    predict_by_keras(model, films, project / "drawn.csv", "gradcam", Told(), ALONE)
    assert (project / "drawn.csv").read_bytes() == (project / "plain.csv").read_bytes()
    assert sorted(file.name for file in (project / "drawn_panels").iterdir()) == ["0.png.png", "1.png.png"]


def test_methods_that_do_not_exist_are_refused_by_their_option(project: Path) -> None:
    with pytest.raises(ValueError, match="--methods"):
        predict_by_keras("model/model.keras", project / "films", project / "a.csv", "magic", Told(), ALONE, "--methods")
