"""A picture of what the network saw: a few training films of each class, and beside them their augmented views."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from hilum.data.prepared.examples import Examples
from hilum.data.prepared.loading import SplitFilms
from hilum.records import Films
from hilum.settings.training import Augment

FILMS, VIEWS = 2, 6  # films of each class, and views of each at most
SIDE, GAP, MARGIN, LINE = 160, 6, 14, 20  # pixels: of a film, between films, around all, of a line of text
INK, GREY, PAPER = "#1a1a1a", "#5a5a5a", "#ffffff"


def choose_films(rows: Examples | SplitFilms, classes: int, seed: int) -> list[NDArray[np.intp]]:
    """Positions of `FILMS` films of each class (fewer where there are fewer), drawn without replacement."""
    rng = np.random.default_rng(seed)
    return [np.sort(rng.permutation(np.flatnonzero(rows.labels == k))[:FILMS]) for k in range(classes)]


def draw_contact_sheet(
    rows: Examples | SplitFilms, classes: Sequence[str], augment: Augment, seed: int, draw: Callable[[Examples, int], Films]
) -> Image.Image:
    """A row per film: the film as it is, then its first views.

    rows: training films, of which those on the sheet are read. classes: names in class order. seed: of the choice of films.
    draw: view number n of each of some films, (N, H, W), as training reads it. The foot gives the range of the changes.
    """
    columns = 1 + min(augment.views, VIEWS)
    chosen = choose_films(rows, len(classes), seed)
    heading = ["film as it is", *(f"view {view + 1}" for view in range(columns - 1))]
    foot = _wrap(_describe(augment), columns * (SIDE + GAP) - GAP)
    block = LINE + FILMS * (SIDE + GAP)
    size = (2 * MARGIN + columns * (SIDE + GAP) - GAP, 2 * MARGIN + LINE + len(classes) * block + len(foot) * LINE)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, text in enumerate(heading):
        pen.text((MARGIN + column * (SIDE + GAP), MARGIN), text, GREY, _font(12))
    top = MARGIN + LINE
    for name, films in zip(classes, chosen, strict=True):
        pen.text((MARGIN, top), name, INK, _font(14))
        few = rows.take(films)
        seen = [few.films, *(draw(few, view) for view in range(columns - 1))]  # of each column (N, H, W)
        for column, pictures in enumerate(seen):
            for row, picture in enumerate(pictures):
                place = (MARGIN + column * (SIDE + GAP), top + LINE + row * (SIDE + GAP))
                sheet.paste(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC), place)
        top += block
    for line in foot:
        pen.text((MARGIN, top), line, GREY, _font(12))
        top += LINE
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # comes with Pillow, so that the picture is the same everywhere


def _describe(augment: Augment) -> str:
    """The settings in words."""
    if not augment.views:
        return "views: 0, so training sees the films as they are"
    amounts = {
        "rotate": f"{augment.rotate:g}°",
        "shift": f"{augment.shift:.3g} of the side",
        "zoom": f"{augment.zoom:.3g}",
        "gamma": f"{augment.gamma:.3g}",
        "contrast": f"{augment.contrast:.3g}",
        "brightness": f"{augment.brightness:.3g} of the grey range",
        "noise": f"{augment.noise:.3g}",
    }
    unchanged = f"{min(augment.unchanged, augment.views)} of them as it is; " if augment.unchanged else ""
    ranges = [f"{name} ±{amounts[name]}" if getattr(augment, name) else f"{name} off" for name in amounts]
    ranges += [f"up to {augment.erase:.3g} of the area erased"] if augment.erase else []
    return (
        f"{augment.views} views of each film; {unchanged}{', '.join(ranges)}; left-right flip {'on' if augment.flip else 'off'}"
    )


def _wrap(text: str, width: int) -> list[str]:
    """Lines at most `width` pixels wide."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if _font(12).getlength(longer) <= width or not lines[-1] else [*lines, word]
    return lines
