"""Films that show the same exposure without being the same pixels: found, named with their place, and tied together.

A copy may be squeezed by JPEG, scaled, stretched, cropped, brighter, darker or flipped: `likeness` names candidates and
`registration` decides. Near duplicates stay in the data; their patients become one group, so that no split parts them.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hilum.data.likeness import lay_on_canvas, shortlist
from hilum.data.registration import register_pairs
from hilum.records import Films

NEAR = (
    "image_id",
    "other",
    "score",  # correlation of fine detail once `other` lies over the film, -1 to 1
    "mirrored",  # yes: `other` is flipped left to right
    "scale_x",  # of `other`'s content to the film's, which fills the same square; 0.95: a 20th of the width was cut away
    "scale_y",
    "shift_x",  # between the middles, in shares of half the content
    "shift_y",
    "patient_id",
    "other_patient",
    "label",
    "other_label",
)
# Measured by benchmarks/near_duplicates.py on one half of the patients: of 1,500 phantoms and 5,232 pediatric films changed as
# named above the least alike copy had 0.980, of untouched films of different patients the most alike pair had 0.906.
ALIKE = 0.95
FAR = 0.15  # a scale or shift beyond this is no copy: twice what cutting 5 % of the width does to the other scale and shift
SEED = 0  # of the changed copies from which likeness is learned; no setting, as another split needs no other search
FEW = 10  # films: a group of so few is no alarm, however small the data set


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
    canvases = lay_on_canvas(films, manifest, square)
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


def link_patients(near: pd.DataFrame) -> pd.DataFrame:
    """Patients who must go into the same split because films of theirs are near duplicates: columns patient_id, other."""
    linked = near.loc[near["patient_id"] != near["other_patient"], ["patient_id", "other_patient"]]
    return linked.set_axis(["patient_id", "other"], axis=1).drop_duplicates(ignore_index=True)


def group_films(near: pd.DataFrame) -> list[list[str]]:
    """The image_ids of films that near duplicates join, directly or through others; the largest group first."""
    names = pd.Index(sorted({*near["image_id"], *near["other"]}))
    ends = names.get_indexer(near["image_id"]), names.get_indexer(near["other"])
    graph = coo_matrix((np.ones(len(near)), ends), shape=(len(names), len(names)))
    numbers = connected_components(graph, directed=False)[1]
    groups = [list(part) for _, part in pd.Series(names, dtype=object).groupby(numbers)]
    return sorted(groups, key=lambda group: (-len(group), group))


def check_groups(near: pd.DataFrame, films: int, share: float) -> None:
    """Refuse likeness that joins a great part of the data: then it is no likeness of copies.

    films: in the data set. share: of them that one group may hold; a group of at most `FEW` films is never refused.

    Raises:
        ValueError: a group is larger; the message names its size and its least alike pairs.
    """
    groups = group_films(near)
    if not groups or len(groups[0]) <= max(FEW, share * films):
        return
    pairs = near[near["image_id"].isin(groups[0])].sort_values(["score", "image_id"]).head(3)
    told = "; ".join(f"{row.image_id} and {row.other} (score {row.score:.3f})" for row in pairs.itertuples())
    raise ValueError(
        f"near duplicates must join at most a share of {share} of the films into one group, got a group of {len(groups[0])} of "
        f"{films} films; its least alike pairs: {told}; look at them: if they are copies, remove them or raise "
        "`prepare.group_share`, if not, set `prepare.near_duplicates: none`"
    )


def tell_near_duplicates(near: pd.DataFrame) -> list[str]:
    """What a person should know of them, in sentences."""
    if not len(near):
        return ["near duplicates: none found"]
    groups = group_films(near)
    across, conflicting = near["patient_id"] != near["other_patient"], near["label"] != near["other_label"]
    told = [
        f"near duplicates: {len(near)} pairs of films are as alike as copies, {across.sum()} of them of two patients, who are "
        f"kept in one split; {len(groups)} groups, the largest of {len(groups[0])} films: {', '.join(groups[0][:6])}"
        + (", ..." if len(groups[0]) > 6 else "")
    ]
    if conflicting.any():
        pairs = [
            f"{row.image_id} ({row.label}) and {row.other} ({row.other_label})" for row in near[conflicting].head(5).itertuples()
        ]
        told.append(f"near duplicates: {conflicting.sum()} pairs have different classes, such as {'; '.join(pairs)}")
    return told
