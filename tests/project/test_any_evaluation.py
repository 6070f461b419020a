"""Any classifier on any labelled films: what strangers bring is measured, or refused with the line to give."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from dicom_forms import describe, write
from failing_disk import FailingDisk
from own_models import SIZE, write_facts
from PIL import Image

from hilum.cli import main
from hilum.data.quality.alike.copies import PROBLEMS
from hilum.evaluation.outside.frozen import Grouping
from hilum.explain import outputs
from hilum.full_disk import ROOM
from hilum.project.any_maps import name_truths
from hilum.project.labelled_films import AskedFilms, read_data
from hilum.results import folder_digest, read_json, read_table
from hilum.stages import evaluate as stage
from hilum.workspace import Workspace

L = keras.layers
FACTS = ("--size", str(SIZE), "--square", "pad")


def reader(levels: list[float], sigmoid: bool = False) -> keras.Model:
    """A model that knows classes by the mean grey level of their films: the nearest of `levels` is the most probable."""
    film = keras.Input((SIZE, SIZE, 1))
    grey = L.GlobalAveragePooling2D()(L.Rescaling(1 / 255)(film))
    if sigmoid:
        end = L.Dense(1, activation="sigmoid")
        model = keras.Model(film, end(grey))
        end.set_weights([np.array([[20.0]]), np.array([-20 * sum(levels) / 2 / 255])])
        return model
    end = L.Dense(len(levels), activation="softmax")
    model = keras.Model(film, end(grey))
    centres = np.array(levels) / 255
    end.set_weights([40 * centres[None], -20 * centres**2])
    return model


def draw(path: Path, level: float, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng([seed, int(level)]).normal(level, 12, (SIZE + 6, SIZE)).clip(0, 255)
    Image.fromarray(noise.astype(np.uint8)).save(path)


def draw_classes(root: Path, levels: dict[str, float], films: int = 12) -> None:
    """Class folders; every sixth film looks like another class."""
    names = list(levels)
    for k, name in enumerate(names):
        for i in range(films):
            level = levels[names[(k + 1) % len(names)]] if i % 6 == 5 else levels[name]
            draw(root / name / f"pat{i // 2:02d}_{i}.png", level, seed=100 * k + i)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project", evaluate__bootstrap=60)
    monkeypatch.chdir(workspace.root)
    reader([60, 200]).save("model.keras")
    return workspace


def evaluate(capsys: pytest.CaptureFixture[str], *options: str, model: str = "model.keras") -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main(["evaluate", "--model", model, "--json", *options])
    found = json.loads(capsys.readouterr().out)
    print(found.get("refused", ""))
    return status, found


TWO = ("--classes", "dark,bright", *FACTS)


def test_class_folders_are_measured_by_patient_and_drawn(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes(project.root / "films", {"dark": 60, "bright": 200})
    status, found = evaluate(capsys, *TWO, "--data", "films", "--pattern", r"(?P<patient>pat\d+)", "--out", "there")
    assert status == 0 and found["films"] == 24 and found["patients"] == 6  # one name, one patient: in both folders
    assert found["metrics"]["accuracy"] == pytest.approx(20 / 24) and found["means_over"] == ["dark", "bright"]
    assert found["metrics"]["accuracy.low"] <= 20 / 24 <= found["metrics"]["accuracy.high"]
    out = project.root / "there"
    table = read_table(out / "predictions.csv")
    assert set(table["split"]) == {"external"} and len(table) == 24
    matrix = read_table(out / "confusion.csv").set_index("true").loc[["dark", "bright"], ["dark", "bright"]].to_numpy()
    assert matrix.tolist() == [[10, 2], [2, 10]]
    page = (out / "evaluation.html").read_text()
    assert page.count('class="chart"') == 5 and "sees size, proportion and rim" in page and "vegaEmbed" in page
    assert {file.name for file in out.iterdir()} == {
        *("predictions.csv", "metrics.json", "intervals.csv", "classes.csv", "confusion.csv", "calibration.csv"),
        *("left_out.csv", "evaluation.json", "evaluation.html"),
    }
    assert evaluate(capsys, *TWO, "--data", "films", "--out", "there")[0] == 0, "an earlier evaluation may be replaced"
    (project.root / "notes").mkdir()
    (project.root / "notes" / "mine.txt").write_text("keep")
    status, found = evaluate(capsys, *TWO, "--data", "films", "--out", "notes")
    assert status == 1 and "new folder" in found["refused"] and (project.root / "notes" / "mine.txt").read_text() == "keep"


def test_a_disk_that_fails_leaves_the_evaluation_of_before(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven of its writes and renames fail in turn, as on a full disk; the last are those that put the folder in place."""
    out = project.root / "there"
    draw_classes(project.root / "films", {"dark": 60, "bright": 200}, films=8)
    assert evaluate(capsys, *TWO, "--data", "films", "--out", "there")[0] == 0
    before = folder_digest(out)
    draw(project.root / "films" / "dark" / "pat99_1.png", 60)
    with pytest.MonkeyPatch.context() as patch:
        disk = FailingDisk(10**9, patch)
        assert evaluate(capsys, *TWO, "--data", "films", "--out", "other")[0] == 0
    begin = disk.steps.index("write")
    for at in [*np.linspace(begin, len(disk.steps) - 2, 5).astype(int), len(disk.steps) - 1, len(disk.steps)]:
        with pytest.MonkeyPatch.context() as patch:
            FailingDisk(int(at), patch)
            status, found = evaluate(capsys, *TWO, "--data", "films", "--out", "there")
        assert status == 1 and found["refused"].endswith(ROOM), f"step {at} of {disk.steps}"
        assert folder_digest(out) == before and not list(project.root.glob(".there*")), f"step {at} of {disk.steps}"
    assert evaluate(capsys, *TWO, "--data", "films", "--out", "there")[0] == 0
    assert read_json(out / "metrics.json") == read_json(project.root / "other" / "metrics.json")


def test_the_answers_are_those_of_predict(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes(project.root / "films", {"dark": 60, "bright": 200})
    assert main(["predict", "--model", "model.keras", *TWO, "--images", "films", "--out", "out.csv"]) == 0
    assert evaluate(capsys, *TWO, "--data", "films")[0] == 0
    told = pd.read_csv("out.csv").set_index("file")
    told.index = [f"films/{Path(name).with_suffix('').as_posix()}" for name in told.index]
    ours = read_table(Path("evaluated/predictions.csv")).set_index("image_id")
    assert sorted(told.index) == sorted(ours.index)
    for column in ("p_dark", "p_bright"):
        assert np.abs(told[column].reindex(ours.index) - ours[column]).max() < 1e-5
    assert (told["predicted"].reindex(ours.index) == ours["predicted"]).all()


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_table_of_any_separator_and_encoding(
    project: Workspace, capsys: pytest.CaptureFixture[str], separator: str, encoding: str
) -> None:
    lines = [separator.join(("Image Index", "Finding Labels", "Patient ID", "größe"))]
    for i in range(8):
        draw(project.root / "clinic" / "png" / f"f{i}.png", (60, 200)[i % 2], seed=i)
        lines.append(separator.join((f"f{i}.png", ("Dark", "BRIGHT")[i % 2], f"p{i // 4}", "1")))
    (project.root / "clinic" / "labels.csv").write_text("\r\n".join(lines), encoding=encoding)
    status, found = evaluate(capsys, *TWO, "--data", "clinic/labels.csv")
    assert status == 0 and (found["films"], found["patients"], found["metrics"]["accuracy"]) == (8, 2, 1.0)
    assert not found["left_out"]


def test_columns_with_other_names_are_asked_for_with_the_line_to_give(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(6):
        draw(project.root / "clinic" / f"f{i}.png", (60, 200)[i % 2], seed=i)
    rows = pd.DataFrame({"scan": [f"f{i}" for i in range(6)], "befund": ["hell" if i % 2 else "dunkel" for i in range(6)]})
    rows.to_csv("clinic/table.csv", index=False)
    status, found = evaluate(capsys, *TWO, "--data", "clinic/table.csv")
    assert status == 1 and "--columns 'path=NAME finding=NAME'" in found["refused"]
    status, found = evaluate(capsys, *TWO, "--data", "clinic/table.csv", "--columns", "path=scan finding=befund")
    assert status == 1 and "--labels" in found["refused"] and "'hell' (3)" in found["refused"]
    named = ["--data", "clinic/table.csv", "--columns", "path=scan finding=befund", "--labels", "dark=dunkel bright=hell"]
    status, found = evaluate(capsys, *TWO, *named)
    assert status == 0 and found["metrics"]["accuracy"] == 1.0
    rows.assign(label="x", diagnosis="y").to_csv("clinic/table.csv", index=False)
    status, found = evaluate(capsys, *TWO, "--data", "clinic/table.csv", "--columns", "path=scan")
    assert status == 1 and "--columns 'finding=label'" in found["refused"]


def test_a_column_for_each_class(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(6):
        draw(project.root / "clinic" / f"f{i}.png", (60, 200)[i % 2], seed=i)
    table = {"file": [f"f{i}.png" for i in range(6)], "Dark": [1 - i % 2 for i in range(6)], "bright": [i % 2 for i in range(6)]}
    pd.DataFrame(table).to_csv("clinic/table.csv", index=False)
    status, found = evaluate(capsys, *TWO, "--data", "clinic/table.csv")
    assert status == 0 and found["films"] == 6 and found["metrics"]["accuracy"] == 1.0


def test_films_of_one_class_have_no_auroc_and_the_page_says_so(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes(project.root / "films", {"bright": 200})
    status, found = evaluate(capsys, *TWO, "--data", "films")
    assert status == 0 and found["means_over"] == ["bright"]
    assert found["metrics"]["auroc_macro"] is None and found["metrics"]["sensitivity/bright"] == 1.0
    assert any("no film of dark" in note for note in found["notes"]) and not any(
        "prepare.labels" in one for one in found["notes"]
    )
    assert "not defined on these films" in Path("evaluated/evaluation.html").read_text()


def test_so_few_patients_have_no_auroc_and_the_page_says_so(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """One film of each class, then 4 and 5 patients; with the fifth there is an AUROC."""
    draw_classes(project.root / "films", {"dark": 60, "bright": 200}, films=1)
    status, found = evaluate(capsys, *TWO, "--data", "films")
    assert status == 0 and found["films"] == 2 and found["metrics"]["auroc_macro"] is None and found["metrics"]["accuracy"] == 1.0
    page = Path("evaluated/evaluation.html").read_text()
    assert "only 1 patients" in page and "no AUROC is given: fewer than 5 patients" in page and "(dark: 1, bright: 1)" in page
    for films, given in ((4, False), (5, True)):
        draw_classes(project.root / "films", {"dark": 60, "bright": 200}, films=films)
        status, found = evaluate(capsys, *TWO, "--data", "films")
        assert status == 0 and (found["metrics"]["auroc_macro"] is not None) == given, films
        assert (found["metrics"]["auprc/dark.low"] is not None) == given
        assert any(note.startswith("no AUROC is given") for note in found["notes"]) != given
    table = read_table(Path("evaluated/intervals.csv")).set_index("metric")
    assert table["reason"].isna().all() or (table["reason"].fillna("") == "").all()


def test_corrupt_films_and_copies_are_left_out_and_named(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    root = project.root / "films"
    draw_classes(root, {"dark": 60, "bright": 200})
    (root / "dark" / "broken.png").write_bytes((root / "dark" / "pat00_0.png").read_bytes()[:200])
    (root / "dark" / "empty.jpg").write_bytes(b"")
    (root / "bright" / "again.png").write_bytes((root / "bright" / "pat00_0.png").read_bytes())
    (root / "dark" / "contrary.png").write_bytes((root / "bright" / "pat01_2.png").read_bytes())
    (root / "other").mkdir()
    draw(root / "other" / "x.png", 100)
    status, found = evaluate(capsys, *TWO, "--data", "films")
    assert status == 0 and found["films"] == 23
    assert found["left_out"] == {"no prediction": 2, "conflicting labels": 2, "copy": 1, "unmatched finding": 1}
    table = read_table(Path("evaluated/left_out.csv"))
    assert list(table.columns) == list(PROBLEMS) and table["detail"].str.len().min() > 10
    page = Path("evaluated/evaluation.html").read_text()
    assert "films/dark/broken" in page and "unmatched finding: 1" in page


def test_no_readable_film_is_refused(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("dark", "bright"):
        (project.root / "films" / name).mkdir(parents=True)
        (project.root / "films" / name / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    status, found = evaluate(capsys, *TWO, "--data", "films")
    assert status == 1 and "got none of 2" in found["refused"] and not Path("evaluated").exists()


def test_a_model_of_three_classes_on_films_of_two(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    reader([60, 130, 200]).save("three.keras")
    draw_classes(project.root / "films", {"dark": 60, "bright": 200})
    status, found = evaluate(capsys, "--classes", "dark,middle,bright", *FACTS, "--data", "films", model="three.keras")
    assert status == 0 and found["means_over"] == ["dark", "bright"]
    metrics = found["metrics"]
    assert metrics["auroc/middle"] is None and metrics["sensitivity/middle"] is None and metrics["specificity/middle"] is not None
    assert metrics["auroc_macro"] == pytest.approx((metrics["auroc/dark"] + metrics["auroc/bright"]) / 2)


def test_one_finding_for_two_classes_joins_them(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    reader([60, 130, 200]).save("three.keras")
    draw_classes(project.root / "films", {"low": 60, "high": 170})
    three = ("--classes", "dark,middle,bright", *FACTS, "--data", "films", "--labels", "dark=low middle=high bright=high")
    status, found = evaluate(capsys, *three, model="three.keras")
    assert status == 0 and found["classes"] == ["dark", "middle+bright"] and found["films"] == 24
    table = read_table(Path("evaluated/predictions.csv"))
    np.testing.assert_allclose(table["p_dark"] + table["p_middle+bright"], 1, atol=1e-6)
    assert found["metrics"]["accuracy"] == pytest.approx(20 / 24)


def test_a_right_prediction_of_a_joined_class_is_not_called_wrong(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    reader([60, 130, 200]).save("three.keras")
    for i in range(4):
        draw(project.root / "films" / "high" / f"{i}.png", 200, seed=i)
    named = ("--labels", "dark=low middle=high bright=high", "--explain", "saliency")
    status, _ = evaluate(capsys, "--classes", "dark,middle,bright", *FACTS, "--data", "films", *named, model="three.keras")
    assert status == 0
    keys = Path("evaluated/explanations/keys")
    assert [file.name for file in keys.iterdir()] == ["saliency__bright.png"], "named after the true class of the film"


def test_the_true_class_of_a_joined_group() -> None:
    grouping = Grouping(("dark", "middle+bright"), ((0,), (1, 2)))
    told = name_truths(np.array([2, 1, 0, 0, 2]), np.array([1, 1, 1, 0, 0]), ("dark", "middle", "bright"), grouping)
    assert told == ["bright", "middle", "middle+bright", "dark", "dark"]


def test_films_whose_panels_cannot_be_drawn_are_written_down_and_told(
    project: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(figure: Any) -> bytes:
        raise ValueError("no glyph")

    monkeypatch.setattr(outputs, "png_bytes", refuse)
    draw_classes(project.root / "films", {"dark": 60, "bright": 200}, films=1)
    assert main(["evaluate", "--model", "model.keras", *TWO, "--data", "films", "--explain", "saliency"]) == 0
    assert "films whose pictures could not be drawn: 2" in "".join(capsys.readouterr())
    table = read_table(Path("evaluated/explanations") / outputs.NOT_DRAWN)
    assert table["fault"].tolist() == ["no glyph"] * 2


def test_a_sigmoid_with_its_threshold(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    reader([60, 200], sigmoid=True).save("one.keras")
    draw_classes(project.root / "films", {"dark": 60, "bright": 200})
    status, found = evaluate(capsys, *TWO, "--data", "films", "--threshold", "0.5", model="one.keras")
    assert status == 0 and found["metrics"]["accuracy"] == pytest.approx(20 / 24) and found["threshold"] == 0.5
    status, found = evaluate(capsys, *TWO, "--data", "films", "--threshold", "1", model="one.keras")
    assert found["metrics"]["sensitivity/bright"] == 0.0 and found["metrics"]["auroc_macro"] > 0.6


def test_an_own_model_without_facts_is_refused_with_the_options_to_give(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_classes(project.root / "films", {"dark": 60, "bright": 200})
    status, found = evaluate(capsys, "--data", "films")
    assert status == 1 and "--classes a,b --size 224 --square pad" in found["refused"]
    status, found = evaluate(capsys, "--classes", "a,b,c", *FACTS, "--data", "films")
    assert status == 1 and "must name 2 classes" in found["refused"]
    write_facts(project.root, classes=["dark", "bright"])
    assert evaluate(capsys, "--data", "films")[0] == 0


def dicoms(root: Path, names: list[str]) -> None:
    for i, name in enumerate(names):
        grey = np.random.default_rng(i).normal(60 if "dark" in name else 200, 10, (SIZE, SIZE)).clip(0, 255)
        dataset = describe(grey.astype(np.uint8))
        dataset.PatientID = f"MRN{i // 2}"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(write(dataset))


def test_dicom_in_class_folders_and_with_a_table(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"{name}/{i}.dcm" for i in range(4) for name in ("dark", "bright")]
    dicoms(project.root / "study", names)
    status, found = evaluate(capsys, *TWO, "--data", "study")
    assert status == 0 and (found["films"], found["patients"]) == (8, 4)
    assert "MRN" not in Path("evaluated/predictions.csv").read_text() and not list(project.root.glob("study.hilum*"))
    rows = pd.DataFrame({"file": names, "label": [name.split("/")[0] for name in names]})
    rows.to_csv("study/labels.csv", index=False)
    status, found = evaluate(capsys, *TWO, "--data", "study/labels.csv")
    assert status == 0 and (found["films"], found["patients"]) == (8, 4)


def test_a_recipe_gives_sources_rules_and_roots(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_classes(project.root / "site", {"black": 60, "white": 200})
    Path("site.yaml").write_text(
        "acquire:\n  sources:\n    site: {reader: folder, root: site, mode: reference}\n"
        "prepare:\n  sources: [site]\n  labels: {normal: null, bacterial: null, viral: null, dark: [black], bright: [white]}\n"
    )
    status, found = evaluate(capsys, *TWO, "--data", "site.yaml")
    assert status == 0 and found["films"] == 24 and found["metrics"]["accuracy"] == pytest.approx(20 / 24)
    status, found = evaluate(capsys, *TWO, "--data", "nothing")
    assert status == 1 and "folder of films, a table (CSV) or a recipe" in found["refused"]


def test_a_pattern_is_refused_where_nothing_is_searched_by_it(project: Workspace) -> None:
    pattern, classes = r"(?P<patient>p\d)", ["dark", "bright"]
    Path("site.yaml").write_text("acquire: {}\n")
    with pytest.raises(ValueError, match=r"--pattern must .* a recipe names its own"):
        read_data(AskedFilms("site.yaml", pattern=pattern), classes, project)
    dicoms(project.root / "study", ["dark/p0.dcm", "bright/p1.dcm"])
    Path("study/labels.csv").write_text("file,label\ndark/p0.dcm,dark\nbright/p1.dcm,bright\n")
    with pytest.raises(ValueError, match=r"--pattern must .* --columns 'patient=NAME'"):
        read_data(AskedFilms("study/labels.csv", pattern=pattern), classes, project)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (r"(?P<patient>p\d)", "a patient in every file name, got 1 of 3 without one"),
        (r"film(?P<patient>p\d)?", "a patient in every file name, got 3 of 3 without one"),
        (r"(?P<patient>p\d)?film", "a patient in every file name, got 1 of 3 without one"),
        ("p", "group named patient"),
        ("(", "must be a regular expression"),
    ],
)
def test_a_pattern_must_name_the_patient_of_every_dicom_film(project: Workspace, pattern: str, said: str) -> None:
    dicoms(project.root / "study", ["dark/p0film.dcm", "bright/p1film.dcm", "bright/film.dcm"])
    with pytest.raises(ValueError, match=said) as raised:
        read_data(AskedFilms("study", pattern=pattern), ["dark", "bright"], project)
    assert "film.dcm" not in str(raised.value), "names of DICOM files may name patients"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either --arm"),
        ({"model": "model.keras"}, "either --arm"),
        ({"arm": "baseline", "model": "model.keras", "data": "films"}, "either --arm"),
        ({"arm": "baseline", "labels": "a=b"}, "belong to --model"),
        ({"arm": "baseline", "out": "mine"}, "belong to --model"),
    ],
)
def test_the_two_ways_are_not_mixed(project: Workspace, options: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        stage.run(**options)


def test_films_that_this_project_trained_on_are_told(
    split_project: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(split_project.root)
    reader([60, 200]).save(tmp_path / "model.keras")
    train = read_table(split_project.split / "train.csv").iloc[:3]
    for row in train.itertuples():
        raw = split_project.root / "data" / "raw" / f"{row.image_id}.png"
        there = raw if raw.is_file() else next((split_project.root / "data" / "raw").rglob(f"{Path(str(row.image_id)).name}.png"))
        copy = tmp_path / "films" / "dark" / there.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(there.read_bytes())
    options = [*TWO, "--data", str(tmp_path / "films"), "--out", str(tmp_path / "out")]
    status, found = evaluate(capsys, *options, model=str(tmp_path / "model.keras"))
    assert status == 0 and any(note.startswith("3 of 3 films are training or validation films") for note in found["notes"])
    assert read_json(tmp_path / "out" / "evaluation.json")["films"] == 3


def test_maps_with_measures_and_the_audit_are_added(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    film = keras.Input((SIZE, SIZE, 1))
    seen = L.Conv2D(4, 5, activation="relu", name="last")(L.Rescaling(1 / 255)(film))
    keras.Model(film, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(seen))).save("conv.keras")
    draw_classes(project.root / "films", {"dark": 60, "bright": 200})
    options = (*TWO, "--data", "films", "--explain", "gradcam,saliency", "--audit")
    status, found = evaluate(capsys, *options, model="conv.keras")
    assert status == 0 and found["films"] == 24
    out = Path("evaluated")
    maps = read_table(out / "explanations" / "measures.csv")
    assert {"gradcam", "saliency", "random", "centre"} == set(maps["method"]) and maps["image_id"].nunique() == 4
    assert maps["patient_id"].nunique() == 4 and len(list((out / "explanations" / "panels").glob("*.png"))) == 4
    audited = read_json(out / "audit" / "audit.json")
    assert audited["says"] == "cannot tell" and audited["films"] == 24
    assert audited["questions"]["mark"]["why"] == "a class has 12 audited films, fewer than 20"
    page = (out / "evaluation.html").read_text()
    assert page.count("data:image/png;base64") == 5 and "rectangle audit.lungs" in page
    draw_classes(project.root / "three", {"dark": 60}, films=3)
    status, found = evaluate(capsys, *TWO, "--data", "three", "--audit", model="conv.keras")
    assert status == 1 and "--audit must have at least 4 films, got 3; leave it out" in found["refused"]
    status, found = evaluate(capsys, *TWO, "--data", "films", "--explain", "gradkam", model="conv.keras")
    assert status == 1 and "--explain takes all or names" in found["refused"]
