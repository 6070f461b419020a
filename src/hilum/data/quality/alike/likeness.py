"""Candidates for copies: a few per film, found among all films by a learned distance.

A film is described by the strength of its edges in each direction and part. The effect of copying on that description (cut
edges, other sizes, other brightness, JPEG) is learned from changed copies of some of the films, and directions that such changes
hardly affect count for more: linear discriminant analysis with a film as a class.

Source: histograms of oriented gradients, Dalal and Triggs 2005, doi 10.1109/CVPR.2005.177; Fisher's discriminant directions,
Fukunaga, Introduction to Statistical Pattern Recognition, 1990, chapter 10.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.neighbors import NearestNeighbors

from hilum.data.prepared.geometry import fit_square
from hilum.records import Films

CANVAS = 64  # side of the squares on which films are compared, pixels; the whole film fills it, whatever its proportions
CELLS, DIRECTIONS = 6, 8  # parts per axis, and directions of edges in each
REACH = 0.5  # standard deviation of a part's weight, as a share of its width
FAINT = 1.0  # grey levels per pixel below which edges have little weight: even noise has a direction
CHANGED = 1500  # changed copies from which the distance is learned; 300 gave the same first neighbours on 20,000 phantoms
CUT = 0.05  # largest share of width and height cut from a changed copy
SHRINKAGE = 0.1  # of the covariance of changes towards an even one (1,500 copies, 288 numbers each)
DIRECTIONS_KEPT = 32  # discriminant directions; 64 and 128 found no more (rank of true copies among 20,000 phantoms)
NEIGHBOURS = 3  # candidates per film as it is, and again as its mirror image; 99 % of copies came first among 20,000 phantoms
CHUNK = 256  # films described at once, so that their gradients stay in the processor's cache


@dataclass(frozen=True)
class Candidates:
    """Pairs of films worth registering.

    one, other: (P,) rows of the films, one < other, no pair twice. mirrored: (P,) bool; other is to be flipped left to right.
    """

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    mirrored: NDArray[np.bool_]


def lay_on_canvas(films: Films, manifest: pd.DataFrame, square: str) -> Films:
    """Every prepared film (N, size, size) without padding, stretched to (N, CANVAS, CANVAS) uint8.

    manifest: columns width and height, in the films' order. square: pad or stretch, as the films were prepared.
    """
    canvases = np.empty((len(films), CANVAS, CANVAS), np.uint8)  # (N, CANVAS, CANVAS)
    size = films.shape[1]
    sizes = manifest[["width", "height"]].to_numpy().tolist()
    for film, canvas, (width, height) in zip(films, canvases, sizes, strict=True):
        corners = fit_square(width, height, size, square).to_prepared(np.array([[0, 0], [width, height]]))
        left, top = np.ceil(corners[0] - 0.01).astype(int)
        right, bottom = np.maximum(np.floor(corners[1] + 0.01).astype(int), (left + 1, top + 1))
        cv2.resize(np.ascontiguousarray(film[top:bottom, left:right]), (CANVAS, CANVAS), canvas, interpolation=cv2.INTER_AREA)
    return canvases


def shortlist(canvases: Films, seed: int, workers: int, on_film: Callable[[int, int], None] | None = None) -> Candidates:
    """The nearest `NEIGHBOURS` films of each film, as it is and flipped left to right; the number of pairs grows with N only.

    canvases: (N, CANVAS, CANVAS) uint8 from `lay_on_canvas`. seed: of the changed copies. on_film: called with (done, N).
    """
    count = len(canvases)
    if count < 2:
        none = np.zeros(0, np.int64)
        return Candidates(none, none, none.astype(bool))
    plain = describe(canvases, workers, on_film)
    mirror = mirror_descriptions(plain)
    learned = learn_distance(canvases, plain, seed, workers)
    index = NearestNeighbors(n_neighbors=min(NEIGHBOURS + 1, count), algorithm="brute").fit(plain @ learned)
    one, other, mirrored = [], [], []
    for descriptions, flipped in ((plain, False), (mirror, True)):
        near = index.kneighbors(descriptions @ learned, return_distance=False)
        one.append(np.repeat(np.arange(count), near.shape[1]))
        other.append(near.ravel())
        mirrored.append(np.full(near.size, flipped))
    return _name_once(np.concatenate(one), np.concatenate(other), np.concatenate(mirrored), count)


def describe(canvases: Films, workers: int, on_film: Callable[[int, int], None] | None = None) -> NDArray[np.float32]:
    """Canvases (N, CANVAS, CANVAS) -> (N, CELLS * CELLS * DIRECTIONS) float32 of length 1, whatever brightness and contrast."""
    parts = []
    with ThreadPoolExecutor(workers) as threads:
        for part in threads.map(_describe_chunk, [canvases[start : start + CHUNK] for start in range(0, len(canvases), CHUNK)]):
            parts.append(part)
            if on_film is not None:
                on_film(min(len(parts) * CHUNK, len(canvases)), len(canvases))
    return np.concatenate(parts)


def mirror_descriptions(descriptions: NDArray[np.float32]) -> NDArray[np.float32]:
    """The descriptions of the films flipped left to right: parts and directions exchanged."""
    parts = descriptions.reshape(len(descriptions), DIRECTIONS, CELLS, CELLS)
    turned = (DIRECTIONS // 2 - np.arange(DIRECTIONS)) % DIRECTIONS  # an edge that points at angle a points at 180 degrees - a
    return np.ascontiguousarray(parts[:, turned, :, ::-1]).reshape(descriptions.shape)


def learn_distance(canvases: Films, descriptions: NDArray[np.float32], seed: int, workers: int) -> NDArray[np.float32]:
    """Discriminant directions (numbers per film, DIRECTIONS_KEPT) in which films differ much and changed copies little.

    Along each of them changed copies have a variance of 1, so that plain distances compare films by what copies do not change.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(np.resize(rng.permutation(len(canvases)), CHANGED))
    changed = np.stack([change(canvases[row], rng) for row in chosen])  # (M, CANVAS, CANVAS)
    moved = (describe(changed, workers) - descriptions[chosen]).astype(np.float64)
    within = moved.T @ moved / len(moved)
    within += SHRINKAGE * np.trace(within) / len(within) * np.eye(len(within))
    between = np.cov(descriptions, rowvar=False)
    kept = (len(within) - DIRECTIONS_KEPT, len(within) - 1)
    return eigh(between, within, subset_by_index=kept)[1].astype(np.float32)


def change(canvas: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A simulated copy of one canvas: edges cut, detail lost, brighter or darker, compressed by JPEG."""
    cut = rng.uniform(0, CUT, 2)
    start = rng.uniform(0, 1, 2) * cut * CANVAS + (1 - cut) * 0.5 - 0.5
    place = np.array([[1 - cut[0], 0, start[0]], [0, 1 - cut[1], start[1]]])
    film = cv2.warpAffine(
        canvas, place, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    film = cv2.GaussianBlur(film, (0, 0), rng.uniform(0.3, 0.8))
    film = np.rint(np.clip(film * rng.uniform(0.9, 1.1) + rng.uniform(-12, 12), 0, 255)).astype(np.uint8)
    squeezed = cv2.imencode(".jpg", film, (cv2.IMWRITE_JPEG_QUALITY, 70))[1]
    return np.asarray(cv2.imdecode(squeezed, cv2.IMREAD_GRAYSCALE), np.uint8)


def _describe_chunk(canvases: Films) -> NDArray[np.float32]:
    half = (CANVAS // 2, CANVAS // 2)  # finer edges are noise
    small = [cv2.resize(canvas, half, interpolation=cv2.INTER_AREA).astype(np.float32) for canvas in canvases]
    grey = np.stack([cv2.GaussianBlur(film, (0, 0), 0.8) for film in small])
    down, across = np.gradient(grey, axis=(1, 2))
    weights = _part_weights(grey.shape[1])
    strengths = []
    for angle in np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS:
        pointing = np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down
        strengths.append(weights @ np.maximum(pointing, 0) @ weights.T)
    parts = np.stack(strengths, axis=1)  # (N, DIRECTIONS, CELLS, CELLS)
    parts /= np.sqrt((parts**2).sum(axis=1, keepdims=True)) + FAINT
    flat = parts.reshape(len(parts), -1)
    return flat / (np.linalg.norm(flat, axis=1, keepdims=True) + np.float32(1e-6))


def _part_weights(side: int) -> NDArray[np.float32]:
    """(CELLS, side): weight of each pixel of an axis in each part."""
    middles = (np.arange(CELLS) + 0.5) * side / CELLS
    away = (np.arange(side) + 0.5 - middles[:, None]) / (REACH * side / CELLS)
    weights = np.exp(-0.5 * away**2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _name_once(one: NDArray[np.int64], other: NDArray[np.int64], mirrored: NDArray[np.bool_], count: int) -> Candidates:
    low, high = np.minimum(one, other), np.maximum(one, other)
    keys = np.unique(((low * count + high) * 2 + mirrored)[low != high])
    return Candidates(keys // 2 // count, keys // 2 % count, (keys % 2).astype(bool))
