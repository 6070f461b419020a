"""The average of weights over the steps of a phase, which is scored and saved; training continues from the weights themselves.

Keras' own average (`use_ema`) is put into a model by a callback of `fit`; hilum trains batch by batch, without callbacks, and
`use_ema` leaves out the statistics of batch norm.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf


class Averaging:
    """The average of a learner's weights: trained ones, and the moving statistics of batch norm where batch norm trains.

    After step t = 1, 2, ... the average is m a + (1 - m) w with m = min(momentum, 1 - 1 / t): the plain mean of this phase's
    steps until 1 - 1 / t reaches the momentum, so that it holds no weight from before the first step and needs no correction.

    Source: Polyak and Juditsky 1992, doi 10.1137/0330046 (the mean of the steps); Tarvainen and Valpola 2017, arXiv 1703.01780
    (a moving average with this growing momentum).
    """

    def __init__(self, learner: keras.Model, momentum: float) -> None:
        self.momentum, self.steps = momentum, 0
        self.weights = [weight for layer in learner.layers if layer.trainable for weight in layer.weights]
        self.averages = [tf.Variable(tf.zeros_like(weight.value)) for weight in self.weights]
        self._move = tf.function(self._take_step, jit_compile=False)

    def take(self) -> None:
        """Add the weights after a step to the average."""
        self.steps += 1
        self._move(tf.constant(min(self.momentum, 1 - 1 / self.steps), tf.float32))

    def _take_step(self, momentum: Any) -> None:
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign(momentum * average + (1 - momentum) * weight.value)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages into the learner's layers, and the weights themselves back afterwards, bit for bit."""
        kept = [weight.value.numpy() for weight in self.weights]
        for weight, average in zip(self.weights, self.averages, strict=True):
            weight.assign(average)
        try:
            yield
        finally:
            for weight, value in zip(self.weights, kept, strict=True):
                weight.assign(value)
