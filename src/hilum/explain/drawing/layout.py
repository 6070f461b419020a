"""Positions of films, maps, scales and captions on a panel, in inches."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE, GAP, MARGIN = 2.55, 0.22, 0.15  # inches: of a film, between films, around all
ABREAST = 5  # pictures in a line, at most
HEADING, NAME, TITLE, BAR, CAPTION = 0.50, 0.24, 0.22, 0.34, 0.64  # inches of height: above a row, above a film, below it


def arrange(cells: int) -> tuple[int, int]:
    """(columns, lines) of one model's pictures: one line of up to ABREAST, else as few lines as that allows, evenly filled."""
    lines = -(-cells // ABREAST)
    return -(-cells // lines), lines


@dataclass(frozen=True)
class Layout:
    """Positions on a picture, in inches.

    rows: of models; columns, lines: of one model's pictures; across, down: width and height of the film.
    """

    rows: int
    columns: int
    lines: int
    across: float
    down: float

    @property
    def line(self) -> float:
        """Height of one line of pictures with the text above and below it."""
        return TITLE + self.down + BAR + CAPTION

    @property
    def again(self) -> float:
        """Height above further lines: the name alone, where it is needed."""
        return NAME if self.rows > 1 else 0.0

    @property
    def width(self) -> float:
        return 2 * MARGIN + self.columns * SIDE + (self.columns - 1) * GAP

    @property
    def height(self) -> float:
        return 2 * MARGIN + self.rows * (HEADING + self.line + (self.lines - 1) * (self.again + self.line)) + 0.18

    def top_of(self, number: int, band: int) -> float:
        """From the top of the picture to the titles of a row's line."""
        if band == 0:
            return MARGIN + number * (HEADING + self.line) + HEADING
        above = MARGIN + self.rows * (HEADING + self.line)
        return above + ((band - 1) * self.rows + number) * (self.again + self.line) + self.again

    def place(self, figure: "Figure", number: int, cell: int, below: float, tall: float) -> "Axes":
        """Axes as wide as the film, `below` the titles of a row's cell, and `tall`."""
        left = MARGIN + cell % self.columns * (SIDE + GAP)
        top = self.top_of(number, cell // self.columns) + below
        return figure.add_axes((left / self.width, 1 - (top + tall) / self.height, self.across / self.width, tall / self.height))
