"""The grid of true and false positives and negatives of one class: which films it shows, and how it is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.annotations import FilmAnnotations
from hilum.explain.drawing.annotations import OUTLINES, draw_outline
from hilum.explain.drawing.heat import DPI, GREY, INK, NOTE, draw_bar, draw_film, draw_heat, fit_inches
from hilum.explain.drawing.stamp import stamp_title
from hilum.pictures import plain
from hilum.records import Predictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELLS = {
    "true positive": (True, True),  # whether the class is true, and predicted
    "false positive": (False, True),
    "false negative": (True, False),
    "true negative": (False, False),
}
SIDE, GAP, MARGIN, HEADING, TITLE, LABEL, EMPTY, SCALE = 1.55, 0.12, 0.15, 0.60, 0.2, 0.46, 0.1, 0.5  # inches


@dataclass(frozen=True)
class Tile:
    """One film of a cell: (H, W) grey levels 0-255, its (H, W) map, two short lines below it, and its annotations."""

    film: NDArray[np.generic]
    values: NDArray[np.float32]
    label: str
    annotations: FilmAnnotations


def tell_tile(predictions: Predictions, row: int, class_index: int) -> str:
    """Two short lines: film and probability of the grid's class; true and predicted class."""
    names = predictions.classes
    true, predicted = names[int(predictions.y_true[row])], names[int(predictions.y_pred[row])]
    first = f"{predictions.image_id[row]}: p = {predictions.y_prob[row, class_index]:.2f}"
    return f"{first}\ntrue {true}, pred. {predicted}"


def choose_cells(predictions: Predictions, class_index: int, per_cell: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Draw films for each cell of one class against the rest, without replacement.

    Gives cell name -> up to `per_cell` row indices of the predictions, ascending; an empty cell has none.
    Raises: ValueError for a class that the predictions do not have, or fewer than one film per cell.
    """
    if not 0 <= class_index < len(predictions.classes):
        raise ValueError(f"class_index must be from 0 to {len(predictions.classes) - 1}, got {class_index}")
    if per_cell < 1:
        raise ValueError(f"per_cell must be at least 1, got {per_cell}")
    rng = np.random.default_rng([seed, class_index])
    chosen = {}
    for cell, (is_class, called_so) in CELLS.items():
        here = ((predictions.y_true == class_index) == is_class) & ((predictions.y_pred == class_index) == called_so)
        chosen[cell] = np.sort(rng.permutation(np.flatnonzero(here))[:per_cell]).astype(np.int64)
    return chosen


@plain
def draw_grid(cells: Mapping[str, Sequence[Tile]], per_cell: int, title: str, signed: bool, unit: str, sanity: str) -> "Figure":
    """One row per cell with its films and maps; a cell without films says so.

    cells: cell name -> tiles; title: what is mapped for which class; signed, unit: of the maps' method; sanity: verdict on
    that method, as an Attribution has it.
    Each map takes a scale of its own, because maps of films that do not show the class are faint; its end is given below it.
    Raises: ValueError if a cell holds more than `per_cell` films.
    """
    from matplotlib.figure import Figure

    most = max(len(tiles) for tiles in cells.values())
    if most > per_cell:
        raise ValueError(f"a cell must hold at most {per_cell} films, got {most}")
    width = max(2 * MARGIN + per_cell * SIDE + (per_cell - 1) * GAP, 5.8)
    tall = {name: SIDE + LABEL if tiles else EMPTY for name, tiles in cells.items()}
    height = 2 * MARGIN + HEADING + sum(TITLE + inches for inches in tall.values()) + SCALE
    figure = Figure((width, height), dpi=DPI, facecolor="white")

    def write(top: float, text: str, **looks: Any) -> None:
        figure.text(MARGIN / width, 1 - top / height, text, va="top", **looks)

    write(MARGIN, title, fontsize=10.5, weight="bold", color=INK)
    write(MARGIN + 0.22, f"{NOTE}\n{OUTLINES}", fontsize=7, color=GREY, linespacing=1.3)
    stamp_title(figure, 1 - MARGIN / width, 1 - (MARGIN + 0.02) / height, sanity)
    top = MARGIN + HEADING
    for name, tiles in cells.items():
        write(top, f"{name}: {len(tiles)} shown" if tiles else f"{name}: none in this split", fontsize=9, color=INK)
        for column, tile in enumerate(tiles):
            left, bottom = MARGIN + column * (SIDE + GAP), top + TITLE + SIDE
            across, down = fit_inches(SIDE, tile.annotations.geometry)
            axes = figure.add_axes((left / width, 1 - bottom / height, across / width, down / height))
            draw_film(axes, tile.film)
            strongest = draw_heat(axes, tile.values, signed)
            draw_outline(axes, tile.annotations)
            label = f"{tile.label}\nscale ends at {strongest:.2g}"
            figure.text(left / width, 1 - (bottom + 0.03) / height, label, va="top", fontsize=6.5, color=GREY, linespacing=1.2)
        top += TITLE + tall[name]
    bar = figure.add_axes((MARGIN / width, 1 - (top + 0.14) / height, 2.6 / width, 0.09 / height))
    draw_bar(bar, 1.0, signed, f"share of each scale's end, {unit}")
    return figure
