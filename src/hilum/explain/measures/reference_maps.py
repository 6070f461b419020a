"""Maps made without a model, the reference for every measure: a method that is no better shows nothing."""

import numpy as np
from scipy.ndimage import gaussian_filter

from hilum.records import Maps

REFERENCES = {
    "random": "smooth blobs, drawn anew for each map",
    "centre": "one bump in the middle of the film, where most lungs are",
}
BLOB = 0.08  # standard deviation of the smoothing, share of the film's side


def random_maps(shape: tuple[int, int, int], rng: np.random.Generator) -> Maps:
    """Smooth blobs, different for each film: (N, H, W) from 0 to 1."""
    _, height, width = shape
    blobs = gaussian_filter(rng.standard_normal(shape), (0, BLOB * height, BLOB * width), mode="wrap")
    low, high = blobs.min(axis=(1, 2), keepdims=True), blobs.max(axis=(1, 2), keepdims=True)
    return ((blobs - low) / (high - low)).astype(np.float32)


def centre_maps(shape: tuple[int, int, int]) -> Maps:
    """The same bump in the middle of each film: (N, H, W) from 0 to 1."""
    count, height, width = shape
    down, across = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    bump = np.exp(-2 * (down**2 + across**2))
    return np.repeat(bump[np.newaxis], count, axis=0).astype(np.float32)  # (N, H, W)
