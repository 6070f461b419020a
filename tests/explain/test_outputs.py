"""What `explain` draws of its maps: a file for each film, method and class, whatever they are called."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kinds import KINDS
from matplotlib.figure import Figure
from two_squares import SIZE, draw_films

from hilum.data.annotations import no_annotations
from hilum.data.prepared.geometry import fit_square
from hilum.explain import outputs
from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.panels import FilmPrediction, describe_prediction
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.explain.outputs import draw_panels, draw_sheets
from hilum.explain.sheets.registry import SHEETS, SheetFilms
from hilum.models.forward import predictor
from hilum.results import read_table
from hilum.settings.params import read_params
from hilum.stages import explain
from hilum.tracking import kept_parts

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


@pytest.mark.parametrize("how", ["a folder of its name", "a fault in drawing"])
def test_what_cannot_be_drawn_or_written_is_its_film_s_fault_alone(
    shown: SheetFilms, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, make = outputs.draw_panel, Path.mkdir

    def draw(film: Any, found: Any, row: int, answer: FilmPrediction, annotations: Any) -> Figure:
        if answer.film == NAMES[0] and how == "a fault in drawing":
            raise ValueError("no glyph")
        return real(film, found, row, answer, annotations)

    def mkdir(path: Path, **options: Any) -> None:
        make(path, **options)
        if path.name == "panels" and how == "a folder of its name":
            make(path / f"{file_name(NAMES[0])}.png")

    monkeypatch.setattr(outputs, "draw_panel", draw)
    monkeypatch.setattr(Path, "mkdir", mkdir)
    faults = draw_panels(tmp_path, shown.films, shown.found, shown.predictions, shown.annotations)
    assert list(faults) == [NAMES[0]] and str(tmp_path) not in faults[NAMES[0]]
    drawn = {file.stem for file in (tmp_path / "panels").iterdir() if file.is_file()}
    assert drawn == {file_name(name) for name in NAMES[1:]}
    keys = {file.stem for file in (tmp_path / "keys").iterdir()}
    assert keys == {"shap__layer__ill", "shap_layer__layer__ill", "shap__ill", "shap_layer__ill"}, "of the class's next film"


def test_the_stage_tells_of_them_in_its_results(
    shown: SheetFilms, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(figure: Figure) -> bytes:
        raise ValueError("no glyph")

    settings = read_params(root / "params.yaml").explain.model_copy(update={"sheets": []})
    few = replace(shown, predictions=shown.predictions[:2])
    monkeypatch.setattr(outputs, "png_bytes", refuse)
    assert f"could not be drawn: 2, such as {NAMES[0]}: no glyph" in explain.draw_films(tmp_path, few, settings)
    table = read_table(tmp_path / outputs.NOT_DRAWN)
    assert table["image_id"].tolist() == NAMES[:2] and table["fault"].tolist() == ["no glyph"] * 2


def test_pictures_are_kept_with_their_files_unless_there_were_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_parts, "LEAST", 0.0)
    told = [{"a": "disk full"}, {}, {"b": "never"}]

    def draw() -> dict[str, str]:
        (folder / "panels" / "deep").mkdir(parents=True)
        (folder / "panels" / "deep" / "x.png").write_bytes(b"\x89PNG" + bytes(len(told)))
        return told.pop(0)

    seen = []
    for number in range(4):  # the first has a fault, the second has none and is taken by the others
        folder = tmp_path / str(number)
        (folder / "old").mkdir(parents=True)
        (folder / "old" / "y.png").write_bytes(b"old")
        with suppress(KeyboardInterrupt), kept_parts.keep_parts(tmp_path / "parts", "explanations/arm", "key") as parts:
            seen.append(outputs.keep_files(parts.keep, "panels", folder, draw))
            raise KeyboardInterrupt
        assert (folder / "old" / "y.png").read_bytes() == b"old"
    assert seen == [{"a": "disk full"}, {}, {}, {}]
    sizes = [(tmp_path / str(number) / "panels" / "deep" / "x.png").stat().st_size for number in range(4)]
    assert sizes == [4 + 3, 4 + 2, 4 + 2, 4 + 2] and told == [{"b": "never"}]


def test_every_film_has_its_sheets(shown: SheetFilms, root: Path, tmp_path: Path) -> None:
    settings = read_params(root / "params.yaml").explain.model_copy(
        update={"activations": read_params(root / "params.yaml").explain.activations.model_copy(update={"channels": 1})}
    )
    few = replace(shown, found={})
    draw_sheets(tmp_path, few, NAMES, ["activations"], settings, 1)
    assert {file.stem for file in (tmp_path / "sheets").iterdir()} == {f"activations_{file_name(name)}" for name in NAMES}


def test_no_sheet_s_files_can_be_taken_for_another_s() -> None:
    assert not [(one, other) for one in SHEETS for other in SHEETS if other.startswith(f"{one}_")]
