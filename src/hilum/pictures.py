"""How a matplotlib figure is drawn and encoded as PNG: the same figure gives the same bytes, on every machine."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

PLAIN: dict[Any, Any] = {"text.parse_math": False}  # a $ in a name is no formula
MARK = {"Software": "hilum"}  # in every PNG, so that `data.decoding.kinds` recognises that the picture is no film
LAYOUT_PASSES = 5


@contextmanager
def drawn_under(settings: Mapping[Any, Any]) -> Iterator[None]:
    """matplotlib's own defaults and these settings, without the user's matplotlibrc; also a decorator for drawing functions."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


plain = drawn_under(PLAIN)


def encode_png(
    figure: "Figure",
    settings: Mapping[Any, Any] = PLAIN,
    dpi: float | None = None,
    compression: int | None = None,
    settle: bool = False,
) -> bytes:
    """The figure as PNG bytes, without a date or version, but with a text that hilum drew it: it is no film.

    settings: those used for drawing, because ticks are only made here. dpi: None for the figure's own.
    compression: of zlib, 0 to 9; None for Pillow's own. settle: see `settle_layout`.
    """
    stream = io.BytesIO()
    packing = {} if compression is None else {"compress_level": compression}
    with drawn_under(settings):
        if settle:
            settle_layout(figure)
        figure.savefig(stream, format="png", dpi=dpi or "figure", metadata=MARK, pil_kwargs=packing)
    return stream.getvalue()


def save_png(picture: "Image", file: Path) -> None:
    """Write a picture drawn without matplotlib, with the same text inside."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for keyword, text in MARK.items():
        info.add_text(keyword, text)
    picture.save(file, "PNG", pnginfo=info)


def settle_layout(figure: "Figure") -> None:
    """Repeat the constrained layout until the axes no longer move: one pass can leave long turned names outside the figure."""
    engine, placed = figure.get_layout_engine(), np.array(np.inf)
    if engine is None:
        return
    for _ in range(LAYOUT_PASSES):
        engine.execute(figure)
        before, placed = placed, np.array([axes.get_position().bounds for axes in figure.axes])  # (axes, 4)
        if np.abs(placed - before).max() < 1 / 500:
            break
    figure.set_layout_engine("none")
