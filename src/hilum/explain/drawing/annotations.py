"""Experts' annotations on a film: a picture of their own, and thin outlines over the maps."""

from typing import TYPE_CHECKING

import numpy as np

from hilum.data.annotations import FilmAnnotations

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"lesion": "#ffd92f", "box": "#ff7f2a", "lungs": "#4fc3f7"}
OUTLINES = "outlines: lesion yellow, box orange, lungs blue where neither is annotated"
FILL = 0.35  # opacity of a lesion in the annotations' own picture


def draw_annotations(axes: "Axes", annotations: FilmAnnotations) -> str:
    """Draw all annotations over the film on the axes; returns their legend."""
    from matplotlib.colors import to_rgba

    if "lesion" in annotations.masks:
        colours = np.zeros((*annotations.masks["lesion"].shape, 4))
        colours[annotations.masks["lesion"]] = to_rgba(COLOURS["lesion"], FILL)
        axes.imshow(colours, interpolation="nearest", aspect="auto")
    for kind in annotations.kinds:
        _outline(axes, annotations, kind, 1.1)
    legend = {"lesion": "lesion: yellow", "box": f"box: orange{_shown(annotations)}", "lungs": "lungs: blue line"}
    too_small = {kind: f"{kind}: too small to show" for kind, mask in annotations.masks.items() if not mask.any()}
    return "\n".join((legend | too_small)[kind] for kind in annotations.kinds)


def draw_outline(axes: "Axes", annotations: FilmAnnotations) -> None:
    """A thin outline of the finding (lesion and boxes), or of the lungs where neither is annotated."""
    for kind in [kind for kind in annotations.kinds if kind != "lungs"] or annotations.kinds:
        _outline(axes, annotations, kind, 0.7)


def _outline(axes: "Axes", annotations: FilmAnnotations, kind: str, width: float) -> None:
    from matplotlib.patches import Rectangle

    if kind == "box":
        for x, y, across, down in annotations.boxes_prepared():  # a picture's first pixel has its middle at 0
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), across, down, fill=False, edgecolor=COLOURS[kind], linewidth=width))
    elif annotations.masks[kind].any() and not annotations.masks[kind].all():
        axes.contour(annotations.masks[kind], levels=[0.5], colors=[COLOURS[kind]], linewidths=width)


def _shown(annotations: FilmAnnotations) -> str:
    names = list(dict.fromkeys(name for name in annotations.findings if name))
    return f" ({', '.join(names)})" if names else ""
