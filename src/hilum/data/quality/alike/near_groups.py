"""The consequences of near duplicates: linked patients, groups, an error where they join too much, and warnings.

Near duplicates stay in the data; their patients become one group, so that no split separates them.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

NEAR = (
    "image_id",
    "other",
    "score",  # correlation of fine detail once `other` lies over the film, -1 to 1
    "mirrored",  # yes: `other` is flipped left to right
    "scale_x",  # of `other`'s content to the film's, which fills the same square; 0.95: a 20th of the width was cut
    "scale_y",
    "shift_x",  # between the middles, in shares of half the content
    "shift_y",
    "patient_id",
    "other_patient",
    "label",
    "other_label",
)
FEW = 10  # films: a group of so few is never an error, however small the data set


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
    """Refuse near duplicates that join a large part of the data: those are no copies.

    films: in the data set. share: of them that one group may hold; a group of at most `FEW` films is never refused.

    Raises:
        ValueError: a group is larger; the message names its size and its least alike pairs.
    """
    groups = group_films(near)
    if not groups or len(groups[0]) <= max(FEW, share * films):
        return
    pairs = near[near["image_id"].isin(groups[0])].sort_values(["score", "image_id"]).head(3)
    listed = "; ".join(f"{row.image_id} and {row.other} (score {row.score:.3f})" for row in pairs.itertuples())
    raise ValueError(
        f"near duplicates must join at most a share of {share} of the films into one group, got a group of {len(groups[0])} of "
        f"{films} films; its least alike pairs: {listed}; look at them: if they are copies, remove them or raise "
        "`prepare.group_share`, if not, set `prepare.near_duplicates: none`"
    )


def tell_near_duplicates(near: pd.DataFrame) -> str:
    """Their number, patients and largest group, in a sentence."""
    if not len(near):
        return "near duplicates: none found"
    groups = group_films(near)
    across = int((near["patient_id"] != near["other_patient"]).sum())
    named = ", ".join(groups[0][:6]) + (", ..." if len(groups[0]) > 6 else "")
    whose = f"{across} of two patients" if across else "none of two patients"
    return (
        f"near duplicates: {len(near)} pairs of films are as alike as copies, {whose}; "
        f"groups: {len(groups)}, the largest of {len(groups[0])} films: {named}"
    )


def warn_of_near_duplicates(near: pd.DataFrame) -> list[str]:
    """Sentences on pairs to review: of two patients, and of two classes."""
    warnings = []
    across, conflicting = near[near["patient_id"] != near["other_patient"]], near[near["label"] != near["other_label"]]
    if len(across):
        pairs = [f"{row.image_id} and {row.other}" for row in across.head(5).itertuples()]
        warnings.append(
            f"Near duplicates: {len(across)} pairs of films are as alike as copies and belong to two patients, who are kept in "
            f"one split: {'; '.join(pairs)}"
        )
    if len(conflicting):
        pairs = [f"{row.image_id} ({row.label}) and {row.other} ({row.other_label})" for row in conflicting.head(5).itertuples()]
        warnings.append(f"Near duplicates: {len(conflicting)} pairs have different classes: {'; '.join(pairs)}")
    return warnings
