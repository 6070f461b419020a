"""What the studies of the audit share: rates of the committed rule, the fit of a region, and the truth on the surroundings."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.stats import binomtest

from hilum.audit.auditee import class_probabilities
from hilum.audit.contrast import Predicted, draw_triples, effects, predict_exchanged
from hilum.audit.mixtures import Mixtures
from hilum.audit.regions import soften
from hilum.audit.rule import Verdict, judge

GROWN = 0.05  # of the side: how far a mark is grown before blamed pixels are counted on it


def judge_all(table: pd.DataFrame) -> list[Verdict]:
    """The committed rule's verdict on each network; the rule asks of `spread` only that it is a number."""
    return [judge({"spread": 0.0, **{str(name): value for name, value in row.items()}}) for row in table.to_dict("records")]


def score(table: pd.DataFrame, truth: NDArray[np.str_], by: str) -> pd.DataFrame:
    """Rates of the committed rule by the values of one column and in all, with exact 95 % intervals; truth: (N,) mark or none."""
    told = np.array([verdict.mark.shown for verdict in judge_all(table)])
    values = table[by].astype(str).to_numpy()
    right = ((table["blamed_on_mark"] >= 0.5) & (table["mark_blamed"] >= 0.2)).to_numpy()
    rows = {}
    for value in [*sorted(set(values)), "in all"]:
        own = (values == value) | (value == "in all")
        mark, none = own & (truth == "mark"), own & (truth == "none")
        rows[value] = {
            "with a mark": int(mark.sum()),
            "found": rate(told[mark] == "shown"),
            "region right": rate(right[mark & (told == "shown")]),
            "without": int(none.sum()),
            "accused": rate(told[none] == "shown"),
            "cannot tell": rate(told[mark | none] == "cannot tell"),
        }
    return pd.DataFrame(rows).T.rename_axis(by)


def answers_on_surroundings(some: pd.DataFrame) -> pd.DataFrame:
    """Numbers of networks by the points that surroundings add on other films and by the answer."""
    told = [verdict.surroundings.shown for verdict in judge_all(some)]
    effect = pd.cut(some["truth_class_points"], [-np.inf, 1, 3, 5, 10, np.inf]).astype(str).to_numpy()
    return pd.crosstab(effect, np.array(told)).rename_axis("points of the truth")


def rate(hits: NDArray[np.bool_]) -> str:
    """`98 % [92, 100]`, with the exact 95 % interval."""
    if not len(hits):
        return "none"
    bounds = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="exact")
    return f"{100 * hits.mean():.0f} % [{100 * bounds.low:.0f}, {100 * bounds.high:.0f}]"


def fit_of(blamed: NDArray[np.bool_], place: NDArray[np.bool_]) -> dict[str, float]:
    """How much of the blamed region lies on the mark, grown a little, and of the mark in the blamed region."""
    grown = binary_dilation(place, np.ones((3, 3)), iterations=round(GROWN * len(place)))
    return {
        "blamed_on_mark": float((blamed & grown).sum() / max(blamed.sum(), 1)),
        "mark_blamed": float((blamed & place).sum() / place.sum()),
    }


def effect_of_surroundings(
    auditee: Any, films: np.ndarray, labels: np.ndarray, patients: np.ndarray, regions: Any, rng: np.random.Generator
) -> float:
    """Points of balanced accuracy, halved, between surroundings from the film's own class and from the other; of two classes."""
    triples = draw_triples(labels, patients, 1, rng)
    mixed = predict_exchanged(auditee, Mixtures(films, regions.around).plain, triples, soften(regions.around))  # (2, N, 2)
    told = auditee.decide(mixed.reshape(-1, 2)).reshape(mixed.shape[:-1])
    own = class_probabilities(auditee, films)
    return float(effects(labels, Predicted(own, auditee.decide(own)), triples, Predicted(mixed, told))[0, 1].points)
