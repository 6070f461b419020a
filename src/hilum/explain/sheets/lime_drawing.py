"""LIME's views of a film as one sheet."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilum.data.annotations import FilmAnnotations
from hilum.explain.drawing.annotations import OUTLINES, draw_outline
from hilum.explain.drawing.heat import draw_film, fit_inches
from hilum.explain.drawing.panels import FilmPrediction
from hilum.explain.drawing.tiles import Paint, Section, Tile, draw_sections
from hilum.explain.sheets.lime_views import Views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FOR, AGAINST, HIDDEN = "#e31a1c", "#1f4fd8", "#33475b"  # for and against as in signed maps; a colour that no film has
EDGE = "#35c759"  # between superpixels
TINT = 0.4  # opacity of FOR and AGAINST over the film
SIDE = 2.55  # inches


def draw_lime_views(
    film: NDArray[np.generic], views: Views, prediction: FilmPrediction, annotations: FilmAnnotations, trust: str, shown: int
) -> "Figure":
    """The film, its superpixels, the pros, the pros with all else masked, and pros and cons.

    film: (H, W) grey levels 0-255; annotations: of experts, and the film's proportions; trust: the map's caption, with
    local fit and number of superpixels; shown: superpixels that a view may have.
    """
    cons = views.signs < 0
    found = {"pros": int(_count(views, views.pros)), "for": _count(views, views.signs > 0), "against": _count(views, cons)}

    def on_film(*layers: tuple[NDArray[np.bool_], str, float], empty: str = "") -> Paint:
        def paint(axes: "Axes") -> None:
            draw_film(axes, film)
            for mask, colour, opacity in layers:
                _fill(axes, mask, colour, opacity)
            draw_outline(axes, annotations)
            if empty:
                axes.text(0.5, 0.5, empty, transform=axes.transAxes, ha="center", va="center", color="white", fontsize=9)

        return paint

    def outlined(axes: "Axes") -> None:
        draw_film(axes, film)
        _edges(axes, views.regions)

    nothing = "" if found["pros"] else f"no superpixel\nargues for {prediction.target}"
    tiles = [
        Tile("film", on_film()),
        Tile(f"superpixels: {len(np.unique(views.regions))}", outlined),
        Tile(f"pros only: {found['pros']}", on_film((views.pros, FOR, TINT), empty=nothing)),
        Tile("rest hidden", on_film((~views.pros, HIDDEN, 1.0), empty=nothing)),
        Tile(
            f"pros and cons: {found['for']} for, {found['against']} against",
            on_film((views.signs > 0, FOR, TINT), (cons, AGAINST, TINT)),
        ),
    ]
    across, down = fit_inches(SIDE, annotations.geometry)
    section = Section(f"LIME, for {prediction.target}\n{trust}", tiles, across, len(tiles), down / across)
    note = (
        f"pros only and rest hidden (behind grey blue): up to {shown} superpixels that argue for the class, red; pros and cons: "
        f"the {shown} of the largest |weight|, against in blue; opacity {TINT:.0%}; {OUTLINES}"
    )
    return draw_sections("LIME's views", prediction, [section], note)


def _count(views: Views, mask: NDArray[np.bool_]) -> int:
    return len(np.unique(views.regions[mask]))


def _fill(axes: "Axes", mask: NDArray[np.bool_], colour: str, opacity: float) -> None:
    """Paint a mask and draw its edge."""
    from matplotlib.colors import to_rgba

    painted = np.zeros((*mask.shape, 4))
    painted[mask] = to_rgba(colour, opacity)
    axes.imshow(painted, interpolation="nearest", aspect="auto")
    if opacity < 1 and mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.0)


def _edges(axes: "Axes", regions: NDArray[np.int32]) -> None:
    """Thin lines between all superpixels; a picture's first pixel has its middle at 0."""
    from matplotlib.collections import LineCollection

    y, x = np.nonzero(regions[:, 1:] != regions[:, :-1])
    upright = np.stack([np.stack([x + 0.5, y - 0.5], axis=1), np.stack([x + 0.5, y + 0.5], axis=1)], axis=1)
    y, x = np.nonzero(regions[1:] != regions[:-1])
    level = np.stack([np.stack([x - 0.5, y + 0.5], axis=1), np.stack([x + 0.5, y + 0.5], axis=1)], axis=1)
    axes.add_collection(LineCollection([*upright, *level], colors=EDGE, linewidths=0.7))
