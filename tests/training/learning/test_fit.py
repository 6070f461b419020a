"""The fitting of an arm's phases, on 24 films of 32 px."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.optimize import brentq
from scipy.stats import norm
from tiny_fit import TRAIN, VAL, Script, Snapshots, equal, fit
from tiny_task import log_loss, make_mobilenet, make_model, make_network, make_phase, make_rows, make_settings, no_augmentation

from hilum.data.prepared.examples import Examples, as_images
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.models.forward import predictor
from hilum.records import Labels, Probabilities
from hilum.settings.params import read_params
from hilum.training.learning import augmentation
from hilum.training.learning.augmentation import draw_view
from hilum.training.learning.fit import Fitted, find_kept, read_ahead
from hilum.training.learning.imbalance import Sampling
from hilum.training.learning.learner import loss_of

KINDS = ("dw", "pw")  # of convolutions in a MobileNet's block

TWICE = """
import sys
from pathlib import Path
import numpy as np
from hilum.training.learning.imbalance import Sampling
from hilum.training.learning import augmentation
from hilum.training.learning.augmentation import draw_view
from hilum.training.learning.fit import begin_training, fit_phases
begin_training(3)
from hilum.models.classifier import model_sha256
from tiny_task import make_mobilenet, make_phase, make_rows, make_settings, score, silent
for _ in range(2):
    model = make_mobilenet(None)
    rows = make_rows(24, 1)
    phases = [make_phase("all", 1, batch_norm="train")]
    shown = [Sampling("none", np.arange(24), np.ones(24))]
    fit_phases(model, phases, rows, rows, shown, make_settings(), 3, None, score, silent, silent)
    print(model_sha256(model))
"""


def answers_of(auroc: float, loss: float, labels: Labels) -> Probabilities:
    """Probabilities (N, 2) of about this AUROC and exactly this log loss: normal scores, moved apart and scaled."""
    spread = norm.ppf((np.arange(len(labels) // 2) + 0.5) / (len(labels) // 2))
    scores = np.where(labels == 1, norm.ppf(auroc) * np.sqrt(2), 0.0)
    scores[labels == 0] += spread
    scores[labels == 1] += spread

    def answer(scale: float) -> Probabilities:
        p = 1 / (1 + np.exp(-scale * (scores - scores.mean())))
        return np.stack([1 - p, p], axis=1)

    return answer(brentq(lambda scale: log_loss(labels, answer(scale)) - loss, 2.0, 8.0))


@pytest.mark.parametrize(
    ("backbone", "lowest", "below", "trained"),
    [
        ("mobilenet_025", "block_11", "conv_pw_10_relu", [f"conv_{kind}_{block}" for kind in KINDS for block in (11, 12, 13)]),
        (
            *("efficientnet_lite0", "block_15", "block_14_add"),  # by ImageNet weights of its package
            [*(f"block_{block}_{step}" for block in (15, 16) for step in ("expand", "depthwise", "project")), "top_conv"],
        ),
    ],
)
def test_training_on_cached_activations_gives_exactly_the_weights_of_training_through_the_frozen_part(
    backbone: str, lowest: str, below: str, trained: list[str], weights: Path, tmp_path: Path
) -> None:
    """Two phases, views, dropout, more copies than views, class weights a last batch that is not full; each epoch compared."""
    phases = [make_phase("head", 2), make_phase(lowest, 2, rate=1e-3)]
    first_weights = weights if backbone == "mobilenet_025" else "imagenet"
    sample = np.append(np.arange(24), [5, 11, 11, 11])
    given = {"sample": sample, "weights": np.linspace(0.5, 1.5, 28)}
    through, above = (make_network(backbone, first_weights) for _ in range(2))
    first = through.get_weights()
    seen, cached = Snapshots(through), Snapshots(above)
    plain = fit(through, phases, None, on_epoch=seen, score=Script(1, 2, 3, 4), **given)
    quick = fit(above, phases, tmp_path, on_epoch=cached, score=Script(1, 2, 3, 4), **given)
    assert plain.cuts == [None, None]
    assert quick.cuts == ["pool", below]
    for step in range(4):
        assert equal(seen.weights[step], cached.weights[step]), step
    assert equal(through.get_weights(), above.get_weights())
    pd.testing.assert_frame_equal(plain.history, quick.history, check_exact=True)
    moved = {
        weight.path.split("/")[0]
        for weight, a, b in zip(above.weights, above.get_weights(), first, strict=True)
        if (a != b).any()
    }
    assert moved == {*trained, "logits"}
    assert plain.trained == quick.trained == [["logits"], quick.trained[1]]
    assert set(quick.trained[1]) == moved
    assert len(list(tmp_path.glob("*.npy"))) == 2 * (2 + 1 + 1)  # two views, film 11's further ones, validation, at two cuts


def test_of_two_epochs_the_one_of_the_lower_log_loss_is_kept_and_not_the_one_that_ranks_better(root: Path) -> None:
    select = read_params(root / "params.yaml").train.select
    labels = np.tile([0, 1], 200)
    script = iter([answers_of(0.900, 0.589, labels), answers_of(0.895, 0.525, labels), answers_of(0.900, 0.589, labels)])
    told: list[dict[str, float]] = []

    def scripted(_: Labels, __: Probabilities) -> dict[str, float]:
        told.append(score_epoch(select)(labels, next(script)))
        return dict(told[-1])

    settings = make_settings(select=select, patience=1)
    fitted = fit(make_model(), [make_phase(epochs=9)], None, score=scripted, settings=settings)
    assert [round(row["val/log_loss"], 3) for row in told] == [0.589, 0.525, 0.589]
    assert [row["val/auroc_macro"] for row in told] == pytest.approx([0.900, 0.895, 0.900], abs=2e-3)
    assert fitted.best_step == 1, "by AUROC it would be the first"
    assert len(fitted.history) == 3, "patience counts on the same score: the third epoch ranks better and is no better"


OPTIONS: dict[str, dict[str, Any]] = {  # what training may be told, alone and together
    "adamw": {"optimizer": {"name": "adamw", "weight_decay": 0.05}},
    "sgd": {"optimizer": {"name": "sgd", "nesterov": True, "weight_decay": 0.01}},
    "clip": {"optimizer": {"clip": 0.1}},
    "layer_decay": {"optimizer": {"layer_decay": 0.5}},
    "label_smoothing": {"label_smoothing": 0.1},
    "warmup": {"schedule": {"warmup": 1.5, "plateau_factor": 0.5, "plateau_patience": 1}},
    "mixup": {"mixup": 0.4},
    "averaging": {"averaging": 0.9},
}
OPTIONS["all of them"] = {
    **{key: value for option in OPTIONS.values() for key, value in option.items()},
    "optimizer": {"name": "adamw", "weight_decay": 0.05, "clip": 0.1, "layer_decay": 0.5},
}


def fit_option(option: str, make: Callable[[], keras.Model], cache: Path | None, above: str | int = 1) -> list[np.ndarray]:
    """The weights of a training of two phases with that option, or with none; the second one's rate falls on a plateau."""
    model = make()
    phases = [make_phase("head", 2), make_phase(above, 3, rate=1e-3, decay="plateau")]
    settings = make_settings(**OPTIONS.get(option, {}))
    fit(model, phases, cache, settings=settings, score=Script(1, 2, 3, 2.5, 4), weights=np.linspace(0.5, 1.5, 24))
    return model.get_weights()


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_gives_the_same_bytes_again_with_and_without_a_cache_and_changes_the_training(
    option: str, tmp_path: Path
) -> None:
    one, again, through = (fit_option(option, make_model, folder) for folder in (tmp_path, tmp_path, None))
    assert equal(one, again)
    assert equal(one, through)
    assert not equal(one, fit_option("none", make_model, tmp_path))


def test_all_options_together_give_a_mobilenet_the_same_weights_with_and_without_a_cache(weights: Path, tmp_path: Path) -> None:
    cached, through = (
        fit_option("all of them", lambda: make_mobilenet(weights), folder, "block_11") for folder in (tmp_path, None)
    )
    assert equal(cached, through)


def test_activations_are_computed_once_for_all_epochs_and_trainings(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    fit(make_model(), [make_phase(epochs=3)], tmp_path, on_film=lambda *call: calls.append(call))
    assert calls == [(24, 24), (24, 24), (12, 12)]
    fit(make_model(dropout=0.1), [make_phase(rate=1e-3)], tmp_path, on_film=lambda *call: calls.append(call))
    assert len(calls) == 3


def test_without_views_the_films_are_shown_as_they_are(tmp_path: Path) -> None:
    settings = make_settings(views=0)
    one, other, plain = make_model(), make_model(), make_model()
    fit(one, [make_phase()], tmp_path, settings=settings)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    fit(other, [make_phase()], tmp_path, settings=make_settings(augment=no_augmentation()))
    fit(plain, [make_phase()], None, settings=settings)
    assert equal(one.get_weights(), other.get_weights())
    assert equal(one.get_weights(), plain.get_weights())


def test_a_mended_fault_in_a_view_trains_on_none_of_the_old_activations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit_code: Callable[[str], None]
) -> None:
    def fitted(folder: Path) -> list[np.ndarray]:
        model = make_model()
        fit(model, [make_phase()], folder, score=Script(1, 2))
        return model.get_weights()

    with monkeypatch.context() as patch:  # the fault: black and white change places
        patch.setattr(augmentation, "draw_view", lambda film, rng, changes: 255 - draw_view(film, rng, changes))
        faulty = fitted(tmp_path / "shared")
    edit_code("training/learning/augmentation.py")  # the same process has the mended code; the cache sees its file change
    mended = fitted(tmp_path / "shared")
    assert equal(mended, fitted(tmp_path / "new"))
    assert not equal(mended, faulty)


def test_the_best_epoch_is_kept_and_the_next_phase_starts_from_it(cache: Path) -> None:
    model = make_model()
    seen = Snapshots(model)
    phases = [make_phase(epochs=3), make_phase(epochs=2, rate=1e-12)]
    fitted = fit(model, phases, cache, on_epoch=seen, score=Script(0.1, 0.9, 0.3, 0.2, 0.5))
    assert fitted.best_step == 1
    assert equal(model.get_weights(), seen.weights[1])
    assert not equal(seen.weights[1], seen.weights[2])
    for now, best in zip(seen.weights[3], seen.weights[1], strict=True):
        np.testing.assert_allclose(now, best, atol=1e-9)


def test_of_equal_epochs_the_first_is_kept(cache: Path) -> None:
    assert fit(make_model(), [make_phase(epochs=3)], cache, score=Script(0.5, 0.5, 0.5)).best_step == 0


def test_the_metrics_of_the_kept_epoch_are_those_of_the_returned_model(cache: Path) -> None:
    model = make_model()
    fitted = fit(model, [make_phase(epochs=3, rate=3e-2)], cache)
    kept = fitted.history.set_index("step").loc[fitted.best_step, "val/log_loss"]
    assert kept == fitted.history["val/log_loss"].min()
    assert log_loss(VAL.labels, predictor(model)(as_images(VAL.films))) == pytest.approx(kept, abs=1e-5)
    assert kept < log_loss(VAL.labels, predictor(make_model())(as_images(VAL.films)))


def test_the_penalty_on_weights_is_in_the_training_loss_and_not_in_the_validation_metrics(cache: Path) -> None:
    """Defect 9: an early stop on a loss that the penalty swamps."""
    light, heavy = make_model(weight_decay=0.0), make_model(weight_decay=10.0)
    plain = fit(light, [make_phase(epochs=1, rate=1e-12)], cache).history.iloc[0]
    penalised = fit(heavy, [make_phase(epochs=1, rate=1e-12)], cache).history.iloc[0]
    assert penalised["train/loss"] - plain["train/loss"] == pytest.approx(float(heavy.losses[0]), rel=1e-3)
    assert float(heavy.losses[0]) > 1
    assert penalised["val/log_loss"] == pytest.approx(plain["val/log_loss"], abs=1e-6)


def test_the_history_has_a_row_per_epoch(cache: Path) -> None:
    model = make_model()
    seen = Snapshots(model)
    fitted = fit(model, [make_phase(epochs=2), make_phase(1, 1, rate=1e-4)], cache, on_epoch=seen)
    columns = ["step", "phase", "epoch", "train/learning_rate", "train/loss", "val/log_loss"]
    assert list(fitted.history.columns) == columns
    assert fitted.history[columns[:4]].to_numpy().tolist() == [[0, 0, 0, 1e-2], [1, 0, 1, 1e-2], [2, 1, 0, 1e-4]]
    assert fitted.trained == [["logits"], ["conv_pw_13", "logits"]]
    for row, told in zip(fitted.history.to_dict("records"), seen.metrics, strict=True):
        assert {**row, "select": -row["val/log_loss"]} == told


def test_a_phase_ends_after_so_many_epochs_without_improvement(cache: Path) -> None:
    scores = Script(0.5, 0.6, 0.1, 0.2, 0.3, 0.7, 0.1, 0.1)
    phases = [make_phase(epochs=8), make_phase(epochs=8)]
    fitted = fit(make_model(), phases, cache, score=scores, settings=make_settings(patience=2))
    assert fitted.history["phase"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert fitted.best_step == 5


def test_an_epoch_whose_metric_is_undefined_is_never_preferred(cache: Path) -> None:
    nan = float("nan")
    assert fit(make_model(), [make_phase(epochs=3)], cache, score=Script(nan, 0.1, nan)).best_step == 1
    only = fit(make_model(), [make_phase(epochs=2)], cache, score=Script(nan, nan))
    assert only.best_step in only.history["step"].tolist()


def test_a_training_whose_selecting_metric_was_never_defined_is_refused() -> None:
    rows = {"step": [0, 1], "phase": [0, 0], "val/log_loss": [0.5, 0.4], "val/precision_macro": [np.nan, np.nan]}
    fitted = Fitted(pd.DataFrame(rows), 0, [[]], [None], [])
    assert find_kept(fitted, "log_loss")["val/log_loss"] == 0.5
    with pytest.raises(ValueError, match=r"must be defined in at least one epoch.*or lower the learning rate"):
        find_kept(fitted, "precision_macro")
    solved = Fitted(pd.DataFrame(rows), 1, [[]], [None], [], {0: 0.01})
    with pytest.raises(ValueError, match=r"at the penalty of least log loss \(0\.01\).*another train\.select, such as log_loss$"):
        find_kept(solved, "precision_macro")


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_what_a_callback_raises_ends_the_training(fault: type[BaseException], cache: Path, tmp_path: Path) -> None:
    steps = []

    def stop(step: int, metrics: dict[str, float]) -> None:
        steps.append(step)
        if step == 1:
            raise fault("stop")

    def full(done: int, total: int) -> None:
        raise fault("full")

    with pytest.raises(fault, match="stop"):
        fit(make_model(), [make_phase(epochs=5)], cache, on_epoch=stop)
    assert steps == [0, 1]
    with pytest.raises(fault, match="full"):
        fit(make_model(), [make_phase()], tmp_path, on_film=full)


def test_rows_outside_the_sample_play_no_part(cache: Path) -> None:
    other = Examples(TRAIN.films, np.where(np.arange(24) < 18, TRAIN.labels, 2 - TRAIN.labels), TRAIN.keys)
    one, two, all_rows = make_model(), make_model(), make_model()
    fit(one, [make_phase()], cache, sample=np.arange(18))
    fit(two, [make_phase()], cache, train=other, sample=np.arange(18))
    fit(all_rows, [make_phase()], cache, train=other)
    assert equal(one.get_weights(), two.get_weights())
    assert not equal(one.get_weights(), all_rows.get_weights())


def test_a_class_that_is_shown_more_often_is_said_more_often(cache: Path) -> None:
    rare = np.flatnonzero(TRAIN.labels == 2)
    once, often = make_model(), make_model()
    fit(once, [make_phase()], cache, score=Script(1, 2))
    fit(often, [make_phase()], cache, score=Script(1, 2), sample=np.append(np.arange(24), np.repeat(rare, 6)))
    answers = [predictor(model)(as_images(VAL.films))[:, 2].mean() for model in (once, often)]
    assert answers[1] > answers[0] + 0.02


def test_weights_scale_each_rows_share_of_the_loss(cache: Path) -> None:
    losses = []
    for weight in (np.ones(24), np.full(24, 3.0), (TRAIN.labels == 1) * 1.0, (TRAIN.labels != 1) * 1.0):
        model = make_model(dropout=0.0, weight_decay=0.0)
        losses.append(fit(model, [make_phase(epochs=1, rate=1e-12)], cache, weights=weight).history["train/loss"][0])
    assert losses[1] == pytest.approx(3 * losses[0], rel=1e-5)
    assert losses[2] + losses[3] == pytest.approx(losses[0], rel=1e-5)


def test_validation_films_choose_the_epoch_and_teach_nothing(cache: Path) -> None:
    one, other = make_model(), make_model()
    first, second = Snapshots(one), Snapshots(other)
    fit(one, [make_phase()], cache, on_epoch=first)
    fit(other, [make_phase()], cache, val=make_rows(9, seed=8), on_epoch=second)
    assert all(equal(a, b) for a, b in zip(first.weights, second.weights, strict=True))
    assert first.metrics[0]["val/log_loss"] != second.metrics[0]["val/log_loss"]


def test_the_focal_loss_is_that_of_a_hand_computation() -> None:
    logits = np.log(np.array([[0.9, 0.06, 0.04], [0.2, 0.5, 0.3]], np.float32))
    said = loss_of(2.0)(np.eye(3)[[0, 2]], logits)
    assert float(said) == pytest.approx((0.1**2 * -np.log(0.9) + 0.7**2 * -np.log(0.3)) / 2, rel=1e-4)
    plain = loss_of(0.0)(np.array([0, 2]), logits)
    assert float(plain) == pytest.approx((-np.log(0.9) - np.log(0.3)) / 2, rel=1e-4)


def test_a_focal_phase_starts_with_the_focal_loss_of_the_prior(cache: Path) -> None:
    shown = Sampling("focal", np.arange(24), np.ones(24), gamma=2.0)
    fitted = fit(make_model(dropout=0.0, weight_decay=0.0), [make_phase(epochs=1, rate=1e-12)], cache, shown=shown)
    prior = np.array([1 / 2, 1 / 3, 1 / 6])
    assert fitted.history["train/loss"][0] == pytest.approx((prior * (1 - prior) ** 2 * -np.log(prior)).sum(), rel=0.02)


SMOTE = Sampling("smote", np.arange(24), np.ones(24), made_up=np.repeat([1, 2], [4, 8]))


def test_smote_makes_the_rare_class_be_said_more_often_and_gives_equal_weights_for_equal_seeds(cache: Path) -> None:
    plain, one, two = make_model(), make_model(), make_model()
    fit(plain, [make_phase(epochs=4)], cache, score=Script(1, 2, 3, 4))
    fit(one, [make_phase(epochs=4)], cache, score=Script(1, 2, 3, 4), shown=SMOTE)
    fit(two, [make_phase(epochs=4)], cache, score=Script(1, 2, 3, 4), shown=SMOTE)
    assert equal(one.get_weights(), two.get_weights())
    answers = [predictor(model)(as_images(VAL.films))[:, 2].mean() for model in (plain, one)]
    assert answers[1] > answers[0] + 0.02


@pytest.mark.parametrize(("unfreeze", "cached"), [(1, True), ("head", False)])
def test_smote_is_refused_where_there_are_no_pooled_features(unfreeze: str | int, cached: bool, cache: Path) -> None:
    with pytest.raises(ValueError, match=r"smote works on pooled features, .*train\.balance\.smote_above_head"):
        fit(make_model(), [make_phase(unfreeze)], cache if cached else None, shown=SMOTE)


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes_with_trained_batch_norm_too(root: Path) -> None:
    """In a process of its own, because the threads can be set only before TensorFlow starts."""
    path = f"import sys; sys.path[:0] = [{str(root / 'src')!r}, {str(root / 'tests' / 'support')!r}]"
    done = subprocess.run([sys.executable, "-c", path + TWICE], capture_output=True, text=True, check=True)
    one, two = done.stdout.split()[-2:]
    assert len(one) == 64
    assert one == two


def test_a_cosine_lets_the_learning_rate_fall_from_its_value_towards_nothing() -> None:
    phase = make_phase(epochs=4, rate=0.1, decay="cosine")
    model = make_model()
    fitted = fit(model, [phase], None, score=Script(1, 2, 3, 4))
    assert fitted.history["train/learning_rate"].tolist() == pytest.approx([0.1, 0.0853553, 0.05, 0.0146447], abs=1e-6)


def test_a_falling_rate_is_what_the_optimizer_uses() -> None:
    weights = {}
    for decay in ("none", "cosine"):
        model = make_model()
        weights[decay] = Snapshots(model)
        fit(model, [make_phase(epochs=3, decay=decay)], None, score=Script(1, 2, 3), on_epoch=weights[decay])
    first, last = ([np.abs(a - b).max() for a, b in zip(*(w.weights[i] for w in weights.values()), strict=True)] for i in (0, 2))
    assert max(first) == 0
    assert max(last) > 0


def test_the_training_step_is_traced_once_for_full_batches_and_once_for_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras traces it again where the first step makes variables, as an optimizer that was not built would."""
    traced: list[bool] = []
    step = keras.Model.train_step

    def counted(self: keras.Model, data: object) -> object:
        traced.append(tf.inside_function())
        return step(self, data)

    monkeypatch.setattr(keras.Model, "train_step", counted)
    fit(make_model(), [make_phase("all", epochs=2)], None)
    assert traced == [True, True]


def test_batches_read_ahead_come_in_their_order_and_their_faults_are_told() -> None:
    batches = [np.array([0, 1]), np.array([2]), np.array([5, 3])]
    assert [found.tolist() for found in read_ahead(lambda chosen: 10 * chosen, batches)] == [[0, 10], [20], [50, 30]]

    def broken(chosen: Any) -> Any:
        if 2 in chosen:
            raise ValueError("no film 2")
        return chosen

    ahead = read_ahead(broken, batches)
    with pytest.raises(ValueError, match="no film 2"):
        list(ahead)
