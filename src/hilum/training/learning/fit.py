"""Fitting one arm: its phases in turn; the best epoch on validation is kept."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from hilum.data.prepared.examples import Examples
from hilum.models.classifier import frozen_cut, unfreeze
from hilum.models.forward import compile_forward
from hilum.records import Labels, Probabilities, Score
from hilum.settings.training import ConvexPhase, Phase, Train
from hilum.training.learning.augmentation import epoch_order
from hilum.training.learning.averaging import Averaging
from hilum.training.learning.convex import solve_phase
from hilum.training.learning.feed import POOLED, Feed
from hilum.training.learning.imbalance import Sampling
from hilum.training.learning.kept_state import KeptState
from hilum.training.learning.learner import make_learner, takes_shares
from hilum.training.learning.mixup import Epoch, mix
from hilum.training.learning.schedules import Course
from hilum.training.learning.state import Parts, State, read_seeds, write_seeds

OnEpoch = Callable[[int, dict[str, float]], None]
OnFilm = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """The result of a training.

    history: one row per epoch: step, phase, epoch, train/learning_rate, train/loss, val/...; best_step: whose weights were kept.
    A solved phase has a row per penalty, with train/penalty instead of the rate. penalties: phase -> the one chosen.
    trained: per phase the names of the layers it trained; cuts: per phase the cut whose activations were cached, or None.
    shown: per phase the sampling of the training films.
    """

    history: pd.DataFrame
    best_step: int
    trained: list[list[str]]
    cuts: list[str | None]
    shown: list[Sampling]
    penalties: dict[int, float] = field(default_factory=dict)

    @property
    def kept_phase(self) -> int:
        """The phase of the epoch whose weights were kept."""
        return int(self.history["phase"][self.history["step"] == self.best_step].iloc[0])


def find_kept(fitted: Fitted, select: str) -> dict[str, float]:
    """The row of the history whose weights were kept, which has a value of val/<select>.

    Raises:
        ValueError: the metric was defined in no epoch, or not at the penalty of a solved head.
    """
    kept = next(row for row in fitted.history.to_dict("records") if row["step"] == fitted.best_step)
    if not np.isfinite(kept[f"val/{select}"]):
        if penalty := fitted.penalties.get(fitted.kept_phase):  # a solved head
            raise ValueError(
                f"val/{select} must be defined at the penalty of least log loss ({penalty:.3g}), but it was not; choose another "
                "train.select, such as log_loss"
            )
        raise ValueError(
            f"val/{select} must be defined in at least one epoch, but it never was; choose another train.select, such as "
            "log_loss, or lower the learning rate"
        )
    return {str(name): value for name, value in kept.items()}


def begin_training(seed: int, threads: int = 0) -> None:
    """Seed this process and run one operation at a time, so that equal seeds give equal bytes; call once, before any graph.

    threads: per operation, 0 for one per processor; sums depend on them in their last bits.
    """
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    keras.utils.set_random_seed(seed)


def train_epoch(
    learner: keras.Model,
    read: Callable[[NDArray[np.intp]], Any],
    labels: NDArray[np.generic],
    weights: NDArray[np.float64],
    order: NDArray[np.intp],
    size: int,
    rates: NDArray[np.float64],
    average: Averaging | None,
) -> float:
    """One pass over the rows in this order, in batches of `size`; returns the mean loss, penalties included.

    read: from positions to a batch of inputs. labels: targets of the learner's loss, a row per position. rates: the learning
    rate of each batch. average: of the weights, updated after each step.
    Batch by batch, because starting `fit` takes longer than a cached epoch.
    """
    total, before = 0.0, np.nan
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    for chosen, inputs, rate in zip(batches, read_ahead(read, batches), rates, strict=True):
        if rate != before:
            learner.optimizer.learning_rate = before = rate
        learner.reset_metrics()
        logs = learner.train_on_batch(inputs, labels[chosen], weights[chosen], return_dict=True)
        total += float(logs["loss"]) * len(chosen)
        if average:
            average.take()
    return total / len(order)


def read_ahead(read: Callable[[NDArray[np.intp]], Any], batches: list[NDArray[np.intp]]) -> Iterator[Any]:
    """What `read` returns for each batch, in order; a thread reads the next one while the current one is processed."""
    with ThreadPoolExecutor(1) as reader:
        ahead = reader.submit(read, batches[0])
        for chosen in batches[1:]:
            inputs = ahead.result()
            ahead = reader.submit(read, chosen)
            yield inputs
        yield ahead.result()


def fit_phases(
    model: keras.Model,
    phases: Sequence[Phase | ConvexPhase],
    train: Examples,
    val: Examples,
    shown: list[Sampling],
    settings: Train,
    seed: int,
    cache: Path | None,
    score: Score,
    on_epoch: OnEpoch,
    on_film: OnFilm,
    kept: KeptState | None = None,
) -> Fitted:
    """Train the model in place through its phases and leave it at the best epoch on validation.

    shown: per phase the positions in train that an epoch samples, their weights and the loss; SMOTE only in phases of the head.
    cache: folder for the activations of frozen parts; None trains through the frozen part (same result, slower).
    score: from labels and probabilities of the validation films to metrics, of which `select` decides.
    With `averaging` the averaged weights are scored and kept; a phase continues from the weights themselves, the next phase
    starts from the best averaged ones with a new optimizer and a new average.
    on_epoch: called with the step and the metrics of each epoch; an exception that it raises ends the training.
    on_film: called with the number of films done and of all while activations are computed.
    kept: a state file of this training, for all of these arguments: it continues from there, and stores its state there.

    Raises:
        ValueError: SMOTE without a cache, or in a phase that trains more than the head.
    """
    training = Training(model, val.labels, settings, seed, score, on_epoch, kept)
    trained, cuts = [], []
    for number, (phase, drawn) in enumerate(zip(phases, shown, strict=True)):
        model.set_weights(training.state.best_weights)
        if isinstance(phase, ConvexPhase):
            if number == training.state.phase:
                training.solve_phase(number, phase, train, val, drawn, cache, on_film)
            trained.append(["logits"])
            cuts.append(None if cache is None else POOLED)
            continue
        trained.append(unfreeze(model, phase.unfreeze, phase.batch_norm))
        name = frozen_cut(model) if cache is not None or settings.mixup else None  # mixup mixes at the cut in either case
        cuts.append(name if cache is not None else None)
        if number == training.state.phase:
            feed = Feed(model, name, train, val, drawn, settings, seed, cache, on_film)
            training.train_phase(number, phase, feed, drawn)
    state = training.state
    model.set_weights(state.best_weights)
    return Fitted(pd.DataFrame(state.history), state.best_step, trained, cuts, shown, state.penalties)


class Training:
    """One training, phase by phase: a row of history per epoch, and the best epoch on validation with its weights."""

    def __init__(
        self,
        model: keras.Model,
        val_labels: Labels,
        settings: Train,
        seed: int,
        score: Score,
        on_epoch: OnEpoch,
        kept: KeptState | None = None,
    ) -> None:
        self.model, self.val_labels, self.settings, self.seed = model, val_labels, settings, seed
        self.score, self.on_epoch, self.kept = score, on_epoch, kept
        found = kept.state if kept else None
        self.state = found or State(model.get_weights(), seeds=read_seeds(model))
        write_seeds(model, self.state.seeds)

    def solve_phase(
        self,
        number: int,
        phase: ConvexPhase,
        train: Examples,
        val: Examples,
        drawn: Sampling,
        cache: Path | None,
        on_film: OnFilm,
    ) -> None:
        """Solve the head; its best solution counts as an epoch does."""
        state, place = self.state, (number, len(self.state.history))
        solved = solve_phase(self.model, phase, place, train, val, drawn, cache, self.score, self.on_epoch, on_film)
        state.history += solved.history
        state.penalties[number] = solved.penalty
        self._keep(solved.step, solved.value)
        state.begin_phase(number + 1)
        self._store(None)

    def train_phase(self, number: int, phase: Phase, feed: Feed, drawn: Sampling) -> None:
        """Train what the phase unfroze, epoch by epoch, until its last one or until validation stops improving.

        A phase that an interrupted training had begun continues after its last stored epoch.
        """
        settings, seed, state = self.settings, self.seed, self.state
        learner = make_learner(self.model, feed.entry, phase, drawn.gamma, settings)
        forward = compile_forward(learner, constants=False)  # reads the current weights at each call
        targets, weights = targets_of(feed, drawn, int(self.model.output_shape[-1]), takes_shares(learner.loss))
        average = Averaging(learner, settings.averaging) if settings.averaging else None
        course = Course(phase, settings.schedule)
        parts = Parts(self.model, learner.optimizer, course, average)
        if state.epoch:
            parts.restore(state)
        batches = math.ceil(len(targets) / settings.batch_size)
        while state.epoch < int(phase.epochs) and state.since < settings.patience:  # type: ignore[arg-type]
            step, rates = len(state.history), course.rates(state.epoch, batches)
            shown = Epoch(feed.reader(step), targets, weights, epoch_order(len(targets), seed, step))
            if settings.mixup:
                shown = mix(shown, settings.batch_size, settings.mixup, seed, step)
            loss = train_epoch(
                *(learner, shown.read, shown.targets, shown.weights, shown.order), settings.batch_size, rates, average
            )
            place = {"step": step, "phase": number, "epoch": state.epoch}
            row = {**place, "train/learning_rate": float(rates[-1]), "train/loss": loss}
            with average.in_place() if average else nullcontext():
                metrics = self.score(self.val_labels, softmax(forward(feed.validation)))
                value = metrics.pop("select")
                improved = self._keep(step, value)
            row |= metrics
            state.history.append(row)
            course.note(improved)
            state.since = 0 if improved else state.since + 1
            state.epoch += 1
            self.on_epoch(step, {**row, "select": value})
            self._store(parts)
        state.begin_phase(number + 1)

    def _keep(self, step: int, value: float) -> bool:
        """Keep the current weights of the model if their value is the best so far; returns whether it is."""
        state = self.state
        improved = bool(value > state.best or state.best_step < 0)  # NaN is never above, yet one epoch must be kept
        if improved:
            state.best, state.best_step = float(np.nan_to_num(value, nan=-np.inf)), step
            state.best_weights = self.model.get_weights()
        return improved

    def _store(self, parts: Parts | None) -> None:
        """Store the state if it is due. parts: of the phase in progress, None between two phases."""
        if self.kept and self.kept.is_due:
            state = replace(self.state, seeds=read_seeds(self.model))
            self.kept.save(parts.complete(state) if parts else state)


def targets_of(feed: Feed, drawn: Sampling, classes: int, shares: bool) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """Targets of the loss for each row of an epoch: labels (N,), or with `shares` (N, K) one-hot, and weights (N,)."""
    weights = np.append(drawn.weights, np.ones(len(drawn.made_up)))  # (N,)
    return np.eye(classes)[feed.labels] if shares else feed.labels, weights


def softmax(logits: NDArray[np.floating[Any]]) -> Probabilities:
    """Probabilities (N, K) from logits (N, K), in double precision."""
    raised = logits.astype(np.float64)
    probabilities = np.exp(raised - raised.max(axis=1, keepdims=True))  # (N, K)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities
