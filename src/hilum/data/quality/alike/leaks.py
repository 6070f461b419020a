"""Films of one set shared with another set: the same bytes or pixels, the same patient, or nearly the same film."""

from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from hilum.data.quality.alike.copies import PROBLEMS
from hilum.data.quality.alike.near_duplicates import find_near_between
from hilum.records import Films


@dataclass(frozen=True)
class FilmSet:
    """Prepared films (N, size, size) uint8 and their rows of the manifest, in one order."""

    films: Films
    manifest: pd.DataFrame


def find_leaks(
    own: FilmSet,
    other: FilmSet,
    square: str,
    alike: bool,
    same_people: Collection[str],
    workers: int,
    whose: str = "the task",
) -> pd.DataFrame:
    """The films of `own` that the films of `other` show, or whose patients they show: columns PROBLEMS.

    All films of a patient are listed as soon as one of them is among the others.

    square: pad or stretch, as both sets were prepared. alike: look for near duplicates as well, not only for equal bytes and,
    where both sets have one size, equal pixels. same_people: the sources of `other` in which a patient's name means the same
    person as in `own`: the same public set, in whatever folder. whose: the films of `other`, in words.
    """
    found: dict[str, str] = {}
    columns = ("sha256", "pixel_sha256") if own.films.shape[1:] == other.films.shape[1:] else ("sha256",)
    for column in columns:
        first = other.manifest.drop_duplicates(column).set_index(column)["image_id"]
        what = {"sha256": "bytes", "pixel_sha256": "pixels"}[column]
        shared = own.manifest[own.manifest[column].isin(first.index)]
        for image_id, value in zip(shared["image_id"], shared[column], strict=True):
            found.setdefault(image_id, f"the same {what} as {first[value]} of {whose}")
    if alike:
        near = find_near_between(own.films, own.manifest, other.films, other.manifest, square, workers)
        for row in near.itertuples():
            found.setdefault(str(row.image_id), f"nearly the same film as {row.other} of {whose} (score {row.score:.3f})")
    known = other.manifest[other.manifest["source"].isin(list(same_people))]
    people = dict(zip(_person(known), known["image_id"], strict=True))
    for image_id, person in zip(own.manifest["image_id"], _person(own.manifest), strict=True):
        if person in people:
            found.setdefault(image_id, f"the same patient as {people[person]} of {whose}")
    ids = own.manifest.set_index("image_id")["patient_id"]
    by_patient = {ids[image_id]: image_id for image_id in sorted(found)}
    for image_id, patient in ids.items():
        if patient in by_patient:
            found.setdefault(str(image_id), f"its patient is one of {whose}, as {by_patient[patient]} shows")
    rows = own.manifest[own.manifest["image_id"].isin(list(found))]
    listed = rows[["image_id", "path"]].assign(problem=f"shared with {whose}", detail=rows["image_id"].map(found))
    return listed[list(PROBLEMS)].reset_index(drop=True)


def _person(manifest: pd.DataFrame) -> pd.Series:
    """The patient's name without the prefix of its source."""
    return manifest["patient_id"].str.split("/", n=1).str[1]
