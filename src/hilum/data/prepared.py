"""The prepared films on disk: written by `prepare`, split by `split`, read by every later stage."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hilum.data.batches import Rows
from hilum.data.geometry import Geometry
from hilum.data.manifest import PackedMasks, Prepared
from hilum.data.whole_masks import read_whole_masks, write_whole_masks
from hilum.records import Films, Masks

LISTED = ("image_id", "patient_id", "label", "pixel_sha256", "row")  # columns of data/split/<split>.csv


@dataclass(frozen=True)
class SplitFilms:
    """One split: table with the columns LISTED, and its films in the same order."""

    table: pd.DataFrame
    rows: Rows


def write_prepared(prepared: Prepared, folder: Path) -> None:
    """Write films.npy, manifest.csv, the masks and the tables of what was left out; equal content gives equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "films.npy", prepared.films)
    prepared.manifest.to_csv(folder / "manifest.csv", index=False)
    prepared.problems.to_csv(folder / "problems.csv", index=False)
    prepared.linked_patients.to_csv(folder / "linked_patients.csv", index=False)
    prepared.geometry.to_csv(folder / "geometry.csv", index=False)
    prepared.markers.to_csv(folder / "markers.csv", index=False)
    for kind, masks in prepared.masks.items():
        np.savez(folder / f"{kind}s.npz", image_id=masks.image_id.astype(str), bits=masks.bits, size=masks.size)
    for kind, drawn in prepared.whole_masks.items():
        write_whole_masks(drawn, folder / f"whole_{kind}s.zip")


def load_films(folder: Path) -> Films:
    """All prepared films (N, size, size) uint8, mapped from the file, in the manifest's order."""
    return np.load(folder / "films.npy", mmap_mode="r")


def load_masks(folder: Path, kind: str, image_ids: list[str]) -> dict[str, Masks]:
    """Those of the films that have a mask: image_id -> (size, size) bool. kind: lung_mask or lesion_mask."""
    with np.load(folder / f"{kind}s.npz") as stored:
        masks = PackedMasks(stored["image_id"], stored["bits"], int(stored["size"]))
    known = set(masks.image_id.tolist())
    having = [image_id for image_id in image_ids if image_id in known]
    return dict(zip(having, masks.unpack(having), strict=True)) if having else {}


def load_whole_masks(folder: Path, kind: str, image_ids: list[str]) -> dict[str, bytes]:
    """The same as they were drawn, for `whole_masks.decode_mask`: image_id -> PNG bytes."""
    return read_whole_masks(folder / f"whole_{kind}s.zip", image_ids)


def load_geometry(folder: Path) -> dict[str, Geometry]:
    """Where each raw film lies in its prepared one, as `prepare` stored it: image_id -> geometry."""
    table = pd.read_csv(folder / "geometry.csv", dtype={"image_id": str})
    return {str(row[0]): Geometry(*row[1:]) for row in table.itertuples(index=False, name=None)}


def read_markers(folder: Path) -> pd.DataFrame:
    """The marks of every prepared film: columns markers.MARKER_COLUMNS; lung_pixels is text, empty without a lung mask."""
    return pd.read_csv(folder / "markers.csv", dtype={"image_id": str, "lung_pixels": str}, keep_default_na=False)


def load_split(prepared: Path, split: Path, name: str, classes: list[str]) -> SplitFilms:
    """Read the films of one split. name: train, val or test; explain, the chosen test films; or explain_val,
    marked validation films.

    Raises:
        ValueError: there is no such file, or it holds a label that is no class.
    """
    file = split / f"{name}.csv"
    if not file.is_file():
        raise ValueError(f"{file} must be there before this stage runs; run `dvc repro`")
    text = dict.fromkeys(("image_id", "patient_id", "label", "pixel_sha256"), str)
    table = pd.read_csv(file, dtype=text, keep_default_na=False)  # a class may be called None
    index = {label: k for k, label in enumerate(classes)}
    unknown = sorted(set(table["label"].astype(str)) - set(index))
    if unknown:
        raise ValueError(f"labels must be of {', '.join(classes)}, got {', '.join(unknown)} in {file}; run `dvc repro`")
    films = load_films(prepared)[table["row"].to_numpy(np.int64)]
    rows = Rows(films, np.array(table["label"].map(index), np.int64), tuple(table["pixel_sha256"]))
    return SplitFilms(table, rows)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
