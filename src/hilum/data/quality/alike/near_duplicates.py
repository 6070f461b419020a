"""Films that show the same exposure with other pixels: found, with scale and shift.

A copy may be compressed by JPEG, scaled, stretched, cropped, brighter, darker or flipped: `likeness` gives candidates and
`registration` decides.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from hilum.data.quality.alike.likeness import lay_on_canvas, shortlist
from hilum.data.quality.alike.near_groups import NEAR
from hilum.data.quality.alike.registration import register_pairs
from hilum.records import Films

# Chosen on the first half of the patients of 1,500 phantoms and of 5,232 pediatric films by benchmarks/near_duplicates.py: of
# 2,240 copies, changed as above, the least alike had 0.971; of untouched films of different patients the most alike pair had
# 0.896. On the second halves it was 0.974 and 0.897, all copies were found and no pair was false. Unrelated films among 20,000
# phantoms reach 0.926.
ALIKE = 0.95
FAR = 0.15  # a scale or shift beyond this is no copy: twice what cutting 5 % of the width does to the other scale and shift
SEED = 0  # of the changed copies from which the distance is learned; no setting, as another split needs no other search


def find_near_duplicates(
    films: Films,
    manifest: pd.DataFrame,
    square: str,
    workers: int,
    on_film: Callable[[int, int], None] | None = None,
    on_pair: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Every pair of films that show the same exposure: columns NEAR, sorted by image_id and other, image_id before other.

    films: (N, size, size) uint8, prepared. manifest: their rows, columns image_id, patient_id, label, width, height.
    square: pad or stretch, as the films were prepared.
    on_film, on_pair: called with (done, all) of the films described and of the pairs registered.
    """
    return _compare(lay_on_canvas(films, manifest, square), manifest, workers, on_film, on_pair)


def find_near_between(
    films: Films, manifest: pd.DataFrame, others: Films, other_manifest: pd.DataFrame, square: str, workers: int
) -> pd.DataFrame:
    """The near duplicates of which one film is among `films` (image_id) and one among `others` (other): columns NEAR.

    The two sets may be prepared at different sizes, and must be prepared with the same `square`; see
    `find_near_duplicates`. scale, shift and mirrored are those of the pair in alphabetical order.
    """
    canvases = np.concatenate([lay_on_canvas(films, manifest, square), lay_on_canvas(others, other_manifest, square)])
    near = _compare(canvases, pd.concat([manifest, other_manifest], ignore_index=True), workers, None, None)
    own = set(manifest["image_id"])
    first, second = near["image_id"].isin(own), near["other"].isin(own)
    ends = {"image_id": "other", "patient_id": "other_patient", "label": "other_label"}
    turned = near[second & ~first].rename(columns={**ends, **{other: one for one, other in ends.items()}})
    across = pd.concat([near[first & ~second], turned], ignore_index=True)[list(NEAR)]
    return across.sort_values(["image_id", "other"], ignore_index=True)


def _compare(
    canvases: Films,
    manifest: pd.DataFrame,
    workers: int,
    on_film: Callable[[int, int], None] | None,
    on_pair: Callable[[int, int], None] | None,
) -> pd.DataFrame:
    pairs = shortlist(canvases, SEED, workers, on_film)
    laid = register_pairs(canvases, pairs, workers, on_pair)
    near = (np.abs(laid.scale - 1) <= FAR).all(axis=1) & (np.abs(laid.shift) <= FAR).all(axis=1) & (laid.score >= ALIKE)
    one, other = manifest.iloc[pairs.one[near]], manifest.iloc[pairs.other[near]]
    table = pd.DataFrame(
        {
            "image_id": one["image_id"].to_numpy(),
            "other": other["image_id"].to_numpy(),
            "score": laid.score[near].round(4),
            "mirrored": np.where(pairs.mirrored[near], "yes", "no"),
            **{f"scale_{axis}": laid.scale[near, i].round(4) for i, axis in enumerate("xy")},
            **{f"shift_{axis}": laid.shift[near, i].round(4) for i, axis in enumerate("xy")},
            "patient_id": one["patient_id"].to_numpy(),
            "other_patient": other["patient_id"].to_numpy(),
            "label": one["label"].to_numpy(),
            "other_label": other["label"].to_numpy(),
        },
        columns=list(NEAR),
    )
    best = table.sort_values("score", ascending=False, kind="stable").drop_duplicates(["image_id", "other"])
    return best.sort_values(["image_id", "other"], ignore_index=True)
