"""A fitted network as a model that predicts: the prior that it assumes."""

import numpy as np
from architecture import PACKAGE
from tiny_task import make_model

from hilum.finishing.model import assume_prevalence

CLASSES3 = ["normal", "bacterial", "viral"]


def test_a_prevalence_that_was_answered_shifts_nothing_more() -> None:
    model, prevalence = make_model(), {"normal": 0.9, "bacterial": 0.06, "viral": 0.04}
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
