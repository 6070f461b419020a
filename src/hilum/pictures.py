"""How a matplotlib figure is drawn and becomes PNG bytes: the same figure gives the same bytes, whoever draws it."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

PLAIN: dict[Any, Any] = {"text.parse_math": False}  # a $ in a name is a $
MARK = {"Software": "hilum"}  # a text in every PNG, by which `data.decoding.kinds` knows that the picture is no film
LAYOUT_PASSES = 5


@contextmanager
def drawn_under(settings: Mapping[Any, Any]) -> Iterator[None]:
    """matplotlib's own defaults and these, whatever the user's matplotlibrc says; also decorates a function that draws."""
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
    """The figure as PNG bytes, without a date or a version inside, but with a text that says who drew it: it is no film.

    settings: those that it was drawn under, because ticks are made as late as here. dpi: None for the figure's own.
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
    """Write a picture that was drawn without matplotlib, with the same text inside."""
    from PIL.PngImagePlugin import PngInfo

    told = PngInfo()
    for keyword, text in MARK.items():
        told.add_text(keyword, text)
    picture.save(file, "PNG", pnginfo=told)


def settle_layout(figure: "Figure") -> None:
    """Repeat the constrained layout until the axes stay put: one pass can leave long turned names outside the figure."""
    engine, placed = figure.get_layout_engine(), np.array(np.inf)
    if engine is None:
        return
    for _ in range(LAYOUT_PASSES):
        engine.execute(figure)
        before, placed = placed, np.array([axes.get_position().bounds for axes in figure.axes])  # (axes, 4)
        if np.abs(placed - before).max() < 1 / 500:
            break
    figure.set_layout_engine("none")
