"""CheXlocalize's protocol: reads its polygons and run-length masks; mIoU and hit rate as published; bootstrap over patients.

Source: Saporta et al. 2022, doi 10.1038/s42256-022-00536-x.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.stats import bootstrap

from hilum.explain.measures.localization import AnnotationMask, iou

Runs = Mapping[str, Any]  # {"size": [height, width], "counts": text}
SIZE = "img_size"  # the key beside the findings in a file of polygons: [height, width]


def read_film_table(path: Path) -> dict[str, dict[str, Any]]:
    """One of CheXlocalize's JSON files: film -> finding -> polygons or run lengths. Raises: ValueError if it is not one."""
    values = json.loads(path.read_text())
    if not isinstance(values, dict) or not all(isinstance(film, dict) for film in values.values()):
        raise ValueError(f"{path} must hold film -> finding -> polygons or run lengths, got something else")
    return values


def decode_runs(runs: Runs) -> AnnotationMask:
    """A mask from COCO's compressed run lengths: (H, W).

    Runs of 0 and 1 alternate down the columns, 0 first; each is a number in groups of five bits, lowest first, and from the
    fourth on the difference from the run two before.
    Raises: ValueError if the runs do not fill the size.
    """
    height, width = runs["size"]
    lengths: list[int] = []
    codes = iter(runs["counts"].encode("ascii"))
    for code in codes:
        number, shift = 0, 0
        while True:
            bits = code - 48
            number |= (bits & 31) << shift
            shift += 5
            if not bits & 32:
                break
            code = next(codes, 48)
        if bits & 16:
            number -= 1 << shift
        lengths.append(number + lengths[-2] if len(lengths) > 2 else number)
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise ValueError(f"run lengths must be >= 0 and fill {height} x {width} pixels, got {sum(lengths)}; the file is damaged")
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height).T


def encode_runs(mask: AnnotationMask) -> dict[str, Any]:
    """A mask (H, W) as COCO's compressed run lengths, the inverse of `decode_runs`."""
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(np.r_[0, flat, 2].astype(int)))
    lengths = np.diff(np.r_[0, ends]).tolist()
    text = []
    for i, length in enumerate(lengths):
        number = length - lengths[i - 2] if i > 2 else length
        while True:
            bits = number & 31
            number >>= 5
            more = number != (-1 if bits & 16 else 0)
            text.append(chr((bits | 32 if more else bits) + 48))
            if not more:
                break
    return {"size": [int(extent) for extent in mask.shape], "counts": "".join(text)}


def draw_polygons(polygons: Sequence[Sequence[Sequence[float]]], size: tuple[int, int]) -> AnnotationMask:
    """A mask from polygons of x, y in pixels, outlines included: (height, width) = size."""
    picture = Image.new("1", (size[1], size[0]))
    for polygon in polygons:
        ImageDraw.Draw(picture).polygon([(x, y) for x, y in polygon], outline=1, fill=1)
    return np.asarray(picture, bool)


def published_iou(annotated: AnnotationMask, annotation: AnnotationMask, true_positives_only: bool) -> float:
    """IoU as published: NaN where both masks are empty, and with true positives only where either is empty."""
    if true_positives_only and not (annotated.any() and annotation.any()):
        return float("nan")
    return iou(annotated, annotation)


def iou_table(
    truth: Mapping[str, Mapping[str, Runs]], found: Mapping[str, Mapping[str, Runs]], true_positives_only: bool
) -> pd.DataFrame:
    """IoU of every film (row) and finding (column), both sorted; a film without maps has an empty mask.

    truth, found: film -> finding -> run lengths.
    Raises: ValueError if the masks of a film differ in size.
    """
    rows: dict[str, dict[str, float]] = {}
    for film in sorted(truth):
        rows[film] = {}
        for finding in sorted(truth[film]):
            annotation = decode_runs(truth[film][finding])
            annotated = decode_runs(found[film][finding]) if film in found else np.zeros_like(annotation)
            if annotated.shape != annotation.shape:
                raise ValueError(
                    f"both masks of a film must have one size, got {annotated.shape} and {annotation.shape} in {film}, {finding}"
                )
            rows[film][finding] = published_iou(annotated, annotation, true_positives_only)
    return pd.DataFrame.from_dict(rows, orient="index")


def summarise_findings(table: pd.DataFrame, resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    """Mean of each finding over films, with a percentile interval from a bootstrap over patients.

    table: films as rows, named `<patient>_<study>_<view>`, findings as columns, NaN where a film has no value.
    Columns value, low, high, films, patients; low and high are NaN for fewer than two patients. All films of a patient
    are drawn together (the published code draws films; in its validation and test sets nearly every patient has one).
    """
    patients = np.array([str(film).split("_")[0] for film in table.index])
    return pd.DataFrame(
        {finding: _summarise(table[finding].to_numpy(float), patients, resamples, confidence, seed) for finding in table}
    ).T.astype({"films": int, "patients": int})


def _summarise(
    values: NDArray[np.float64], patients: NDArray[np.str_], resamples: int, confidence: float, seed: int
) -> dict[str, float]:
    known = ~np.isnan(values)
    sums = pd.Series(values[known]).groupby(patients[known]).agg(["sum", "size"])
    row = {
        "value": float(values[known].mean()) if known.any() else float("nan"),
        "low": float("nan"),
        "high": float("nan"),
        "films": int(known.sum()),
        "patients": len(sums),
    }
    if len(sums) > 1 and np.ptp(values[known]) > 0:
        interval = bootstrap(
            (sums["sum"].to_numpy(float), sums["size"].to_numpy(float)),
            lambda total, films, axis: total.sum(axis=axis) / films.sum(axis=axis),
            n_resamples=resamples,
            confidence_level=confidence,
            method="percentile",
            paired=True,
            rng=np.random.default_rng(seed),
        ).confidence_interval
        row |= {"low": float(interval.low), "high": float(interval.high)}
    return row
