"""How a map is laid over a film: its colours and its scale."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.geometry import Geometry
from hilum.pictures import encode_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OPACITY = 0.8  # of the strongest heat; weaker heat is fainter, so the film stays readable where a map is weak
TOP = 99.5  # percentile of |value| that takes the strongest colour; single pixels beyond it would leave the rest pale
NOTE = f"heat: opacity 0 to {OPACITY:.0%} with strength; each scale ends at the {TOP:g}th percentile of its map's |values|"
DPI = 110
GREY, INK = "#5a5a5a", "#1a1a1a"


def fit_inches(side: float, geometry: Geometry | None) -> tuple[float, float]:
    """Width and height within side x side of a prepared film in its original proportions; square without geometry."""
    proportion = 1.0 if geometry is None else geometry.scale_y / geometry.scale_x  # width / height; 1 of a padded film
    return side * min(1.0, proportion), side * min(1.0, 1 / proportion)


def draw_film(axes: "Axes", film: NDArray[np.generic]) -> None:
    """A film in its own grey levels 0-255 without ticks, filling the axes."""
    axes.imshow(film, cmap="gray", vmin=0, vmax=255, interpolation="bilinear", aspect="auto")
    axes.set_axis_off()


def draw_heat(axes: "Axes", values: NDArray[np.float32], signed: bool, top: float | None = None) -> float:
    """Draw a map over the film on the axes; returns the value that takes the strongest colour, its own unless given."""
    top = strongest(values) if top is None else top
    axes.imshow(heat(values, top, signed), interpolation="nearest" if signed else "bilinear", aspect="auto")
    if not values.any():
        behind = {"facecolor": "black", "alpha": 0.6, "linewidth": 0, "pad": 3}
        axes.text(
            0.5,
            0.5,
            "map is zero",
            transform=axes.transAxes,
            ha="center",
            va="center",
            color="white",
            fontsize=10,
            bbox=behind,
        )
    return top


def draw_bar(axes: "Axes", top: float, signed: bool, unit: str) -> None:
    """A map's scale as it looks over mid grey, with its numbers and unit."""
    low = -1.0 if signed else 0.0
    axes.set_facecolor("#808080")
    strip = np.linspace(low, 1, 256, dtype=np.float32)[np.newaxis]  # (1, 256)
    axes.imshow(heat(strip, 1.0, signed), aspect="auto", extent=(low, 1, 0, 1))
    ticks = [-1, 0, 1] if signed else [0, 0.5, 1]
    axes.set_xticks(ticks, [f"{tick * top:.2g}" for tick in ticks])
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_yticks([])
    axes.tick_params(labelsize=7, length=2, pad=1.5, colors=INK)
    axes.set_xlabel(f"against  ←  {unit}  →  for" if signed else unit, fontsize=7, labelpad=1, color=INK)


def heat(values: NDArray[np.float32], top: float, signed: bool) -> NDArray[np.float64]:
    """Colours of a map: (H, W) -> (H, W, 4) from 0 to 1, blue-white-red around 0 if signed, else one sequence from 0."""
    import matplotlib

    share = np.clip(values.astype(np.float64) / (top or 1.0), -1, 1)  # (H, W)
    colours = matplotlib.colormaps["bwr"](0.5 + 0.5 * share) if signed else matplotlib.colormaps["inferno"](share)
    colours[..., 3] = OPACITY * np.abs(share) ** (0.75 if signed else 1.0)  # pale colours need more of it
    return colours


def strongest(values: NDArray[np.float32]) -> float:
    """The |value| that takes the strongest colour: a high percentile, or the maximum where that is 0."""
    strength = np.abs(values)
    return float(np.percentile(strength, TOP)) or float(strength.max())


def block_sums(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Each pixel takes the sum of its block of side x side pixels: (H, W) to the same; blocks at the far edges may be cut."""
    down, across = (np.arange(0, extent, side) for extent in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1)  # (blocks down, blocks across)
    return sums.repeat(side, axis=0).repeat(side, axis=1)[: values.shape[0], : values.shape[1]]


def png_bytes(figure: "Figure") -> bytes:
    """A picture of maps as PNG bytes; compressed less than others, because there are many and films hardly shrink."""
    return encode_png(figure, compression=3)
