"""From probabilities to predicted classes: the threshold, chosen on validation, the factors, and the majority baseline."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.records import Labels, Predictions, Probabilities
from hilum.settings.training import Train

Counts = NDArray[np.float64]  # (C,) one per candidate threshold
Factors = NDArray[np.float64]  # (K,) that the probabilities are multiplied by before the largest product decides

# Rule -> what the threshold maximises, from true and false positives, positives and negatives.
THRESHOLD_RULES: dict[str, Callable[[Counts, Counts, int, int], Counts]] = {
    "youden": lambda tp, fp, positives, negatives: tp / positives - fp / negatives,  # Youden 1950: sensitivity + specificity - 1
    "f1": lambda tp, fp, positives, negatives: 2 * tp / (tp + fp + positives),
    "half": lambda tp, fp, positives, negatives: np.zeros_like(tp),  # all thresholds tie, and a tie gives 0.5
}


def choose_threshold(rule: str, y_true: Labels, y_score: NDArray[np.float64]) -> float:
    """The threshold in 0..1 that maximises a rule for `score >= threshold`; of equally good ones the nearest to 0.5.

    y_true: (N,) 1 for the class, 0 otherwise. y_score: (N,) probability of the class, 0..1.
    Candidates lie halfway between neighbouring scores, so that no film's score equals the threshold, and 0.5 itself.

    Raises:
        ValueError: an unknown rule, labels other than 0 and 1, films of one class only, scores that are not within 0..1.
    """
    if rule not in THRESHOLD_RULES:
        raise ValueError(f"the threshold rule must be one of {', '.join(THRESHOLD_RULES)}, got {rule!r}; use one of these names.")
    found = np.unique(np.asarray(y_true).astype(np.int64))
    if not np.array_equal(found, [0, 1]):
        raise ValueError(
            f"a threshold must be chosen on films of both classes 0 and 1, got labels {found.tolist()} in {len(y_true)} films;"
            " use a validation split that has both."
        )
    if not np.all((y_score >= 0) & (y_score <= 1)):
        raise ValueError(f"scores must be 0..1, got {y_score.min()} to {y_score.max()}; use probabilities, not logits.")
    inside, outside = np.sort(y_score[y_true == 1]), np.sort(y_score[y_true == 0])
    edges = np.unique(np.concatenate([[0.0], y_score, [1.0]]))
    candidates = np.append((edges[1:] + edges[:-1]) / 2, 0.5)
    tp = (len(inside) - np.searchsorted(inside, candidates, "left")).astype(np.float64)
    fp = (len(outside) - np.searchsorted(outside, candidates, "left")).astype(np.float64)
    value = THRESHOLD_RULES[rule](tp, fp, len(inside), len(outside))
    best = candidates[value >= value.max() - 1e-12]  # equal fractions that rounding sets apart are a tie
    return float(best[np.argmin(np.abs(best - 0.5))])


def one_vs_rest_thresholds(rule: str, y_true: Labels, y_prob: Probabilities) -> NDArray[np.float64]:
    """(K,) threshold of each class against the rest, for the per-class table only; NaN for a class with no film or all films."""
    thresholds = np.full(y_prob.shape[1], np.nan)  # (K,)
    for k in range(y_prob.shape[1]):
        positive = y_true == k
        if positive.any() and not positive.all():
            thresholds[k] = choose_threshold(rule, positive.astype(np.int64), y_prob[:, k])
    return thresholds


def decide(y_prob: Probabilities, threshold: float | None, factors: Factors | None = None) -> Labels:
    """(N,) predicted class: with a threshold, class 1 of two if its probability reaches it; otherwise the largest p_k factor_k.

    threshold: None for more than two classes. factors: (K,) above 0, None for 1 each, which is the most probable class; of equal
    products the first class is predicted. Only one of the two can be given.

    Raises:
        ValueError: a threshold for more or fewer than two classes, or one outside 0..1; factors that are not one per class, not
            above 0, or given with a threshold.
    """
    if factors is not None and (threshold is not None or factors.shape != y_prob.shape[1:] or not _usable(factors)):
        raise ValueError(
            f"factors must be numbers above 0, one for each of {y_prob.shape[1]} classes, and without a threshold, got "
            f"{factors.tolist()} and threshold {threshold}; use what the model's model.json says."
        )
    if threshold is None:
        return np.argmax(y_prob if factors is None else y_prob * factors, axis=1).astype(np.int64)
    if y_prob.shape[1] != 2 or not 0 <= threshold <= 1:
        raise ValueError(
            f"a threshold must be 0..1 and needs two classes, got {threshold} for {y_prob.shape[1]} classes; use None for argmax."
        )
    return (y_prob[:, 1] >= threshold).astype(np.int64)


def find_factors(decision: str, prior: Mapping[str, float], costs: Mapping[str, float]) -> dict[str, float] | None:
    """Class -> factor of `decide` for a value of `train.decision`; None for two classes, which a threshold decides.

    probable: 1 each. balanced: 1 / (K prior_k), which maximises the expected mean of the classes' sensitivities.
    costs: a film of class k that is predicted as another class costs c_k, so the prediction with the largest c_k p_k has the
    lowest expected cost; costs that depend on the predicted class have no such factors.
    prior: class -> share that the probabilities belong to, in class order. costs: class -> above 0, read by `costs` alone.

    Source: Elkan 2001, The foundations of cost-sensitive learning, IJCAI, equation 1.
    """
    if len(prior) == 2:
        return None
    rules: dict[str, Callable[[str], float]] = {
        "probable": lambda name: 1.0,
        "balanced": lambda name: 1 / (len(prior) * prior[name]),
        "costs": lambda name: float(costs[name]),
    }
    return {name: rules[decision](name) for name in prior}


def describe_decision(
    settings: Train, prior: Mapping[str, float], labels: Labels, probabilities: Probabilities
) -> dict[str, Any]:
    """How a class comes from a model's probabilities, for model.json: its factors, and of two classes the threshold.

    prior: class -> share that the model assumes, in class order. labels: (N,) and probabilities: (N, K) of the validation films.
    """
    two = len(prior) == 2
    return {
        "decision": "threshold" if two else settings.decision,
        "decision_factors": find_factors(settings.decision, prior, settings.costs),
        "threshold": find_threshold(settings.threshold_rule, labels, probabilities),
        "threshold_rule": settings.threshold_rule if two else "argmax",
    }


def factors_of(model: Mapping[str, Any]) -> Factors | None:
    """The factors of `decide` from a model's model.json in class order; None if it has none, as in earlier versions."""
    told = model.get("decision_factors")
    return None if told is None else np.array([told[name] for name in model["classes"]], np.float64)


def majority_baseline(train_labels: Labels, predictions: Predictions) -> Predictions:
    """The predictions for the same films of a model that has learnt only the frequencies of the classes.

    train_labels: (M,) class indices of the training films. Every film gets their shares as its probabilities and the most
    frequent class (the first of equal ones) as its prediction.

    Raises:
        ValueError: no training films, or labels outside the classes.
    """
    classes = len(predictions.classes)
    wrong = np.setdiff1d(train_labels, np.arange(classes))
    if len(train_labels) == 0 or len(wrong):
        raise ValueError(
            f"training labels must be one or more indices 0..{classes - 1}, got {len(train_labels)} labels, outside:"
            f" {wrong[:5].tolist()}; use the class order stored with the model."
        )
    prior = np.bincount(train_labels, minlength=classes) / len(train_labels)
    films = len(predictions.y_true)
    return Predictions(
        image_id=predictions.image_id,
        patient_id=predictions.patient_id,
        y_true=predictions.y_true,
        y_prob=np.tile(prior, (films, 1)),
        y_pred=np.full(films, np.argmax(prior), dtype=np.int64),
        classes=predictions.classes,
    )


def find_threshold(rule: str, labels: Labels, probabilities: Probabilities) -> float | None:
    """Two classes: the threshold of the second one, by the rule on validation. More classes: None."""
    if probabilities.shape[1] != 2:
        return None
    return choose_threshold(rule, labels, probabilities[:, 1])


def _usable(factors: Factors) -> bool:
    return bool(np.isfinite(factors).all() and (factors > 0).all())
