"""The prepared films with their tables, and the folder that holds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hilum.data.decoding.decoding import Behind
from hilum.data.masks import PackedMasks
from hilum.data.prepared.loading import BURNED_IN, GREY_BITS
from hilum.data.prepared.whole_masks import write_whole_masks
from hilum.data.quality.still_burned_in import StillBurnedIn
from hilum.records import Films
from hilum.results import guard_table

GEOMETRY = ("image_id", "width", "height", "size", "scale_x", "scale_y", "offset_x", "offset_y")  # columns of geometry.csv


@dataclass(frozen=True)
class Prepared:
    """The result of `building.build_manifest`.

    manifest: one row per kept film, columns records.MANIFEST, sorted by image_id; all strings but width and height.
    films: (N, size, size) uint8 grey levels 0-255, in the manifest's order.
    masks: "lung_mask" and "lesion_mask" -> the masks, at the size of the prepared film.
    whole_masks: the same -> image_id -> the mask as it was drawn, of `whole_masks.encode_mask`.
    problems: columns image_id, path, problem, detail; every film and mask left out, also by the reader, and every film of
        two rules; and remarks on films that stay: of readers and decoders, and on films outside their source's bit depth.
    findings: columns finding, label, source, films; of the films that the readers give, counted before anything is left out;
        label empty where no rule names the finding, EXCLUDED where a rule leaves it out.
    linked_patients: columns patient_id, other; names of patients who share a film and must go into the same split.
    geometry: one row per kept film, columns GEOMETRY: where the raw film lies in the prepared one.
    burned_in: one row per kept film, columns covering.COLUMNS: letters and text burned into the raw film.
    still_burned_in: the films, kept or not, on which something is still found after covering.
    behind: image_id -> what was covered in the film (`decoding.put_back`), where anything was.
    grey_bits: source -> the depth that was settled for its films of 16 bits (`source_depth`), where it has some.
    notes: sentences for the user.
    decoded, recalled: films of a class that were decoded now, and that came from the cache.
    """

    manifest: pd.DataFrame
    films: Films
    masks: Mapping[str, PackedMasks]
    whole_masks: Mapping[str, Mapping[str, bytes]]
    problems: pd.DataFrame
    findings: pd.DataFrame
    linked_patients: pd.DataFrame
    geometry: pd.DataFrame
    burned_in: pd.DataFrame
    still_burned_in: StillBurnedIn
    behind: Mapping[str, Behind]
    grey_bits: Mapping[str, int]
    notes: tuple[str, ...]
    decoded: int
    recalled: int


def tell_decoded(prepared: Prepared) -> str:
    """How many films were decoded and how many came from the cache, in a line."""
    return f"films decoded: {prepared.decoded}; from the cache: {prepared.recalled}"


def write_prepared(prepared: Prepared, folder: Path) -> None:
    """Write films.npy, manifest.csv, the masks and the tables of what was left out; equal content gives equal bytes.

    No text of a table is a formula to a spreadsheet (`cells`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "films.npy", prepared.films)
    guard_table(prepared.manifest).to_csv(folder / "manifest.csv", index=False)
    guard_table(prepared.problems).to_csv(folder / "problems.csv", index=False)
    guard_table(prepared.linked_patients).to_csv(folder / "linked_patients.csv", index=False)
    guard_table(prepared.geometry).to_csv(folder / "geometry.csv", index=False)
    guard_table(prepared.burned_in).to_csv(folder / BURNED_IN, index=False)
    (folder / GREY_BITS).write_text(json.dumps(dict(prepared.grey_bits), indent=2, sort_keys=True) + "\n")
    for kind, masks in prepared.masks.items():
        np.savez(folder / f"{kind}s.npz", image_id=masks.image_id.astype(str), bits=masks.bits, size=masks.size)
    for kind, drawn in prepared.whole_masks.items():
        write_whole_masks(drawn, folder / f"whole_{kind}s.zip")
