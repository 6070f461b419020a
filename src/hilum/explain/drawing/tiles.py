"""Sheets of small pictures under headings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hilum.explain.drawing.heat import DPI, GREY, INK
from hilum.explain.drawing.panels import FilmPrediction, write_heading
from hilum.pictures import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Paint = Callable[["Axes"], None]

GAP, MARGIN, HEADING, TITLE, ABOVE, BAR = 0.12, 0.15, 0.5, 0.36, 0.17, 0.42  # inches
NARROWEST = 7.5  # inches of a sheet, to fit its text


@dataclass(frozen=True)
class Tile:
    """One picture with a word above it."""

    title: str
    paint: Paint


@dataclass(frozen=True)
class Section:
    """Pictures under a title of up to two lines, `side` inches each, `columns` in a line; proportion: height / width.

    bar: draws the scale that all of them share into axes, or None.
    """

    title: str
    tiles: Sequence[Tile]
    side: float
    columns: int
    proportion: float = 1.0
    bar: Paint | None = None

    @property
    def above(self) -> float:
        return TITLE if self.title else 0.0

    @property
    def lines(self) -> int:
        return -(-len(self.tiles) // self.columns)

    @property
    def height(self) -> float:
        return self.above + self.lines * (ABOVE + self.side * self.proportion + GAP) + (BAR if self.bar else 0)


@plain
def draw_sections(name: str, prediction: FilmPrediction | None, sections: Sequence[Section], note: str) -> "Figure":
    """A sheet: its name and the prediction for the film, then the sections below each other; note: at its foot.

    Raises: ValueError if there is no section, or one without pictures.
    """
    from matplotlib.figure import Figure

    if not sections or not all(section.tiles for section in sections):
        raise ValueError("a sheet must have sections with pictures, got none; give each at least one")
    head = HEADING if prediction else HEADING / 2
    widest = max(min(len(s.tiles), s.columns) * (s.side + GAP) - GAP for s in sections)
    width = max(2 * MARGIN + widest, NARROWEST)
    height = 2 * MARGIN + head + sum(section.height for section in sections) + 0.16
    figure = Figure((width, height), dpi=DPI, facecolor="white")
    if prediction:
        write_heading(figure, name, prediction, MARGIN / width, 1 - MARGIN / height)
    else:
        figure.text(MARGIN / width, 1 - MARGIN / height, name, fontsize=10.5, weight="bold", va="top", color=INK)
    top = MARGIN + head
    for section in sections:
        _draw_section(figure, section, top)
        top += section.height
    figure.text(MARGIN / width, 0.6 * MARGIN / height, note, fontsize=7, color=GREY, va="bottom")
    return figure


def _draw_section(figure: "Figure", section: Section, top: float) -> None:
    width, height = figure.get_size_inches()
    tall = section.side * section.proportion

    def place(left: float, above: float, across: float, down: float) -> "Axes":
        return figure.add_axes((left / width, 1 - (above + down) / height, across / width, down / height))

    figure.text(MARGIN / width, 1 - (top + 0.02) / height, section.title, fontsize=8.5, va="top", color=INK, linespacing=1.25)
    for number, tile in enumerate(section.tiles):
        line, column = divmod(number, section.columns)
        at = top + section.above + line * (ABOVE + tall + GAP) + ABOVE
        axes = place(MARGIN + column * (section.side + GAP), at, section.side, tall)
        tile.paint(axes)
        axes.set_xticks([])
        axes.set_yticks([])
        size = 9 if section.side > 2 else 6.5
        axes.set_title(tile.title, fontsize=size, pad=2, y=1.0, loc="left", color=INK if section.side > 2 else GREY)
    if section.bar:
        below = top + section.above + section.lines * (ABOVE + tall + GAP)
        section.bar(place(MARGIN, below, 2.6, 0.09))
