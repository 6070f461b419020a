"""explain --image: one film under any model, with every method, from the command line's own words."""

import json
from collections.abc import Callable
from pathlib import Path

import fake_results as fake
import keras
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from sixteen_bits import png16, ramp

from hilum.explain.measures.registry import MEASURES, wanted_measures
from hilum.explain.methods.registry import METHODS
from hilum.explain.methods.shap_gradients import hash_films
from hilum.explain.sheets.registry import SHEETS
from hilum.models.classifier import load_classifier, model_sha256, save_classifier
from hilum.records import Predictions
from hilum.results import flatten, read_json, run_key, write_json, write_table
from hilum.serving import one_film
from hilum.serving import verdicts as served_sanity
from hilum.settings.params import check_params, read_params
from hilum.stages import explain
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

SIZE = 32
QUICK = {
    "explain__lime__samples": 30,
    "explain__lime__superpixels": 8,
    "explain__lime__features": 4,
    "explain__rise__samples": 40,
    "explain__shapley__orders": 1,
    "explain__shapley__superpixels": 8,
    "explain__shap_partition__evaluations": 30,
    "explain__shap__samples": 5,
    "explain__integrated_gradients__steps": 4,
    "explain__xrai__steps": 4,
}


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Path:
    workspace = make_project(tmp_path / "project", **QUICK)
    monkeypatch.chdir(workspace.root)
    film = np.full((40, 40), 60, np.uint8)
    film[:20, :20] = 220
    Image.fromarray(film).save(tmp_path / "film.png")
    return tmp_path


def own_model(folder: Path, gain: float = 4, **facts: object) -> Path:
    """A user's own file: a backbone inside a Sequential, three channels from 0 to 1, one sigmoid that likes bright films."""
    folder.mkdir()
    layers = keras.layers
    inner = keras.Input((SIZE, SIZE, 3))
    seen = layers.Conv2D(2, 4, strides=4, kernel_initializer=keras.initializers.Constant(1 / 48), name="eyes")(inner)
    backbone = keras.Model(inner, seen, name="backbone")
    end = [layers.GlobalAveragePooling2D(), layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), backbone, *end])
    model.layers[-1].set_weights([np.full((2, 1), gain, np.float32), np.float32([-3])])
    model.save(folder / "own.keras")
    described = {"classes": ["dark", "bright"], "size": SIZE, "square": "pad", "threshold": 0.5, "scaling": [1 / 255, 0]}
    write_json(folder / "model.json", {**described, **facts})
    return folder / "own.keras"


def call(
    project: Path, model: Path, methods: str = "all", image: str = "film.png", arm: str = "", target: str = "predicted"
) -> Path:
    out = project / "out"
    explain.run(
        arm=arm, image=str(project / image) if image else "", model=str(model), methods=methods, target=target, out=str(out)
    )
    return out


def test_a_film_outside_the_depth_of_the_model_is_explained_and_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = own_model(project / "own", grey_bits=[12])
    for bits, said in ((12, False), (16, True)):
        (project / "film.png").write_bytes(png16(ramp(bits)))
        out = call(project, model, methods="saliency")
        told = "outside the bit depth: more than 1% of its pixels lie above the 12 bits"
        assert (told in capsys.readouterr().out) is said
        assert (out / "film.png").is_file()


def test_hilum_s_own_picture_of_a_film_is_not_explained(project: Path) -> None:
    model = own_model(project / "own")
    (call(project, model, methods="saliency") / "film.png").rename(project / "panel.png")
    with pytest.raises(ValueError, match="a picture drawn by hilum"):
        call(project, model, methods="saliency", image="panel.png")


def test_a_user_s_own_model_is_explained_by_every_method(project: Path) -> None:
    model = own_model(project / "own")
    np.savez(project / "own" / "mean_films.npz", films=np.full((2, SIZE, SIZE, 1), [[[[40]]], [[[90]]]], np.float32))
    out = call(project, model)
    assert (out / "film.png").read_bytes().startswith(b"\x89PNG")
    pictures = {path.name for path in (out / "sheets").glob("*.png")}
    assert pictures == {f"{name}_film.png" if sheet.per_film else f"{name}.png" for name, sheet in SHEETS.items()}
    with np.load(out / "sheets" / "ranked_2.npz") as stored:
        assert stored["targets"].tolist() == [0]
    for name in METHODS:
        described = json.loads((out / f"{name}.json").read_text())
        assert described["seconds"] >= 0
        with np.load(out / f"{name}.npz") as stored:
            assert stored["values"].shape == (1, SIZE, SIZE)
            assert np.isfinite(stored["values"]).all()
            assert stored["targets"].tolist() == [1]  # the mean is 100 of 255, so the odds are exp(8 * 100 / 255 - 3) > 1
    for name in ("occlusion", "integrated_gradients", "shap_partition"):
        with np.load(out / f"{name}.npz") as stored:
            values = stored["values"][0]
        assert values[:16, :16].mean() > max(0, values[16:, 16:].mean()), f"{name}: bright parts speak for bright"


def test_without_a_background_all_leaves_shap_out_and_says_so(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = call(project, own_model(project / "own"), "all")
    said = "left out, because no mean_films.npz is beside the model: shap, shap_layer, shap_layers, ranked"
    assert said in capsys.readouterr().out
    assert not list((out / "sheets").glob("ranked*"))
    assert {path.stem for path in out.glob("*.json")} == set(METHODS) - {"shap", "shap_layer"}


def test_the_default_methods_are_those_of_params(project: Path) -> None:
    model = own_model(project / "own")
    np.savez(project / "own" / "mean_films.npz", films=np.zeros((1, SIZE, SIZE, 1), np.float32))
    out = call(project, model, "")
    assert {path.stem for path in out.glob("*.json")} == {"gradcam", "lime", "shap"}
    made = {path.stem for path in (out / "sheets").glob("*.png")}
    assert made == {"gradcam_layers_film", "lime_views_film", "activations_film", "filters"}


def test_a_sheet_alone_and_a_class_of_one_s_choice(project: Path) -> None:
    model = own_model(project / "own")
    out = call(project, model, "gradcam_layers", target="dark")
    assert not (out / "film.png").exists()
    with np.load(out / "sheets" / "gradcam_layers_1.npz") as stored:
        assert stored["targets"].tolist() == [0]
    again = call(project, model, "gradcam,lime", target="dark")
    for name in ("gradcam", "lime"):
        with np.load(again / f"{name}.npz") as stored:
            assert stored["targets"].tolist() == [0]


@pytest.mark.parametrize(
    ("facts", "changes", "told"),
    [
        ({}, {"arm": "baseline"}, "takes one of --arm .* --image .* and --films"),
        ({}, {"image": ""}, "takes one of --arm .* --image .* and --films"),
        ({}, {"methods": "lime,salience"}, "--methods takes all or names out of gradcam, .*, filters, got salience"),
        ({}, {"methods": "shap"}, r"--model must have mean_films\.npz beside it for shap"),
        ({}, {"target": "grey"}, r"--target must be predicted or a class of the model \(dark, bright\), got 'grey'"),
        ({}, {"image": "none.png"}, r"none\.png"),
        ({"classes": ["a", "b", "c"], "threshold": None}, {}, "must name 2 classes, as the model has, got a, b, c"),
        ({"classes": ["a", "b", "c"]}, {}, "one of two classes, got 0.5 for 3; set it to null"),
        ({"size": 64}, {}, "must say the size of the model's films, 32 x 32, got 64"),
        ({"gain": np.nan}, {}, "probabilities must be finite numbers, got nan, nan"),
    ],
)
def test_what_cannot_be_explained_is_refused(project: Path, facts: dict, changes: dict, told: str) -> None:
    with pytest.raises((ValueError, OSError), match=told):
        call(project, own_model(project / "own", **facts), **{"methods": "gradcam", **changes})
    assert not (project / "out").exists()


def test_every_method_has_its_settings_and_the_full_profile_takes_them_all(project: Path) -> None:
    params = read_params(Path("params.yaml"))
    assert params.explain.methods == ["gradcam", "lime", "shap"]
    values = params.model_dump()
    values["explain"]["profile"] = "full"
    full = check_params(values).explain
    assert full.methods == list(METHODS)
    assert full.sheets == list(SHEETS)
    assert wanted_measures(full.measures) == list(MEASURES)
    values["explain"]["profile"] = "everything"
    with pytest.raises(ValueError, match=r"explain\.profile"):
        check_params(values)


def hilum_model(folder: Path) -> Path:
    """A small file of hilum's own form, as `train` leaves it."""
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    seen = keras.layers.Conv2D(2, 4, strides=4, name="eyes")(keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(grey))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D(name="pool")(seen))
    model = keras.Model(grey, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name="reader")
    folder.mkdir(parents=True)
    save_classifier(model, folder / "model.keras")
    described = {"classes": ["a", "b"], "size": SIZE, "square": "pad", "threshold": 0.5, "scaling": "inside"}
    write_json(folder / "model.json", described)
    return folder / "model.keras"


def write_verdicts(folder: Path, model_sha256: str = "m", **changes: object) -> Path:
    """What `explain --arm` leaves: Grad-CAM failed, LIME passed, saliency gave no evidence, under the project's settings."""
    settings = read_params(Path("params.yaml")).explain
    tested = pd.DataFrame({"method": ["gradcam", "lime", "saliency"], "verdict": ["fails sanity", "passes", "no evidence"]})
    write_table(folder / "sanity.csv", tested)
    params = {**flatten(settings, "explain"), **changes}
    write_json(folder / "settings.json", {"model_sha256": model_sha256, "params": params})
    return folder


def stamps(project: Path, model: Path, methods: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The verdicts that the panel's maps carry."""
    seen: dict[str, str] = {}
    draw = one_film.draw_panel

    def watched(film, maps, *rest):
        seen.update({one.method: one.sanity for one in maps})
        return draw(film, maps, *rest)

    monkeypatch.setattr(one_film, "draw_panel", watched)
    assert (call(project, model, methods) / "film.png").is_file()
    return seen


def test_hilum_s_own_file_is_explained_and_nothing_is_said_of_what_nobody_tested(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = hilum_model(project / "arm" / "training")
    assert stamps(project, model, "gradcam,saliency", monkeypatch) == {"gradcam": "", "saliency": ""}


def test_the_verdicts_of_the_arm_stand_on_the_panel(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = hilum_model(project / "arm" / "training")
    write_verdicts(project / "arm" / "explanations", model_sha256(load_classifier(model)))
    told = stamps(project, model, "gradcam,lime,saliency,occlusion", monkeypatch)
    assert told == {"gradcam": "fails sanity", "lime": "passes", "saliency": "no evidence", "occlusion": ""}


def test_the_facts_of_another_model_bring_none_of_its_verdicts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = hilum_model(project / "arm" / "training")
    write_verdicts(project / "arm" / "explanations", "another")
    facts = read_json(model.with_name("model.json"))
    write_json(model.with_name("model.json"), {**facts, "model_sha256": "another"})
    assert stamps(project, model, "gradcam", monkeypatch) == {"gradcam": ""}


def test_a_verdict_against_other_background_films_is_none(project: Path) -> None:
    model = hilum_model(project / "arm" / "training")
    films = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 1)).astype(np.float32)
    folder = write_verdicts(project / "arm" / "explanations")
    write_table(folder / "sanity.csv", pd.DataFrame({"method": ["lime", "shap"], "verdict": ["passes", "passes"]}))
    write_json(folder / "settings.json", {**read_json(folder / "settings.json"), "background_sha256": hash_films(films)})
    workspace, params = Workspace(Path.cwd(), Path.cwd()), read_params(Path("params.yaml"))

    def told(background: np.ndarray | None) -> set[str]:
        facts = {"model_sha256": "m"}
        return set(served_sanity.read_verdicts(str(model), facts, background, params.explain, workspace, params.tracking))

    assert told(films) == {"lime", "shap"}
    assert told(films[:2]) == told(None) == {"lime"}


@pytest.mark.parametrize(
    ("sha", "changes", "known"),
    [
        ("m", {}, {"gradcam", "lime", "saliency"}),
        ("another", {}, set()),
        ("m", {"explain.lime.samples": 5000}, {"gradcam", "saliency"}),
        ("m", {"explain.gradcam.layer": "finer"}, {"lime", "saliency"}),
    ],
)
def test_a_verdict_holds_for_that_model_and_those_settings_only(project: Path, sha: str, changes: dict, known: set) -> None:
    model = hilum_model(project / "arm" / "training")
    write_verdicts(project / "arm" / "explanations", sha, **changes)
    workspace, params = Workspace(Path.cwd(), Path.cwd()), read_params(Path("params.yaml"))
    told = served_sanity.read_verdicts(str(model), {"model_sha256": "m"}, None, params.explain, workspace, params.tracking)
    assert set(told) == known


def test_the_verdicts_of_a_registered_model_are_those_of_its_newest_run(project: Path) -> None:
    """Runs of one key: the oldest with verdicts, a newer one with verdicts under other settings of LIME, the newest without."""
    workspace, params = Workspace(Path.cwd(), Path.cwd()), read_params(Path("params.yaml"))
    store = open_store(workspace, params.tracking)
    first = write_verdicts(project / "first")
    second = write_verdicts(project / "second", **{"explain.lime.samples": 5000})
    write_table(second / "sanity.csv", pd.DataFrame({"method": ["gradcam", "lime"], "verdict": ["no evidence", "fails sanity"]}))
    for folder in (first, second, None):
        with store.start("arm", {"run_key": "k"}) as run:
            if folder:
                run.log_folder(folder, "explanations")
    described = {"model_sha256": "m", "run_key": "k"}

    def told(facts: dict) -> dict[str, str]:
        return served_sanity.read_verdicts("models:/hilum@champion", facts, None, params.explain, workspace, params.tracking)

    assert told(described) == {"gradcam": "no evidence", "lime": "passes", "saliency": "no evidence"}
    assert told({**described, "run_key": "none"}) == {}
    assert told({"model_sha256": "m"}) == {}, "a model that hilum did not train"


def test_a_bare_true_is_the_word(project: Path) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["explain"]["target"] = True  # as YAML reads `target: true`
    assert check_params(values).explain.target == "true"


@pytest.mark.parametrize(("target", "expected"), [("predicted", [1, 0, 1]), ("true", [0, 0, 1]), ("bright", [1, 1, 1])])
def test_the_class_that_maps_explain(target: str, expected: list[int]) -> None:
    names = np.array(["a", "b", "c"])
    answers = Predictions(names, names, np.array([0, 0, 1]), np.full((3, 2), 0.5), np.array([1, 0, 1]), ("dark", "bright"))
    assert explain.choose_targets(target, answers).tolist() == expected


def test_an_arm_is_not_explained_by_the_evaluation_of_another_training(own_copy: Workspace) -> None:
    """Its verdicts, which the panels show and whose classes the maps explain, are those of another threshold."""
    other = fake.training_settings("baseline", model={**fake.VERSIONS, "model_sha256": "m" * 64, "threshold": 0.6})
    trained = fake.write_training(own_copy, "baseline")
    write_json(own_copy.arm("baseline", "training") / "model.json", trained["model"])
    fake.write_measured(own_copy, "baseline", "evaluation", {}, run_key=run_key(other))
    explanations = fake.write_measured(own_copy, "baseline", "explanations", {})
    with pytest.raises(ValueError, match=r"baseline must be evaluated before it is explained, but .* run `dvc repro`"):
        explain.run("baseline", image="", model="", methods="", target="", out="")
    assert (explanations / "metrics.json").is_file(), "what is there stays"
