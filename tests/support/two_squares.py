"""A model that reads two squares: one argues for class 1, the other against it; the rest of the film says nothing."""

import functools

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel
from hilum.models.forward import predictor

SIZE = 48
FOR = np.zeros((SIZE, SIZE), bool)
FOR[12:24, 12:24] = True
AGAINST = np.zeros((SIZE, SIZE), bool)
AGAINST[24:36, 36:48] = True
DECOY = np.zeros((SIZE, SIZE), bool)
DECOY[36:48, 0:12] = True

SEGMENTS = {"superpixels": 16, "compactness": 0.2, "sigma": 1.0}
SETTINGS = {
    "gradcam": {"layer": "last"},
    "gradcam_plus_plus": {"layer": "last"},
    "layercam": {"layer": "last"},
    "scorecam": {"layer": "last", "max_N": 4},
    "saliency": {},
    "smoothgrad": {"samples": 4, "noise": 0.1},
    "integrated_gradients": {"baselines": ["black", "mean", "blurred"], "steps": 8},
    "shap": {"samples": 40, "background": 3, "smoothing": 0.0},
    "shap_layer": {"layer": "last", "samples": 40, "background": 3, "smoothing": 0.0},
    "xrai": {"baselines": ["black", "mean"], "steps": 8, "dilation": 0.0},
    "lime": {"samples": 200, **SEGMENTS, "features": 6, "selection": "auto", "kernel_width": 0.25, "hide": "film"},
    "shapley": {"orders": 3, **SEGMENTS, "baseline": "mean"},
    "shap_partition": {"evaluations": 300, "baseline": "mean"},
    "occlusion": {"patch": 1 / 12, "stride": 1 / 12, "baseline": "mean"},
    "rise": {"samples": 1000, "cells": 8, "shown": 0.5, "baseline": "mean"},
}
COARSE = {"rise": 0.5}  # of the positive values, how many at least lie on what the model reads; 0.8 for methods not named


def build_reader(gain: float) -> keras.Model:
    """Logit of class 1: gain x (mean of the square FOR - mean of the square AGAINST); class 0 its negative; class 2 zero."""
    window = (FOR.astype(np.float32) - AGAINST.astype(np.float32))[..., np.newaxis]
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    scaled = keras.layers.Rescaling(1 / 255, name="scale")(grey)
    seen = keras.layers.Rescaling(window, name="window")(scaled)
    mean = keras.layers.Conv2D(1, 4, strides=4, kernel_initializer=keras.initializers.Constant(1 / 16), name="means")(seen)
    pool = keras.layers.GlobalAveragePooling2D(name="pool")(mean)
    kept = keras.layers.Dropout(0.3, name="dropout")(pool)
    logits = keras.layers.Dense(3, name="logits")(kept)
    model = keras.Model(grey, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name="reader")
    share = FOR.mean()  # the pooling averages over the whole film, of which a square is this share
    model.get_layer("logits").set_weights([np.float32([[-gain / share, gain / share, 0]]), np.zeros(3, np.float32)])
    return model


def draw_films(count: int, seed: int) -> NDArray[np.float32]:
    """Dark noisy films with three bright squares: (count, SIZE, SIZE, 1) grey levels 0-255."""
    films = np.random.default_rng(seed).uniform(20, 40, (count, SIZE, SIZE)).astype(np.float32)
    films[:, FOR] += 180
    films[:, AGAINST] += 120
    films[:, DECOY] += 200
    return films[..., np.newaxis]


@functools.cache
def explained_of(gain: float) -> ExplainedModel:
    """A reader of that gain with three dark films as its background, built once."""
    model = build_reader(gain)
    background = np.random.default_rng(9).uniform(20, 40, (3, SIZE, SIZE, 1)).astype(np.float32)
    return ExplainedModel(predictor(model), model, background)
