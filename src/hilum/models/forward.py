"""Fast inference of a fixed graph: variables become constants, and one compiled function takes batches of any length."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from hilum.models.flatten import flatten

Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]

BATCH = 64


def compile_forward(model: keras.Model, constants: bool) -> Forward:
    """Compile a model into a function from (N, ...) float32 to (N, ...) float32, in batches of 64, in inference mode.

    constants: True turns the current weights into constants, which lets TensorFlow fold batch norm into convolutions:
    faster, equal up to rounding. False keeps the arithmetic of training, bit for bit: cached activations need this, because Adam
    amplifies rounding.
    """
    signature = tf.TensorSpec([None, *model.input_shape[1:]], tf.float32)
    concrete = tf.function(lambda x: model(x, training=False), jit_compile=False).get_concrete_function(signature)
    run = convert_variables_to_constants_v2(concrete) if constants else concrete

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if batch.shape[1:] != tuple(model.input_shape[1:]):
            raise ValueError(f"a batch must have shape (N, {model.input_shape[1:]}), got {batch.shape}")
        if not len(batch):  # TensorFlow's convolutions refuse an empty batch
            return np.zeros((0, *model.output_shape[1:]), np.float32)
        starts = range(0, len(batch), BATCH)
        predictions = [tf.nest.flatten(run(tf.constant(batch[i : i + BATCH], tf.float32)))[0].numpy() for i in starts]
        return np.concatenate(predictions)  # (N, ...)

    return forward


def predictor(model: keras.Model) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """The model as a function from images (N, H, W, 1) of grey levels 0-255 to probabilities (N, K), rows summing to 1.

    Any kind that `flatten` takes: a model with three channels gets the film three times, one sigmoid gives two columns.
    """
    forward = compile_forward(flatten(model), constants=True)

    def predict(images: NDArray[np.float32]) -> NDArray[np.float64]:
        predictions = forward(images).astype(np.float64)
        return predictions / predictions.sum(axis=1, keepdims=True)

    return predict
