"""predict: a row per file, paired by name, continued where it was cut off, and a panel of each answer."""

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from dicom_forms import describe, write
from PIL import Image
from sixteen_bits import png16
from written_films import Writing, write_on

from hilum.data.burned_in import second_look
from hilum.data.burned_in.found import BurnedIn
from hilum.data.burned_in.glyphs import letter_shape
from hilum.data.burned_in.search import find_burned_in
from hilum.data.burned_in.second_look import LOOKS
from hilum.explain.drawing.panels import draw_panel
from hilum.explain.explained_model import ExplainedModel
from hilum.models.classifier import save_classifier
from hilum.models.forward import predictor
from hilum.results import write_json
from hilum.serving import folder_panels
from hilum.serving.folder import drop_partial, panels_beside, predict_folder
from hilum.serving.folder_panels import Panels
from hilum.settings.params import Params, read_params
from hilum.stages import predict
from hilum.workspace import Workspace

SIZE = 32
CLASSES = ["dark", "bright"]
DESCRIBED = {"classes": CLASSES, "size": SIZE, "square": "pad", "burned_in": "keep", "threshold": 0.5, "model_sha256": "m" * 64}
GREYS = {"a.png": 20, "b/c.JPG": 200, "b/d.Jpeg": 30, "e.PNG": 240, "f.jpg": 128}


class Reader:
    """A model whose p(bright) is the mean grey level over 255, no number above `brightest`; it counts the films it is shown."""

    def __init__(self, brightest: float = 255, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.seen, self.brightest, self.meanwhile = 0, brightest, meanwhile

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        self.meanwhile()
        grey = images.mean(axis=(1, 2, 3))
        bright = np.where(grey > self.brightest, np.nan, grey / 255)
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


def predict_drawn(
    reader: ExplainedModel, described: dict[str, Any], films: Path, out: Path, methods: dict[str, str], params: Params
) -> None:
    panels = Panels(panels_beside(out), reader, described, methods, params.explain, params.explain.seed) if methods else None
    predict_folder(reader.predict, described, films, out, panels)


@pytest.fixture
def answer(films: Path, tmp_path: Path) -> Callable[..., int]:
    """Predict the folder of films into out.csv; returns how many films the model was shown."""

    def call(described: dict[str, Any] = DESCRIBED, out: Path = tmp_path / "new" / "out.csv", **reading: Any) -> int:
        reader = Reader(**reading)
        predict_folder(reader, described, films, out)
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


def test_factors_of_the_model_decide_and_leave_its_probabilities_as_they_are(answer: Callable[..., int], tmp_path: Path) -> None:
    weighed = {**DESCRIBED, "threshold": None, "decision_factors": {"bright": 9.0, "dark": 1.0}}
    answer(weighed)
    answer({**weighed, "decision_factors": {"bright": 1.0, "dark": 1.0}}, out=tmp_path / "even.csv")
    answer({**DESCRIBED, "threshold": None}, out=tmp_path / "none.csv")
    table, even = rows(tmp_path / "new" / "out.csv"), rows(tmp_path / "even.csv")
    for name, grey in GREYS.items():
        assert table[name]["predicted"] == CLASSES[9 * grey > 255 - grey], name
        assert even[name]["p_bright"] == table[name]["p_bright"]
    assert even["b/d.Jpeg"]["predicted"] == "dark" != table["b/d.Jpeg"]["predicted"]
    assert (tmp_path / "even.csv").read_bytes() == (tmp_path / "none.csv").read_bytes(), "as a model without factors is served"


def test_dicom_films_are_answered_whatever_their_name(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    for name, grey in (("g.dcm", 50), ("h", 180), ("i.DICOM", 220)):
        (films / name).write_bytes(write(describe(np.full((SIZE, SIZE), grey * 4096 // 256, np.uint16), 12, **window)))
    (films / "notes").write_text("no film, no ending")
    (films / "broken.dcm").write_text("no film")
    assert answer() == len(GREYS) + 3
    table = rows(tmp_path / "new" / "out.csv")
    assert set(table) == {*GREYS, "g.dcm", "h", "i.DICOM", "broken.dcm", "notes"}
    assert "got text" in table["notes"]["error"]
    assert float(table["h"]["p_bright"]) == pytest.approx(180 / 255, abs=0.01)
    assert "DICOM" in table["broken.dcm"]["error"]


def test_links_and_pipes_are_rows_with_a_reason(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Image.fromarray(np.full((SIZE, SIZE), 90, np.uint8)).save(tmp_path / "elsewhere" / "x.png")
    (films / "good.png").symlink_to(films / "a.png")
    (films / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (films / "more").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(films / "pipe.png")  # opening it would wait for ever
    assert answer() == len(GREYS) + 1
    table = rows(tmp_path / "new" / "out.csv")
    assert set(table) == {*GREYS, "good.png", "gone.png", "more", "pipe.png"}
    assert "got a link that leads to nothing" in table["gone.png"]["error"]
    assert "got a link to a folder" in table["more"]["error"]
    assert "got a pipe, socket or device" in table["pipe.png"]["error"]


def test_an_odd_dicom_is_answered_and_the_call_says_what_is_odd(
    answer: Callable[..., int], films: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plain = describe(np.full((SIZE, SIZE), 2000, np.uint16), 12, WindowCenter=2048, WindowWidth=4096)
    odd = describe(np.full((SIZE, SIZE), 2000, np.uint16), 12, WindowCenter=2048, WindowWidth=4096)
    odd.PixelData += bytes(512)
    (films / "plain.dcm").write_bytes(write(plain))
    (films / "odd.dcm").write_bytes(write(odd))
    answer()
    table = rows(tmp_path / "new" / "out.csv")
    assert table["odd.dcm"]["p_bright"] == table["plain.dcm"]["p_bright"] != ""
    assert table["odd.dcm"]["error"] == ""
    told = capfd.readouterr()
    line = "unusual files, read anyway: 1, such as odd.dcm (512 bytes behind the 2,048 of the pixels: they are left out)"
    assert line in told.out + told.err


@pytest.mark.parametrize(
    ("name", "kind"),
    [("b.tif", "TIFF"), ("c.bmp", "BMP"), ("d.webp", "WEBP"), ("f.jfif", "JPEG"), ("g.jpe", "JPEG"), ("h.pgm", "PPM"),
     ("noending", "PNG"), ("x.jpg ", "JPEG"), ("x.JPEG_", "JPEG")],
)  # fmt: skip
def test_a_film_of_any_form_and_name_is_answered(
    answer: Callable[..., int], films: Path, tmp_path: Path, name: str, kind: str
) -> None:
    Image.fromarray(np.full((SIZE, SIZE), 90, np.uint8)).save(films / name, kind)
    answer()
    row = rows(tmp_path / "new" / "out.csv")[name]
    assert float(row["p_bright"]) == pytest.approx(90 / 255, abs=0.01)
    assert row["error"] == ""


def test_every_file_has_a_row_or_is_told(
    answer: Callable[..., int], films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(films / "x.gif")
    for name in ("._a.png", "Thumbs.db", "desktop.ini", "b/.DS_Store", "labels.csv", "empty", "notes.txt"):
        (films / name).write_text("" if name == "empty" else "what is no film")
    (films / "masks").mkdir()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(films / "masks" / "a.png")
    assert answer() == len(GREYS)
    table = rows(tmp_path / "new" / "out.csv")
    assert set(table) == {*GREYS, "x.gif", "empty", "notes.txt"}
    assert [table[name]["error"].split(", got ")[1] for name in ("x.gif", "empty", "notes.txt")] == [
        "GIF; convert it", "an empty file", "text; convert it"
    ]  # fmt: skip
    told = capsys.readouterr().out
    assert "not films, left out: 4 files of the system, such as ._a.png, Thumbs.db, b/.DS_Store" in told
    assert "1 tables, such as labels.csv" in told and "1 masks, such as masks/a.png" in told


def test_a_film_outside_the_depths_of_the_model_is_answered_and_told(
    answer: Callable[..., int], films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, bits in (("k10.png", 10), ("k12.png", 12), ("k16.png", 16)):
        (films / name).write_bytes(png16(np.full((SIZE, SIZE, 1), 2 ** (bits - 1), np.uint16)))
    above = "1, such as k16.png (outside the bit depth: more than 1% of its pixels lie above the 12 bits"
    for known, said in (([12], above), ([], "3, such as k10.png (it has 16 bits")):
        answer(described={**DESCRIBED, "grey_bits": known}, out=tmp_path / f"{len(known)}.csv")
        assert f"unusual files, read anyway: {said}" in capsys.readouterr().out
    found = {name: float(row["p_bright"]) for name, row in rows(tmp_path / "1.csv").items() if name.startswith("k")}
    assert found == pytest.approx({"k10.png": 1 / 8, "k12.png": 1 / 2, "k16.png": 1}, abs=0.01)
    assert not any(row["error"] for row in rows(tmp_path / "1.csv").values())
    answer(described=DESCRIBED, out=tmp_path / "older.csv")  # whose model.json knows of no depth
    assert "unusual files" not in capsys.readouterr().out
    assert {float(row["p_bright"]) for name, row in rows(tmp_path / "older.csv").items() if name.startswith("k")} == {0.501961}


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
    assert list(rows(tmp_path / "new" / "out.csv")) == ["0.png", *sorted(GREYS)]


def test_a_film_that_could_not_be_read_is_tried_again_and_has_one_row(
    answer: Callable[..., int], films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, whole = tmp_path / "new" / "out.csv", (films / "b" / "c.JPG").read_bytes()
    (films / "b" / "c.JPG").write_bytes(whole[:100])
    (films / "0.png").write_text("no film")
    answer()
    before = out.read_bytes()
    assert answer() == 0, "films that were answered are not answered anew"
    assert out.read_bytes() == before
    (films / "b" / "c.JPG").write_bytes(whole)
    assert answer() == 1
    table = rows(out)
    assert list(table) == ["0.png", *sorted(GREYS)], "in the order of the names"
    assert [name for name, row in table.items() if row["error"]] == ["0.png"]
    assert float(table["b/c.JPG"]["p_bright"]) == pytest.approx(200 / 255, abs=0.01)
    assert "films without a prediction: 2, which the next call tries again" in capsys.readouterr().out


def test_an_error_stays_if_its_film_is_gone(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    (films / "0.png").write_text("no film")
    answer()
    (films / "0.png").unlink()
    (films / "a.png").unlink()
    assert answer() == 0
    table = rows(tmp_path / "new" / "out.csv")
    assert set(table) == {*GREYS, "0.png"}
    assert table["0.png"]["error"] and table["a.png"]["predicted"] == "dark"


def test_an_answer_that_is_no_number_is_an_error(answer: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.csv"
    answer(brightest=210)
    table = rows(out)
    assert "must be finite numbers, got nan, nan" in table["e.PNG"]["error"]
    assert table["e.PNG"]["predicted"] == table["e.PNG"]["p_dark"] == table["e.PNG"]["p_bright"] == ""
    assert table["b/c.JPG"]["predicted"] == "bright" and not table["b/c.JPG"]["error"]
    assert answer() == 1
    whole = out.read_text()
    given = "e.PNG,bright,{p_dark},{p_bright},".format(**rows(out)["e.PNG"])
    assert given in whole
    out.write_text(whole.replace(given, "e.PNG,dark,nan,nan,"))  # as it was written before
    assert answer() == 1
    assert out.read_text() == whole


def test_a_second_call_into_one_table_is_refused_while_the_first_writes_it(answer: Callable[..., int], tmp_path: Path) -> None:
    refused: list[str] = []

    def call_again() -> None:
        with pytest.raises(ValueError, match=r"out\.csv must be written by one call at a time, .* name another file") as refusal:
            answer()
        refused.append(str(refusal.value))

    assert answer(meanwhile=call_again) == len(GREYS)
    assert len(refused) == 1
    assert set(rows(tmp_path / "new" / "out.csv")) == set(GREYS)
    assert answer() == 0


def test_a_table_with_doubled_rows_loses_them(answer: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.csv"
    answer()
    whole = out.read_text()
    header, *lines = whole.splitlines(keepends=True)
    out.write_text(header + "".join(line for line in lines for _ in range(2)))
    assert answer() == 0
    assert out.read_text() == whole


def test_films_whose_names_are_escaped_alike_have_a_row_each(answer: Callable[..., int], films: Path, tmp_path: Path) -> None:
    for name in ("a\udcff.png", "a\\udcff.png"):
        (films / name).write_bytes((films / "a.png").read_bytes())
    answer()
    assert {"a\\udcff.png", "a\\x5cudcff.png"} <= set(rows(tmp_path / "new" / "out.csv"))


@pytest.fixture(scope="module")
def reader() -> ExplainedModel:
    """A real network, for methods that look into one."""
    model = build_model()
    return ExplainedModel(predictor(model), model, None)


@pytest.fixture
def explain(films: Path, tmp_path: Path, reader: ExplainedModel, params: Params) -> Callable[..., int]:
    """Predict the folder into out.csv with panels; returns how many films the model was shown."""

    def call(methods: dict[str, str], **facts: str) -> int:
        seen: list[np.ndarray] = []

        def watched(images: np.ndarray) -> np.ndarray:
            seen.extend(images)
            return reader.predict(images)

        explained = replace(reader, predict=watched)
        predict_drawn(explained, {**DESCRIBED, **facts}, films, tmp_path / "out.csv", methods, params)
        return len(seen)

    return call


def panels(folder: Path) -> dict[str, tuple[int, bytes]]:
    """File -> when it was written, its bytes."""
    return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in (folder / "out_panels").iterdir()}


def test_a_finished_table_gets_its_panels_and_no_new_answers(explain: Callable[..., int], tmp_path: Path) -> None:
    assert explain({}) == len(GREYS)
    finished = (tmp_path / "out.csv").read_bytes()
    assert explain({"saliency": ""}) == 0
    drawn = panels(tmp_path)
    assert set(drawn) == {f"{name.replace('/', '__')}.png" for name in GREYS}
    assert explain({"saliency": ""}) == 0
    assert panels(tmp_path) == drawn, "nothing is drawn twice"
    (tmp_path / "out_panels" / "a.png.png").unlink()
    (tmp_path / "out_panels" / "f.jpg.png").write_bytes(b"cut off")
    assert explain({"saliency": ""}) == 0
    again = panels(tmp_path)
    assert {name: content for name, (_, content) in again.items()} == {name: content for name, (_, content) in drawn.items()}
    assert {name for name in drawn if again[name][0] != drawn[name][0]} == {"a.png.png", "f.jpg.png"}
    assert (tmp_path / "out.csv").read_bytes() == finished


@pytest.mark.parametrize(
    ("methods", "facts"),
    [({"smoothgrad": ""}, {}), ({"saliency": "fails sanity"}, {}), ({"saliency": ""}, {"model_sha256": "n" * 64})],
)
def test_a_panel_that_shows_something_else_is_drawn_anew(
    explain: Callable[..., int], tmp_path: Path, methods: dict[str, str], facts: dict[str, str]
) -> None:
    explain({"saliency": ""})
    before = panels(tmp_path)
    if facts:
        (tmp_path / "out.csv").unlink()
    explain(methods, **facts)
    after = panels(tmp_path)
    assert set(after) == set(before)
    assert all(after[name][0] != before[name][0] for name in before)


def test_films_whose_names_differ_in_a_slash_have_a_panel_each(explain: Callable[..., int], films: Path, tmp_path: Path) -> None:
    for name in ("b/x.png", "b_x.png"):
        Image.fromarray(np.full((SIZE, SIZE), 90, np.uint8)).save(films / name)
    explain({"saliency": ""})
    assert len(panels(tmp_path)) == len(GREYS) + 2
    assert {"b__x.png.png", "b_x.png.png"} <= set(panels(tmp_path))


@pytest.mark.parametrize("name", ['a,\n"b".png', "a\rb.png", "a\u2028b.png", "ä.png", "a\udcff.png"])
def test_a_film_of_any_name_has_a_row_and_a_panel(explain: Callable[..., int], films: Path, tmp_path: Path, name: str) -> None:
    (films / name).write_bytes((films / "a.png").read_bytes())
    assert [explain({"saliency": ""}), explain({"saliency": ""})] == [len(GREYS) + 1, 0]
    table = rows(tmp_path / "out.csv")
    assert set(table) == {*GREYS, name.replace("\udcff", "\\udcff")}
    assert not any(row["error"] for row in table.values())
    assert len(panels(tmp_path)) == len(GREYS) + 1


def test_panels_that_killed_calls_left_half_written_are_deleted(tmp_path: Path) -> None:
    """Of every version; a panel of a film with such a name is whole and stays."""
    left = [".partial", ".partial-host-12", ".a.png.png.host-12.partial", ".0123456789abcdef.partial"]
    for name in [*left, "a.png.png", ".partial-a.png.png"]:
        (tmp_path / name).write_bytes(b"")
    drop_partial(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".partial-a.png.png", "a.png.png"]


def test_panels_among_the_films_are_no_films(films: Path, reader: ExplainedModel, params: Params) -> None:
    for _ in range(2):
        predict_drawn(reader, DESCRIBED, films, films / "b" / "out.csv", {"saliency": ""}, params)
        assert set(rows(films / "b" / "out.csv")) == set(GREYS)
    assert len(list((films / "b" / "out_panels").iterdir())) == len(GREYS)
    with pytest.raises(ValueError, match=r"must be a folder of films, got none below .*out_panels"):
        predict_drawn(reader, DESCRIBED, films / "b" / "out_panels", films / "b" / "out.csv", {}, params)


def test_a_panel_is_no_film_wherever_it_lies(
    films: Path, reader: ExplainedModel, params: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict_drawn(reader, DESCRIBED, films, tmp_path / "out.csv", {"saliency": ""}, params)
    (tmp_path / "out_panels").rename(films / "kept")
    for _ in range(2):
        predict_drawn(reader, DESCRIBED, films, films / "answers.csv", {"saliency": ""}, params)
        assert set(rows(films / "answers.csv")) == set(GREYS)
    assert f"not films, left out: {2 * len(GREYS)} drawn by hilum" in capsys.readouterr().out


def test_a_panel_of_a_film_that_is_broken_by_now_is_told_of(
    explain: Callable[..., int], films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    explain({})
    (films / "a.png").write_text("no film any more")
    assert explain({"saliency": ""}) == 0
    assert "panels not drawn: 1, because films can no longer be read, such as a.png: " in capsys.readouterr().out
    assert rows(tmp_path / "out.csv")["a.png"]["predicted"] == "dark"
    assert len(panels(tmp_path)) == len(GREYS) - 1


def test_a_panel_that_cannot_be_written_is_told_of_and_the_others_are_drawn(
    explain: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out_panels" / "a.png.png").mkdir(parents=True)
    assert explain({"saliency": ""}) > 0
    assert "panels not written: 1, which the next call tries again, such as a.png: " in capsys.readouterr().out
    drawn = [path for path in (tmp_path / "out_panels").iterdir() if path.is_file() and path.suffix == ".png"]
    assert len(drawn) == len(GREYS) - 1


def test_answers_are_kept_if_drawing_is_interrupted(
    explain: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[object] = []

    def stop_at_the_third(*args: Any) -> Any:
        drawn.append(args)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return draw_panel(*args)

    with monkeypatch.context() as patched:
        patched.setattr(folder_panels, "draw_panel", stop_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            explain({"saliency": ""})
    assert set(rows(tmp_path / "out.csv")) == set(GREYS)
    before = panels(tmp_path)
    assert explain({"saliency": ""}) == 0
    assert len(before) == 2 and before.items() <= panels(tmp_path).items()
    assert len(panels(tmp_path)) == len(GREYS)


def test_the_table_of_another_model_is_refused(answer: Callable[..., int], tmp_path: Path) -> None:
    out = tmp_path / "new" / "out.csv"
    answer()
    before = out.read_bytes()
    with pytest.raises(ValueError, match=r"holds predictions of another model \(mmmmmmmmmmmm\); name another file"):
        answer({**DESCRIBED, "model_sha256": "n" * 64})
    with pytest.raises(ValueError, match=r"must have the columns file, predicted, p_no, p_yes, .*, got file, predicted, p_dark"):
        answer({**DESCRIBED, "classes": ["no", "yes"]})
    assert out.read_bytes() == before


def test_the_threshold_is_the_models_own(answer: Callable[..., int], tmp_path: Path) -> None:  # defect 14
    answer({**DESCRIBED, "threshold": 0.9})
    predicted = {name: row["predicted"] for name, row in rows(tmp_path / "new" / "out.csv").items()}
    assert [name for name, verdict in predicted.items() if verdict == "bright"] == ["e.PNG"]


def build_model(gain: float = 1) -> keras.Model:
    """p(bright) rises with the mean grey level, one half at 127.5."""
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(grey)
    pool = keras.layers.GlobalAveragePooling2D(name="pool")(scaled)
    logits = keras.layers.Dense(2, name="logits")(pool)
    model = keras.Model(grey, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name="reader")
    model.get_layer("logits").set_weights([np.array([[-gain, gain]], np.float32), np.zeros(2, np.float32)])
    return model


def write_model(folder: Path, gain: float = 1) -> Path:
    """That model as a file, with what stands beside it."""
    folder.mkdir()
    save_classifier(build_model(gain), folder / "model.keras")
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


def test_a_model_whose_weights_are_no_numbers_answers_nothing(
    films: Path, tmp_path: Path, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_model(tmp_path / "training", gain=np.nan)
    monkeypatch.chdir(tmp_path / "project")
    predict.run(model=str(model), images=films, out=tmp_path / "out.csv", explain="saliency")
    table = rows(tmp_path / "out.csv")
    assert set(table) == set(GREYS)
    for row in table.values():
        assert row["predicted"] == row["p_dark"] == row["p_bright"] == ""
        assert "must be finite numbers, got nan, nan" in row["error"]
    assert not (tmp_path / "out_panels").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"explain": "lime,salience"}, "--explain takes all or names out of gradcam, .*rise, got salience"),
        ({"images": Path("nowhere")}, "--images must be a folder of films, got nowhere"),
        ({"model": "nowhere/model.keras"}, r"got nowhere/model\.keras, which does not exist"),
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
    old_words = {name: value for name, value in DESCRIBED.items() if name != "burned_in"}  # of earlier versions
    for mode in ("keep", "inpaint"):
        answer({**DESCRIBED, "burned_in": mode}, out=tmp_path / f"{mode}.csv")
        seen[mode] = 255 * float(rows(tmp_path / f"{mode}.csv")["a.png"]["p_bright"])
    assert seen["keep"] == pytest.approx(marked.mean(), abs=0.05)
    assert seen["inpaint"] == pytest.approx(20, abs=0.05)
    answer({**old_words, "markers": "inpaint"}, out=tmp_path / "markers.csv")
    assert rows(tmp_path / "markers.csv")["a.png"] == rows(tmp_path / "inpaint.csv")["a.png"]
    answer(old_words, out=tmp_path / "old.csv")
    assert 255 * float(rows(tmp_path / "old.csv")["a.png"]["p_bright"]) == pytest.approx(marked.mean(), abs=0.05)


def test_a_model_of_films_without_names_sees_none_and_tells_what_is_left(
    answer: Callable[..., int], films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writing = Writing(0.04, "sans", 0, "strong", "middle", ("MEYER, ANNA",))
    named, _ = write_on(np.full((320, 320), 60, np.uint8), writing, 0)
    Image.fromarray(named).save(films / "a.png")
    for reader, grey in (("text", 60.0), ("letters", float(named.mean()))):
        answer({**DESCRIBED, "burned_in": "inpaint", "burned_in_reader": reader}, out=tmp_path / f"{reader}.csv")
        assert 255 * float(rows(tmp_path / f"{reader}.csv")["a.png"]["p_bright"]) == pytest.approx(grey, abs=0.5)
    assert "still found" not in capsys.readouterr().out
    monkeypatch.setitem(LOOKS, "text", 1)
    found = find_burned_in(named, "text")
    monkeypatch.setattr(second_look, "find_burned_in", lambda film, reader: found if film.shape == named.shape else BurnedIn())
    answer({**DESCRIBED, "burned_in": "inpaint", "burned_in_reader": "text"}, out=tmp_path / "left.csv")
    assert "burned-in text was covered and is still found in 1 places" in capsys.readouterr().out
