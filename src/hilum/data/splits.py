"""Which film is in which split: by patient, seeded, stratified, proven disjoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from hilum.records import SPLITS

UNSHARED = {"patients": "patient_id", "bytes": "sha256", "pixels": "pixel_sha256"}  # what two splits must not share


@dataclass(frozen=True)
class Splits:
    """The result of `split_by_patient`.

    table: columns image_id, split (train, val or test), sorted by image_id.
    left_out: columns image_id, path, problem, detail; films that leave train because their patient is in the official test part.
    test_part: source -> "official" (as the source has it) or "internal" (carved here).
    """

    table: pd.DataFrame
    left_out: pd.DataFrame
    test_part: Mapping[str, str]


def split_by_patient(
    manifest: pd.DataFrame, validation: float, test: float, seed: int, linked_patients: pd.DataFrame | None = None
) -> Splits:
    """Put every film into train, val or test, all films of a patient into the same.

    Patients who share a film (the same bytes or pixels, or a row of `linked_patients`: copies and near duplicates) count as one
    group. A source with an official test part keeps it; other films of its patients are left out. From a source without one
    a test part is carved. Groups are drawn within each class and, there, from each source in proportion; a group of several
    classes counts for the rarest of them.

    manifest: columns of records.MANIFEST. validation: share of the groups that are in no official test part.
    test: share of the groups of a source without an official test part. linked_patients: columns patient_id, other.

    Raises:
        ValueError: shares that leave nothing to train on, or a class without a patient in one of the splits.
    """
    if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise ValueError(
            f"`validation` and `test` must lie between 0 and 1 and leave some films to train on, got {validation} and {test}; "
            "use shares such as 0.15 and 0.2"
        )
    films = manifest.assign(group=group_patients(manifest, linked_patients)).sort_values("image_id", ignore_index=True)
    official = films["official_split"] == "test"
    tested = films["group"].isin(films["group"][official])
    sources = set(films["source"][official])
    drawn = _draw_groups(films[~tested], sources, set(films["label"][official]), validation, test, np.random.default_rng(seed))
    films["split"] = films["group"].map(drawn).where(~tested, "")
    films.loc[official, "split"] = "test"
    kept = films[films["split"] != ""]
    _check_every_class(kept)
    test_part = {source: "official" if source in sources else "internal" for source in sorted(set(films["source"]))}
    return Splits(kept[["image_id", "split"]].reset_index(drop=True), _list_left_out(films), test_part)


def carve_validation(films: pd.DataFrame, validation: float, seed: int) -> dict[int, str]:
    """Group -> `val` or `train`, drawn as `split_by_patient` does it: within each class and from each source in proportion.

    films: columns group, label, source. validation: share of the groups, at least one of each class.
    """
    return _draw_groups(films, set(films["source"]), set(films["label"]), validation, 0.0, np.random.default_rng(seed))


def group_patients(manifest: pd.DataFrame, linked_patients: pd.DataFrame | None = None) -> NDArray[np.int64]:
    """A number per film (N,), the same for films of one patient and of patients who share bytes, pixels or a link."""
    patients = manifest["patient_id"]
    ends = [(patients, manifest.groupby(name)["patient_id"].transform("first")) for name in ("sha256", "pixel_sha256")]
    if linked_patients is not None:
        ends.append((linked_patients["patient_id"], linked_patients["other"]))
    left = pd.concat([one for one, _ in ends], ignore_index=True)
    right = pd.concat([other for _, other in ends], ignore_index=True)
    names = pd.Index(sorted(set(left) | set(right)))
    edges = (np.ones(len(left)), (names.get_indexer(left), names.get_indexer(right)))
    group = connected_components(coo_matrix(edges, shape=(len(names), len(names))), directed=False)[1]
    return group[names.get_indexer(patients)].astype(np.int64)


def pairs_across(near: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """The near duplicates of which two splits hold one film each, with the further columns split and other_split.

    near: columns image_id, other and more. splits: columns image_id, split; films may be missing.
    """
    part = splits.set_index("image_id")["split"]
    placed = near.assign(split=near["image_id"].map(part), other_split=near["other"].map(part))
    apart = placed["split"].notna() & placed["other_split"].notna() & (placed["split"] != placed["other_split"])
    return placed[apart].reset_index(drop=True)


def prove_disjoint(manifest: pd.DataFrame, splits: pd.DataFrame, near: pd.DataFrame) -> dict[str, Any]:
    """Count films and patients of each split, and what two splits share: no patient, bytes, pixels or near duplicates.

    manifest: columns of records.MANIFEST. splits: columns image_id, split; films of the manifest may be missing.
    near: pairs of near duplicates, columns image_id, other.
    Returns {"splits": {split: {"films", "patients"}},
    "shared": {"patients": 0, "bytes": 0, "pixels": 0, "near_duplicates": 0}}.

    Raises:
        ValueError: something is shared (the message names films), a film is in two splits or not in the manifest, or a split
            has another name than train, val, test.
    """
    unknown = sorted(set(splits["image_id"]) - set(manifest["image_id"]))
    twice = sorted(splits["image_id"][splits["image_id"].duplicated()])
    names = sorted(set(splits["split"]) - set(SPLITS))
    if unknown or twice or names:
        raise ValueError(
            f"a film of the manifest must be in one split of {', '.join(SPLITS)}, got {len(unknown)} unknown films "
            f"{unknown[:3]}, {len(twice)} films named twice {twice[:3]} and the splits {names}; run the stage `split` again"
        )
    films = manifest.merge(splits, on="image_id")
    shared: dict[str, int] = {}
    faults = []
    for what, column in UNSHARED.items():
        spread = films.groupby(column)["split"].transform("nunique") > 1
        shared[what] = int(films[column][spread].nunique())
        if shared[what]:
            named = [f"{row.image_id} ({row.split})" for row in films[spread].sort_values(column).head(6).itertuples()]
            faults.append(f"{shared[what]} {what} shared, in films such as {', '.join(named)}")
    apart = pairs_across(near, splits)
    shared["near_duplicates"] = len(apart)
    if len(apart):
        listed = [f"{row.image_id} ({row.split}) and {row.other} ({row.other_split})" for row in apart.head(6).itertuples()]
        faults.append(f"{len(apart)} near duplicates shared, such as {'; '.join(listed)}")
    if faults:
        raise ValueError(
            f"no two splits may share a patient, bytes, pixels or near duplicates, got {'; '.join(faults)}; "
            "run the stages `prepare` and `split` again"
        )
    parts = {name: films[films["split"] == name] for name in SPLITS}
    counts = {name: {"films": len(part), "patients": int(part["patient_id"].nunique())} for name, part in parts.items()}
    return {"splits": counts, "shared": shared}


def choose_explain_films(manifest: pd.DataFrame, splits: pd.DataFrame, count: int, seed: int) -> list[str]:
    """The image_ids of at most `count` test films to explain: classes in turn, annotated films first, one per patient, seeded.

    manifest: columns of records.MANIFEST. splits: columns image_id, split. Fewer than `count` where there are fewer patients.

    Raises:
        ValueError: `count` below 1.
    """
    if count < 1:
        raise ValueError(f"`explain_films` must be at least 1, got {count}; use 12")
    return _take_in_turn(_count_annotations(manifest.merge(splits[splits["split"] == "test"], on="image_id")), count, seed)


def choose_annotated_films(manifest: pd.DataFrame, splits: pd.DataFrame, count: int, seed: int) -> list[str]:
    """The image_ids of at most `count` annotated validation films, on which thresholds of maps are tuned.

    manifest: columns of records.MANIFEST. splits: columns image_id, split. As `choose_explain_films`, but only annotated
    films; none where there is no annotation.

    Raises:
        ValueError: `count` below 0.
    """
    if count < 0:
        raise ValueError(f"`tuning_films` must be at least 0, got {count}; use 6")
    films = _count_annotations(manifest.merge(splits[splits["split"] == "val"], on="image_id"))
    return _take_in_turn(films[films["annotations"] > 0], count, seed)


def _count_annotations(films: pd.DataFrame) -> pd.DataFrame:
    """With the column annotations: how many kinds (lungs, lesion, boxes) each film has."""
    boxed = ~films["boxes"].isin(["", "[]"])
    return films.assign(annotations=(films[["lung_mask", "lesion_mask"]] != "").sum(axis=1) + boxed)


def _take_in_turn(films: pd.DataFrame, count: int, seed: int) -> list[str]:
    """At most `count` films: classes in turn, those with most kinds of annotation first, one per patient."""
    films = films.sort_values("image_id", ignore_index=True)
    films["draw"] = np.random.default_rng(seed).permutation(len(films))
    films = films.sort_values(["annotations", "draw"], ascending=[False, True])
    queues = [list(part[["image_id", "patient_id"]].itertuples(index=False, name=None)) for _, part in films.groupby("label")]
    chosen: list[str] = []
    seen: set[str] = set()
    while len(chosen) < count and any(queues):
        for queue in queues:
            while queue and queue[0][1] in seen:
                queue.pop(0)
            if queue and len(chosen) < count:
                image_id, patient = queue.pop(0)
                chosen.append(image_id)
                seen.add(patient)
    return chosen


def _draw_groups(
    films: pd.DataFrame, official: set[str], tested: set[str], validation: float, test: float, rng: np.random.Generator
) -> dict[int, str]:
    """Group -> split for groups outside official test parts; `tested` names the classes in those parts."""
    pairs = films[["group", "label", "source"]].drop_duplicates(["group", "label"])
    pairs = pairs.assign(rarity=pairs["label"].map(pairs["label"].value_counts())).sort_values(["rarity", "label", "group"])
    drawn: dict[int, str] = {}
    for label, groups in pairs.drop_duplicates("group").groupby("label"):
        queues = {str(name): rng.permutation(part["group"].sort_values()).tolist() for name, part in groups.groupby("source")}
        carved = {name: 0 if name in official else len(queue) for name, queue in queues.items()}
        least = 0 if label in tested else 1
        _move(queues, carved, max(round(test * sum(carved.values())), least), "test", drawn)
        whole = {name: len(queue) for name, queue in queues.items()}
        _move(queues, whole, max(round(validation * len(groups)), 1), "val", drawn)
        drawn.update((group, "train") for queue in queues.values() for group in queue)
    return drawn


def _move(queues: Mapping[str, list[int]], sizes: Mapping[str, int], total: int, split: str, drawn: dict[int, str]) -> None:
    for name, number in _apportion(total, sizes).items():
        drawn.update((queues[name].pop(), split) for _ in range(number))


def _apportion(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Whole numbers in proportion to `sizes` that add up to `total` (largest remainders), or `sizes` where that is not enough."""
    everything = sum(sizes.values())
    if total >= everything:
        return dict(sizes)
    quota = {name: total * size / everything for name, size in sizes.items()}
    number = {name: int(share) for name, share in quota.items()}
    for name in sorted(quota, key=lambda name: number[name] - quota[name])[: total - sum(number.values())]:
        number[name] += 1
    return number


def _check_every_class(films: pd.DataFrame) -> None:
    counts = films.groupby(["label", "split"])["group"].nunique().unstack().reindex(columns=list(SPLITS)).fillna(0).astype(int)
    if (counts == 0).any(axis=None):
        listed = "; ".join(f"{row.Index}: train {row.train}, val {row.val}, test {row.test}" for row in counts.itertuples())
        largest = films["group"].value_counts()
        most = largest.iloc[0] > len(films) / 2
        who = films["patient_id"][films["group"] == largest.index[0]].iloc[0] if most else ""
        crowd = f"; {largest.iloc[0]} of {len(films)} films count as one patient, {who}: check if that is right" if most else ""
        raise ValueError(
            f"every class must have a patient in each split, got {listed} (patients who share a film count once){crowd}; "
            "add films of more patients, leave the class out under `prepare.labels`, or change the shares under `split`"
        )


def _list_left_out(films: pd.DataFrame) -> pd.DataFrame:
    tests = (
        films[films["split"] == "test"].drop_duplicates("group").set_index("group")[["image_id", "patient_id"]].to_dict("index")
    )
    rows = films[films["split"] == ""]
    details = []
    for group, patient in zip(rows["group"], rows["patient_id"], strict=True):
        kept = tests[group]
        who = "the same patient"
        if kept["patient_id"] != patient:
            who = f"{kept['patient_id']}, who shares a film or its near duplicate with this one,"
        details.append(f"{who} is in the official test part with {kept['image_id']}")
    return rows[["image_id", "path"]].assign(problem="patient in the official test part", detail=details).reset_index(drop=True)
