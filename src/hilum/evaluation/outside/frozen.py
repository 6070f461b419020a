"""A frozen model on films of another origin: classes that share a finding, means over classes with films, drop, prior."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.scoring.decisions import Factors, decide
from hilum.evaluation.scoring.metrics import METRICS, Metric
from hilum.evaluation.statistics import Draws, Interval, OnResample, draw_metrics
from hilum.records import Labels, Predictions, Probabilities
from hilum.settings.meaning import EXCLUDED

Rules = Mapping[str, Sequence[str]]  # class -> its findings, as `prepare.labels` has them


@dataclass(frozen=True)
class Grouping:
    """Which of a model's classes the labels of other films cannot tell apart.

    names: of the groups, in the order of their first class: `normal`, `bacterial+viral`. members: class indices of each.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]

    @property
    def of_class(self) -> NDArray[np.int64]:
        """(K,) the group of each class."""
        found = {k: group for group, members in enumerate(self.members) for k in members}
        return np.array([found[k] for k in range(len(found))], np.int64)


def group_classes(classes: Sequence[str], rules: Sequence[Rules]) -> Grouping:
    """The classes of a model, those joined that one finding is a rule of.

    `{bacterial: [pneumonia], viral: [pneumonia]}` joins both: a film of pneumonia is of one or the other, and the model's
    probability of that is the sum of both. rules: of each source; what one of them joins is joined for all films.
    """
    group = list(range(len(classes)))
    for of_source in rules:
        first: dict[str, int] = {}
        for k, name in enumerate(classes):
            for finding in of_source.get(name, ()):
                other = first.setdefault(" ".join(finding.split()).casefold(), k)
                if group[other] != group[k]:
                    low, high = sorted((group[other], group[k]))
                    group = [low if one == high else one for one in group]
    members = tuple(tuple(k for k in range(len(classes)) if group[k] == one) for one in sorted(set(group)))
    return Grouping(tuple("+".join(classes[k] for k in part) for part in members), members)


def group_rules(rules: Rules, classes: Sequence[str], grouping: Grouping) -> dict[str, list[str]]:
    """The same rules by the names of the groups; rules of EXCLUDED stay, in their place."""
    name_of = {name: grouping.names[grouping.of_class[k]] for k, name in enumerate(classes)} | {EXCLUDED: EXCLUDED}
    grouped: dict[str, list[str]] = {}
    for name, findings in rules.items():
        known = grouped.setdefault(name_of[name], [])
        known += [finding for finding in findings if finding not in known]
    return grouped


def predict_groups(
    y_prob: Probabilities, threshold: float | None, factors: Factors | None, grouping: Grouping
) -> tuple[Probabilities, Labels]:
    """Probabilities (N, G) of the groups, and the group of the class that the model's own frozen rule predicts, (N,)."""
    own = decide(y_prob, threshold, factors)
    summed = np.stack([y_prob[:, list(part)].sum(axis=1) for part in grouping.members], axis=1)  # (N, G)
    return summed, grouping.of_class[own]


def regroup(predictions: Predictions, grouping: Grouping) -> Predictions:
    """Predictions on a model's own classes as predictions on the groups."""
    y_prob = np.stack([predictions.y_prob[:, list(part)].sum(axis=1) for part in grouping.members], axis=1)
    y_true, y_pred = grouping.of_class[predictions.y_true], grouping.of_class[predictions.y_pred]
    return replace(predictions, y_true=y_true, y_prob=y_prob, y_pred=y_pred, classes=grouping.names)


def find_present(predictions: Predictions) -> list[str]:
    """The classes that have films."""
    return [name for k, name in enumerate(predictions.classes) if (predictions.y_true == k).any()]


def draw_present(
    predictions: Predictions,
    present: Sequence[str],
    resamples: int,
    seed: int,
    metrics: Mapping[str, Metric] = METRICS,
    on_resample: OnResample | None = None,
) -> Draws:
    """`draw_metrics`, with every mean of classes taken over the classes `present` alone, balanced accuracy among them.

    Where a class has no film, the mean over all classes is undefined; the mean over the others is a metric of its own, and
    whoever shows it says which classes it is of.
    """
    return mean_over(draw_metrics(predictions, resamples, seed, metrics, on_resample), present, metrics)


def mean_over(draws: Draws, present: Sequence[str], metrics: Mapping[str, Metric] = METRICS) -> Draws:
    """The draws with every mean of classes taken over `present`."""
    place = {name: i for i, name in enumerate(draws.names)}
    value, drawn = draws.value.copy(), draws.drawn.copy()
    means = {f"{name}_macro": name for name, metric in metrics.items() if metric.kind == "per_class"}
    if "balanced_accuracy" in place and "sensitivity" in metrics:
        means["balanced_accuracy"] = "sensitivity"
    for mean, name in means.items():
        columns = [place[f"{name}/{one}"] for one in present]
        value[place[mean]], drawn[:, place[mean]] = draws.value[columns].mean(), draws.drawn[:, columns].mean(axis=1)
    return Draws(draws.names, value, drawn)


def measure_drop(internal: Draws, external: Draws, confidence: float) -> dict[str, Interval]:
    """Every metric on external films minus that on internal ones, with its interval.

    The two sets have other patients, so they are resampled independently: the draws must come from different seeds.
    """
    difference = Draws(external.names, external.value - internal.value, external.drawn - internal.drawn)
    return difference.intervals(confidence)


def shift_prior(y_prob: Probabilities, prior: NDArray[np.float64], target: NDArray[np.float64]) -> Probabilities:
    """Probabilities (N, K) that belong to the class shares `prior` (K,), corrected to the shares `target` (K,).

    Source: Saerens, Latinne and Decaestecker 2002, doi 10.1162/089976602753284446, equation 2.4.
    """
    weighed = y_prob * (target / prior)
    return weighed / weighed.sum(axis=1, keepdims=True)
