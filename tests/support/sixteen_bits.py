"""Films of 16 bits as other programs write them."""

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png16(planes: NDArray[np.uint16], chunks: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """A PNG of 16 bits: (H, W, C), C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; chunks: (name, content) before the pixels."""
    height, width, samples = planes.shape
    raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in planes)
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[samples], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in ((b"IHDR", head), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    )


def ramp(bits: int, height: int = 64, width: int = 64) -> NDArray[np.uint16]:
    """(H, W, 1): every part of a depth's range."""
    return np.linspace(0, 2**bits - 1, height * width).round().astype(np.uint16).reshape(height, width, 1)


def tiff16(values: NDArray[np.uint16], photometric: int = 1, **settings: object) -> bytes:
    """A grey TIFF of 16 bits, (H, W)."""
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "TIFF", tiffinfo={262: photometric}, **settings)
    return stream.getvalue()


def pgm16(values: NDArray[np.uint16], top: int = 65535) -> bytes:
    height, width = values.shape
    return b"P5\n# made here\n%d %d\n%d\n" % (width, height, top) + values.astype(">u2").tobytes()
