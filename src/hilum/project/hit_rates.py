"""Hit rates of maps on films from elsewhere: does a map for the true class have its maximum where an expert drew something?"""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from hilum.data.annotations import KINDS, STORED, FilmAnnotations
from hilum.data.decoding.images import read_mask
from hilum.data.prepared.geometry import Geometry
from hilum.data.prepared.whole_masks import encode_mask
from hilum.explain.measures.localization import hit_rate
from hilum.explain.measures.reference_maps import centre_maps
from hilum.explain.measures.summary import patient_mean
from hilum.explain.methods.registry import METHODS
from hilum.records import Attribution

RANDOM, CENTRE = "random", "centre"  # what a place drawn at random and the middle of the film would hit
FILMS = ("image_id", "patient_id", "target", "predicted", "annotation", "method", "hit")  # columns of hits.csv
ENDS = ("", "_low", "_high")
RATES = (  # columns of hit_rates.csv
    *("annotation", "method", "films", "patients"),
    *(f"{what}{end}" for what in ("hit_rate", f"above_{RANDOM}", f"above_{CENTRE}") for end in ENDS),
)


@dataclass(frozen=True)
class AnnotatedFilms:
    """N films that an expert drew on, with what maps of them are for.

    image_id, patient_id: (N,) names. target, predicted: (N,) names of the true class and of the predicted one.
    """

    image_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    target: NDArray[np.str_]
    predicted: NDArray[np.str_]
    annotations: Sequence[FilmAnnotations]


def read_annotations(row: Mapping[Hashable, Any], geometry: Geometry) -> tuple[FilmAnnotations, list[str]]:
    """The annotations of a film that was prepared as `geometry` says, and why a mask could not be read.

    row: of `join_sources`. A mask without a pixel is none.
    """
    masks, whole, faults = {}, {}, []
    for kind, column in STORED.items():
        if not row[column]:
            continue
        try:
            drawn = read_mask(Path(row["root"], row[f"{column}_file"]))
        except (ValueError, OSError) as fault:
            faults.append(f"the mask {row[column]} of {row['image_id']} is not read: {fault}")
            continue
        if drawn.any():
            masks[kind], whole[kind] = geometry.mask_to_prepared(drawn), encode_mask(drawn)
    boxes = np.array(json.loads(row["boxes"] or "[]"), np.float64).reshape(-1, 4)  # (B, 4)
    names = tuple(str(finding) for finding in json.loads(row["box_findings"] or "[]"))
    return FilmAnnotations(geometry, masks, whole, boxes, names if len(names) == len(boxes) else ("",) * len(boxes)), faults


def list_hits(films: AnnotatedFilms, maps: Mapping[str, Attribution]) -> pd.DataFrame:
    """A row per film, kind of annotation and method: columns FILMS; hit: of `hit_rate`, at the film's original size.

    maps: method -> its maps of these films for their true class. `random` gets the annotation's share of the film, which is what
    a place drawn at random hits; `centre` is the map of `reference_maps`.
    """
    size = films.annotations[0].geometry.size if films.annotations else 1
    values = {name: one.values for name, one in maps.items()}
    values[CENTRE] = centre_maps((len(films.annotations), size, size))
    rows = []
    for i, one in enumerate(films.annotations):
        head = (films.image_id[i], films.patient_id[i], films.target[i], films.predicted[i])
        heats = {name: one.geometry.map_to_raw(of_method[i]) for name, of_method in values.items()}
        for kind in one.kinds:
            drawn = one.at_raw_size(kind)
            found = {name: hit_rate(heat, drawn) for name, heat in heats.items()} | {RANDOM: float(drawn.mean())}
            rows += [(*head, kind, name, found[name]) for name in [*maps, RANDOM, CENTRE]]
    return pd.DataFrame(rows, columns=list(FILMS))


def summarise_hits(hits: pd.DataFrame, resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    """A row per kind of annotation and method: columns RATES; means over patients, each by the mean of its films.

    hit_rate with the percentile interval over patients; where all patients are hit, or none, Wilson's (of as many trials as
    patients). above_random, above_centre: differences on the same patients with their percentile intervals, NaN for these two.

    Source: Wilson 1927, doi 10.1080/01621459.1927.10502953.
    """
    rows = []
    for kind in [kind for kind in KINDS if kind in set(hits["annotation"])]:
        part = hits[hits["annotation"] == kind]
        wide = part.pivot(index="image_id", columns="method", values="hit").astype(float)
        people = part.groupby("image_id")["patient_id"].first()
        wide["patient_id"], patients = people, int(people.nunique())
        for method in dict.fromkeys(part["method"]):
            row = [kind, method, len(wide), patients, *_bounded_rate(wide, method, resamples, confidence, seed)]
            for other in (RANDOM, CENTRE):
                if method in (RANDOM, CENTRE):
                    row += [np.nan] * 3
                else:
                    above = wide.assign(above=wide[method] - wide[other])
                    row += patient_mean(above, "above", resamples, confidence, seed)
            rows.append(row)
    return pd.DataFrame(rows, columns=list(RATES))


def _bounded_rate(wide: pd.DataFrame, method: str, resamples: int, confidence: float, seed: int) -> Sequence[float]:
    value, low, high = patient_mean(wide, method, resamples, confidence, seed)
    return (value, *wilson_interval(value, wide["patient_id"].nunique(), confidence)) if np.isnan(low) else (value, low, high)


def wilson_interval(share: float, trials: int, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share of so many trials."""
    z2 = float(norm.ppf((1 + confidence) / 2)) ** 2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = np.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def flat_hits(rates: pd.DataFrame) -> dict[str, float]:
    """`hit_rate_box/gradcam`, `above_random_box/gradcam`, `above_centre_box/gradcam`, each with `.low` and `.high`."""
    flat: dict[str, float] = {}
    for row in rates.to_dict("records"):
        for what in ("hit_rate", f"above_{RANDOM}", f"above_{CENTRE}"):
            if what == "hit_rate" or row["method"] in METHODS:
                key = f"{what}_{row['annotation']}/{row['method']}"
                flat |= {f"{key}{end.replace('_', '.')}": row[f"{what}{end}"] for end in ENDS}
    return flat
