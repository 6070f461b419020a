import numpy as np
import pytest
from tiny_fit import Script, fit
from tiny_task import make_model, make_phase, make_settings

from hilum.settings.training import Schedule
from hilum.training.learning.schedules import Course, epoch_rate, warm_up


def course(decay: str, epochs: int = 8, warmup: float = 0.0, factor: float = 0.5, patience: int = 2) -> Course:
    return Course(
        make_phase(epochs=epochs, rate=0.1, decay=decay),
        Schedule(warmup=warmup, plateau_factor=factor, plateau_patience=patience),
    )


@pytest.mark.parametrize("decay", ["none", "plateau"])
def test_without_warm_up_and_decay_every_batch_has_the_phases_own_rate(decay: str) -> None:
    assert course(decay).rates(3, 5).tolist() == [0.1] * 5


def test_the_rate_rises_batch_by_batch_to_its_value() -> None:
    rising = course("none", warmup=1.5)
    np.testing.assert_allclose(rising.rates(0, 4), 0.1 * np.arange(1, 5) / 6)
    np.testing.assert_allclose(rising.rates(1, 4), [0.1 * 5 / 6, 0.1, 0.1, 0.1])
    assert rising.rates(2, 4).tolist() == [0.1] * 4


def test_a_tenth_of_an_epoch_may_warm_up() -> None:
    np.testing.assert_allclose(warm_up(0.1, 0, 30)[:4], [1 / 3, 2 / 3, 1, 1])


def test_a_cosine_begins_where_the_warm_up_ends() -> None:
    phase = make_phase(epochs=6, rate=0.1, decay="cosine")
    falling = 0.05 * (1 + np.cos(np.pi * np.arange(6) / 6))
    np.testing.assert_allclose([epoch_rate(phase, 0.0, epoch) for epoch in range(6)], falling)
    after = [epoch_rate(phase, 2.0, epoch) for epoch in range(6)]
    np.testing.assert_allclose(after, [0.1, 0.1, 0.1, *0.05 * (1 + np.cos(np.pi * np.arange(1, 4) / 4))])


def test_a_plateau_multiplies_the_rate_after_so_many_epochs_without_improvement_and_counts_anew() -> None:
    watched, rates = course("plateau", patience=2), []
    for improved in (True, False, False, False, True, False, False, False, False):
        rates.append(watched.rates(0, 1)[0])
        watched.note(improved)
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025, 0.025])


def test_a_plateau_means_nothing_to_other_words_of_decay() -> None:
    still = course("none", patience=1)
    for _ in range(4):
        still.note(False)
    assert still.rates(4, 1).tolist() == [0.1]


def test_a_training_reduces_on_the_metric_that_selects_and_records_the_rate_of_each_epochs_last_batch() -> None:
    settings = make_settings(schedule={"warmup": 2.0, "plateau_factor": 0.1, "plateau_patience": 2})
    phase = make_phase(epochs=7, rate=1e-2, decay="plateau")
    fitted = fit(make_model(), [phase], None, settings=settings, score=Script(0.5, 0.6, 0.5, 0.4, 0.7, 0.1, 0.1))
    assert fitted.history["train/learning_rate"].tolist() == pytest.approx([5e-3, 1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-3])


def test_a_warm_up_makes_the_first_steps_small() -> None:
    """Adam's first step is as long as the learning rate, whatever the gradient."""
    moved = []
    for warmup, epochs in ((0.0, 1), (4.0, 5)):
        model = make_model(dropout=0.0)
        before = model.get_layer("logits").get_weights()[0]
        settings = make_settings(batch_size=24, schedule={"warmup": warmup, "plateau_factor": 0.5, "plateau_patience": 1})
        fit(model, [make_phase(epochs=epochs, rate=1e-2)], None, settings=settings, score=Script(5, 4, 3, 2, 1))
        moved.append(np.abs(model.get_layer("logits").get_weights()[0] - before).max())
    assert moved == pytest.approx([1e-2, 2.5e-3], rel=0.02)
