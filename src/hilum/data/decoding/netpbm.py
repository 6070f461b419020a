"""Netpbm pictures (PBM, PGM, PPM): a text header and uncompressed pixels, so that no decompression bomb is possible."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLES = {b"P4": 1, b"P5": 1, b"P6": 3}  # the binary forms
FULL = 65535  # the maximum that only means 16 bits
_HEADER = re.compile(rb"(P[456])((?:\s|#[^\r\n]*[\r\n])+)(\d{1,9})((?:\s|#[^\r\n]*[\r\n])+)(\d{1,9})")
_MAXIMUM = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,5})")


@dataclass(frozen=True)
class NetpbmHeader:
    """width, height: pixels. samples: 1 is grey, 3 is colour. top: the value that is white. packed: a bit per pixel, 1 is black.

    start: where the pixels begin.
    """

    width: int
    height: int
    samples: int
    top: int
    packed: bool
    start: int


def read_netpbm_header(code: bytes) -> NetpbmHeader:
    """The header of a netpbm picture; code: the file, or its beginning.

    Raises:
        ValueError: pixels written as text (P1, P2, P3), a damaged header, or an invalid maximum.
    """
    if code[:2] in (b"P1", b"P2", b"P3"):
        raise ValueError(f"a PGM must hold its pixels as bytes (P4, P5, P6), got {code[:2].decode()} as text; convert it")
    header = _HEADER.match(code)
    if header is None:
        raise ValueError("a PGM must begin with its kind, width and height, got others; the file is damaged")
    top, end = 1, header.end()
    if header[1] != b"P4":
        maximum = _MAXIMUM.match(code, end)
        top, end = (int(maximum[1]), maximum.end()) if maximum else (0, end)
        if not 1 <= top <= FULL:
            raise ValueError(f"the maximum of a PGM must be 1 to {FULL}, got another; the file is damaged")
    return NetpbmHeader(
        int(header[3]), int(header[5]), SAMPLES[header[1]], top, header[1] == b"P4", end + 1
    )  # ended by one white space


def read_netpbm_pixels(code: bytes, header: NetpbmHeader) -> NDArray[Any]:
    """The pixels: (H, W) or (H, W, 3), 0 to the maximum, uint16 where that is above 255, else uint8; 0 is black.

    Raises:
        ValueError: fewer bytes than the header says.
    """
    row = -(-header.width // 8) if header.packed else header.width * header.samples * (2 if header.top > 255 else 1)
    size = row * header.height
    if len(code) - header.start < size:
        raise ValueError(f"a PGM of {header.width} x {header.height} pixels must hold {size:,} bytes, got less: it is truncated")
    raw = np.frombuffer(code, np.uint8, size, header.start).reshape(header.height, row)
    if header.packed:
        return 1 - np.unpackbits(raw, axis=1, count=header.width)
    values = raw.view(">u2").astype(np.uint16) if header.top > 255 else raw
    return values if header.samples == 1 else values.reshape(header.height, header.width, header.samples)
