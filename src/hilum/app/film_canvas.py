"""The canvas on which marks are drawn: a component of Streamlit's second kind, inline and in plain JavaScript."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from hilum.pages.templates import embed
from hilum.reading.shapes import Shape, read_shapes, write_shapes

SIDE = 1_400  # pixels of the longer side of the picture that is sent; coordinates are of the film's own size
SENT = "hilum_canvas_picture"  # key of st.session_state: the last film's picture
CSS = """
.canvas { font-family: var(--st-font, sans-serif); color: var(--st-text-color, inherit); }
.tools { display: flex; flex-wrap: wrap; gap: .35rem; margin-bottom: .4rem; }
.tools[hidden] { display: none; }
button { font: inherit; font-size: .9rem; min-height: 2.2rem; padding: .2rem .8rem; border-radius: .4rem; cursor: pointer;
  border: 1px solid #80868f; background: transparent; color: inherit; }
button[aria-pressed="true"] { background: #14518f; border-color: #14518f; color: #fff; }
button:disabled { opacity: .45; cursor: default; }
button:focus-visible, svg:focus-visible { outline: 3px solid #4fc3f7; outline-offset: 2px; }
svg { display: block; width: 100%; height: auto; max-height: 82vh; background: #000; touch-action: none; cursor: crosshair;
  user-select: none; }
rect, polygon, polyline, line { stroke-width: 2; vector-effect: non-scaling-stroke; }
[data-mark]:focus { outline: none; stroke-width: 4; }
.help, .told { font-size: .85rem; margin: .35rem 0 0; min-height: 1.2em; }
"""
HTML = '<div class="canvas"></div>'
_component = st.components.v2.component(
    "hilum_canvas", html=HTML, css=CSS, js=Path(__file__).with_name("canvas.js").read_text(encoding="utf-8")
)


def draw_canvas(key: str, grey: NDArray[np.uint8], shapes: Sequence[Shape] = (), disabled: bool = False) -> tuple[Shape, ...]:
    """Show a film to be marked and return its marks, in pixels of its own size.

    key: of this film on this page, unlike that of any other film; it is in the page's source, so it must name nothing.
    grey: (H, W), upright, at its own size. shapes: what is drawn at first. disabled: marks can be looked at only.
    """
    height, width = grey.shape
    name = f"canvas {key}"
    before = st.session_state.get(name, {}).get("shapes")
    drawn = write_shapes(shapes) if before is None else before
    given = {"key": key.replace(" ", "-"), "film": _picture(key, grey), "width": width, "height": height}
    found: Any = _component(
        key=name,
        data={**given, "shapes": drawn, "disabled": disabled},
        default={"shapes": drawn},
        on_shapes_change=lambda: None,
    )
    return read_shapes(found.shapes or [], width, height)


def _picture(key: str, grey: NDArray[np.uint8]) -> str:
    """The film as the source of an image, its longer side at most SIDE; kept until another film is shown."""
    kept = st.session_state.get(SENT)
    if kept is None or kept[0] != (key, grey.shape):
        picture = Image.fromarray(grey)
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        picture.save(stream, "PNG", compress_level=3)
        kept = ((key, grey.shape), embed(stream.getvalue()))
        st.session_state[SENT] = kept
    return str(kept[1])
