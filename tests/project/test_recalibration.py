"""recalibrate: calibration and decision for a site are found on its films, measured on other patients, and written as a model."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from dicom_forms import describe, write
from own_models import MODELS, SIZE, save_own, write_facts
from PIL import Image

from hilum.cli import main
from hilum.ensembles.graph import join_members
from hilum.evaluation.outside.seen_films import DIGITS
from hilum.evaluation.scoring.decisions import choose_threshold
from hilum.evaluation.scoring.scaling import fit_temperature, softmax
from hilum.models.classifier import load_classifier, model_sha256, save_classifier
from hilum.models.flatten import flatten
from hilum.models.forward import predictor
from hilum.project.site_version import ROLE
from hilum.results import read_json, read_table
from hilum.settings.params import read_params
from hilum.tracking.opening import open_store
from hilum.training.given import build_given
from hilum.workspace import Workspace

L = keras.layers
SLOPE, MIDDLE = 0.1, 130.0  # of the true log odds, per grey level, and where both classes are equally frequent
FILES = {"model.keras", "model.json", "recalibration.json", "metrics.json", "effects.csv", "learning_curve.csv"}
FILES |= {"learning_curve.png", "films.csv", "left_out.csv", "predictions.csv", "recalibration.html"}


def grey_reader(slope: float = SLOPE, middle: float = MIDDLE) -> keras.Model:
    """Two classes by the mean grey level x: logits (0, slope (x - middle))."""
    film = keras.Input((SIZE, SIZE, 1))
    end = L.Dense(2, activation="softmax")
    model = keras.Model(film, end(L.GlobalAveragePooling2D()(film)))
    end.set_weights([np.array([[0.0, slope]]), np.array([0.0, -slope * middle])])
    return model


def draw_film(path: Path, level: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = np.full(SIZE * SIZE, int(level), np.uint8)
    whole[: round((level - int(level)) * len(whole))] += 1  # a mean between two grey levels
    np.random.default_rng(list(str(path.name).encode())).shuffle(whole)  # no film is another's copy
    Image.fromarray(whole.reshape(SIZE, SIZE)).save(path)


def draw_site(root: Path, films: int, seed: int, names: tuple[str, str] = ("normal", "ill"), per_patient: int = 2) -> None:
    """Films whose class is drawn by the true log odds SLOPE (x - MIDDLE) of their mean grey level x."""
    rng = np.random.default_rng(seed)
    for i in range(films):
        level = float(rng.uniform(95, 165))
        ill = rng.random() < 1 / (1 + np.exp(-SLOPE * (level - MIDDLE)))
        draw_film(root / names[int(ill)] / f"pat{i // per_patient:03d}_{seed}_{i}.png", level)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project", evaluate__bootstrap=60)
    monkeypatch.chdir(workspace.root)
    return workspace


def save_reader(slope: float = SLOPE, middle: float = MIDDLE, **facts: Any) -> str:
    grey_reader(slope, middle).save("model.keras")
    told = {"classes": ["normal", "ill"], "size": SIZE, "square": "pad", "threshold": None, **facts}
    Path("model.json").write_text(json.dumps(told))
    return "model.keras"


PATIENT = ("--pattern", r"(?P<patient>pat\d+)")


def call(capsys: pytest.CaptureFixture[str], verb: str, *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main([verb, "--json", *options])
    found = json.loads(capsys.readouterr().out)
    print(found.get("refused", ""))
    return status, found


def recalibrate(capsys: pytest.CaptureFixture[str], *options: str, model: str = "model.keras") -> tuple[int, dict[str, Any]]:
    return call(capsys, "recalibrate", "--model", model, "--data", "north", *PATIENT, *options)


def predict_table(model: str, films: str, out: str) -> pd.DataFrame:
    assert main(["predict", "--model", model, "--images", films, "--out", out]) == 0
    return pd.read_csv(out).set_index("file").sort_index()


def scaled(table: pd.DataFrame, temperature: float, biases: dict[str, float]) -> np.ndarray:
    """The probabilities of `predict` after a scaling of their logits."""
    names = list(biases)
    return softmax(np.log(table[[f"p_{name}" for name in names]].to_numpy()) / temperature + np.array(list(biases.values())))


def test_a_known_temperature_is_found_and_the_model_predicts_with_it(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_site(project.root / "north", 160, seed=1)
    found = {}
    for factor in (1.0, 3.0):
        save_reader(SLOPE * factor)
        status, found[factor] = recalibrate(capsys, "--out", f"times{factor:g}")
        assert status == 0
    assert found[1.0]["temperature"] == pytest.approx(1, abs=0.3)  # the labels were drawn so
    assert found[3.0]["temperature"] == pytest.approx(3 * found[1.0]["temperature"], rel=1e-4)
    assert {file.name for file in Path("times3").iterdir()} == FILES
    before, after = predict_table("model.keras", "north", "a.csv"), predict_table("times3/model.keras", "north", "b.csv")
    wanted = scaled(before, found[3.0]["temperature"], {"normal": 0.0, "ill": 0.0})
    assert np.abs(after[["p_normal", "p_ill"]].to_numpy() - wanted).max() < 1e-5


def test_the_facts_say_whose_the_model_is_and_what_it_has_seen(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_site(project.root / "north", 120, seed=2)
    save_reader(SLOPE * 3)
    status, found = recalibrate(capsys, "--site", "st-anna")
    assert status == 0
    facts, films = read_json(Path("recalibrated/model.json")), read_table(Path("recalibrated/films.csv"))
    record = facts["recalibrated"]
    parent = model_sha256(load_classifier(Path("model.keras")))
    assert (record["site"], record["parent"], record["parent_sha256"]) == ("st-anna", "model.keras", parent)
    assert facts["arm"] == found["arm"] == "model-st-anna" and record["films"] == len(films) == 120
    assert record["patients"] == 60 and sum(record["films_by_class"].values()) == 120 and record["date"].startswith("20")
    assert record["seen"]["sha256"] == [one[:DIGITS] for one in films["sha256"]]
    assert facts["model_sha256"] == model_sha256(load_classifier(Path("recalibrated/model.keras"))) != parent
    assert facts["threshold"] is None, "the model as it is has none"


def test_the_page_shows_before_and_after_where_the_decision_lands_and_whose_films(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_site(project.root / "north", 160, seed=4, per_patient=1)
    save_reader(SLOPE * 3, MIDDLE + 8, threshold=0.5, threshold_rule="youden", prior={"normal": 0.5, "ill": 0.5})
    status, found = recalibrate(capsys, "--site", "st-anna", "--method", "temperature_and_biases")
    assert status == 0 and found["page"] == "recalibrated/recalibration.html"
    page = Path(found["page"]).read_text()
    effects = read_table(Path("recalibrated/effects.csv")).set_index("metric")
    for metric in ("log_loss", "ece", "sensitivity/ill"):
        assert f"{effects.at[metric, 'before']:.3f} ({effects.at[metric, 'before_low']:.3f} to" in page
        assert f"{effects.at[metric, 'after']:.3f} ({effects.at[metric, 'after_low']:.3f} to" in page
    assert '<td class="long">0.500</td>' in page and f"{found['threshold']:.3f} by youden" in page
    ill = found["films_by_class"]["ill"]
    predicted = read_table(Path("recalibrated/predictions.csv")).groupby("split")["predicted"].value_counts()
    told = [f"{ill} of 160 films are of ill; predicted as ill</th>"]
    told += [f"{predicted[one, 'ill']} films</td>" for one in ("before", "after")]
    assert '<td class="long">'.join(told) in page
    curve = read_table(Path("recalibrated/learning_curve.csv"))
    assert set(curve["size"]) == {25, 50, 100} and "200 films (" in page and "not drawn" in page.lower()
    assert 'id="spec-calibration"' in page and 'id="spec-curve"' in page and "vegaEmbed" in page
    assert found["parent_sha256"] in page and found["model_sha256"] in page and "Whose films" in page
    assert "they are named in their own way" in page and "normal 50 %, ill 50 %" in page


def dicom_site(root: Path, films: int, seed: int, first: int = 0) -> None:
    """The films of `draw_site` as DICOM, two of each patient, whose number is in the header."""
    draw_site(root / "drawn", films, seed, per_patient=2)
    for file in sorted((root / "drawn").rglob("*.png")):
        number = int(file.stem.split("_")[0].removeprefix("pat")) + first
        place = root / "dicom" / file.parent.name / f"{file.stem}.dcm"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(write(describe(np.array(Image.open(file)), PatientID=f"AB{number:05d}")))


def test_patients_are_compared_where_both_sides_have_one_salt(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """Other films of the patients whose films a model was recalibrated on are told; those of a folder are not comparable."""
    save_reader(SLOPE * 3)
    dicom_site(project.root / "first", 60, seed=1)
    status, found = call(capsys, "recalibrate", "--model", "model.keras", "--data", "first/dicom", "--site", "north")
    assert status == 0 and found["patients"] == 30 and "they are named in their own way" not in Path(found["page"]).read_text()
    facts = read_json(Path("recalibrated/model.json"))["recalibrated"]
    ((naming, digests),) = facts["people"].items()
    salt = next(project.cache.glob("*.hilum-salt")).read_text().strip()
    assert naming.startswith("salt ") and salt not in naming and len(digests) == 30 and "people" not in found
    assert not any("AB00" in text for text in Path("recalibrated/model.json").read_text().splitlines())

    dicom_site(project.root / "later", 40, seed=2, first=20)  # patients 20 to 39, of whom 20 to 29 are known
    model = ("--model", "recalibrated/model.keras")
    status, found = call(capsys, "evaluate", *model, "--data", "later/dicom")
    assert status == 0
    (told,) = [note for note in found["notes"] if "recalibrated on" in note]
    assert told.startswith("20 of 40 films are of patients whose films this model was recalibrated on (north, ")
    assert told.endswith("its figures on them are too good")
    status, found = call(capsys, "evaluate", *model, "--data", "later/drawn", *PATIENT)
    (told,) = [note for note in found["notes"] if "recalibrated on" in note]
    assert told.startswith("patients of drawn are not comparable with those that this model was recalibrated on (north, ")
    status, found = call(capsys, "recalibrate", *model, "--data", "later/dicom", "--site", "north2", "--out", "again")
    assert any(note.startswith("20 of 40 films are of patients") for note in found["notes"])
    for salt_of in project.cache.glob("*.hilum-salt"):
        salt_of.write_text("0" * 64)
    status, found = call(capsys, "evaluate", *model, "--data", "later/dicom")
    assert any("neither one naming nor one salt" in note for note in found["notes"])


def test_the_log_loss_falls_on_other_patients_of_the_site(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_site(project.root / "north", 240, seed=3, per_patient=1)
    draw_site(project.root / "later", 200, seed=4)
    save_reader(SLOPE * 4)
    status, found = recalibrate(capsys)
    assert status == 0 and found["helps"] and found["metrics"]["difference/log_loss.high"] < 0
    curve = pd.DataFrame(found["learning_curve"])
    losses = curve[(curve["metric"] == "log_loss") & (curve["method"] == "temperature")].set_index("size")
    assert losses.index.tolist() == [25, 50, 100, 200] and (losses["films"] >= losses.index).all()
    assert losses.loc[100, "high"] < 0 and losses.loc[200, "difference"] < losses.loc[25, "difference"]
    told = {}
    for model in ("model.keras", "recalibrated/model.keras"):
        status, told[model] = call(capsys, "evaluate", "--model", model, "--data", "later", *PATIENT)
        assert status == 0 and not [note for note in told[model]["notes"] if "its figures on them are too good" in note]
    apart = [[note for note in one["notes"] if "patients of later are not comparable" in note] for one in told.values()]
    assert [len(notes) for notes in apart] == [0, 1], "a folder names its patients in its own way"
    new, old = (told[model]["metrics"] for model in ("recalibrated/model.keras", "model.keras"))
    assert new["log_loss"] < old["log_loss"] - 0.1 and new["ece"] < old["ece"]
    status, told_again = call(capsys, "evaluate", "--model", "recalibrated/model.keras", "--data", "north", *PATIENT)
    assert any("240 of 240 films are those that this model was recalibrated on (north" in note for note in told_again["notes"])


def test_where_it_does_not_help_it_says_so(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_site(project.root / "north", 120, seed=5)
    save_reader(SLOPE)
    status, found = recalibrate(capsys, "--method", "temperature_and_biases")
    assert status == 0 and not found["helps"]
    assert any("does not clearly help" in note and "may be the better choice" in note for note in found["notes"])
    assert found["metrics"]["difference/log_loss.high"] > 0
    assert any(note.startswith("not drawn") and "200 films (" in note for note in found["notes"])


def test_where_the_other_method_brings_more_it_is_named(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_site(project.root / "north", 240, seed=12)
    save_reader(SLOPE, MIDDLE + 25)
    status, found = recalibrate(capsys)
    assert status == 0 and any(
        note.startswith("--method temperature_and_biases brings more: with 200") for note in found["notes"]
    )
    status, found = recalibrate(capsys, "--method", "temperature_and_biases")
    assert status == 0 and found["helps"] and not any("brings more" in note for note in found["notes"])


def test_two_classes_get_a_threshold_by_the_models_own_rule(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_site(project.root / "north", 120, seed=6)
    save_reader(SLOPE * 2, MIDDLE + 12, threshold=0.5, threshold_rule="youden", prior={"normal": 0.5, "ill": 0.5})
    status, found = recalibrate(capsys, "--method", "temperature_and_biases")
    assert status == 0 and abs(sum(found["biases"].values())) < 1e-9 < found["biases"]["ill"]
    before, films = predict_table("model.keras", "north", "a.csv"), read_table(Path("recalibrated/films.csv"))
    y_prob = scaled(before, found["temperature"], found["biases"])
    y_true = np.array([int(name.startswith("ill")) for name in before.index])
    assert found["threshold"] == pytest.approx(choose_threshold("youden", y_true, y_prob[:, 1]), abs=1e-5)
    facts = read_json(Path("recalibrated/model.json"))
    assert facts["prior"]["ill"] == pytest.approx((films["label"] == "ill").mean()) and facts["threshold_rule"] == "youden"
    after = predict_table("recalibrated/model.keras", "north", "b.csv")
    assert np.abs(after[["p_normal", "p_ill"]].to_numpy() - y_prob).max() < 1e-5
    sure = np.abs(y_prob[:, 1] - found["threshold"]) > 1e-5
    assert (after["predicted"].to_numpy()[sure] == np.where(y_prob[sure, 1] >= found["threshold"], "ill", "normal")).all()
    effects = read_table(Path("recalibrated/effects.csv")).set_index("metric")
    assert {"sensitivity/ill", "specificity/ill", "ece", "log_loss"} <= set(effects.index)
    pairs = read_table(Path("recalibrated/predictions.csv"))
    for state, column in (("before", "before"), ("after", "after")):
        rows = pairs[pairs["split"] == state]
        ill = rows[rows["label"] == "ill"]
        assert effects.at["sensitivity/ill", column] == pytest.approx((ill["predicted"] == "ill").mean())


def test_factors_that_follow_from_the_prior_follow_that_of_the_site(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    film = keras.Input((SIZE, SIZE, 1))
    end = L.Dense(3, activation="softmax")
    model = keras.Model(film, end(L.GlobalAveragePooling2D()(film)))
    centres = np.array([80.0, 130.0, 180.0]) / 10
    end.set_weights([centres[None] / 10, -(centres**2) / 2])
    model.save("model.keras")
    names, rng = ["low", "middle", "high"], np.random.default_rng(7)
    for i in range(150):
        k = int(rng.choice(3, p=[0.5, 0.3, 0.2]))
        draw_film(project.root / "north" / names[k] / f"pat{i:03d}.png", float(rng.normal(80 + 50 * k, 30)) % 250)
    prior = dict.fromkeys(names, 1 / 3)
    facts = {"classes": names, "size": SIZE, "square": "pad", "threshold": None, "decision": "balanced", "prior": prior}
    Path("model.json").write_text(json.dumps({**facts, "decision_factors": dict.fromkeys(names, 1.0)}))
    status, found = recalibrate(capsys, "--method", "temperature_and_biases")
    assert status == 0 and found["threshold"] is None
    shares = {name: count / 150 for name, count in found["films_by_class"].items()}
    assert found["decision_factors"] == pytest.approx({name: 1 / (3 * share) for name, share in shares.items()})
    status, found = recalibrate(capsys, "--method", "temperature")
    assert status == 0 and found["decision_factors"] == pytest.approx(dict.fromkeys(names, 1.0)), "its prior is as it was"


def test_where_every_film_is_right_the_models_own_shares_and_prevalence_stay(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(60):
        ill = i % 4 == 0
        draw_film(project.root / "north" / ("ill" if ill else "normal") / f"pat{i:03d}.png", (150.5 if ill else 100.5) + i / 10)
    shares = {"normal": 0.9, "ill": 0.1}
    save_reader(threshold=0.5, threshold_rule="half", prior=shares, prevalence=[0.9, 0.1])
    status, found = recalibrate(capsys, "--method", "temperature_and_biases")
    assert status == 0 and found["temperature"] == 1 and any(note.startswith("every film is on") for note in found["notes"])
    facts = read_json(Path("recalibrated/model.json"))
    assert (facts["prior"], facts["prevalence"]) == (shares, [0.9, 0.1])


def joined() -> keras.Model:
    """An ensemble with a temperature and biases of its own."""
    return join_members({name: flatten(MODELS[name]()) for name in ("softmax", "ops_softmax")}, 1.7, [0.3, -0.3])


def pooled() -> keras.Model:
    """A given model of one sigmoid above a mean of maps, as an arm without calibration has it."""
    film = keras.Input((SIZE, SIZE, 1))
    maps = L.Conv2D(1, 3)(L.Rescaling(1 / 255)(film))
    own = keras.Model(film, L.Activation("sigmoid")(L.GlobalAveragePooling2D()(maps)))
    return build_given(own, SIZE, ["normal", "ill"], ["normal", "ill"])


@pytest.mark.parametrize("kind", ["softmax", "ops_softmax", "ops_sigmoid", "cast_softmax", joined, pooled])
def test_models_of_any_form_keep_their_own_layers(
    project: Workspace, capsys: pytest.CaptureFixture[str], kind: str | Callable[[], keras.Model]
) -> None:
    if isinstance(kind, str):
        save_own(project.root, kind)
    else:
        save_classifier(kind(), project.root / "model.keras")
        write_facts(project.root)
    draw_site(project.root / "north", 80, seed=8)
    status, found = recalibrate(capsys, "--method", "temperature_and_biases")
    assert status == 0
    network = load_classifier(project.root / "recalibrated" / "model.keras")
    films = np.random.default_rng(0).integers(0, 256, (8, SIZE, SIZE, 1)).astype(np.float32)
    before, after = (predictor(one)(films) for one in (load_classifier(project.root / "model.keras"), network))
    wanted = softmax(np.log(before) / found["temperature"] + np.array(list(found["biases"].values())))
    np.testing.assert_allclose(after, wanted, atol=1e-5)
    status, again = recalibrate(capsys, "--site", "south", "--out", "twice", model="recalibrated/model.keras")
    assert status == 0 and again["arm"] == "model-north-south"
    assert any("80 of 80 films are those that this model was recalibrated on (north" in note for note in again["notes"])
    inner = read_json(project.root / "twice" / "model.json")["recalibrated"]
    assert (inner["site"], inner["before"]["site"]) == ("south", "north")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--method", "none"], "--method must be one of temperature, temperature_and_biases"),
        (["--site", "St. Anna"], "--site must be of letters"),
        (["--labels", "normal=normal ill=normal"], "must be of one class each"),
        (["--out", "notes"], "new folder"),
        (["--labels", "ill=ill"], "at least 5 patients of every class of the model"),
    ],
)
def test_what_cannot_be_recalibrated_is_refused(
    project: Workspace, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    draw_site(project.root / "north", 60, seed=9)
    save_reader()
    (project.root / "notes").mkdir()
    (project.root / "notes" / "mine.txt").write_text("keep")
    status, found = recalibrate(capsys, *options)
    assert status == 1 and said in found["refused"] and not Path("recalibrated").exists()
    assert (project.root / "notes" / "mine.txt").read_text() == "keep"


def test_too_few_patients_of_a_class_are_refused_with_their_number(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(12):
        draw_film(project.root / "north" / "normal" / f"pat{i}.png", 100 + i)
    for i in range(8):  # four patients
        draw_film(project.root / "north" / "ill" / f"pat{20 + i // 2}_{i}.png", 150 + i)
    save_reader()
    status, found = recalibrate(capsys)
    assert status == 1 and "normal: 12, ill: 4; label films of more patients" in found["refused"]


def test_a_registered_version_says_whose_it_is_and_is_not_the_champion(
    project: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow.pyfunc

    draw_site(project.root / "north", 100, seed=10)
    save_reader(SLOPE * 3, arm="reader", run_key="k1")
    status, found = recalibrate(capsys, "--register")
    assert status == 0 and found["version"] == "models:/hilum/1"
    store = open_store(project, read_params(project.params).tracking)
    version = store.client.get_model_version_by_alias("hilum", "reader-north")
    assert store.champion("hilum") is None and store.versions("hilum", "k1") == []
    parent = model_sha256(load_classifier(Path("model.keras")))
    assert {key: version.tags[key] for key in ("site", "parent", "films")} == {"site": "north", "parent": parent, "films": "100"}
    assert "recalibrated for north" in version.description and "100 films of 50 patients" in version.description
    assert list(store.client.get_registered_model("hilum").aliases) == ["reader-north"]
    run = store.client.get_run(version.run_id)
    assert run.info.status == "FINISHED" and run.data.tags["role"] == ROLE
    assert run.data.metrics["site/after/log_loss"] < run.data.metrics["site/before/log_loss"]
    kept = {entry.path for entry in store.client.list_artifacts(version.run_id, "recalibration")}
    assert "recalibration/learning_curve.png" in kept and "recalibration/model.keras" not in kept

    file = predict_table("recalibrated/model.keras", "north", "a.csv")
    fetched = predict_table("models:/hilum@reader-north", "north", "b.csv")
    assert np.abs(file[["p_normal", "p_ill"]].to_numpy() - fetched[["p_normal", "p_ill"]].to_numpy()).max() <= 1e-5
    served = mlflow.pyfunc.load_model("models:/hilum@reader-north")
    grey = np.array(Image.open(Path("north") / file.index[0]), np.float32)[None, ..., None]
    wanted = file[["p_normal", "p_ill"]].iloc[0].to_numpy()
    assert np.abs(served.predict(grey)[0] - wanted).max() <= 1e-5
    content = base64.b64encode((Path("north") / file.index[0]).read_bytes()).decode()
    row = mlflow.pyfunc.load_model("models:/hilum-films@reader-north").predict(pd.DataFrame({"film": [content]})).iloc[0]
    assert row["error"] is None and np.abs(np.array([row["p_normal"], row["p_ill"]], float) - wanted).max() <= 1e-5

    status, again = recalibrate(capsys, "--register", "--site", "south", model="models:/hilum@reader-north")
    assert status == 0 and again["version"] == "models:/hilum/2" and again["parent"] == "models:/hilum@reader-north"
    assert store.versions("hilum", "k1") == []
    status, found = call(capsys, "evaluate", "--model", "models:/hilum/2", "--data", "north", *PATIENT)
    assert sum("films are those that this model was recalibrated on" in note for note in found["notes"]) == 2


def test_a_site_may_not_take_the_alias_of_an_arm(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    draw_site(project.root / "north", 60, seed=11)
    save_reader(arm="fine")
    values = yaml.safe_load(project.params.read_text())
    values["arms"]["fine-tuned"] = values["arms"]["baseline"]
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    status, found = recalibrate(capsys, "--site", "tuned", "--register")
    assert status == 1 and "must not make the name of an arm" in found["refused"]


def test_a_temperature_is_that_of_the_films_as_they_are() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 3)) * 2
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    assert fit_temperature(logits * 2.5, labels, np.ones(4000)).temperature == pytest.approx(2.5, rel=0.08)
