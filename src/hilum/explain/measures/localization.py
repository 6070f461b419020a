"""Does a map lie where an expert's annotation lies? One film at a time, at the film's original size."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Heat = NDArray[np.float32]  # (H, W) map of one film; the measures read its positive part
AnnotationMask = NDArray[np.bool_]  # (H, W)

LEVELS = np.arange(5, 100, 5) / 100  # thresholds that `tune_level` tries, as shares of a map's maximum
TIE = 1e-6  # resizing moves equal values apart by rounding; values this close to the maximum, relatively, share it


def hit_rate(heat: Heat, annotation: AnnotationMask) -> float:
    """Whether the map's maximum lies inside the annotation, without tolerance: 0 or 1.

    Where several pixels share the maximum (a superpixel), the share of them inside; for Quantus' pointing game one is
    enough. 0 where nothing is positive.
    Source: Zhang et al. 2018, arXiv 1608.00507 (there with a tolerance of 15 pixels).
    """
    _check(heat, annotation)
    top = float(heat.max())
    return float(annotation[heat >= top * (1 - TIE)].mean()) if top > 0 else 0.0


def relevance_mass(heat: Heat, annotation: AnnotationMask) -> float:
    """Share of the map's positive relevance that lies inside the annotation, 0 to 1; NaN where there is none.

    An uninformative map gets the annotation's share of the film.
    Source: Arras et al. 2022 (CLEVR-XAI), arXiv 2003.07258. Quantus' relevance mass accuracy is this for maps without negative
    values; its attribution localisation, asked for positive attributions only, for signed ones.
    """
    _check(heat, annotation)
    positive = np.maximum(heat, 0).astype(np.float64)
    total = positive.sum()
    return float(positive[annotation].sum() / total) if total > 0 else float("nan")


def average_precision(heat: Heat, annotation: AnnotationMask) -> float:
    """Area under precision over recall of the annotated pixels, ranked by the map's positive part, 0 to 1; ties count together.

    An uninformative map gets the annotation's share of the film. It is scikit-learn's `average_precision_score` in a third of the
    time, which matters at millions of pixels.
    """
    _check(heat, annotation)
    positive = np.maximum(heat, 0).ravel()
    order = np.argsort(-positive)  # ties are joined below, so their order does not matter
    ranked = positive[order]
    ends = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), ranked.size - 1]  # the last pixel of each value
    found = np.cumsum(annotation.ravel()[order])[ends]
    gained = np.diff(found, prepend=0) / max(int(found[-1]), 1)
    return float((gained * found / (ends + 1)).sum())


def iou(annotated: AnnotationMask, annotation: AnnotationMask) -> float:
    """Pixels in both over pixels in either, 0 to 1; NaN where both are empty."""
    _check(annotated, annotation)
    either = int((annotated | annotation).sum())
    return int((annotated & annotation).sum()) / either if either else float("nan")


def otsu_mask(heat: Heat) -> AnnotationMask:
    """The part of a map above Otsu's threshold in 256 grey levels; nothing where the map is constant.

    Source: Otsu 1979, doi 10.1109/TSMC.1979.4310076.
    """
    from skimage.filters import threshold_otsu

    grey = to_grey(heat)
    return np.asarray(grey > threshold_otsu(grey)) if grey.any() else np.zeros(heat.shape, bool)


def to_grey(heat: Heat) -> NDArray[np.uint8]:
    """A map stretched to grey levels 0-255, rounded down as CheXlocalize does; all 0 where it is constant."""
    low, high = float(heat.min()), float(heat.max())
    if not high > low:
        return np.zeros(heat.shape, np.uint8)
    return (255 * ((heat - low) / np.float32(high - low))).astype(np.uint8)


def above_level(heat: Heat, level: float) -> AnnotationMask:
    """The part of a map above `level` times its maximum; nothing where nothing is positive."""
    top = float(heat.max())
    return np.asarray(heat > level * top) if top > 0 else np.zeros(heat.shape, bool)


def tune_level(pairs: Iterable[tuple[Heat, AnnotationMask]]) -> float:
    """The level of LEVELS with the highest mean IoU over these (validation) films, the lowest on ties; NaN without films.

    pairs: map and annotation of each film; read one by one, because whole films are large.
    """
    found = np.array(
        [[iou(above_level(heat, float(level)), annotation) for level in LEVELS] for heat, annotation in pairs], np.float64
    )
    return float(LEVELS[int(found.sum(axis=0).argmax())]) if len(found) else float("nan")


def _check(heat: NDArray[np.generic], annotation: AnnotationMask) -> None:
    if heat.shape != annotation.shape:
        raise ValueError(f"an annotation must have the size of the map {heat.shape}, got {annotation.shape}")
