"""The prepared films on disk: written by `prepare`, split by `split`, read by every later stage."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.prepared.examples import Examples
from hilum.data.prepared.geometry import Geometry
from hilum.data.prepared.whole_masks import read_whole_masks
from hilum.records import FORMER, Films, Labels
from hilum.results import read_cells

BURNED_IN = "burned_in.csv"
GREY_BITS = "grey_bits.json"  # source -> bits, of the sources that have films of 16 bits
LISTED = ("image_id", "patient_id", "label", "pixel_sha256", "row")  # columns of data/split/<split>.csv


@dataclass(frozen=True)
class SplitFilms:
    """One split, whose films are read on demand: a few with `take`, all with `examples`.

    table: columns LISTED. labels: (N,) class indices, in the table's order. stored: every prepared film, mapped from the file.
    """

    table: pd.DataFrame
    labels: Labels
    stored: Films

    @cached_property
    def examples(self) -> Examples:
        """All films of the split, in the table's order."""
        return self.take(np.arange(len(self.table)))

    def take(self, positions: NDArray[np.intp]) -> Examples:
        """The films at these positions of the table, repeated ones included; no other is read."""
        chosen = self.table.iloc[positions]
        films = self.stored[chosen["row"].to_numpy(np.int64)]  # (M, H, W)
        return Examples(films, self.labels[positions], tuple(chosen["pixel_sha256"]))


def load_films(folder: Path) -> Films:
    """All prepared films (N, size, size) uint8, mapped from the file, in the manifest's order."""
    return np.load(folder / "films.npy", mmap_mode="r")


def read_grey_bits(folder: Path) -> list[int] | None:
    """The depths by which `prepare` scaled films of 16 bits, of all sources, each once, in order.

    Empty where there are no such films; None if the films were prepared before depths were settled.
    """
    if not (folder / GREY_BITS).is_file():
        return None
    return sorted({int(bits) for bits in json.loads((folder / GREY_BITS).read_text()).values()})


def load_whole_masks(folder: Path, kind: str, image_ids: list[str]) -> dict[str, bytes]:
    """The same as they were drawn, for `whole_masks.decode_mask`: image_id -> PNG bytes."""
    return read_whole_masks(folder / f"whole_{kind}s.zip", image_ids)


def load_geometry(folder: Path) -> dict[str, Geometry]:
    """Where each raw film lies in its prepared one, as `prepare` stored it: image_id -> geometry."""
    table = pd.read_csv(folder / "geometry.csv", dtype={"image_id": str})
    return {str(row[0]): Geometry(*row[1:]) for row in table.itertuples(index=False, name=None)}


def find_burned_in_table(folder: Path) -> Path | None:
    """The table of what is burned into the films, also under its earlier name; None where there is none."""
    files = (folder / name for name in (BURNED_IN, FORMER[BURNED_IN]))
    return next((file for file in files if file.is_file()), None)


def read_burned_in(folder: Path) -> pd.DataFrame:
    """What is burned into every prepared film: columns covering.COLUMNS; `lung_pixels` is text, empty without a lung mask, and
    `left`, empty where the film was not searched again.

    Raises:
        ValueError: there is no such table.
    """
    file = find_burned_in_table(folder)
    if file is None:
        raise ValueError(f"{folder / BURNED_IN} must be there before this stage runs; run `dvc repro`")
    text = dict.fromkeys(("image_id", "lung_pixels", "left", "left_boxes"), str)
    table = pd.read_csv(file, dtype=text, keep_default_na=False).rename(columns={FORMER["burned_in"]: "burned_in"})
    return table.assign(**{name: "" for name in ("left", "left_boxes") if name not in table})


def load_split(prepared: Path, split: Path, name: str, classes: list[str]) -> SplitFilms:
    """Read the films of one split. name: train, val or test; explain, the chosen test films; or explain_val,
    annotated validation films.

    Raises:
        ValueError: there is no such file, or it holds a label that is no class.
    """
    file = split / f"{name}.csv"
    if not file.is_file():
        raise ValueError(f"{file} must be there before this stage runs; run `dvc repro`")
    text = dict.fromkeys(("image_id", "patient_id", "label", "pixel_sha256"), str)
    table = read_cells(pd.read_csv(file, dtype=text, keep_default_na=False))  # a class may be called None
    index = {label: k for k, label in enumerate(classes)}
    unknown = sorted(set(table["label"].astype(str)) - set(index))
    if unknown:
        raise ValueError(f"labels must be of {', '.join(classes)}, got {', '.join(unknown)} in {file}; run `dvc repro`")
    return SplitFilms(table, np.array(table["label"].map(index), np.int64), load_films(prepared))


def read_linked_patients(folder: Path) -> pd.DataFrame:
    """The patients who share a film and belong in the same part, in pairs: columns patient_id, other."""
    return read_cells(pd.read_csv(folder / "linked_patients.csv", dtype=str, keep_default_na=False))


def read_manifest(path: Path) -> pd.DataFrame:
    """A manifest from its CSV file: all columns strings, empty for no information, but width and height integers."""
    return read_cells(pd.read_csv(path, dtype=str, keep_default_na=False)).astype({"width": int, "height": int})
