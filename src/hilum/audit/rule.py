"""The frozen rule: from what was measured to *honest* or *shortcut*, with a probability.

Frozen by `benchmarks/audit_study.py` on models known to be honest or shortcut; change it only by running that study again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Probing:
    """donors: surroundings given to each film; repeats: pairs of donors per film; pairs, steps: of the map of blame.

    share: of the strongest blame, above which a pixel is blamed.
    """

    donors: int
    repeats: int
    pairs: int
    steps: int
    share: float


PROBING = Probing(donors=6, repeats=2, pairs=32, steps=8, share=0.2)
FILMS = 240  # of every audit in the study
WEIGHTS = {"spread": 20.0004, "around_probability": 0.283567}  # log odds per unit of the measured numbers
INTERCEPT = -9.41111


@dataclass(frozen=True)
class Verdict:
    """says: honest or shortcut. probability: that the model is a shortcut model, if both kinds are equally frequent."""

    says: str
    probability: float


def judge(numbers: Mapping[str, float]) -> Verdict:
    """The verdict on numbers of `evidence.measure`: a logistic regression, shortcut from a probability of 0.5."""
    if missing := [name for name in WEIGHTS if not np.isfinite(numbers[name])]:
        raise ValueError(f"a verdict must have finite numbers, got none for {', '.join(missing)}; check the model for NaN")
    odds = INTERCEPT + sum(weight * numbers[name] for name, weight in WEIGHTS.items())
    probability = float(1 / (1 + np.exp(-odds)))
    return Verdict("shortcut" if probability >= 0.5 else "honest", probability)
