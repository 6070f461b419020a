"""Fitting one arm: its phases one after another, the best epoch on validation kept."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
from hilum.records import Probabilities, Score
from hilum.settings.training import ConvexPhase, Phase, Train
from hilum.training.augmentation import epoch_order
from hilum.training.convex import solve_phase
from hilum.training.feed import POOLED, Feed
from hilum.training.imbalance import Sampling

OnEpoch = Callable[[int, dict[str, float]], None]
OnFilm = Callable[[int, int], None]


@dataclass(frozen=True)
class Fitted:
    """What a training was.

    history: one row per epoch: step, phase, epoch, train/learning_rate, train/loss, val/...; best_step: whose weights stayed.
    A phase that is solved has a row per penalty, with train/penalty in the place of the rate. penalties: phase -> the one chosen.
    trained: per phase the names of the layers it trained; cuts: per phase the cut whose activations were cached, or None.
    shown: per phase what an epoch showed of the training films.
    """

    history: pd.DataFrame
    best_step: int
    trained: list[list[str]]
    cuts: list[str | None]
    shown: list[Sampling]
    penalties: dict[int, float] = field(default_factory=dict)

    @property
    def kept_phase(self) -> int:
        """The phase of the epoch whose weights stayed."""
        return int(self.history["phase"][self.history["step"] == self.best_step].iloc[0])


def begin_training(seed: int, threads: int = 0) -> None:
    """Seed this process and run one operation at a time, so that equal seeds give equal bytes; call once, before any graph.

    threads: of one operation, 0 for as many as there are processors; sums, and so the last bits, depend on them.
    """
    tf.config.threading.set_inter_op_parallelism_threads(1)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
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
    labels: NDArray[np.generic],
    weights: NDArray[np.float64],
    order: NDArray[np.intp],
    size: int,
) -> float:
    """One pass over the rows in this order, in batches of `size`; returns the mean loss, penalties included.

    read: from positions to a batch of inputs. labels: what the learner's loss takes, a row per position.
    Batch by batch, because `fit` costs more to start than a cached epoch to run.
    """
    total = 0.0
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    for chosen, inputs in zip(batches, read_ahead(read, batches), strict=True):
        learner.reset_metrics()
        logs = learner.train_on_batch(inputs, labels[chosen], weights[chosen], return_dict=True)
        total += float(logs["loss"]) * len(chosen)
    return total / len(order)


def read_ahead(read: Callable[[NDArray[np.intp]], Any], batches: list[NDArray[np.intp]]) -> Iterator[Any]:
    """What `read` gives for each batch, in their order; the next is read, in a thread, while the one before is worked on."""
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
) -> Fitted:
    """Train the model in place through its phases and leave it at the epoch that scored best on validation.

    shown: per phase the positions in train that make an epoch, their weights and the loss; SMOTE in phases of the head only.
    cache: folder for the activations of frozen parts; None trains through the frozen part (same result, slower).
    score: from labels and probabilities of the validation films to metrics, of which `select` decides.
    on_epoch: called with the step and the metrics of each epoch; what it raises ends the training.
    on_film: called with films done and to do while activations are computed.

    Raises:
        ValueError: SMOTE without a cache, or in a phase that trains more than the head.
    """
    history: list[dict[str, Any]] = []
    trained, cuts, penalties = [], [], {}
    best, best_step, best_weights = -np.inf, -1, model.get_weights()
    for number, (phase, drawn) in enumerate(zip(phases, shown, strict=True)):
        model.set_weights(best_weights)
        if isinstance(phase, ConvexPhase):
            solved = solve_phase(model, phase, (number, len(history)), train, val, drawn, cache, score, on_epoch, on_film)
            trained.append(["logits"])
            cuts.append(None if cache is None else POOLED)
            history, penalties[number] = history + solved.history, solved.penalty
            if solved.value > best or best_step < 0:
                best, best_step, best_weights = np.nan_to_num(solved.value, nan=-np.inf), solved.step, model.get_weights()
            continue
        trained.append(unfreeze(model, phase.unfreeze, phase.batch_norm))
        cuts.append(frozen_cut(model) if cache is not None else None)
        feed = Feed(model, cuts[-1], train, val, drawn, settings, seed, cache, on_film)
        learner = make_learner(model, feed, phase, drawn)
        forward = compile_forward(learner, constants=False)  # reads the weights as they are at each call
        labels, weights = targets_of(feed, drawn, int(model.output_shape[-1]))
        since = 0
        for epoch in range(int(phase.epochs)):  # type: ignore[arg-type]
            step = len(history)
            learner.optimizer.learning_rate = epoch_rate(phase, epoch)
            loss = train_epoch(
                learner, feed.reader(step), labels, weights, epoch_order(len(labels), seed, step), settings.batch_size
            )
            metrics = score(val.labels, softmax(forward(feed.validation)))
            value = metrics.pop("select")
            row: dict[str, Any] = {"step": step, "phase": number, "epoch": epoch}
            row |= {"train/learning_rate": epoch_rate(phase, epoch), "train/loss": loss, **metrics}
            history.append(row)
            since += 1
            if value > best or best_step < 0:  # an undefined metric (NaN) is above nothing, yet some epoch must stay
                best, best_step, best_weights, since = np.nan_to_num(value, nan=-np.inf), step, model.get_weights(), 0
            on_epoch(step, {**row, "select": value})
            if since >= settings.patience:
                break
    model.set_weights(best_weights)
    return Fitted(pd.DataFrame(history), best_step, trained, cuts, shown, penalties)


def make_learner(model: keras.Model, feed: Feed, phase: Phase, drawn: Sampling) -> keras.Model:
    """The part of the model that a phase trains, from what the feed gives to logits, ready to train; it shares the layers."""
    learner = keras.Model(feed.entry, model.get_layer("logits").output)
    learner.compile(
        keras.optimizers.Adam(phase.learning_rate),
        loss_of(drawn),
        jit_compile=False,  # XLA is many times slower for these networks on a CPU
    )
    learner.optimizer.build(learner.trainable_variables)  # else the first step makes them, and Keras traces the step twice
    return learner


def targets_of(feed: Feed, drawn: Sampling, classes: int) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """What the loss takes of each row of an epoch: labels (N,), or (N, K) one-hot for the focal loss, and weights (N,)."""
    weights = np.append(drawn.weights, np.ones(len(drawn.made_up)))  # (N,)
    one_hot = np.eye(classes)[feed.labels]  # (N, K): Keras has its focal loss for these only
    return one_hot if drawn.gamma else feed.labels, weights


def softmax(logits: NDArray[np.floating[Any]]) -> Probabilities:
    """Probabilities (N, K) from logits (N, K), in double precision."""
    raised = logits.astype(np.float64)
    probabilities = np.exp(raised - raised.max(axis=1, keepdims=True))  # (N, K)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def loss_of(shown: Sampling) -> keras.losses.Loss:
    """The log loss, or with a gamma above 0 the focal loss: the mean of -(1 - p)^gamma ln p, p the true class's probability.

    Source: Lin et al. 2017, arXiv 1708.02002, equation 4.
    """
    if shown.gamma:
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=shown.gamma, from_logits=True)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
