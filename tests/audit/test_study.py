"""The study of the rule on phantoms: its table holds what the page says, and a small one comes out as the large one did."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from hilum.audit.rule import judge

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import audit_study


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return audit_study


@pytest.fixture(scope="module")
def table(study: ModuleType) -> pd.DataFrame:
    return pd.read_csv(study.TABLE)


def test_the_rule_reaches_what_it_must_on_small_networks_of_phantoms(study: ModuleType, table: pd.DataFrame) -> None:
    told = np.array([judge(row).mark.shown for row in table.to_dict("records")])
    shortcut, honest = ((table["truth"] == kind).to_numpy() for kind in ("shortcut", "honest"))
    assert shortcut.sum() >= 40 and honest.sum() >= 40 and set(table["kind"]) == set(study.KINDS)
    assert (told[shortcut] == "shown").mean() >= 0.95
    assert (told[honest] == "shown").mean() <= 0.05
    right = ((table["blamed_on_mark"] >= 0.5) & (table["mark_blamed"] >= 0.2)).to_numpy()
    assert right[shortcut & (told == "shown")].mean() >= 0.9


def test_the_page_quotes_the_rates_of_the_table(root: Path, study: ModuleType, table: pd.DataFrame) -> None:
    told = (root / "docs" / "audit.md").read_text()
    for kind, row in study.rates(table, "kind").iterrows():
        assert f"| {kind} | {' | '.join(str(value) for value in row)} |" in told


def test_every_film_set_is_audited_with_an_honest_and_a_shortcut_model(study: ModuleType) -> None:
    truths = ["honest", "honest", "honest", "shortcut", "shortcut", "grey", "weak"]
    models = pd.DataFrame({"part": study.SMALL, "kind": "letter", "truth": truths, "strength": np.linspace(0, 1, 7)})
    models["name"] = [f"small-letter-{i}" for i in range(7)]
    jobs = list(study.film_sets(models))
    assert len(jobs) == 4, "two pairs: the third honest model has no partner"
    for first, second in zip(jobs[::2], jobs[1::2], strict=True):
        assert first[1:] == second[1:], "the same films"
        assert {models.set_index("name")["truth"][name] for name, *_ in (first, second)} == {"honest", "shortcut"}


@pytest.mark.parametrize(("gap", "unmarked", "said"), [(50, 50, "shortcut"), (0, 90, "honest"), (0, 60, "weak"), (5, 90, "grey")])
def test_truth_is_behaviour(study: ModuleType, gap: int, unmarked: int, said: str) -> None:
    """Films of one pixel that say class, mark and lesion; the told class follows from the wanted gap and accuracy."""
    labels = np.arange(400) % 2
    order = np.random.default_rng(0).random(400)
    films = {"class": labels, "none": labels * 2, "letter": labels * 2 + 1}

    def predict(images: np.ndarray) -> np.ndarray:
        value = images.reshape(400, -1)[:, 0].astype(int)
        has_shortcut, truth = value % 2, value // 2
        told = np.where(order < 1 - unmarked / 100, 1 - truth, truth)
        moved = order >= 1 - 2 * gap / 100
        told = np.where(moved & (gap > 0), has_shortcut, told)
        return np.eye(2)[told]

    films = {key: value if key == "class" else value[:, None, None] for key, value in films.items()}
    assert study.truth(predict, films, "letter")["truth"] == said


def test_networks_are_honest_and_shortcut_ones_in_equal_number_with_seeds_of_their_own(study: ModuleType) -> None:
    todo = study.tasks(40)
    strengths = np.array([task.strength for task in todo])
    assert len(todo) == 120 and (strengths <= 0.05).sum() == (strengths >= 0.6).sum() == 60
    assert len({task.seed for task in todo}) == len({task.name for task in todo}) == 120


def test_the_temperature_of_a_network_is_folded_into_its_logits(study: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is four times as sure as it is right, on films of 2 x 2 pixels: 3 of 4 bright ones are of class 1."""
    import keras

    grey = keras.Input((2, 2, 1))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(grey))
    model = keras.Model(grey, keras.layers.Activation("softmax")(logits))
    sure = 4 * np.log(3)  # where log 3 is right
    kernel, bias = np.zeros((4, 2), np.float32), np.array([sure / 2, -sure / 2], np.float32)
    kernel[0] = [-sure, sure]
    model.get_layer("logits").set_weights([kernel, bias])
    monkeypatch.setattr(study, "TRAINING_POOL", 800)
    monkeypatch.setattr(study, "VALIDATION", 400)
    bright = np.repeat([0, 1], 400)
    classes = np.where(np.arange(800) // 2 % 4 == 3, 1 - bright, bright)
    planes = np.broadcast_to(bright[:, None, None], (800, 2, 2)).astype(np.float32)
    films = {"class": classes, "none": planes, "letter": planes}
    task = study.Task(study.SMALL, "letter", 0, 0.0, 1)

    def predict(images: np.ndarray) -> np.ndarray:
        return np.asarray(model(images), np.float64)

    found = study.calibrate(model, predict, films, np.arange(0, 800, 2), task, np.random.default_rng(1))
    right = predict(planes[..., None])[np.arange(800), bright]
    share = (classes[1::2] == bright[1::2]).mean()  # of the films that were left
    assert found == pytest.approx(4, abs=0.1) and right == pytest.approx(share, abs=0.01)


@pytest.mark.slow
def test_a_small_study_separates_an_honest_from_a_shortcut_model(
    study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, films in (("TRAINING_POOL", 1300), ("FRESH", 400), ("AUDIT_POOL", 240), ("AROUND", 200)):
        monkeypatch.setattr(study, name, films)
    monkeypatch.setattr(study, "KINDS", ("letter",))
    study.write_pools(tmp_path, study.SMALL)
    todo = [replace(task, strength=strength) for task, strength in zip(study.tasks(2), (0.0, 1.0), strict=True)]
    for task in todo:
        study.train(tmp_path, task)
        study.audit(tmp_path, (task.name, 1.0, 7, "letter"), 240)
    models = study.truths(tmp_path, todo)
    assert list(models["truth"]) == ["honest", "shortcut"]
    found = study.measured(tmp_path, models)
    told = [judge({str(key): value for key, value in row.items()}) for row in found.to_dict("records")]
    assert [one.mark.shown for one in told] == ["not shown", "shown"]
    assert found["blamed_on_mark"][1] >= 0.5 and found["mark_blamed"][1] >= 0.2
    kept = (tmp_path / "models" / f"{todo[0].name}.json").stat().st_mtime_ns
    study.train(tmp_path, todo[0])
    assert (tmp_path / "models" / f"{todo[0].name}.json").stat().st_mtime_ns == kept, "an interrupted study goes on"
    assert json.loads((tmp_path / "models" / f"{todo[0].name}.json").read_text())["strength"] == 0
