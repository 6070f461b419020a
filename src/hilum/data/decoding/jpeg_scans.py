"""Whether the scans of a JPEG cover its picture: a decoder silently fills missing data with mid grey.

Where the data of a scan end too early, decoding goes on with zeros, so the result depends on bytes after the data. With a
complete scan, bytes appended to it change no pixel. That is the test. It costs a second decoding, so a sequential JPEG is
tested only if its last pixel is the mid grey that a missing block becomes.

Source: ITU-T T.81, annexes B, F.2.2 and G.1.1.
"""

import random
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.data.decoding.limits import MAX_SCANS

SURPLUS = 4096  # bytes appended to a scan: enough for many blocks
BLOCK = 16 * 16  # pixels that the last code of a scan may determine: some encoders omit its padding
MID_GREY = 128  # value of a block without data; colours are converted from it, hence a tolerance of 1

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # ends the data of a scan: neither stuffing nor a restart
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_PROGRESSIVE = 0xC2
_END, _SCAN, _INTERVAL = 0xD9, 0xDA, 0xDD


@dataclass(frozen=True)
class Scan:
    """components: identifiers. first, last: of the spectral band. low: lowest bit that it encodes.

    start, end: of its data, places in the file. restarts: whether restart markers separate the data.
    """

    components: tuple[int, ...]
    first: int
    last: int
    low: int
    start: int
    end: int
    restarts: bool


def check_covered(code: bytes, decoded: NDArray[np.uint8], pixels: int, decode: Callable[[bytes], NDArray[np.uint8]]) -> None:
    """Refuse a JPEG whose data do not cover its picture.

    code: the file. decoded: (H, W) grey levels, as stored, not turned; by `decode`, which gives the same for other bytes.
    pixels: of the whole picture; `decoded` may be a draft.

    Raises:
        ValueError: pixels without data, scans that are missing, more scans than MAX_SCANS, or arithmetic coding, whose end
            cannot be found.
    """
    kind, components = _read_frame(code)
    suspect = len(components) > 3 or abs(int(decoded[-1, -1]) - MID_GREY) <= 1  # CMYK becomes grey another way
    if kind != _PROGRESSIVE and not suspect:
        return
    scans = _list_scans(code)
    if kind == _PROGRESSIVE:
        _check_bands(components, scans)
    ends = [0, *(scan.end for scan in scans)]
    longer = [code[start : scan.end] + _make_surplus(code, scan) for start, scan in zip(ends, scans, strict=False)]
    differ = int((decode(b"".join([*longer, code[ends[-1] :]])) != decoded).sum()) * pixels / decoded.size
    if differ > BLOCK:
        raise ValueError(
            "the data of a JPEG must cover its picture, got pixels without any: the file was cut, or its header claims too many"
        )


def _read_frame(code: bytes) -> tuple[int, tuple[int, ...]]:
    """The marker of the frame and the identifiers of its components."""
    for marker, _, segment in _walk(code):
        if marker in _ARITHMETIC:
            raise ValueError("a JPEG must be Huffman coded, got arithmetic coding, which hides where a file was cut; convert it")
        if marker in _FRAMES and len(segment) >= 6:
            return marker, tuple(segment[6::3][: segment[5]])
    raise ValueError("a JPEG must have a frame header, got none; the file is damaged")


def _list_scans(code: bytes) -> list[Scan]:
    scans: list[Scan] = []
    interval = 0
    for marker, start, segment in _walk(code):
        if marker == _INTERVAL:
            interval = int.from_bytes(segment)
        elif marker == _SCAN and segment and len(segment) >= 4 + 2 * segment[0]:
            count = segment[0]
            first, last, bits = segment[1 + 2 * count : 4 + 2 * count]
            found = _MARKER.search(code, start)
            end = found.start() if found else len(code)
            scans.append(Scan(tuple(segment[1 : 1 + 2 * count : 2]), first, last, bits & 15, start, end, interval > 0))
            if len(scans) > MAX_SCANS:
                raise ValueError(f"a JPEG must have at most {MAX_SCANS} scans, got more")
    if not scans:
        raise ValueError("a JPEG must have a scan, got none; the file is damaged")
    return scans


def _make_surplus(code: bytes, scan: Scan) -> bytes:
    """Bytes that a decoder reads only if the scan ends too early, with the restart markers that it would look for."""
    rng = random.Random(0)
    filling = bytes(rng.randrange(255) for _ in range(SURPLUS))  # 255 begins a marker
    if not scan.restarts:
        return filling
    there = _RESTART.findall(code, scan.start, scan.end)
    following = there[-1][1] - 0xD0 + 1 if there else 0
    return filling + b"".join(bytes((0xFF, 0xD0 + (following + k) % 8)) + filling for k in range(8))


def _walk(code: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, where what follows its segment begins, content of the segment) up to the end of the first picture."""
    place = 2
    while match := _MARKER.search(code, place):
        marker, place = match[1][0], match.end()
        if marker == _END:
            return
        if marker in (0x01, 0xD8) or place + 2 > len(code):
            continue
        start = place + 2
        place += struct.unpack_from(">H", code, place)[0]
        yield marker, place, code[start:place]


def _check_bands(components: tuple[int, ...], scans: list[Scan]) -> None:
    """Check that every coefficient of every component is sent down to its last bit, as encoders do."""
    for component in components:
        own = [scan for scan in scans if component in scan.components and scan.low == 0]
        sent = {band for scan in own for band in range(scan.first, scan.last + 1)}
        if missing := set(range(64)) - sent:
            raise ValueError(
                f"a progressive JPEG must send all its 64 bands, got no last bit of {len(missing)}: the file was cut"
            )
