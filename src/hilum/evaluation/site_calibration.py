"""Calibration and decision of a frozen model for one site: fitted to its labelled films, measured on patients left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.scoring.calibration import FITS, FOLDS, deal_patients
from hilum.evaluation.scoring.decisions import THRESHOLD_RULES, Factors, decide, factors_of, find_factors, find_threshold
from hilum.evaluation.scoring.scaling import Logits, Scaling
from hilum.records import Labels, Probabilities

METHODS = tuple(FITS)
FEWEST_PATIENTS = 5  # of each class: one for each fold of the cross-fitted figures
SMALLEST = 1e-37  # a probability that single precision rounded to 0


@dataclass(frozen=True)
class Rule:
    """How a model decides, which stays as it is; only its numbers are found anew.

    threshold_rule: of two classes, empty where no threshold decides. factors: (K,) of `decide` for the model as it is, or None.
    balanced: the factors follow from the prior. prior: class -> share that the model's probabilities belong to, or None.
    classes: names in class order.
    """

    threshold_rule: str
    factors: Factors | None
    balanced: bool
    prior: Mapping[str, float] | None
    classes: tuple[str, ...]


@dataclass(frozen=True)
class SiteFit:
    """What was fitted to a site's films: probabilities are softmax(logits / temperature + biases).

    threshold, factors: of `decide`. threshold_rule: of the threshold, as in `Rule`; prior: likewise, of these probabilities.
    """

    scaling: Scaling
    threshold: float | None
    threshold_rule: str
    factors: Factors | None
    prior: Mapping[str, float] | None

    def predict(self, logits: Logits) -> tuple[Probabilities, Labels]:
        """Probabilities (N, K) and predicted classes (N,) of films with these logits (N, K)."""
        y_prob = self.scaling.apply(logits)
        return y_prob, decide(y_prob, self.threshold, self.factors)


def find_rule(described: Mapping[str, Any], default: str) -> Rule:
    """The rule of a model from its model.json. default: the threshold rule of a model that has a threshold and names no rule."""
    named = described.get("threshold_rule")
    ruled = named if named in THRESHOLD_RULES else default
    decision, prior = described.get("decision", ""), described.get("prior")
    return Rule(
        threshold_rule="" if described["threshold"] is None else ruled,
        factors=factors_of(described),
        balanced=decision == "balanced",
        prior=dict(prior) if isinstance(prior, Mapping) else None,  # earlier versions had a list of the training loss
        classes=tuple(described["classes"]),
    )


def read_logits(y_prob: Probabilities) -> Logits:
    """Logits (N, K) up to a constant per film, which no softmax depends on, from probabilities (N, K)."""
    return np.log(np.maximum(y_prob, SMALLEST))


def fit_site(method: str, logits: Logits, labels: Labels, rule: Rule) -> SiteFit:
    """The scaling with the least log loss on these films as they are, and then the threshold or the factors.

    Films are not weighted: where biases were found, its probabilities are for the site's own class shares. Elsewhere prior and
    factors stay as they are. method: of METHODS.
    """
    classes = len(rule.classes)
    scaling = FITS[method](logits, labels, np.ones(len(labels)))
    shares = np.bincount(labels, minlength=classes) / len(labels)
    prior, factors = rule.prior, rule.factors
    if scaling.prior_learnt:
        prior = dict(zip(rule.classes, shares.tolist(), strict=True))
        if rule.balanced and shares.min() > 0:
            told = find_factors("balanced", prior, {})
            factors = None if told is None else np.array([told[name] for name in rule.classes])
    threshold = find_threshold(rule.threshold_rule, labels, scaling.apply(logits)) if rule.threshold_rule else None
    return SiteFit(scaling, threshold, rule.threshold_rule, factors, prior)


def cross_fit_site(
    method: str, logits: Logits, labels: Labels, patients: NDArray[np.str_], rule: Rule, seed: int
) -> tuple[Probabilities, Labels]:
    """Probabilities (N, K) and predictions (N,) of each film by a fit on the patients of the other folds, decision included."""
    fold = deal_patients(labels, patients, FOLDS, seed)
    y_prob, y_pred = np.zeros(logits.shape), np.zeros(len(labels), np.int64)
    for held in range(FOLDS):
        out = fold == held
        y_prob[out], y_pred[out] = fit_site(method, logits[~out], labels[~out], rule).predict(logits[out])
    return y_prob, y_pred


def check_site_films(labels: Labels, patients: NDArray[np.str_], classes: tuple[str, ...]) -> None:
    """Refuse films of a site with too few patients of a class.

    Raises:
        ValueError: with the patients of each class.
    """
    counts = count_patients(labels, patients, len(classes))
    if counts.min() < FEWEST_PATIENTS:
        got = ", ".join(f"{name}: {count}" for name, count in zip(classes, counts.tolist(), strict=True))
        raise ValueError(
            f"recalibration needs films of at least {FEWEST_PATIENTS} patients of every class of the model, since its figures "
            f"are of patients that a fit has not seen, got {got}; label films of more patients, or use the model as it is"
        )


def count_patients(labels: Labels, patients: NDArray[np.str_], classes: int) -> NDArray[np.int64]:
    """(K,) patients of each class; one with films of several classes counts as that of the first film, as in `deal_patients`."""
    return np.bincount(labels[np.unique(patients, return_index=True)[1]], minlength=classes)
