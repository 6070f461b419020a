"""Labelled films outside the pipeline, read and predicted as `predict` does, batch by batch."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.decoding.covered_film import CoveredFilm
from hilum.evaluation.acquisition import acquisition_features
from hilum.explain.explained_model import Predict
from hilum.progress import bar
from hilum.records import Probabilities
from hilum.results import file_sha256
from hilum.serving.predictions import BATCH, prepare_or_tell, probabilities_of
from hilum.settings.params import Evaluate


@dataclass(frozen=True)
class ReadFilms:
    """Films that were read and predicted.

    rows: of `join_sources` with label, sha256, pixel_sha256, width and height. y_prob: (N, K). features: (N, F), of
    `acquisition_features`. problems: of films that are left out. odd: remarks on films read anyway, by name.
    """

    rows: pd.DataFrame
    y_prob: Probabilities
    features: NDArray[np.float64]
    problems: pd.DataFrame
    odd: Mapping[str, str]


def read_and_predict(predict: Predict, described: Mapping[str, Any], rows: pd.DataFrame, settings: Evaluate) -> ReadFilms:
    """Prepare every film as `predict` does and predict it, batch by batch, so that memory does not grow with the films."""
    files = [Path(root, file) for root, file in zip(rows["root"], rows["path_file"], strict=True)]
    report = bar("films read and predicted")
    faults: dict[int, str] = {}
    odd: dict[str, str] = {}
    kept: list[int] = []
    facts: list[dict[str, Any]] = []
    found: list[Probabilities] = []
    features: list[NDArray[np.float64]] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), BATCH):
            there = range(start, min(start + BATCH, len(files)))
            read = dict(zip(there, pool.map(lambda i: prepare_or_tell(files[i], described), there), strict=True))
            faults |= {i: film for i, film in read.items() if isinstance(film, str)}
            films = {i: film for i, film in read.items() if not isinstance(film, str)}
            predicted, bad = probabilities_of(predict, described, films)
            faults |= bad
            odd |= {rows["image_id"][i]: "; ".join(one.remarks) for i, one in films.items() if one.remarks}
            if predicted:
                good = [films[i] for i in predicted]
                sides = [(one.geometry.width, one.geometry.height) for one in good]
                stacked = np.stack([one.film for one in good])  # (B, S, S)
                features.append(describe_acquisition(stacked, sides, described["square"], settings))
                kept += list(predicted)
                facts += [_describe(files[i], films[i]) for i in predicted]
                found.append(np.array([row for _, row in predicted.values()]))
            report(there.stop, len(files))
    broken = rows.iloc[list(faults)][["image_id", "path"]].assign(problem="no prediction", detail=list(faults.values()))
    if not kept:
        raise ValueError(
            f"at least one film must be read and predicted, got none of {len(rows)}, such as {broken['path'].iloc[0]}: "
            f"{broken['detail'].iloc[0]}; repair the films or name others"
        )
    noted = rows.iloc[kept].reset_index(drop=True).assign(**{key: [fact[key] for fact in facts] for key in facts[0]})
    return ReadFilms(noted, np.concatenate(found), np.concatenate(features), broken, odd)


def _describe(file: Path, film: CoveredFilm) -> dict[str, Any]:
    return {"sha256": file_sha256(file), "pixel_sha256": hashlib.sha256(film.film.tobytes()).hexdigest()}


def describe_acquisition(
    films: NDArray[np.uint8], sides: Sequence[tuple[int, int]], square: str, settings: Evaluate
) -> NDArray[np.float64]:
    """(B, F) what the shortcut baseline sees of prepared films (B, S, S)."""
    widths, heights = (list(side) for side in zip(*sides, strict=True))
    ring, bins = settings.acquisition.ring, settings.acquisition.bins
    return acquisition_features(films, range(len(films)), widths, heights, square, ring, bins)
