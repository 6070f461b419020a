"""The sanity gate's verdict on the picture itself, because pictures are shared without the table."""

from typing import TYPE_CHECKING

from hilum.explain.drawing.heat import GREY
from hilum.explain.sanity.verdicts import FAILS, NO_EVIDENCE, PASSES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RED = "#b2182b"
STAMPS = {PASSES: "", FAILS: FAILS, NO_EVIDENCE: "sanity: no evidence", "": "sanity not tested"}  # verdict -> words


def stamp_map(axes: "Axes", sanity: str) -> None:
    """The stamp in the upper left corner of a map; nothing where its method passed. sanity: of an Attribution."""
    if text := STAMPS[sanity]:
        failed = sanity == FAILS
        axes.text(
            0.03,
            0.97,
            text,
            transform=axes.transAxes,
            ha="left",
            va="top",
            color="white",
            fontsize=10 if failed else 7,
            weight="bold" if failed else "normal",
            bbox={"facecolor": RED if failed else "black", "alpha": 0.9 if failed else 0.55, "linewidth": 0, "pad": 2.5},
        )


def stamp_title(figure: "Figure", x: float, y: float, sanity: str) -> None:
    """The stamp of a picture whose maps are all of one method, at its upper right: x, y shares of the figure."""
    if text := STAMPS[sanity]:
        failed = sanity == FAILS
        box = {"facecolor": RED if failed else GREY, "linewidth": 0, "pad": 2.5}
        figure.text(x, y, text, ha="right", va="top", color="white", fontsize=9, weight="bold" if failed else "normal", bbox=box)
