"""Contact sheets of prepared films: what is burned in, boxes and masks."""

import json
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from hilum.data.annotated import annotated_kinds
from hilum.data.prepared.geometry import Geometry
from hilum.pictures import plain
from hilum.records import Films

COLUMNS = 6  # films side by side
COLOURS = {"burned in": "#ff5a4e", "box": "#ffb000", "lung_mask": "#4cc3ff", "lesion_mask": "#ff5a4e"}


def choose_burned_in(table: pd.DataFrame, most: int) -> list[str]:
    """The image_ids of at most `most` films with burned-in letters or text, spread evenly over the table."""
    return _spread(table.loc[table["burned_in"] > 0, "image_id"].tolist(), most)


def choose_annotated(manifest: pd.DataFrame, most: int) -> list[str]:
    """The image_ids of at most `most` films with boxes or masks: those with the most, spread evenly over the table."""
    has = annotated_kinds(manifest)
    worth = has["box"] * 4 + has["lesion"] * 2 + has["lungs"]
    chosen: list[str] = []
    for value in sorted(set(worth[worth > 0]), reverse=True):
        chosen += _spread(manifest.loc[worth == value, "image_id"].tolist(), most - len(chosen))
    return chosen


@plain
def draw_burned_in(
    films: Mapping[str, NDArray[np.uint8]],
    boxes: Mapping[str, NDArray[np.float64]],
    geometry: Mapping[str, Geometry],
    after: Mapping[str, NDArray[np.uint8]] | None = None,
) -> Figure:
    """Films with a box around each burned-in letter or text and, where it was covered, the covered film below.

    films, after: image_id -> (size, size) uint8. boxes: image_id -> (M, 4) raw pixels.
    """
    figure, rows = _start(len(films), 1 if after is None else 2)
    for place, (name, film) in enumerate(films.items()):
        cells = rows[place // COLUMNS]
        _show(cells[0][place % COLUMNS], film, name)
        _frame(cells[0][place % COLUMNS], geometry[name].boxes_to_prepared(boxes[name]), COLOURS["burned in"], room=1.5)
        if after is not None:
            _show(cells[1][place % COLUMNS], after[name], "covered")
    return figure


@plain
def draw_crops(films: Mapping[str, NDArray[np.uint8]], boxes: Mapping[str, NDArray[np.float64]]) -> Figure:
    """The boxes of each film, enlarged. films: image_id -> (size, size) uint8. boxes: image_id -> (M, 4) of it."""
    figure, rows = _start(len(films), 1)
    for place, (name, film) in enumerate(films.items()):
        cell = rows[place // COLUMNS][0][place % COLUMNS]
        _show(cell, film, name)
        corners = np.vstack([boxes[name][:, :2], boxes[name][:, :2] + boxes[name][:, 2:]])  # (2 M, 2)
        middle, half = (corners.min(0) + corners.max(0)) / 2, max(8.0, float(np.ptp(corners, axis=0).max()) * 0.75)
        cell.set_xlim(middle[0] - half, middle[0] + half)
        cell.set_ylim(middle[1] + half, middle[1] - half)
        _frame(cell, boxes[name], COLOURS["burned in"], room=0.5)
    return figure


@plain
def draw_annotated(
    films: Mapping[str, NDArray[np.uint8]],
    boxes: Mapping[str, str],
    geometry: Mapping[str, Geometry],
    masks: Mapping[str, Mapping[str, NDArray[np.bool_]]],
) -> Figure:
    """Films with their boxes and the outlines of their masks, at the prepared film's geometry.

    boxes: image_id -> JSON list of [x, y, width, height], raw pixels, or empty. masks: kind -> image_id -> (size, size).
    """
    figure, rows = _start(len(films), 1)
    for place, (name, film) in enumerate(films.items()):
        cell = rows[place // COLUMNS][0][place % COLUMNS]
        _show(cell, film, name)
        for kind, known in masks.items():
            if name in known and known[name].any():
                cell.contour(known[name].astype(float), [0.5], colors=[COLOURS[kind]], linewidths=1.0)
        if boxes[name]:
            _frame(cell, geometry[name].boxes_to_prepared(np.array(json.loads(boxes[name]))), COLOURS["box"])
    return figure


def gather(films: Films, image_ids: Sequence[str], wanted: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """The wanted films by name. films: (N, size, size) in the order of image_ids."""
    row = {name: i for i, name in enumerate(image_ids)}
    return {name: np.asarray(films[row[name]]) for name in wanted}


def _spread(names: Sequence[str], most: int) -> list[str]:
    if len(names) <= most:
        return list(names)
    return [names[i] for i in np.linspace(0, len(names) - 1, most).round().astype(int)] if most > 0 else []


def _start(films: int, high: int) -> tuple[Figure, list[list[list[Axes]]]]:
    """A figure with cells [row of films][line of the row][column]; cells without a film are empty."""
    rows = max(1, -(-films // COLUMNS))
    figure = Figure(figsize=(1.72 * COLUMNS, 2.0 * rows * high), dpi=110, layout="constrained")
    cells = figure.subplots(rows * high, COLUMNS, squeeze=False)
    for cell in cells.ravel():
        cell.set_axis_off()
    return figure, [[list(cells[row * high + line]) for line in range(high)] for row in range(rows)]


def _show(cell: Axes, film: NDArray[np.uint8], name: str) -> None:
    cell.set_axis_on()
    cell.set_xticks([])
    cell.set_yticks([])
    cell.imshow(film, cmap="gray", vmin=0, vmax=255)
    lines = textwrap.wrap(name.replace("/", "/ "), 28)
    cell.set_xlabel("\n".join(line.replace("/ ", "/") for line in lines), fontsize=6.5)


def _frame(cell: Axes, boxes: NDArray[np.float64], colour: str, room: float = 0.0) -> None:
    """Rectangles around boxes (M, 4) of continuous prepared pixels; the middle of a drawn pixel is at its index."""
    for x, y, width, height in boxes:
        corner = (x - 0.5 - room, y - 0.5 - room)
        cell.add_patch(Rectangle(corner, width + 2 * room, height + 2 * room, fill=False, edgecolor=colour, linewidth=1.1))
