"""The registry of measures: the question of each, what it reads of a map, what is better, and what an uninformative map gets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hilum.explain.measures.evaluation_case import EvaluationCase
from hilum.explain.measures.faithfulness import Numbers
from hilum.explain.measures.localization import (
    AnnotationMask,
    Heat,
    above_level,
    average_precision,
    hit_rate,
    iou,
    otsu_mask,
    relevance_mass,
)
from hilum.explain.measures.readability import entropy, gini
from hilum.settings.explain import EVERY

QUESTIONS = {
    "faithful": "Faithful? Do the pixels that a map highlights change the prediction?",
    "place": "Right place? Does a map lie where an expert's annotation lies?",
    "model": "Does it depend on the model? What is left of a map when the model's weights are permuted from the top down?",
    "stable": "Stable? Does a map stay the same when nothing that matters changed?",
    "readable": "Readable? Is a map concentrated on a part that a person can look at?",
}


@dataclass(frozen=True)
class Measure:
    """One number per film that rates a map.

    question: of QUESTIONS. title: as displayed. reads: which part of a signed map.
    better: higher or lower. low, high: its range; None: the logarithm of the number of pixels, or no limit.
    says: what it is. chance: what a random map and a map of the centre get.
    film: (case) -> (N,); or annotation: (map at the film's original size, annotation of that size, tuned level) -> one number.
    costly: needs many more maps or predictions, so it takes `explain.costly_films` only.
    judged: whether beating a random and a centred map is evidence.
    """

    question: str
    title: str
    reads: str
    better: Literal["higher", "lower"]
    low: float
    high: float | None
    says: str
    chance: str
    film: Callable[[EvaluationCase], Numbers] | None = None
    annotation: Callable[[Heat, AnnotationMask, float], float] | None = None
    costly: bool = False
    judged: bool = True


ORDER = "signed values, the highest first"
POSITIVE = "positive part"
SIGNED = "signed values"
MAGNITUDE = "magnitudes"

MEASURES: dict[str, Measure] = {
    "deletion_blur": Measure(
        "faithful",
        "deletion AUC, blurred",
        ORDER,
        "lower",
        0,
        1,
        "Area under the target's probability while pixels are blurred, the most relevant first.",
        "about midway between the film's probability and the blurred film's",
        film=lambda case: case.blurred.deletion_auc,
    ),
    "insertion_blur": Measure(
        "faithful",
        "insertion AUC, blurred",
        ORDER,
        "higher",
        0,
        1,
        "Area under the target's probability while a blurred film regains its pixels, the most relevant first.",
        "about midway between the film's probability and the blurred film's",
        film=lambda case: case.blurred.insertion_auc,
    ),
    "deletion_mean": Measure(
        "faithful",
        "deletion AUC, mean grey",
        ORDER,
        "lower",
        0,
        1,
        "The same while pixels are set to the film's mean grey level, which leaves hard edges that no film has.",
        "depends on the model's prediction for a film with grey holes",
        film=lambda case: case.levelled.deletion_auc,
    ),
    "insertion_mean": Measure(
        "faithful",
        "insertion AUC, mean grey",
        ORDER,
        "higher",
        0,
        1,
        "The same while the film's pixels replace those of an evenly grey film.",
        "depends on the model's prediction for an evenly grey film",
        film=lambda case: case.levelled.insertion_auc,
    ),
    "average_drop": Measure(
        "faithful",
        "average drop",
        POSITIVE,
        "lower",
        0,
        1,
        "Share of the target's probability that is lost when the film is multiplied by its map.",
        "a map that shows much of the film loses little, whatever it highlights",
        film=lambda case: case.drop_and_gain[0],
    ),
    "average_gain": Measure(
        "faithful",
        "average gain",
        POSITIVE,
        "higher",
        0,
        1,
        "Share of the missing probability that is gained when the film is multiplied by its map.",
        "0 unless a darkened film looks more like the target",
        film=lambda case: case.drop_and_gain[1],
    ),
    "mu_fidelity": Measure(
        "faithful",
        "MuFidelity",
        SIGNED,
        "higher",
        -1,
        1,
        "Spearman correlation between the sum of random groups of cells in the map and the target's loss when they are removed.",
        "near 0 for a random map",
        film=EvaluationCase.fidelity,
        costly=True,
    ),
    "hit_rate": Measure(
        "place",
        "hit rate",
        POSITIVE,
        "higher",
        0,
        1,
        "Share of films whose map has its maximum inside the annotation, without tolerance.",
        "random: the annotation's share of the film; centre: whether it covers the middle",
        annotation=lambda heat, annotation, level: hit_rate(heat, annotation),
    ),
    "iou_otsu": Measure(
        "place",
        "IoU, Otsu",
        POSITIVE,
        "higher",
        0,
        1,
        "Overlap (intersection over union) of the annotation with the part of the map above Otsu's threshold.",
        "grows with the annotation's size, as the values beside it show",
        annotation=lambda heat, annotation, level: iou(otsu_mask(np.maximum(heat, 0)), annotation),
    ),
    "iou_tuned": Measure(
        "place",
        "IoU, tuned",
        POSITIVE,
        "higher",
        0,
        1,
        "The same above the share of the map's maximum that was best on annotated validation films, found for the random and "
        "the centred map in the same way.",
        "grows with the annotation's size: a tuned threshold may select the whole film",
        annotation=lambda heat, annotation, level: (
            iou(above_level(heat, level), annotation) if np.isfinite(level) else float("nan")
        ),
    ),
    "relevance_mass": Measure(
        "place",
        "relevance mass",
        POSITIVE,
        "higher",
        0,
        1,
        "Share of the positive relevance that lies inside the annotation.",
        "random: the annotation's share of the film",
        annotation=lambda heat, annotation, level: relevance_mass(heat, annotation),
    ),
    "average_precision": Measure(
        "place",
        "average precision",
        POSITIVE,
        "higher",
        0,
        1,
        "Area under precision over recall of the annotated pixels, ranked by the map's value.",
        "random: the annotation's share of the film",
        annotation=lambda heat, annotation, level: average_precision(heat, annotation),
    ),
    "randomised_spearman": Measure(
        "model",
        "|Spearman| after randomisation",
        f"{SIGNED}, at the method's own resolution",
        "lower",
        0,
        1,
        "Correlation of the map with that of the same network after all its weights were permuted. Near 1, the map does not show "
        "what was learned. A zero or constant map has no value: it is no evidence.",
        "random: what unrelated blobs share, about 0.2; centre: 1, since it does not use the model",
        film=lambda case: case.after_randomisation("spearman"),
        costly=True,
        judged=False,
    ),
    "randomised_ssim": Measure(
        "model",
        "SSIM after randomisation",
        SIGNED,
        "lower",
        0,
        1,
        "Structural similarity of the same two maps, each divided by its largest magnitude; its size, since it may be negative.",
        "random: that of unrelated blobs; centre: 1",
        film=lambda case: case.after_randomisation("ssim"),
        costly=True,
        judged=False,
    ),
    "max_sensitivity": Measure(
        "stable",
        "max-sensitivity",
        SIGNED,
        "lower",
        0,
        None,
        "Largest relative change of the map under noise that no reader would see: 1 is as large as the map itself.",
        "random: drawn anew, so far from 0; centre: 0, since it does not use the film",
        film=EvaluationCase.noise_sensitivity,
        costly=True,
        judged=False,
    ),
    "repeatability": Measure(
        "stable",
        "repeatability",
        f"{SIGNED}, at the method's own resolution",
        "higher",
        -1,
        1,
        "Mean Spearman correlation of maps made with different seeds: 1 where nothing is random.",
        "random: near 0; centre: 1",
        film=EvaluationCase.repeated,
        costly=True,
        judged=False,
    ),
    "gini": Measure(
        "readable",
        "Gini sparseness",
        MAGNITUDE,
        "higher",
        0,
        1,
        "0: every pixel has the same magnitude; near 1: one pixel has all of it. A sparse map may still be wrong.",
        "that of smooth blobs and of one bump",
        film=lambda case: gini(case.attribution.values),
        judged=False,
    ),
    "entropy": Measure(
        "readable",
        "entropy",
        MAGNITUDE,
        "lower",
        0,
        None,
        "In nats: 0 if one pixel has all magnitude, the logarithm of the number of pixels if all share it.",
        "that of smooth blobs and of one bump",
        film=lambda case: entropy(case.attribution.values),
        judged=False,
    ),
}


def wanted_measures(asked: Sequence[str]) -> list[str]:
    """The names that `explain.measures` asks for, in the order of the registry: `all`, or names.

    Raises: ValueError naming the legal ones.
    """
    if list(asked) == [EVERY]:
        return list(MEASURES)
    if strange := [name for name in asked if name not in MEASURES]:
        raise ValueError(f"explain.measures must be [{EVERY}] or out of {', '.join(MEASURES)}, got {', '.join(strange)}")
    return [name for name in MEASURES if name in asked]


def column(measure: str, annotation: str) -> str:
    """The name of a measure against one kind of annotation in tables and metrics: hit_rate_lesion."""
    return f"{measure}_{annotation}"
