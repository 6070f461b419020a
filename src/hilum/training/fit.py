"""Fitting one arm: its phases one after another, the best epoch on validation kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from numpy.typing import NDArray

from hilum.config import Phase, Train
from hilum.data.batches import Changes, Rows, as_images, draw_views, epoch_order, epoch_views
from hilum.models.classifier import cut, frozen_cut, unfreeze
from hilum.models.forward import compile_forward
from hilum.records import Labels, Probabilities
from hilum.training.features import cached_features

Score = Callable[
    [Labels, Probabilities], dict[str, float]
]  # validation metrics; the selecting one (higher is better) as `select`
OnEpoch = Callable[[int, dict[str, float]], None]
OnFilm = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """What a training was.

    history: one row per epoch: step, phase, epoch, train/learning_rate, train/loss, val/...; best_step: whose weights stayed.
    trained: per phase the names of the layers it trained; cuts: per phase the cut whose activations were cached, or None.
    """

    history: pd.DataFrame
    best_step: int
    trained: list[list[str]]
    cuts: list[str | None]


def begin_training(seed: int) -> None:
    """Seed this process and run one operation at a time, so that equal seeds give equal bytes; call once, before any graph."""
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)


def epoch_rate(phase: Phase, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0; with `decay: cosine` it falls along half a cosine over the phase's epochs.

    Source: Loshchilov and Hutter 2017, arXiv 1608.03983, without restarts.
    """
    whole = 1.0 if phase.decay == "none" else 0.5 * (1 + math.cos(math.pi * epoch / int(phase.epochs)))  # type: ignore[arg-type]
    return float(phase.learning_rate) * whole  # type: ignore[arg-type]


def train_epoch(
    learner: keras.Model,
    read: Callable[[NDArray[np.intp]], Any],
    labels: Labels,
    weights: NDArray[np.float64],
    order: NDArray[np.intp],
    size: int,
) -> float:
    """One pass over the rows in this order, in batches of `size`; returns the mean loss, penalties included.

    read: from positions to a batch of inputs. Batch by batch, because `fit` costs more to start than a cached epoch to run.
    """
    total = 0.0
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        learner.reset_metrics()
        logs = learner.train_on_batch(read(chosen), labels[chosen], weights[chosen], return_dict=True)
        total += float(logs["loss"]) * len(chosen)
    return total / len(order)


def fit_phases(
    model: keras.Model,
    phases: list[Phase],
    train: Rows,
    val: Rows,
    sample: NDArray[np.intp],
    weights: NDArray[np.float64],
    settings: Train,
    seed: int,
    cache: Path | None,
    score: Score,
    on_epoch: OnEpoch,
    on_film: OnFilm,
) -> Fitted:
    """Train the model in place through its phases and leave it at the epoch that scored best on validation.

    sample: (M,) positions in train that make an epoch (longer than train where a class is oversampled).
    weights: (M,) weight of each of them in the loss.
    cache: folder for the activations of frozen parts; None trains through the frozen part (same result, slower).
    score: from labels and probabilities of the validation films to metrics, of which `select` decides.
    on_epoch: called with the step and the metrics of each epoch; what it raises ends the training.
    on_film: called with films done and to do while activations are computed.
    """
    history: list[dict[str, float]] = []
    trained, cuts = [], []
    best, best_step, best_weights = -np.inf, -1, model.get_weights()
    for number, phase in enumerate(phases):
        model.set_weights(best_weights)
        trained.append(unfreeze(model, phase.unfreeze, phase.batch_norm))
        cuts.append(frozen_cut(model) if cache is not None else None)
        feed = _Feed(model, cuts[-1], train, val, settings, seed, cache, on_film)
        learner = keras.Model(feed.entry, model.get_layer("logits").output)
        learner.compile(
            keras.optimizers.Adam(phase.learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            jit_compile=False,  # XLA is many times slower for these networks on a CPU
        )
        forward = compile_forward(learner, constants=False)  # reads the weights as they are at each call
        since = 0
        for epoch in range(int(phase.epochs)):  # type: ignore[arg-type]
            step = len(history)
            learner.optimizer.learning_rate = epoch_rate(phase, epoch)
            views = epoch_views([train.keys[i] for i in sample], max(settings.augment.views, 1), step)
            order = epoch_order(len(sample), seed, step)
            read = feed.reader(sample, views)
            loss = train_epoch(learner, read, train.labels[sample], weights, order, settings.batch_size)
            logits = forward(feed.validation).astype(np.float64)
            probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            metrics = score(val.labels, probabilities)
            value = metrics.pop("select")
            row: dict[str, Any] = {
                "step": step,
                "phase": number,
                "epoch": epoch,
                "train/learning_rate": epoch_rate(phase, epoch),
                "train/loss": loss,
                **metrics,
            }
            history.append(row)
            since += 1
            if value > best or best_step < 0:  # an undefined metric (NaN) is above nothing, yet some epoch must stay
                best, best_step, best_weights, since = np.nan_to_num(value, nan=-np.inf), step, model.get_weights(), 0
            on_epoch(step, {**row, "select": value})
            if since >= settings.patience:
                break
    model.set_weights(best_weights)
    return Fitted(pd.DataFrame(history), best_step, trained, cuts)


class _Feed:
    """Where the inputs of one phase come from: cached activations above a frozen cut, or the films themselves."""

    def __init__(
        self,
        model: keras.Model,
        name: str | None,
        train: Rows,
        val: Rows,
        settings: Train,
        seed: int,
        cache: Path | None,
        on_film: OnFilm,
    ) -> None:
        self.train, self.seed, self.count = train, seed, settings.augment.views
        self.changes = Changes(**settings.augment.model_dump(exclude={"views"}))
        self.stored: list[NDArray[np.float32]] | None = None
        if name is None or cache is None:
            self.entry, self.validation = model.input, as_images(val.films)
            return
        prefix, _ = cut(model, name)
        self.entry = model.get_layer(name).output
        numbers: list[int | None] = list(range(self.count)) or [None]
        self.stored = [cached_features(prefix, train, view, seed, self.changes, cache, on_film) for view in numbers]
        self.validation = np.asarray(cached_features(prefix, val, None, seed, self.changes, cache, on_film))

    def reader(self, sample: NDArray[np.intp], views: NDArray[np.intp]) -> Callable[[NDArray[np.intp]], Any]:
        """From positions in the sample to a batch of inputs, in this epoch's views."""

        def read(chosen: NDArray[np.intp]) -> Any:
            rows, numbers = sample[chosen], views[chosen]
            if self.stored is not None:
                return np.stack([self.stored[view][row] for row, view in zip(rows, numbers, strict=True)])
            films = self.train.take(rows)
            return as_images(draw_views(films, numbers, self.seed, self.changes) if self.count else films.films)

        return read
