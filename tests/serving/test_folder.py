"""predict: a row per file, paired by name, continued where it was cut off."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from dicom_forms import describe, write
from PIL import Image

from hilum.data.burned_in.glyphs import letter_shape
from hilum.explain.explained_model import Subject
from hilum.models.classifier import save_classifier
from hilum.results import write_json
from hilum.serving.folder import predict_folder
from hilum.settings.params import Params, read_params
from hilum.stages import predict
from hilum.workspace import Workspace

SIZE = 32
CLASSES = ["dark", "bright"]
DESCRIBED = {"classes": CLASSES, "size": SIZE, "square": "pad", "markers": "keep", "threshold": 0.5, "model_sha256": "m" * 64}
GREYS = {"a.png": 20, "b/c.JPG": 200, "b/d.Jpeg": 30, "e.PNG": 240, "f.jpg": 128}


class Reader:
    """A model whose p(bright) is the mean grey level over 255; it counts the films that it is shown."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        bright = images.mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - bright, bright], axis=1).astype(np.float64)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    for name, grey in GREYS.items():
        path = tmp_path / "films" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((SIZE, SIZE), grey, np.uint8)).save(path)
    return tmp_path / "films"


@pytest.fixture
def params(tmp_path: Path, make_project: Callable[..., Workspace]) -> Params:
    return read_params(make_project(tmp_path / "project").params)


@pytest.fixture
def answer(films: Path, tmp_path: Path, params: Params) -> Callable[..., int]:
    """Predict the folder of films into out.csv; returns how many films the model was shown."""

    def call(described: dict[str, Any] = DESCRIBED, out: Path = tmp_path / "new" / "out.csv") -> int:
        reader = Reader()
        predict_folder(Subject(reader, None, np.zeros((1, SIZE, SIZE, 1), np.float32)), described, films, out, {}, params)
        return reader.seen

    return call


def rows(file: Path) -> dict[str, dict[str, str]]:
    with file.open(newline="") as text:
        table = list(csv.DictReader(text))
    assert len({row["file"] for row in table}) == len(table), "one row per file"
    return {row["file"]: row for row in table}


def test_every_film_has_its_own_answer_whatever_the_case_of_its_ending(answer: Callable[..., int], tmp_path: Path) -> None:
    assert answer() == len(GREYS)  # defect 17
    table = rows(tmp_path / "new" / "out.csv")
    assert set(table) == set(GREYS)
    for name, grey in GREYS.items():
        assert float(table[name]["p_bright"]) == pytest.approx(grey / 255, abs=0.01), name
        assert table[name]["predicted"] == CLASSES[grey > 127]
        assert table[name]["error"] == ""
        assert table[name]["model_sha256"] == "m" * 64


def test_dicom_films_are_answered_whatever_their_name(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    for name, grey in (("g.dcm", 50), ("h", 180), ("i.DICOM", 220)):
        (films / name).write_bytes(write(describe(np.full((SIZE, SIZE), grey * 4096 // 256, np.uint16), 12, **window)))
    (films / "notes").write_text("no film, no ending")
    (films / "broken.dcm").write_text("no film")
    assert answer() == len(GREYS) + 3
    table = rows(tmp_path / "new" / "out.csv")
    assert set(table) == {*GREYS, "g.dcm", "h", "i.DICOM", "broken.dcm"}
    assert float(table["h"]["p_bright"]) == pytest.approx(180 / 255, abs=0.01)
    assert "DICOM" in table["broken.dcm"]["error"]


def test_a_bad_file_is_a_row_with_its_error_and_shifts_no_other(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    (films / "b" / "bad, film.png").write_text("no picture")
    (films / "aa.jpg").write_bytes((films / "f.jpg").read_bytes()[:200])
    assert answer() == len(GREYS)
    table = rows(tmp_path / "new" / "out.csv")
    for name in ("b/bad, film.png", "aa.jpg"):
        assert table[name]["error"] != ""
        assert table[name]["predicted"] == table[name]["p_dark"] == table[name]["p_bright"] == ""
    for name, grey in GREYS.items():
        assert float(table[name]["p_bright"]) == pytest.approx(grey / 255, abs=0.01), name


def test_a_folder_of_bad_files_only_is_answered_too(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    for name in GREYS:
        (films / name).write_text("no picture")
    assert answer() == 0
    assert all(row["error"] for row in rows(tmp_path / "new" / "out.csv").values())


@pytest.mark.parametrize("cut", [3, 60, 150, -1, -40])
def test_an_interrupted_table_is_continued_without_a_repeated_or_a_lost_row(
    answer: Callable[..., int], tmp_path: Path, cut: int
) -> None:
    out = tmp_path / "new" / "out.csv"
    answer()
    whole = out.read_bytes()
    out.write_bytes(whole[:cut])
    finished = max(whole[:cut].count(b"\n") - 1, 0)
    assert answer() == len(GREYS) - finished
    assert out.read_bytes() == whole
    assert answer() == 0
    assert out.read_bytes() == whole


def test_a_film_that_came_later_is_added(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    answer()
    Image.fromarray(np.full((SIZE, SIZE), 90, np.uint8)).save(films / "0.png")
    assert answer() == 1
    assert list(rows(tmp_path / "new" / "out.csv"))[-1] == "0.png"


def test_the_table_of_another_model_is_refused(answer: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.csv"
    answer()
    before = out.read_bytes()
    with pytest.raises(ValueError, match=r"holds answers of another model \(mmmmmmmmmmmm\); name another file"):
        answer({**DESCRIBED, "model_sha256": "n" * 64})
    with pytest.raises(ValueError, match=r"must have the columns file, predicted, p_no, p_yes, .*, got file, predicted, p_dark"):
        answer({**DESCRIBED, "classes": ["no", "yes"]})
    assert out.read_bytes() == before


def test_the_threshold_is_the_models_own(answer: Callable[..., int], tmp_path: Path) -> None:  # defect 14
    answer({**DESCRIBED, "threshold": 0.9})
    predicted = {name: row["predicted"] for name, row in rows(tmp_path / "new" / "out.csv").items()}
    assert [name for name, verdict in predicted.items() if verdict == "bright"] == ["e.PNG"]


def write_model(folder: Path) -> Path:
    """A real model file with what stands beside it: p(bright) rises with the mean grey level, one half at 127.5."""
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(grey)
    pool = keras.layers.GlobalAveragePooling2D(name="pool")(scaled)
    logits = keras.layers.Dense(2, name="logits")(pool)
    model = keras.Model(grey, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name="reader")
    model.get_layer("logits").set_weights([np.array([[-1.0, 1.0]], np.float32), np.zeros(2, np.float32)])
    folder.mkdir()
    save_classifier(model, folder / "model.keras")
    write_json(folder / "model.json", DESCRIBED)
    np.savez(folder / "mean_films.npz", films=np.zeros((2, SIZE, SIZE, 1), np.float32), classes=np.array(CLASSES))
    return folder / "model.keras"


def test_a_model_file_answers_a_folder(films: Path, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path / "training")
    monkeypatch.chdir(tmp_path / "project")
    predict.run(model=str(model), images=films, out=tmp_path / "out.csv", explain="")
    table = rows(tmp_path / "out.csv")
    for name, grey in GREYS.items():
        score = 2 * (grey / 127.5 - 1)  # difference of the two logits
        assert float(table[name]["p_bright"]) == pytest.approx(1 / (1 + np.exp(-score)), abs=0.01), name


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"explain": "lime,salience"}, "--explain takes all or names out of gradcam, .*rise, got salience"),
        ({"images": Path("nowhere")}, "--images must be a folder of films, got nowhere"),
        ({"model": "nowhere/model.keras"}, r"model\.json must be there"),
    ],
)
def test_a_wrong_option_is_refused(
    films: Path, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(ValueError, match=told):
        predict.run(**{"model": "m.keras", "images": films, "out": tmp_path / "out.csv", "explain": "", **changes})
    assert not (tmp_path / "out.csv").exists()


def test_a_model_without_its_mean_films_is_refused(
    films: Path, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "training")
    (tmp_path / "training" / "mean_films.npz").unlink()
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(ValueError, match=r"--model must have mean_films\.npz beside it"):
        predict.run(model=str(model), images=films, out=tmp_path / "out.csv", explain="lime,shap")


def test_a_folder_without_films_is_refused(tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    model = write_model(tmp_path / "training")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    with pytest.raises(ValueError, match="films"):
        predict.run(model=str(model), images=tmp_path / "empty", out=tmp_path / "out.csv", explain="")
    assert not (tmp_path / "out.csv").exists()


def test_a_model_of_films_without_letters_sees_none(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    marked = np.full((96, 96), 20, np.uint8)
    marked[6:13, 8:13][letter_shape("R", 96)] = 240
    Image.fromarray(marked).save(films / "a.png")
    seen = {}
    for mode in ("keep", "inpaint"):
        answer({**DESCRIBED, "markers": mode}, out=tmp_path / f"{mode}.csv")
        seen[mode] = 255 * float(rows(tmp_path / f"{mode}.csv")["a.png"]["p_bright"])
    assert seen["keep"] == pytest.approx(marked.mean(), abs=0.05)
    assert seen["inpaint"] == pytest.approx(20, abs=0.05)
    old = {name: value for name, value in DESCRIBED.items() if name != "markers"}  # a model from before there was a choice
    answer(old, out=tmp_path / "old.csv")
    assert 255 * float(rows(tmp_path / "old.csv")["a.png"]["p_bright"]) == pytest.approx(marked.mean(), abs=0.05)
