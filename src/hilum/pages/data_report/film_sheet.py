"""A sheet of prepared films in the data report: odd films, near duplicates, films with problems, and samples of each class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from hilum.data.quality.pair_sheet import choose_pairs
from hilum.pages.film_pictures import pack_film
from hilum.pages.templates import embed, render
from hilum.records import Films

SAMPLE = "sample"
NEAR = "near duplicate"
MOST = 150  # films with something to see on the sheet; their lists are complete in the files that the page names


@dataclass(frozen=True)
class SheetFilm:
    """One film of the sheet. reasons: why it is on it, each with what is known about it, or empty."""

    image_id: str
    patient: str
    label: str
    source: str
    split: str
    reasons: dict[str, str]
    picture: str


def collect_reasons(
    odd: pd.DataFrame, near: pd.DataFrame, problems: pd.DataFrame, samples: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, str]]:
    """image_id -> reason -> detail; odd films first, then near duplicates, problems, and samples of each class.

    odd: columns image_id, reason, detail. near: columns near_groups.NEAR. problems: columns image_id, problem, detail.
    samples: class -> image_ids.
    """
    found: dict[str, dict[str, str]] = {}
    for row in odd.itertuples():
        found.setdefault(str(row.image_id), {})[str(row.reason)] = str(row.detail)
    for row in choose_pairs(near).itertuples() if len(near) else ():
        for one, other in ((row.image_id, row.other), (row.other, row.image_id)):
            found.setdefault(str(one), {}).setdefault(NEAR, f"of {other}, score {row.score:.2f}")
    for row in problems.itertuples():
        found.setdefault(str(row.image_id), {}).setdefault(str(row.problem), str(row.detail))
    for image_ids in samples.values():
        for image_id in image_ids:
            found.setdefault(image_id, {})[SAMPLE] = ""
    return found


def render_sheet(
    manifest: pd.DataFrame, films: Films, reasons: Mapping[str, Mapping[str, str]], splits: Mapping[str, str], seed: int
) -> Markup:
    """The sheet as HTML, with filters. Films that are not prepared, such as broken ones, have no picture and are not on it.

    manifest: columns image_id, patient_id, label, source; films: (N, H, W) uint8 in its order. splits: image_id -> split.
    seed: of the samples.
    """
    table = manifest.assign(row=range(len(manifest))).set_index("image_id")
    there = [image_id for image_id in reasons if image_id in table.index]
    odd = [image_id for image_id in there if set(reasons[image_id]) != {SAMPLE}]
    kept = [*odd[:MOST], *(image_id for image_id in there if set(reasons[image_id]) == {SAMPLE})]
    shown = [
        SheetFilm(
            image_id,
            str(row["patient_id"]),
            str(row["label"]),
            str(row["source"]),
            splits.get(image_id, ""),
            dict(reasons[image_id]),
            embed(pack_film(films[row["row"]]), "webp"),
        )
        for image_id, row in ((image_id, table.loc[image_id]) for image_id in kept)
    ]
    return render(
        "film_sheet.html",
        films=shown,
        hidden=max(0, len(odd) - MOST),
        reasons=list(dict.fromkeys(reason for film in shown for reason in film.reasons)),
        classes=list(dict.fromkeys(film.label for film in shown)),
        sources=sorted({film.source for film in shown}),
        splits=sorted({film.split for film in shown} - {""}),
        seed=seed,
    )
