"""external: an arm trained on one hospital and tested, frozen, on another; what it has seen stops it."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from hilum.data.annotations import load_annotations
from hilum.data.prepared.loading import load_films, read_manifest
from hilum.evaluation.acquisition import acquisition_features
from hilum.evaluation.outside.cross_fitted_baselines import cross_fit_baseline
from hilum.evaluation.scoring.metrics import auroc
from hilum.evaluation.scoring.scaling import softmax
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.pages.external import OF_CLASSES, render_external
from hilum.results import read_json, read_predictions, read_table
from hilum.runs import measured_rows
from hilum.settings.params import read_params
from hilum.stages import acquire, check, evaluate, external, prepare, recalibrate, split, train, tune
from hilum.workspace import Workspace

ARM = {
    "backbone": "small_cnn",
    "options": {"blocks": 3, "filters": 8, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True},
    "weights": "none",
    "head": {"dropout": 0.0, "weight_decay": 0.0},
    "phases": [{"unfreeze": "all", "epochs": 3, "learning_rate": 3e-3, "decay": "none", "batch_norm": "train"}],
}
FINDINGS = {"normal": 0.4, "bacterial": 0.35, "viral": 0.25}
SHORTCUT = {"kind": "none", "finding": "viral", "strength": 0.0}
SOUTH = {
    "reader": "phantom",
    "films": 90,
    "size": 64,
    "seed": 77,
    "findings": FINDINGS,
    "contrast": 1.0,
    "shortcut": SHORTCUT,
    "hospitals": ["south"],
}


def set_sources(workspace: Workspace, **sources: Any) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    values["external"] = {"sources": sources}
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Iterator[Workspace]:
    """A small network of films of the hospital `north`, evaluated; no source of films elsewhere."""
    workspace = make_project(
        tmp_path_factory.mktemp("north"),
        acquire__sources__phantom__films=150,
        acquire__sources__phantom__hospitals=["north"],
        arms={"baseline": ARM},
        tune__trials=0,
        evaluate__bootstrap=80,
        train__patience=9,
    )
    with contextlib.chdir(workspace.root):
        check.run()
        acquire.run(source="phantom")
        prepare.run()
        split.run()
        for stage in (tune, train):
            stage.run(arm="baseline")
        evaluate.run(arm="baseline")
    yield workspace


@pytest.fixture
def north(trained: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(trained.root, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return Workspace(tmp_path.resolve() / "project", tmp_path.resolve() / "project")


def test_the_films_of_a_hospital_say_so(trained: Workspace) -> None:
    assert set(read_manifest(trained.prepared / "manifest.csv")["site"]) == {"north"}


def test_without_sources_nothing_is_opened(north: Workspace) -> None:
    before = (north.root / "mlflow.db").stat().st_mtime_ns
    external.run(arm="baseline")
    folder = north.arm("baseline", "external")
    assert [file.name for file in folder.iterdir()] == ["sources.json"] and read_json(folder / "sources.json") == {}
    assert (north.root / "mlflow.db").stat().st_mtime_ns == before
    assert render_external({"baseline": folder}) == "" == render_external({"baseline": folder / "nowhere"})


def test_trained_on_one_hospital_and_tested_on_the_other(north: Workspace) -> None:
    set_sources(north, south={"films": SOUTH})
    check.run()
    external.run(arm="baseline")
    folder = north.arm("baseline", "external")
    told = read_json(folder / "sources.json")["south"]
    assert told["films"] == 90 and told["sites"] == {"south": 90} and told["means_over"] == list(FINDINGS)
    assert any("patients are not comparable with those of phantom" in note for note in told["notes"])
    check_frozen(north, folder)
    check_numbers(north, folder)
    check_baseline(north, folder)
    page = render_external({"baseline": folder})
    metrics = read_json(folder / "metrics.json")
    assert f"{metrics['external/south/auroc_macro']:.3f}" in page and "south (90)" in page and "sensitivity, viral" in page
    drop = read_table(folder / "south" / "drop.csv").set_index("metric")
    shown = [*("auroc_macro", "balanced_accuracy", "brier", "ece"), *(f"{one}/{c}" for one in OF_CLASSES for c in FINDINGS)]
    clear = (drop.loc[shown, "drop_low"] > 0) | (drop.loc[shown, "drop_high"] < 0)
    assert page.count("difference alert") == clear.sum() < len(shown) == page.count('class="difference')
    logged = measured_rows(folder, "external", {}).iloc[0]
    carried = {f"external/south/{name}" for name in ("auroc_macro", "balanced_accuracy", "drop_auroc_macro")}
    assert set(logged.index) == {"step", *carried}


def check_frozen(workspace: Workspace, folder: Path) -> None:
    """The answers are those of the saved model with its own rule on the prepared films of the source."""
    training = workspace.arm("baseline", "training")
    described = read_json(training / "model.json")
    films = np.asarray(load_films(workspace.external("south")), np.float32)[..., None]
    found = np.asarray(load_classifier(training / "model.keras")(films))
    external_ones = read_predictions(folder / "south" / "predictions.csv", "external", tuple(described["classes"]))
    manifest = read_manifest(workspace.external("south") / "manifest.csv")
    assert external_ones.image_id.tolist() == manifest["image_id"].tolist()
    np.testing.assert_allclose(external_ones.y_prob, found, atol=1e-5)
    factors = np.array([described["decision_factors"][name] for name in described["classes"]])
    assert external_ones.y_pred.tolist() == (external_ones.y_prob * factors).argmax(axis=1).tolist()


def check_numbers(workspace: Workspace, folder: Path) -> None:
    """The AUROC, the drop and the shares, computed again from the two tables of predictions."""
    classes = tuple(FINDINGS)
    inside = read_predictions(workspace.arm("baseline", "evaluation") / "predictions.csv", "test", classes)
    outside = read_predictions(folder / "south" / "predictions.csv", "external", classes)
    means = [np.mean([auroc(p.y_true == k, p.y_prob[:, k], p.y_pred == k) for k in range(3)]) for p in (inside, outside)]
    metrics = read_json(folder / "metrics.json")
    assert metrics["external/south/auroc_macro"] == pytest.approx(means[1])
    assert metrics["external/south/drop_auroc_macro"] == pytest.approx(means[1] - means[0])
    ends = [metrics[f"external/south/drop_auroc_macro.{end}"] for end in ("low", "high")]
    assert ends[0] < means[1] - means[0] < ends[1]
    shares = read_table(folder / "south" / "shares.csv").set_index("class")
    np.testing.assert_allclose(shares["external"], [0.4, 0.35, 0.25], atol=0.01)
    assert shares[["prior", "internal", "external"]].sum().tolist() == pytest.approx([1, 1, 1])
    prior = read_table(folder / "south" / "prior.csv").set_index("metric")
    assert prior.at["log_loss", "as_it_is"] == pytest.approx(metrics["external/south/log_loss"])


def check_baseline(workspace: Workspace, folder: Path) -> None:
    """The shortcut baseline on the source's films, computed again, and what the page says of it."""
    settings = read_params(workspace.params).evaluate
    manifest, films = (
        read_manifest(workspace.external("south") / "manifest.csv"),
        np.asarray(load_films(workspace.external("south"))),
    )
    sides = [manifest[side].astype(int).tolist() for side in ("width", "height")]
    square = read_json(workspace.arm("baseline", "training") / "model.json")["square"]
    ring, bins = settings.acquisition.ring, settings.acquisition.bins
    features = acquisition_features(films, range(len(films)), *sides, square, ring, bins)
    outside = read_predictions(folder / "south" / "predictions.csv", "external", tuple(FINDINGS))
    found = cross_fit_baseline(features, outside, settings.seed + 1)
    assert found is not None
    value = float(np.mean([auroc(outside.y_true == k, found[:, k], outside.y_true == k) for k in range(3)]))
    metrics = read_json(folder / "metrics.json")
    own = metrics["external/south/auroc_macro"]
    assert metrics["external/south/acquisition_only/auroc_macro"] == pytest.approx(value)
    assert metrics["external/south/above_acquisition_only/auroc_macro"] == pytest.approx(own - value)
    page = render_external({"baseline": folder})
    assert f"reaches {value:.3f} [" in page and "AUROC above the shortcut baseline by" in page
    low = metrics["external/south/above_acquisition_only/auroc_macro.low"]
    assert ("Not clearly above it" in page) == (low < settings.acquisition.margin)


def test_one_finding_of_the_source_for_two_classes(north: Workspace) -> None:
    rules = {"normal": ["normal"], "bacterial": ["bacterial", "viral"], "viral": ["bacterial", "viral"]}
    set_sources(north, south={"films": SOUTH, "labels": rules})
    check.run()
    external.run(arm="baseline")
    folder = north.arm("baseline", "external")
    assert read_json(folder / "sources.json")["south"]["classes"] == ["normal", "bacterial+viral"]
    drop = read_table(folder / "south" / "drop.csv").set_index("metric")
    inside = read_predictions(north.arm("baseline", "evaluation") / "predictions.csv", "test", tuple(FINDINGS))
    ill = inside.y_true > 0
    assert drop.at["auroc/bacterial+viral", "internal"] == pytest.approx(auroc(ill, 1 - inside.y_prob[:, 0], ill))


def copy_films(workspace: Workspace, part: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """A folder with some films of the task, changed."""
    rows = read_table(workspace.split / f"{part}.csv")
    manifest = read_manifest(workspace.prepared / "manifest.csv").set_index("image_id")
    for i, row in enumerate(rows.itertuples()):
        if i % 4 == 0:
            raw = workspace.root / "data" / "raw" / manifest.at[str(row.image_id), "path"]
            there = workspace.root / "films" / "site" / str(row.label) / f"{i}.png"
            there.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(change(np.asarray(Image.open(raw)))).save(there)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bytes": lambda film: film,
    "brighter": lambda film: (film * 0.9 + 12).astype(np.uint8),
    "mirrored": lambda film: film[:, ::-1],
}


@pytest.mark.parametrize("part", ["train", "val"])
@pytest.mark.parametrize("change", CHANGES)
def test_films_that_the_arm_has_seen_stop_it(north: Workspace, part: str, change: str) -> None:
    copy_films(north, part, CHANGES[change])
    set_sources(north, site={"films": {"reader": "folder", "root": "films/site"}})
    check.run()
    with pytest.raises(ValueError, match=r"must hold no film that baseline has seen, got \d+ of \d+ films"):
        external.run(arm="baseline")


def test_films_that_the_arm_was_recalibrated_on_stop_it(north: Workspace) -> None:
    """The arm recalibrated for the other hospital predicts by the fit, and is not tested on those films again."""
    set_sources(north, south={"films": SOUTH})
    check.run()
    external.run(arm="baseline")
    manifest = read_manifest(north.external("south") / "manifest.csv")
    for row in manifest.itertuples():
        raw = north.external("south") / "raw" / str(row.path).removeprefix("south/")
        place = north.root / "site" / str(row.label) / f"{str(row.patient_id).removeprefix('south/')}_{raw.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(raw, place)
    training = north.arm("baseline", "training")
    options = {"data": "site", "pattern": r"(?P<patient>p\d+)_", "method": "temperature_and_biases"}
    found = recalibrate.run(model=str(training / "model.keras"), out="recalibrated", **options)
    facts = read_json(north.root / "recalibrated" / "model.json")
    assert facts["arm"] == "baseline-site" and facts["decision_factors"] == read_json(training / "model.json")["decision_factors"]
    assert found["films"] == 90 and not found["left_out"] and (north.root / "recalibrated" / "mean_films.npz").is_file()
    films = np.asarray(load_films(north.external("south")), np.float32)[..., None]
    before = predictor(load_classifier(training / "model.keras"))(films)
    after = predictor(load_classifier(north.root / "recalibrated" / "model.keras"))(films)
    wanted = softmax(np.log(before) / found["temperature"] + np.array(list(found["biases"].values())))
    assert np.abs(after - wanted).max() <= 1e-5 < np.abs(after - before).max()
    shutil.copy(north.root / "recalibrated" / "model.json", training / "model.json")
    with pytest.raises(ValueError, match="has seen: 90 of 90 films are those that this model was recalibrated on"):
        external.run(arm="baseline")


def test_patients_are_compared_where_both_sides_name_them_alike(north: Workspace, tmp_path: Path) -> None:
    from hilum.data.same_people import find_same_people

    nih = {"reader": "nih", "root": "a"}
    dicom = {"reader": "dicom", "root": "a", "table": "t.csv", "path": "p", "finding": "f"}
    values = yaml.safe_load(north.params.read_text())
    values["acquire"]["sources"] |= {"old": nih, "clinic": dicom}
    values["external"] = {"sources": {"new": {"films": nih}, "ward": {"films": dicom}}}
    north.params.write_text(yaml.safe_dump(values))
    params = read_params(north.params)
    others = {name: (params.acquire.sources[name], tmp_path / name) for name in ("old", "clinic", "phantom")}
    same, apart = find_same_people(params.external.sources["new"].films, tmp_path / "new", others)
    assert same == ["old"] and len(apart) == 2
    assert find_same_people(params.external.sources["ward"].films, tmp_path / "ward", others)[0] == []
    assert not list(tmp_path.glob("*.hilum-salt")), "a question makes no salt"
    for name, digit in (("clinic", "0"), ("ward", "1")):
        (tmp_path / f"{name}.hilum-salt").write_text(digit * 64)
    assert find_same_people(params.external.sources["ward"].films, tmp_path / "ward", others)[0] == []
    (tmp_path / "ward.hilum-salt").write_text("0" * 64)
    assert find_same_people(params.external.sources["ward"].films, tmp_path / "ward", others)[0] == ["clinic"]


def test_a_new_source_and_its_films_re_run_external_and_what_reads_it(north: Workspace, root: Path) -> None:
    """By the graph: nothing but `external` watches the section, the fact of its films, or what stands below data/external."""
    stages = {name: body.get("do", body) for name, body in yaml.safe_load((root / "dvc.yaml").read_text())["stages"].items()}

    def watches(body: dict[str, Any]) -> bool:
        entries = body.get("params", [])
        facts = [key for entry in entries if isinstance(entry, dict) for key in entry.get("data/facts.json", [])]
        named = any(str(entry).split(".")[0] == "external" for entry in entries)
        return named or "external" in facts or any("data/external" in dep for dep in body.get("deps", []))

    assert {name for name, body in stages.items() if watches(body)} == {"external", "external-ensembles"}
    out = stages["external"]["outs"][0].replace("${key}", "baseline")
    readers = {
        name
        for name, body in stages.items()
        for dep in body.get("deps", [])
        if Path(out).is_relative_to(dep.replace("${key}", "baseline")) or Path(dep).is_relative_to(out)
    }
    assert readers == {"compare"}
    check.run()
    before = json.loads(north.facts.read_text())
    (north.root / "films" / "site" / "normal").mkdir(parents=True)
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(north.root / "films" / "site" / "normal" / "a.png")
    set_sources(north, site={"films": {"reader": "folder", "root": "films/site"}})
    check.run()
    after = json.loads(north.facts.read_text())
    assert after["external"].keys() == {"site"} and {**before, "external": 0} == {**after, "external": 0}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"films": {"reader": "folder", "root": "films/none"}}, "external.sources.site.films.root must be a folder"),
        ({"films": {"reader": "folder", "root": "/films"}}, "external.sources.site.films.root must be relative"),
        ({"films": SOUTH, "labels": {"ill": ["viral"]}}, "external.sources.site.labels must hold classes of prepare.labels"),
        ({"films": SOUTH, "labels": {"excluded": ["viral"]}}, "must name a finding of a class, got none"),
        ({"films": {**SOUTH, "hospitals": ["east"]}}, "hospitals"),
    ],
)
def test_a_wrong_source_is_refused_by_check(north: Workspace, source: dict[str, Any], said: str) -> None:
    set_sources(north, site=source)
    with pytest.raises(ValueError, match=said):
        check.run()


def test_the_small_real_sets_run_and_keep_their_boxes(north: Workspace, shared: Path) -> None:
    """Films of two public sets through a network of 150 phantoms: that it runs, a box on every film that the table boxes, and
    that the page says so. Films of one class have no AUROC; the hit rate of maps in these boxes is `evaluate --explain`'s."""
    nih, covid = shared / "data" / "nih-boxes", shared / "data" / "covid-chestxray"
    (north.root / "roots.yaml").write_text(f"nih: {nih}\ncovid: {covid}\n")
    rules = {"normal": ["No Finding"], "bacterial": ["Pneumonia", "Infiltration"], "viral": ["Pneumonia", "Infiltration"]}
    lungs = {
        "normal": ["No Finding"],
        "bacterial": ["Pneumonia/Bacterial", "Streptococcus"],
        "viral": ["Pneumonia/Viral", "COVID-19"],
    }
    columns = {"table": "BBox_List_2017.csv", "path": "Image Index", "finding": "Finding Label"}
    columns |= {"boxes": ["Bbox [x", "y", "w", "h]"]}
    set_sources(
        north,
        nih={"films": {"reader": "csv", "root": "films/nih", **columns}, "labels": rules},
        covid={"films": {"reader": "covid_chestxray", "root": "films/covid"}, "labels": lungs},
    )
    check.run()
    external.run(arm="baseline")
    folder = north.arm("baseline", "external")
    told = read_json(folder / "sources.json")
    assert set(told) == {"nih", "covid"}
    names = read_manifest(north.external("nih") / "manifest.csv")["image_id"].tolist()
    boxed = [notes for notes in load_annotations(north.external("nih"), names) if len(notes.boxes)]
    assert len(boxed) == told["nih"]["films"]
    for name, one in told.items():
        table = read_table(folder / name / "predictions.csv")
        assert len(table) == one["films"] > 0
        share = float((table["label"] == table["predicted"]).mean())
        assert read_json(folder / "metrics.json")[f"external/{name}/accuracy"] == pytest.approx(share)
    assert read_json(folder / "metrics.json")["external/nih/auroc_macro"] is None
    page = render_external({"baseline": folder})
    assert f"no AUROC is given: every film is of bacterial+viral ({told['nih']['patients']} patients)" in page
    assert f"{len(boxed)} films have an expert&#39;s boxes or masks" in page and "--explain gradcam" in page


def draw(workspace: Workspace, label: str, count: int, seed: int) -> None:
    """Films of stripes, which no phantom is like."""
    folder = workspace.root / "films" / "site" / label
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        noise = np.random.default_rng([seed, i]).integers(0, 256, (8 + i, 9)).astype(np.uint8)
        Image.fromarray(noise).resize((80, 90)).save(folder / f"{seed}_{i}.png")


SITE = {"films": {"reader": "folder", "root": "films/site"}}


def test_films_of_one_class_have_no_auroc_and_no_drop_of_it(north: Workspace) -> None:
    draw(north, "Normal", 4, 1)
    draw(north, "other", 2, 2)
    set_sources(north, site=SITE)
    check.run()
    external.run(arm="baseline")
    folder = north.arm("baseline", "external")
    told, metrics = read_json(folder / "sources.json")["site"], read_json(folder / "metrics.json")
    assert told["means_over"] == ["normal"] and told["left_out"]["unmatched finding"] == 2
    assert metrics["external/site/auroc_macro"] is None and metrics["external/site/drop_auroc_macro"] is None
    assert metrics["external/site/balanced_accuracy"] == metrics["external/site/sensitivity/normal"]
    page = render_external({"baseline": folder})
    assert "undefined" in page and "as there is no film of the others" in page and "unmatched finding (2)" in page


def test_one_film_of_each_class(north: Workspace) -> None:
    for seed, label in enumerate(FINDINGS):
        draw(north, label, 1, seed)
    set_sources(north, site=SITE)
    check.run()
    external.run(arm="baseline")
    table = read_table(north.arm("baseline", "external") / "site" / "classes.csv")
    assert table["films"].tolist() == [1, 1, 1] and table["note"].str.contains("only 1 patients").all()


def test_a_model_of_an_earlier_version_says_nothing_on_what_is_burned_in(north: Workspace) -> None:
    file = north.arm("baseline", "training") / "model.json"
    described = read_json(file)
    assert described.pop("burned_in") == "keep" and described.pop("burned_in_reader")
    file.write_text(json.dumps(described))
    draw(north, "normal", 3, 1)
    set_sources(north, site=SITE)
    check.run()
    external.run(arm="baseline")
    assert read_json(north.arm("baseline", "external") / "sources.json")["site"]["films"] == 3


def test_films_of_no_class_and_broken_films_are_refused(north: Workspace) -> None:
    draw(north, "opacity", 3, 1)
    set_sources(north, site=SITE)
    check.run()
    with pytest.raises(ValueError, match=r"some film must belong to a class, got none of 3; their findings are 'opacity' \(3\)"):
        external.run(arm="baseline")
    draw(north, "normal", 3, 2)
    (north.root / "films" / "site" / "normal" / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(60))
    with pytest.raises(ValueError, match="may be broken, got 1 of 4"):
        external.run(arm="baseline")
    assert not north.external("site").exists()
