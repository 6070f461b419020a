"""Films of an evaluation that get maps or the audit, and what these add to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.decoding.covered_film import CoveredFilm
from hilum.evaluation.outside.frozen import Grouping
from hilum.pages.any_evaluation import Section
from hilum.records import Predictions, Probabilities
from hilum.serving.predictions import prepare_film


@dataclass(frozen=True)
class Evaluated:
    """Films that were evaluated. rows: with image_id, patient_id, label, root and path_file; predictions: of them, by group.

    y_prob: (N, K) of the model's own classes.
    """

    rows: pd.DataFrame
    y_prob: Probabilities
    predictions: Predictions
    grouping: Grouping


@dataclass(frozen=True)
class Added:
    """What was added. sections: of the page; facts: for evaluation.json; flat: for the metrics."""

    sections: list[Section]
    facts: Mapping[str, Any] = field(default_factory=dict)
    flat: Mapping[str, float] = field(default_factory=dict)


Adding = Callable[[Path, Evaluated], Added]  # writes into a folder below the evaluation's


def choose_rows(found: Evaluated, most: int, seed: int, among: NDArray[np.bool_] | None = None) -> list[int]:
    """Films in turn of every class, drawn with the seed, each of another patient as far as there are enough.

    among: (N,) the films to choose from; None: all.
    """
    order = np.random.default_rng(seed).permutation(len(found.rows))
    order = order if among is None else order[among[order]]
    labels, patients = found.predictions.y_true, found.predictions.patient_id
    times = pd.Series(patients[order]).groupby(patients[order]).cumcount().set_axis(order)  # a patient's first film, then others
    by_class = [[int(i) for i in order if labels[i] == k] for k in np.unique(labels[order])]
    by_class = [sorted(rows, key=lambda i: times[i]) for rows in by_class]
    turns = [rows[turn] for turn in range(max(map(len, by_class), default=0)) for rows in by_class if turn < len(rows)]
    return turns[:most]


def read_chosen(found: Evaluated, rows: Sequence[int], described: Mapping[str, Any]) -> list[CoveredFilm]:
    """The prepared films of these rows; each was read before."""
    chosen = found.rows.iloc[list(rows)]
    return [prepare_film(Path(root, file), described) for root, file in zip(chosen["root"], chosen["path_file"], strict=True)]
