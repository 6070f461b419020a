"""A fitted network as a model that predicts: the prior that it assumes."""

from types import SimpleNamespace
from typing import Any, cast

import keras
import numpy as np
import pandas as pd
import pytest
from architecture import PACKAGE
from tiny_task import SIZE, make_model, make_rows, make_settings

from hilum.evaluation.scoring.scaling import SEPARATED
from hilum.finishing.model import adjust_given, assume_prevalence
from hilum.training.given import build_given
from hilum.training.learning.arms import Task
from hilum.workspace import Workspace

CLASSES3 = ["normal", "bacterial", "viral"]
VERSIONS = {**dict.fromkeys(("data_version", "split_version", "square", "burned_in", "burned_in_reader"), ""), "size": SIZE}
VERSIONS |= {"classes": CLASSES3}
PREVALENCE = {"normal": 0.9, "bacterial": 0.06, "viral": 0.04}


def test_a_prevalence_that_was_answered_shifts_nothing_more() -> None:
    model, prevalence = make_model(), PREVALENCE
    first = assume_prevalence(model, dict.fromkeys(CLASSES3, 1 / 3), prevalence)
    once = model.get_layer("logits").bias.numpy()
    assert first == prevalence
    assert assume_prevalence(model, first, prevalence) == prevalence
    np.testing.assert_array_equal(model.get_layer("logits").bias.numpy(), once)
    assert assume_prevalence(model, dict.fromkeys(CLASSES3, 1 / 3), {}) == dict.fromkeys(CLASSES3, 1 / 3)
    np.testing.assert_array_equal(model.get_layer("logits").bias.numpy(), once)


def test_only_a_finished_model_is_shifted_from_its_prior() -> None:
    calling = {file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py") if "correct_prior(" in file.read_text()}
    assert calling == {"training/learning/arms.py", "finishing/model.py"}


def grey_reader(middles: list[float]) -> keras.Model:
    """A given model of three classes by the mean grey level, most probable where it is nearest to that of a class."""
    film = keras.Input((SIZE, SIZE, 1))
    end = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(film, end(keras.layers.GlobalAveragePooling2D()(film)))
    levels = np.array(middles)
    end.set_weights([levels[None] / 400, -(levels**2) / 800])
    return build_given(model, SIZE, CLASSES3, CLASSES3, adjustable=True)


@pytest.mark.parametrize(("middles", "known"), [([40.0, 120.0, 200.0], False), ([40.0, 60.0, 100.0], True)])
def test_the_prior_of_a_given_model_is_known_only_where_biases_were_fitted(
    monkeypatch: pytest.MonkeyPatch, middles: list[float], known: bool
) -> None:
    """Where it puts every validation film on its right side nothing is fitted, and no prevalence can be reached from there."""
    val, workspace = make_rows(60, 1), cast(Workspace, SimpleNamespace(prepared=None, split=None))
    people = pd.DataFrame({"patient_id": [f"p{i}" for i in range(60)]})
    monkeypatch.setattr("hilum.finishing.model.load_split", lambda *_: SimpleNamespace(table=people))

    def adjust(**settings: Any) -> dict[str, Any]:
        task = Task(val, val, CLASSES3, None, make_settings(calibration="temperature_and_biases", **settings), 3, None)
        return adjust_given("theirs", grey_reader(middles), task, workspace, VERSIONS)[1]

    shares = {"normal": pytest.approx(1 / 2), "bacterial": pytest.approx(1 / 3), "viral": pytest.approx(1 / 6)}
    assert adjust()["prior"] == (shares if known else None)
    if known:
        assert adjust(prevalence=PREVALENCE)["prior"] == PREVALENCE
        return
    with pytest.raises(ValueError, match=f"must know the prior of theirs, .* got none: {SEPARATED}; raise split.validation"):
        adjust(prevalence=PREVALENCE)
    with pytest.raises(ValueError, match="must know the prior of theirs"):
        adjust(decision="balanced")
