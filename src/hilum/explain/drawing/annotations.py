"""Experts' marks on a film: a picture of their own, and thin lines over the maps."""

from typing import TYPE_CHECKING

import numpy as np

from hilum.data.annotations import FilmMarks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"lesion": "#ffd92f", "box": "#ff7f2a", "lungs": "#4fc3f7"}
OUTLINES = "outlines: lesion yellow, box orange, lungs blue where neither is marked"
FILL = 0.35  # opacity of a lesion in the marks' own picture


def draw_marks(axes: "Axes", marks: FilmMarks) -> str:
    """All marks over the film that the axes hold; returns what they are, in words."""
    from matplotlib.colors import to_rgba

    if "lesion" in marks.masks:
        colours = np.zeros((*marks.masks["lesion"].shape, 4))
        colours[marks.masks["lesion"]] = to_rgba(COLOURS["lesion"], FILL)
        axes.imshow(colours, interpolation="nearest", aspect="auto")
    for kind in marks.kinds:
        _outline(axes, marks, kind, 1.1)
    told = {"lesion": "lesion: yellow", "box": f"box: orange{_shown(marks)}", "lungs": "lungs: blue line"}
    lost = {kind: f"{kind}: too small to show" for kind, mask in marks.masks.items() if not mask.any()}
    return "\n".join((told | lost)[kind] for kind in marks.kinds)


def draw_outline(axes: "Axes", marks: FilmMarks) -> None:
    """A thin line around what makes the class (lesion and boxes), or around the lungs where nobody marked that."""
    for kind in [kind for kind in marks.kinds if kind != "lungs"] or marks.kinds:
        _outline(axes, marks, kind, 0.7)


def _outline(axes: "Axes", marks: FilmMarks, kind: str, width: float) -> None:
    from matplotlib.patches import Rectangle

    if kind == "box":
        for x, y, across, down in marks.boxes_prepared():  # a picture's first pixel has its middle at 0
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), across, down, fill=False, edgecolor=COLOURS[kind], linewidth=width))
    elif marks.masks[kind].any() and not marks.masks[kind].all():
        axes.contour(marks.masks[kind], levels=[0.5], colors=[COLOURS[kind]], linewidths=width)


def _shown(marks: FilmMarks) -> str:
    names = list(dict.fromkeys(name for name in marks.findings if name))
    return f" ({', '.join(names)})" if names else ""
