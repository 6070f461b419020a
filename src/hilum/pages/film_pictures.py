"""Films as small pictures inside a page."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILM_SIDE = 256  # pixels of a shown film at most
FILM_QUALITY = 80  # of WebP, 0 to 100


def pack_film(film: NDArray[np.uint8]) -> bytes:
    """A film (H, W) as a WebP picture of at most FILM_SIDE pixels a side."""
    picture, stream = Image.fromarray(film), io.BytesIO()
    if max(picture.size) > FILM_SIDE:
        picture.thumbnail((FILM_SIDE, FILM_SIDE), Image.Resampling.BILINEAR)
    picture.save(stream, "WEBP", quality=FILM_QUALITY)
    return stream.getvalue()
