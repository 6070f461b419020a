"""The common style of all figures: sizes, fonts, colours and markers."""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hilum.evaluation.statistics import Interval
from hilum.pictures import PLAIN, drawn_under, encode_png

DPI = 100
STYLE: dict[Any, Any] = {
    **PLAIN,
    "figure.dpi": DPI,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "figure.titlesize": 12,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.grid": False,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
}
LETTER, TITLE_LETTER, LINE = 0.08, 0.12, 0.2  # inches: width of a letter of a label and of a title, height of a line
GUIDE = "#888888"  # diagonals, zero lines, notes
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
COUNT_COLOURS = "Blues"

# Arms: Okabe and Ito's palette, classes: Paul Tol's "muted" one. Both can be told apart with any common colour blindness, and an
# arm never looks like a class. The marker (arms) or dash (classes) repeats it.
ARM_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
ARM_MARKERS = ("o", "s", "^", "D", "v")
CLASS_COLOURS = ("#332288", "#117733", "#CC6677", "#88CCEE", "#AA4499", "#999933", "#882255", "#44AA99")
CLASS_DASHES: tuple[object, ...] = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


styled = drawn_under(STYLE)


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure with a title, laid out so that nothing is clipped; it belongs to no window and no global state.

    width, height: inches; the lines of a long title after the first come on top of the height.
    """
    lines = wrapped(title, int(width / TITLE_LETTER))
    figure = Figure(figsize=(width, height + LINE * lines.count("\n")), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
    FigureCanvasAgg(figure)
    figure.suptitle(lines, x=0.01, ha="left")
    return figure


def to_png(figure: Figure) -> bytes:
    """A figure of this style as PNG bytes."""
    return encode_png(figure, STYLE, dpi=DPI, settle=True)


def arm_colour(arm: str, arms: Sequence[str]) -> str:
    """The colour of an arm by its place among all arms, so that it is the same in every figure of one comparison."""
    return ARM_COLOURS[list(arms).index(arm) % len(ARM_COLOURS)]


def arm_marker(arm: str, arms: Sequence[str]) -> str:
    """The marker of an arm, see `arm_colour`."""
    return ARM_MARKERS[list(arms).index(arm) % len(ARM_MARKERS)]


def with_interval(interval: Interval) -> str:
    """`0.912 [0.880, 0.941]`, or `undefined`."""
    if interval.value != interval.value:
        return "undefined"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def wrapped(name: str, width: int = 16) -> str:
    """A long name over several lines; it breaks at spaces, after `_`, `-` and `/`, and inside a word as the last resort."""
    breakable = name.replace("_", "_ ").replace("/", "/ ").replace("-", "- ")
    lines = textwrap.wrap(breakable, width) or [""]
    return "\n".join(line.replace("_ ", "_").replace("/ ", "/").replace("- ", "-") for line in lines)


def unit_square(axes: Axes) -> None:
    """Both axes 0 to 1, of equal length, with a light grid."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xticks=TICKS, yticks=TICKS)
    axes.grid(visible=True)
    axes.set_axisbelow(True)
