"""What `explain` draws of its maps: a file for each film, method and class, whatever they are called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from kinds import KINDS
from two_squares import SIZE, draw_films

from hilum.data.annotations import no_annotations
from hilum.data.prepared.geometry import fit_square
from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.panels import describe_prediction
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.explain.outputs import draw_panels, draw_sheets
from hilum.explain.sheets.registry import SHEETS, SheetFilms
from hilum.models.forward import predictor
from hilum.settings.params import read_params

NAMES = ["s/a/b", "s/a_b", "s/a__b", "s/a\nb", "s/" + 300 * "x", "s/" + 300 * "x" + "y", "s/\udcff"]
CLASSES = ["layer/ill", "ill"]


@pytest.fixture(scope="module")
def shown() -> SheetFilms:
    """Films of unlike names, with a map each by two methods of which one's name begins with the other's."""
    model = KINDS["hilum's own"]()
    explained, films = ExplainedModel(predictor(model), model, None), draw_films(len(NAMES), seed=1)
    sure = np.tile([0.3, 0.7], (len(NAMES), 1))
    answers = [describe_prediction(name, CLASSES, sure[0], 1, 1, None, CLASSES[i % 2]) for i, name in enumerate(NAMES)]
    annotations, targets = [no_annotations(fit_square(SIZE, SIZE, SIZE, "pad"))] * len(NAMES), np.ones(len(NAMES), np.int64)
    saliency = METHODS["saliency"].explain(explained, films, targets, {}, 1, lambda done, total: None)
    found = {"shap": saliency, "shap_layer": saliency}
    return SheetFilms(explained, films[..., 0].astype(np.uint8), films, targets, sure, CLASSES, answers, annotations, found)


def test_every_film_has_a_panel_and_every_class_and_method_a_key(shown: SheetFilms, tmp_path: Path) -> None:
    draw_panels(tmp_path, shown.films, shown.found, shown.predictions, shown.annotations)
    assert {file.stem for file in (tmp_path / "panels").iterdir()} == {file_name(name) for name in NAMES}
    keys = {file.stem for file in (tmp_path / "keys").iterdir()}
    assert keys == {"shap__layer__ill", "shap_layer__layer__ill", "shap__ill", "shap_layer__ill"}


def test_every_film_has_its_sheets(shown: SheetFilms, root: Path, tmp_path: Path) -> None:
    settings = read_params(root / "params.yaml").explain.model_copy(
        update={"activations": read_params(root / "params.yaml").explain.activations.model_copy(update={"channels": 1})}
    )
    few = replace(shown, found={})
    draw_sheets(tmp_path, few, NAMES, ["activations"], settings, 1)
    assert {file.stem for file in (tmp_path / "sheets").iterdir()} == {f"activations_{file_name(name)}" for name in NAMES}


def test_no_sheet_s_files_can_be_taken_for_another_s() -> None:
    assert not [(one, other) for one in SHEETS for other in SHEETS if other.startswith(f"{one}_")]
