"""Checks of a TIFF before a decoder runs: one page, a supported compression, tags no larger than the file.

Source: TIFF Revision 6.0 (1992), section 2 and appendix A.
"""

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

COMPRESSIONS = {1: "none", 5: "LZW", 8: "Deflate", 32773: "PackBits", 32946: "Deflate"}
MAX_TAGS = 512  # files of scanners and cameras have a few dozen
WHITE_IS_ZERO = 0

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}  # bytes of a value, by its type
_FORMS = {1: "B", 3: "H", 4: "I"}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_TILE_WIDTH, _TILE_HEIGHT, _FORMAT = 322, 323, 339
_UNSIGNED = 1


@dataclass(frozen=True)
class TiffFrame:
    """width, height: pixels as stored. samples: per pixel. bits: of one sample. inverted: 0 is white.

    decoded, cost: bytes of the decoded pixels, and what decoding them needs, about.
    """

    width: int
    height: int
    samples: int
    bits: int
    inverted: bool
    decoded: int
    cost: int


def read_tiff_frame(stream: BinaryIO) -> TiffFrame:
    """The one page of a TIFF, from its tags; the stream's position is its start afterwards.

    Raises:
        ValueError: BigTIFF, several pages, a compression outside COMPRESSIONS, samples that are signed, real or of more than 16
            bits, damaged tags, or tags that hold more bytes than the file.
    """
    size = stream.seek(0, os.SEEK_END)
    order, tags, following = _read_tags(stream, size)
    stream.seek(0)
    if following:
        raise ValueError("a film must be one page, got a TIFF of several; write one file per page")
    read = {tag: _read_numbers(stream, order, *entry) for tag, entry in tags.items() if tag in _NUMBERS}
    stream.seek(0)
    width, height, samples = (read.get(tag, [default])[0] for tag, default in ((_WIDTH, 0), (_HEIGHT, 0), (_SAMPLES, 1)))
    compression, bits = read.get(_COMPRESSION, [1])[0], read.get(_BITS, [1])
    if compression not in COMPRESSIONS:
        names = ", ".join(dict.fromkeys(COMPRESSIONS.values()))
        raise ValueError(f"the compression of a TIFF film must be one of {names}, got number {compression}; convert it")
    formats = set(read.get(_FORMAT, [_UNSIGNED]))
    if formats != {_UNSIGNED} or max(bits) > 16 or len(set(bits)) > 1 or not 1 <= samples <= 4:
        raise ValueError(
            "a TIFF film must have 1 to 4 samples per pixel of one depth, whole numbers without a sign of at most 16 bits, got "
            f"{samples} of {', '.join(map(str, sorted(set(bits))))} bits{'' if formats == {_UNSIGNED} else ' signed or real'}; "
            "convert it"
        )
    sample = 2 if max(bits) > 8 else 1
    decoded = width * height * samples * sample
    tile = read.get(_TILE_WIDTH, [0])[0] * read.get(_TILE_HEIGHT, [0])[0] * samples * sample
    inverted = read.get(_PHOTOMETRIC, [1])[0] == WHITE_IS_ZERO
    return TiffFrame(width, height, samples, max(bits), inverted, max(decoded, tile), 2 * decoded + tile)


_NUMBERS = {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _TILE_WIDTH, _TILE_HEIGHT, _FORMAT}


def _read_tags(stream: BinaryIO, size: int) -> tuple[str, dict[int, tuple[int, int, bytes]], int]:
    """Byte order, tag -> (type, count, the four bytes with its value or place), and the place of the next page."""
    stream.seek(0)
    head = stream.read(8)
    order = "<" if head[:2] == b"II" else ">"
    if len(head) < 8 or struct.unpack(f"{order}H", head[2:4])[0] != 42:
        raise ValueError("a TIFF film must be of the classic form, got BigTIFF or a damaged header; convert it")
    stream.seek(struct.unpack(f"{order}I", head[4:])[0])
    raw = stream.read(2)
    count = struct.unpack(f"{order}H", raw)[0] if len(raw) == 2 else 0
    if not 1 <= count <= MAX_TAGS:
        raise ValueError(f"a TIFF film must have 1 to {MAX_TAGS} tags, got {count}; the file is damaged")
    entries = stream.read(12 * count + 4)
    if len(entries) < 12 * count:
        raise ValueError("a TIFF film must hold all its tags, got less; the file is damaged")
    tags, held = {}, 0
    for place in range(0, 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", entries, place)
        held += values * _SIZES.get(kind, 1)
        tags[tag] = (kind, values, entries[place + 8 : place + 12])
    if held > size + 4 * count:
        raise ValueError(f"the tags of a TIFF must fit into its {size:,} bytes, got {held:,} bytes of them; the file is damaged")
    following = struct.unpack_from(f"{order}I", entries, 12 * count)[0] if len(entries) >= 12 * count + 4 else 0
    return order, tags, following


def _read_numbers(stream: BinaryIO, order: str, kind: int, count: int, where: bytes) -> list[int]:
    """The first values of a tag of whole numbers, four at most: more are not needed."""
    if kind not in _FORMS or not count:
        raise ValueError("a TIFF film must give size, depth and compression in whole numbers, got others; the file is damaged")
    whole, count = count * _SIZES[kind], min(count, 4)
    if whole > 4:
        stream.seek(struct.unpack(f"{order}I", where)[0])
        where = stream.read(count * _SIZES[kind])
    if len(where) < count * _SIZES[kind]:
        raise ValueError("a TIFF film must hold all its tags, got less; the file is damaged")
    return list(struct.unpack_from(f"{order}{count}{_FORMS[kind]}", where))
