"""The explained films and their annotations as files beside the maps, so that a page can show them without the prepared set."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hilum.data.annotations import FilmAnnotations
from hilum.data.annotations import load_annotations as load_of_project
from hilum.records import Films
from hilum.results import read_json, write_json

FILMS, ANNOTATIONS = "films.npz", "annotations.json"
TOLERANCE = 0.5  # pixels of the prepared film that an outline may be off its mask

Outline = list[list[float]]  # points x, y as shares of the film's side


@dataclass(frozen=True)
class ShownFilms:
    """The explained films of one run.

    image_id: (N,) names. films: (N, H, W) uint8, as the model saw them. annotations: a film each, of `trace_annotations`.
    """

    image_id: list[str]
    films: Films
    annotations: list[dict[str, Any]]


def save_shown_films(folder: Path, films: Films, image_ids: Sequence[str], annotations: Sequence[FilmAnnotations]) -> None:
    """Write the prepared films (N, H, W) and what experts drew on them into the folder of the maps."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / FILMS, image_id=np.array(list(image_ids)), films=films)
    write_json(folder / ANNOTATIONS, dict(zip(image_ids, map(trace_annotations, annotations), strict=True)))


def load_shown_films(folder: Path) -> ShownFilms | None:
    """The films that `save_shown_films` wrote; None where there are none, as in results of earlier versions."""
    if not (folder / FILMS).is_file():
        return None
    with np.load(folder / FILMS) as stored:
        image_ids, films = stored["image_id"].tolist(), stored["films"]
    drawn = read_json(folder / ANNOTATIONS)
    return ShownFilms(image_ids, films, [drawn[image_id] for image_id in image_ids])


def find_shown_films(prepared: Path, films: Films, image_ids: Sequence[str]) -> ShownFilms:
    """The same from the prepared set. films: (N, H, W) of these ids."""
    return ShownFilms(list(image_ids), films, [trace_annotations(one) for one in load_of_project(prepared, image_ids)])


def trace_annotations(annotations: FilmAnnotations) -> dict[str, Any]:
    """Annotations as lines: `lesion` and `lungs` as closed outlines, `box` as [x, y, width, height]; all as shares of the side.

    `findings`: the finding of each box, empty where unknown.
    """
    lines: dict[str, Any] = {kind: _outline(mask) for kind, mask in annotations.masks.items()}
    boxes = annotations.boxes_prepared() / annotations.geometry.size  # (B, 4)
    return {**lines, "box": np.round(boxes, 4).tolist(), "findings": list(annotations.findings)}


def _outline(mask: np.ndarray) -> list[Outline]:
    """The outlines of a mask (H, W)."""
    from skimage.measure import approximate_polygon, find_contours

    around = np.pad(mask.astype(np.float32), 1)
    sides = np.array(mask.shape)
    lines = [approximate_polygon(line, TOLERANCE) for line in find_contours(around, 0.5)]
    return [np.round((line - 0.5) / sides, 4)[:, ::-1].tolist() for line in lines]  # row 1 of `around` is row 0, middle 0.5
