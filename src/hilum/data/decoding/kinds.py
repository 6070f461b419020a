"""The kind of a file by its first bytes, whatever its name."""

import struct
from typing import BinaryIO

from hilum.data.decoding.links import NO_FILES

HEAD = 4096  # bytes that are enough to know the kind
PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "PGM", "WebP")  # the kinds that `levels.read_levels` decodes, besides DICOM
DICOM = "DICOM"
DRAWN = "picture drawn by hilum"
EMPTY = "empty file"
TEXT = "text"
UNKNOWN = "file of an unknown kind"
OTHER_PICTURES = ("GIF", "JPEG 2000", "JPEG XL", "HEIF or AVIF", "Photoshop", "icon", "NIfTI")  # none of them is read
MARK = (b"Software", b"hilum")  # keyword and text that `pictures.encode_png` writes into what hilum draws
PANEL = b"hilum-panel"  # the keyword in panels of `predict`, those of earlier versions included

_PNG = b"\x89PNG\r\n\x1a\n"
_SIGNATURES = (  # (where, bytes, kind), the first that fits
    (128, b"DICM", DICOM),
    (0, _PNG, "PNG"),
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),  # BigTIFF
    (0, b"MM\0+", "TIFF"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftyp", "HEIF or AVIF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "icon"),
    (344, b"n+1\0", "NIfTI"),
    (0, b"%PDF", "PDF"),
    (0, b"PK\3\4", "zip archive or Office document"),
    (0, b"\x1f\x8b", "gzip archive"),
    (0, b"version https://git-lfs", "pointer of Git LFS, whose file was not fetched"),
)
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes of a BMP's second header, because `BM` alone proves nothing


def find_kind(stream: BinaryIO) -> str:
    """The kind of a file: one of PICTURES, DICOM, DRAWN, EMPTY, TEXT, UNKNOWN or another kind's name.

    The stream's position is its start before and after.
    """
    head = stream.read(HEAD)
    stream.seek(0)
    return name_kind(head)


def name_kind(head: bytes) -> str:
    """`find_kind` for the first HEAD bytes of a file, or all of them if there are fewer."""
    if not head:
        return EMPTY
    for place, signature, kind in _SIGNATURES:
        if head.startswith(signature, place):
            return DRAWN if kind == "PNG" and _is_drawn(head) else kind
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADERS:
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return "PGM"
    return TEXT if _is_text(head) else UNKNOWN


def tell_kind(kind: str) -> str:
    """Why a file of this kind, of `kinds.find_kind`, is no film."""
    if kind == DRAWN:
        return "a film must come from a detector, got a picture drawn by hilum"
    if kind in NO_FILES:
        return f"a film must be a file, got {kind}; put the film itself in its place"
    if kind == EMPTY:
        return "a film must hold a picture, got an empty file"
    return f"a film must be a {', '.join(PICTURES)} or {DICOM} by its content, whatever its name, got {kind}; convert it"


def _is_drawn(head: bytes) -> bool:
    """Whether a text before a PNG's pixels says that hilum drew it (PNG specification, 11.3.4.3, tEXt)."""
    place = len(_PNG)
    while place + 8 <= len(head):
        length, kind = struct.unpack_from(">I4s", head, place)
        keyword, _, text = head[place + 8 : place + 8 + length].partition(b"\0")
        if kind == b"tEXt" and (keyword == PANEL or (keyword, text) == MARK):
            return True
        if kind == b"IDAT":
            return False
        place += 12 + length
    return False


def _is_text(head: bytes) -> bool:
    """No control byte but white space, in one byte per character, or UTF-16 with its byte order mark."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    return not any(byte < 32 and byte not in b"\t\n\v\f\r\x1b" for byte in head) and 127 not in head
