"""The sheet of one film as a PDF of pages in A4: for each model the film, the prediction, and every picture, LIME's views too."""

import textwrap
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from hilum.explain.drawing.heat import GREY
from hilum.pages.reading_sheet import ReadingSheet, SheetModel
from hilum.pictures import PLAIN, drawn_under

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT, EDGE = 8.27, 11.69, 0.55  # inches: A4 upright and its margin
ABREAST, GAP = 3, 0.15  # pictures in a line, and inches between them
SIDE = (WIDTH - 2 * EDGE - (ABREAST - 1) * GAP) / ABREAST
CAPTION = 0.62  # inches below a picture, for at most CAPTION_LINES
CAPTION_LINES, CAPTION_LETTERS = 5, 52  # at 6 points
FILM = 2.9  # inches of the film's box
FOOT = 0.5  # inches that stay free above the edge for the foot
FACTS = EDGE + FILM + 0.25  # inches from the left, of what is said beside the film
FACT_LETTERS = 62  # of a line there at 7 points
Picture = tuple[str, bytes]


def write_sheet_pdf(sheet: ReadingSheet) -> bytes:
    """The bytes of the PDF: a page for each model, and further ones where its pictures need them."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages

    stream = BytesIO()
    facts = {"Title": sheet.film, "Creator": "hilum", "Producer": "hilum"}
    with drawn_under({**PLAIN, "pdf.fonttype": 42}), PdfPages(stream, metadata=facts) as pages:
        for model in sheet.models:
            for page in _draw_model(sheet, model):
                FigureCanvasPdf(page).print_pdf(pages)
    return stream.getvalue()


def _draw_model(sheet: ReadingSheet, model: SheetModel) -> Iterator["Figure"]:
    from matplotlib.figure import Figure

    left = list(model.pictures)
    first = True
    while first or left:
        figure = Figure(figsize=(WIDTH, HEIGHT))
        top = _draw_head(figure, sheet, model) if first else EDGE
        left = _draw_pictures(figure, left, top)
        version = "; ".join(f"{what} {value}" for what, value in model.facts)
        _write(figure, EDGE, HEIGHT - EDGE, [sheet.warning, *textwrap.wrap(version, 130)], 6.5, GREY)
        first = False
        yield figure


def _draw_head(figure: "Figure", sheet: ReadingSheet, model: SheetModel) -> float:
    """The film and what is said of it; returns the inches from the top at which the pictures begin."""
    below = _write(figure, EDGE, EDGE, textwrap.wrap(sheet.film, 60), 14, weight="bold")
    below = _write(figure, EDGE, below + 0.05, [f"Read in hilum, {sheet.made}"], 8, GREY)
    below = _write(figure, EDGE, below + 0.05, [sheet.warning], 9, "#8a5a00", weight="bold") + 0.15
    ends = below + _place(figure, sheet.picture, EDGE, below, FILM)
    down = _write(figure, FACTS, below, [f"Prediction of {model.title}"], 8, GREY)
    down = _write(figure, FACTS, down + 0.05, textwrap.wrap(model.predicted, 30), 15, weight="bold")
    down = _write(figure, FACTS, down + 0.08, textwrap.wrap(model.says, FACT_LETTERS - 8), 8.5)
    down = _write(figure, FACTS, down + 0.08, [f"{name}: {share:.1%}" for name, share in model.shares], 8.5)
    for sentence in sheet.warnings:
        down = _write(figure, FACTS, down + 0.08, textwrap.wrap(sentence, FACT_LETTERS), 7, "#8a5a00")
    for what, value in [*sheet.facts, *model.facts]:
        down = _write(figure, FACTS, down + 0.05, textwrap.wrap(f"{what}: {value}", FACT_LETTERS), 7, GREY)
    return max(ends, down) + 0.3


def _draw_pictures(figure: "Figure", pictures: Sequence[Picture], top: float) -> list[Picture]:
    """Draw as many lines of pictures as fit below `top`, at least one; returns those that are left."""
    rest = list(pictures)
    while rest:
        line, pngs = rest[:ABREAST], [png for _, png in rest[:ABREAST]]
        high = max(_height(png, SIDE) for png in pngs) + CAPTION
        if top + high > HEIGHT - EDGE - FOOT and len(rest) < len(pictures):
            return rest
        for k, (caption, png) in enumerate(line):
            x = EDGE + k * (SIDE + GAP)
            end = top + _place(figure, png, x, top, SIDE)
            words = textwrap.wrap(caption, CAPTION_LETTERS, max_lines=CAPTION_LINES, placeholder=" ...")
            _write(figure, x, end + 0.05, words, 6, GREY)
        top, rest = top + high, rest[ABREAST:]
    return []


def _height(png: bytes, side: float) -> float:
    """Inches of a picture in a box of `side` inches."""
    width, height = Image.open(BytesIO(png)).size
    return side * min(1.0, height / width)


def _place(figure: "Figure", png: bytes, x: float, y: float, side: float) -> float:
    """Draw a picture with its upper left corner at x, y inches from that of the page; returns its height in inches."""
    picture = Image.open(BytesIO(png))
    wide, high = (side * part / max(picture.width, picture.height) for part in picture.size)
    axes = figure.add_axes((x / WIDTH, 1 - (y + high) / HEIGHT, wide / WIDTH, high / HEIGHT))
    axes.imshow(np.asarray(picture), cmap="gray", vmin=0, vmax=255, interpolation="none")  # every pixel of it
    axes.set_axis_off()
    return high


def _write(
    figure: "Figure", x: float, y: float, lines: Sequence[str], points: float, colour: str = "black", weight: str = "normal"
) -> float:
    """Write lines below y inches from the top; returns the inches at which they end."""
    step = points * 1.3 / 72
    for k, line in enumerate(lines):
        figure.text(
            x / WIDTH, 1 - (y + k * step) / HEIGHT, _drawable(line), fontsize=points, color=colour, weight=weight, va="top"
        )
    return y + len(lines) * step


def _drawable(text: str) -> str:
    """The text with letters that matplotlib's own font lacks, such as Chinese ones, escaped: they would be empty boxes."""
    from matplotlib.font_manager import findfont, get_font

    known = get_font(findfont("DejaVu Sans")).get_charmap()
    return "".join(char if ord(char) in known else char.encode("unicode_escape").decode() for char in text)
