"""Checks of a compressed picture before a decoder runs: its size, and whether its parts agree."""

import struct
from dataclasses import dataclass

from hilum.data.decoding.limits import MAX_SCANS

MAX_TILES = 4096  # of a JPEG 2000; a decoder keeps a structure for each
RLE_PADDING = 64  # surplus bytes that a segment may give; writers pad to an even length and more

_JPEG_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF markers of JPEG, and SOF55 of JPEG-LS
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_JP2_SIGNATURE = b"\x00\x00\x00\x0cjP  "


@dataclass(frozen=True)
class Frame:
    """width, height: pixels. samples: 1 is grey, 3 is colour. bits: of one sample."""

    width: int
    height: int
    samples: int
    bits: int


def read_jpeg_frame(code: bytes) -> Frame:
    """The frame header (SOF) of a JPEG, a lossless JPEG or a JPEG-LS.

    Raises:
        ValueError: there is none, or there are more scans than MAX_SCANS.
    Source: ITU-T T.81, annex B; ITU-T T.87, annex C.
    """
    if code[:2] != b"\xff\xd8":
        raise ValueError("the compressed pixels must be a JPEG, got other bytes")
    place = 2
    while place + 4 <= len(code):
        if code[place] != 0xFF:
            break
        marker = code[place + 1]
        if marker == 0xFF:
            place += 1
        elif marker in _ALONE:
            place += 2
        elif marker in _JPEG_FRAMES:
            if place + 10 > len(code):
                break
            bits, height, width, samples = struct.unpack_from(">BHHB", code, place + 4)
            scans = code.count(b"\xff\xda", place)
            if scans > MAX_SCANS:
                raise ValueError(f"a JPEG must have at most {MAX_SCANS} scans, got {scans}")
            return Frame(width, height, samples, bits)
        else:
            place += 2 + struct.unpack_from(">H", code, place + 2)[0]
    raise ValueError("a JPEG must have a frame header, got none; the file is damaged")


def read_jpeg2000_frame(code: bytes) -> Frame:
    """The SIZ segment of a JPEG 2000 codestream, bare or in a JP2 file.

    Raises:
        ValueError: there is none, its samples are subsampled or differ in depth, or there are more tiles than MAX_TILES.
    Source: ITU-T T.800, annex A.5.1 and annex I.
    """
    place = _find_codestream(code) if code[:8] == _JP2_SIGNATURE else 0
    if code[place : place + 4] != b"\xff\x4f\xff\x51" or place + 45 > len(code):
        raise ValueError("the compressed pixels must be a JPEG 2000 codestream with its SIZ segment, got other bytes")
    right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, samples = struct.unpack_from(">8IH", code, place + 8)
    parts = [struct.unpack_from(">3B", code, place + 42 + 3 * i) for i in range(min(samples, 4))]
    depths = {(part[0] & 0x7F) + 1 for part in parts}
    if any(part[1:] != (1, 1) for part in parts) or len(depths) != 1:
        raise ValueError("the samples of a JPEG 2000 film must have one depth and no subsampling, got others")
    if not tile_width or not tile_height or right <= left or bottom <= top:
        raise ValueError("a JPEG 2000 film must have pixels, got an empty one")
    tiles = -(-(right - tile_left) // tile_width) * -(-(bottom - tile_top) // tile_height)
    if tiles > MAX_TILES:
        raise ValueError(f"a JPEG 2000 film must have at most {MAX_TILES} tiles, got {tiles:,}")
    return Frame(right - left, bottom - top, samples, depths.pop())


def read_webp_frame(code: bytes) -> Frame:
    """The canvas of a WebP; code: the file, or its first 30 bytes.

    Raises:
        ValueError: none of the three forms, or an animation.
    Source: RFC 9649, sections 2.5 to 2.7 and 3.4; RFC 6386, section 9.1.
    """
    kind, body = code[12:16], code[20:30]
    if len(body) == 10 and kind == b"VP8X":
        if body[0] & 0x02:
            raise ValueError("a film must be one picture, got an animated WebP; write one file per picture")
        return Frame(int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1, 4, 8)
    if len(body) == 10 and kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 6)
        return Frame(width & 0x3FFF, height & 0x3FFF, 3, 8)
    if len(body) == 10 and kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return Frame((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, 4, 8)
    raise ValueError("a WebP must begin with a VP8, VP8L or VP8X chunk, got another; the file is damaged")


def check_rle(code: bytes, pixels: int, segments: int) -> None:
    """Walk the runs of an RLE frame without writing them: each segment must give one byte per pixel (and padding).

    pixels: of the film. segments: bytes of a pixel.

    Raises:
        ValueError: another number of segments, or a segment that gives fewer or more bytes.
    Source: DICOM PS3.5, annex G.
    """
    if len(code) < 64:
        raise ValueError("an RLE frame must begin with a header of 64 bytes, got less")
    count, *offsets = struct.unpack_from("<16I", code)
    if count != segments:
        raise ValueError(f"an RLE frame of this film must have {segments} segments, got {count}")
    ends = [*offsets[1:count], len(code)]
    for start, end in zip(offsets[:count], ends, strict=True):
        length = _run_length(code, start, min(end, len(code)), pixels + RLE_PADDING + 1)
        if not pixels <= length <= pixels + RLE_PADDING:
            got = "more" if length > pixels else f"{length:,}"
            raise ValueError(f"a segment of an RLE frame must give {pixels:,} bytes, one per pixel, got {got}")


def _run_length(code: bytes, place: int, end: int, enough: int) -> int:
    length = 0
    while place < end and length < enough:
        run = code[place]
        if run < 128:
            length += run + 1
            place += run + 2
        elif run > 128:
            length += 257 - run
            place += 2
        else:
            place += 1
    return length


def _find_codestream(code: bytes) -> int:
    """Where the first codestream box of a JP2 file begins."""
    place = 0
    while place + 8 <= len(code):
        length, kind = struct.unpack_from(">I4s", code, place)
        if kind == b"jp2c":
            return place + (16 if length == 1 else 8)
        if length < 8:
            break
        place += length
    raise ValueError("a JP2 file must hold a codestream, got none")
