"""Maps and LIME's superpixels laid over a film of the screen's size, with the sanity gate's stamp on the picture itself."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from hilum.data.prepared.geometry import Geometry
from hilum.explain.drawing.heat import OPACITY, block_sums, heat, strongest
from hilum.explain.drawing.stamp import RED, STAMPS
from hilum.explain.methods.registry import METHODS
from hilum.explain.sanity.verdicts import FAILS
from hilum.explain.sheets.lime_drawing import AGAINST, FOR, HIDDEN, TINT
from hilum.explain.sheets.lime_views import Views
from hilum.pictures import MARK
from hilum.records import Attribution

Picture = NDArray[np.uint8]  # (h, w, 3)
SIDE = 720  # pixels of the longer side of a picture with a map; also of small films, so that words on it can be read
LETTERS, LARGE = 1 / 26, 1 / 17  # height of letters as a share of the picture's: of the stamp, of words in its middle
LIME_VIEWS = ("pros", "rest hidden", "pros and cons")


def lay_map(film: NDArray[np.uint8], found: Attribution, geometry: Geometry, opacity: float) -> Picture:
    """A map over the film, at a longer side of SIDE.

    film: (h, w) in the raw film's proportions. opacity: 0 to 1, of the strongest heat.
    """
    film, values = _fit(film), _readable(found)
    top = strongest(values)
    kind = Image.Resampling.NEAREST if found.signed else Image.Resampling.BILINEAR
    there = _to_screen(values, geometry, film.shape, kind)
    colours = heat(there, top, found.signed)  # (h, w, 4)
    colours[..., 3] *= opacity / OPACITY
    painted = _blend(film, colours)
    if not values.any():
        painted = _write(painted, "map is zero", (0.5, 0.5), "#000000")
    return stamp(painted, found.sanity)


def tell_scale(found: Attribution) -> str:
    """Where the colours of a map end, with the unit."""
    method, top = METHODS[found.method], strongest(_readable(found))
    unit = f"{method.unit} {_block(found)}x{_block(found)} pixels" if method.blocks else method.unit
    return f"{'blue against, red for; ' if found.signed else ''}colours end at {'±' if found.signed else ''}{top:.2g} {unit}"


def lay_lime(film: NDArray[np.uint8], views: Views, geometry: Geometry, view: str, sanity: str) -> Picture:
    """One of LIME_VIEWS over the film (h, w): superpixels for the class in red, against it in blue, the rest behind grey blue."""
    film = _fit(film)
    layers: dict[str, list[tuple[NDArray[np.bool_], str, float]]] = {
        "pros": [(views.pros, FOR, TINT)],
        "rest hidden": [(~views.pros, HIDDEN, 1.0)],
        "pros and cons": [(views.signs > 0, FOR, TINT), (views.signs < 0, AGAINST, TINT)],
    }
    painted = np.repeat(film[..., np.newaxis], 3, axis=2)
    for mask, colour, opacity in layers[view]:
        there = _to_screen(mask.astype(np.float32), geometry, film.shape, Image.Resampling.NEAREST) > 0.5
        colours = np.zeros((*film.shape, 4))
        colours[there] = (*(part / 255 for part in ImageColor.getrgb(colour)), opacity)
        painted = _blend(painted, colours)
    if view != "pros and cons" and not views.pros.any():
        painted = _write(painted, "no superpixel argues for the class", (0.5, 0.5), "#000000")
    return stamp(painted, sanity)


def stamp(picture: Picture, sanity: str) -> Picture:
    """The picture with the sanity gate's words in its upper left corner; as it is where the method passed."""
    words = STAMPS[sanity]
    return _write(picture, words, (0.0, 0.0), RED if sanity == FAILS else "#000000") if words else picture


def encode(picture: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a picture (h, w) or (h, w, 3), with the text inside that hilum drew it: it is no film."""
    stream, info = io.BytesIO(), PngInfo()
    for keyword, text in MARK.items():
        info.add_text(keyword, text)
    Image.fromarray(picture).save(stream, "PNG", pnginfo=info, compress_level=1)
    return stream.getvalue()


def _fit(film: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A film (h, w) at a longer side of SIDE."""
    height, width = film.shape
    share = SIDE / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.asarray(Image.fromarray(film).resize(size, Image.Resampling.BILINEAR))


def _block(found: Attribution) -> int:
    blocks = METHODS[found.method].blocks
    return max(1, round(found.values.shape[1] / blocks)) if blocks else 1


def _readable(found: Attribution) -> NDArray[np.float32]:
    """The map (S, S) as a picture shows it: single pixels cannot be read, so those of some methods are summed over blocks."""
    values = found.values[0]
    return block_sums(values, _block(found)) if METHODS[found.method].blocks else values


def _to_screen(
    values: NDArray[np.float32], geometry: Geometry, shape: tuple[int, ...], kind: Image.Resampling
) -> NDArray[np.float32]:
    """Values (S, S) of the prepared film at the screen's (h, w) of the raw film, without the padding; as `map_to_raw`."""
    ends = geometry.to_prepared(np.array([[0.0, 0.0], [geometry.width, geometry.height]]))  # (2, 2)
    (left, top), (right, bottom) = ends.clip(0, geometry.size).tolist()
    picture = Image.fromarray(np.asarray(values, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), kind, box=(left, top, right, bottom)))


def _blend(film: NDArray[np.uint8], colours: NDArray[np.float64]) -> Picture:
    """Colours (h, w, 4) from 0 to 1 over grey levels (h, w) or a picture (h, w, 3)."""
    below = film[..., np.newaxis] if film.ndim == 2 else film
    share = colours[..., 3:]
    return np.rint(below * (1 - share) + 255 * colours[..., :3] * share).clip(0, 255).astype(np.uint8)


def _write(picture: Picture, words: str, place: tuple[float, float], behind: str) -> Picture:
    """White words on a box. place: of its upper left corner, or (0.5, 0.5) for the middle of the picture."""
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    font = _fit_font(draw, words, canvas, LARGE if place[0] else LETTERS)
    left, top, right, bottom = draw.textbbox((0, 0), words, font=font)
    pad = max(3, (bottom - top) // 3)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = (canvas.width - width) * place[0] + pad * (place[0] == 0)
    y = (canvas.height - height) * place[1] + pad * (place[1] == 0)
    draw.rectangle((x, y, x + width, y + height), fill=behind)
    draw.text((x + pad - left, y + pad - top), words, font=font, fill="white")
    return np.asarray(canvas)


def _fit_font(
    draw: ImageDraw.ImageDraw, words: str, canvas: Image.Image, share: float
) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """The font in which the words fit nine tenths of the picture's width."""
    load: Callable[[float], ImageFont.FreeTypeFont | ImageFont.ImageFont] = ImageFont.load_default
    size = max(11.0, canvas.height * share)
    wide = draw.textlength(words, font=load(size))
    return load(max(7.0, size * min(1.0, 0.9 * canvas.width / wide)))
