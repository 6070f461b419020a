"""The average of weights: by hand, and what of a training it touches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from tiny_fit import VAL, Script, Snapshots, equal, fit
from tiny_task import log_loss, make_model, make_phase, make_settings

from hilum.data.prepared.examples import as_images
from hilum.models.classifier import unfreeze
from hilum.models.forward import predictor
from hilum.training.learning import averaging
from hilum.training.learning.averaging import Averaging


def by_hand(steps: list[np.ndarray], momentum: float) -> np.ndarray:
    average = np.zeros_like(steps[0])
    for t, step in enumerate(steps, start=1):
        m = min(momentum, 1 - 1 / t)
        average = m * average + (1 - m) * step
    return average


@pytest.mark.parametrize("momentum", [0.5, 0.75, 0.995])
def test_the_average_is_that_of_a_hand_computation(momentum: float) -> None:
    model = make_model()
    unfreeze(model, "head", "frozen")
    average, kernel = Averaging(model, momentum), model.get_layer("logits").kernel
    steps = list(np.random.default_rng(0).normal(size=(9, *kernel.shape)))
    for step in steps:
        kernel.assign(step)
        average.take()
    with average.in_place():
        np.testing.assert_allclose(kernel.numpy(), by_hand(steps, momentum), rtol=1e-5, atol=1e-6)
    if momentum == 0.995:
        np.testing.assert_allclose(by_hand(steps, momentum), np.mean(steps, axis=0))
    np.testing.assert_array_equal(kernel.numpy(), steps[-1].astype(np.float32))


def test_nothing_from_before_the_first_step_is_in_it() -> None:
    model = make_model()
    unfreeze(model, "head", "frozen")
    average, kernel = Averaging(model, 0.995), model.get_layer("logits").kernel
    kernel.assign(np.full(kernel.shape, 7.0))
    average.take()
    with average.in_place():
        assert (kernel.numpy() == 7.0).all()


@pytest.mark.parametrize(("batch_norm", "among"), [("train", True), ("frozen", False)])
def test_statistics_of_batch_norm_are_averaged_where_batch_norm_trains(batch_norm: str, among: bool) -> None:
    model = make_model()
    unfreeze(model, 1, batch_norm)
    paths = {weight.path for weight in Averaging(model, 0.9).weights}
    norms = {f"conv_pw_13_bn/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")}
    assert paths == {"conv_pw_13/kernel", "logits/kernel", "logits/bias"} | (norms if among else set())


class Steps:
    """Stands in for the average to see the weights after each step, and what is in place while an epoch is judged."""

    seen: list[list[np.ndarray]]

    def __init__(self, learner: keras.Model, momentum: float) -> None:
        self.learner, self.real = learner, Averaging(learner, momentum)

    def take(self) -> None:
        Steps.seen.append([weight.numpy() for weight in self.real.weights])
        self.real.take()

    def in_place(self) -> Any:
        return self.real.in_place()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[np.ndarray]]]:
    monkeypatch.setattr("hilum.training.learning.fit.Averaging", Steps)
    Steps.seen = []
    return lambda: Steps.seen


@pytest.mark.parametrize("cached", [True, False])
def test_the_kept_weights_are_the_average_and_training_goes_on_from_the_weights_themselves(
    cached: bool, tmp_path: Path, steps: Callable[[], list[list[np.ndarray]]]
) -> None:
    plain, averaged = make_model(), make_model()
    cache = tmp_path if cached else None
    phases = [make_phase(1, 3, batch_norm="train")]
    seen = Snapshots(plain)
    fit(plain, phases, cache, score=Script(1, 2, 3), on_epoch=seen)
    raw = Snapshots(averaged)
    fitted = fit(averaged, phases, cache, score=Script(1, 3, 2), on_epoch=raw, settings=make_settings(averaging=0.8))
    assert fitted.best_step == 1
    for step in range(3):
        assert equal(seen.weights[step], raw.weights[step]), "the trained weights are those of a training without average"
    assert len(steps()) == 3 * 4  # batches of 7 of 24 rows
    unfreeze(averaged, 1, "train")
    wanted = [by_hand([step[i] for step in steps()[:8]], 0.8) for i in range(len(steps()[0]))]
    kept = [weight.numpy() for weight in Averaging(averaged, 0.8).weights]
    for value, hand in zip(kept, wanted, strict=True):
        np.testing.assert_allclose(value, hand, rtol=2e-5, atol=1e-6)
    assert not equal(averaged.get_weights(), plain.get_weights())


def test_the_metrics_of_an_epoch_are_those_of_the_averaged_weights(tmp_path: Path) -> None:
    model = make_model()
    fitted = fit(model, [make_phase("all", 3, batch_norm="train")], tmp_path, settings=make_settings(averaging=0.9))
    kept = fitted.history.set_index("step").loc[fitted.best_step, "val/log_loss"]
    assert log_loss(VAL.labels, predictor(model)(as_images(VAL.films))) == pytest.approx(kept, abs=1e-5)


def test_the_next_phase_starts_from_the_best_averaged_weights_with_an_average_of_its_own(
    tmp_path: Path, steps: Callable[[], list[list[np.ndarray]]]
) -> None:
    model = make_model()
    phases = [make_phase(epochs=2), make_phase(epochs=1, rate=1e-12)]
    fit(model, phases, tmp_path, score=Script(1, 2, 3), settings=make_settings(averaging=0.8, batch_size=24))
    first = by_hand([step[0] for step in steps()[:2]], 0.8)
    np.testing.assert_allclose(steps()[2][0], first, atol=1e-7)
    np.testing.assert_allclose(model.get_layer("logits").get_weights()[0], first, atol=1e-7)
    assert np.abs(steps()[1][0] - first).max() > 1e-3


def test_patience_counts_epochs_of_the_average(tmp_path: Path) -> None:
    fitted = fit(
        make_model(), [make_phase(epochs=6)], tmp_path, score=Script(3, 1, 2), settings=make_settings(averaging=0.9, patience=2)
    )
    assert (len(fitted.history), fitted.best_step) == (3, 0)


def test_an_average_leaves_optimizer_and_dropout_as_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Their counters are those of a training without it: the same masks fall, and Adam's moments are those of the weights."""
    made: list[keras.Model] = []
    make = averaging.Averaging

    def state(learner: keras.Model) -> list[np.ndarray]:
        drops = [layer.seed_generator.state for layer in learner.layers if isinstance(layer, keras.layers.Dropout)]
        return [variable.numpy() for variable in [*learner.optimizer.variables, *drops]]

    def noted(learner: keras.Model, momentum: float) -> Averaging:
        made.append(learner)
        return make(learner, momentum)

    monkeypatch.setattr("hilum.training.learning.fit.Averaging", noted)
    states = []
    for momentum in (1e-9, 0.9):  # the first is as good as none
        fit(make_model(), [make_phase(epochs=2)], tmp_path, score=Script(1, 2), settings=make_settings(averaging=momentum))
        states.append(state(made[-1]))
    assert equal(*states)
    assert int(states[0][0]) == 2 * 4, "Adam's own counter comes first"


def test_an_error_while_an_epoch_is_judged_leaves_the_weights_themselves() -> None:
    model = make_model()
    unfreeze(model, "head", "frozen")
    average, kernel = Averaging(model, 0.5), model.get_layer("logits").kernel
    average.take()
    kernel.assign(np.full(kernel.shape, 3.0))
    with pytest.raises(KeyboardInterrupt), average.in_place():
        raise KeyboardInterrupt
    assert (kernel.numpy() == 3.0).all()
