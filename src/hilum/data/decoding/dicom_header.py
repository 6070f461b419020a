"""The header of a DICOM file, read under limits: named attributes only, limited bytes, deflated files only as far as needed.

pydicom keeps about a hundred bytes of objects per byte of a hostile header and inflates a deflated file whole, so it is given a
stream that counts what it reads.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, cast

from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

MAX_META_BYTES = 2**16  # of the file meta information
MAX_HEADER_BYTES = 2**20  # read of a header; attributes that are skipped do not count
MAX_SKIPPED_BYTES = 16 * 2**20  # of a deflated file before its pixels: they must be inflated to be skipped

_STEP = 2**16  # bytes inflated at once
_PIXELS = {0x7FE00008, 0x7FE00009, 0x7FE00010}


@contextmanager
def hide_values(message: str) -> Iterator[None]:
    """Replace an error of pydicom by `message` and its type: its own text quotes values of the header, which may be a name."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{message} ({type(error).__name__})") from None


class Counted(io.RawIOBase):
    """A stream that stops when more than `limit` bytes have been read from it."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.stream, self.limit = stream, limit

    def read(self, size: int = -1) -> bytes:
        self.limit -= size if size >= 0 else self.limit + 1
        if self.limit < 0:
            raise OverflowError("too many bytes")
        return self.stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.stream.seek(offset, whence)

    def tell(self) -> int:
        return self.stream.tell()


class Inflated(io.RawIOBase):
    """A raw deflate stream, inflated in steps only as far as it is read; `limit` is the last byte that may be reached."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        self.stream, self.limit, self.place = stream, limit, 0
        self.buffer = bytearray()
        self.inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            raise OverflowError("an inflated stream is not read to its end")
        end = self.place + size
        if end > self.limit:
            raise OverflowError("too many bytes")
        while len(self.buffer) < end and not self.inflater.eof:
            source = self.inflater.unconsumed_tail or self.stream.read(_STEP)
            if not source:
                break
            self.buffer += self.inflater.decompress(source, _STEP)
        part = bytes(self.buffer[self.place : end])
        self.place += len(part)
        return part

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + (self.place if whence == io.SEEK_CUR else 0)
        return self.place

    def tell(self) -> int:
        return self.place


def read_header(stream: BinaryIO, tags: Sequence[str]) -> tuple[Dataset, BinaryIO]:
    """The attributes named by keyword, and the stream at the element of the pixels (or at the end if there is none).

    The data set carries its file meta information; a sequence is read whole.

    Raises:
        ValueError: damaged, too long, or of a transfer syntax unknown to DICOM; no value of the header is quoted.
    """
    config.settings.reading_validation_mode = config.IGNORE  # a value is checked where it is used
    meta, start = _read_meta(stream)
    syntax = UID(str(meta.get("TransferSyntaxUID", "")))
    if not syntax.is_transfer_syntax:
        raise ValueError("a DICOM film must name its transfer syntax, got none that DICOM knows; the file is damaged")
    stream.seek(start)
    body = cast(BinaryIO, Inflated(stream, MAX_SKIPPED_BYTES)) if syntax == DeflatedExplicitVRLittleEndian else stream
    with hide_values(f"the DICOM header is damaged, or more than {MAX_HEADER_BYTES:,} bytes of it would have to be read"):
        header = read_dataset(
            cast(BinaryIO, Counted(body, MAX_HEADER_BYTES)),
            is_implicit_VR=syntax == ImplicitVRLittleEndian,
            is_little_endian=syntax != ExplicitVRBigEndian,
            stop_when=_at_pixels,
            specific_tags=[Tag(keyword) for keyword in tags],
        )
    header.file_meta = meta
    return header, body


def check_pixel_element(body: BinaryIO, syntax: UID, expected: int) -> int:
    """Read the head of the pixel element where `read_header` stopped; the stream is then at its value.

    expected: bytes of the film, uncompressed. Returns the bytes of an uncompressed element behind them; a padding byte to an even
    number does not count.

    Raises:
        ValueError: no pixels, pixels of another kind, fewer bytes than the header promises, or enough for a second film.
    """
    big = syntax == ExplicitVRBigEndian
    if isinstance(body, Inflated):
        body.limit = body.place + expected + 16
    with hide_values("the DICOM pixels are damaged"):
        head = body.read(8 if syntax == ImplicitVRLittleEndian else 12)
    if len(head) < 8:
        raise ValueError("a DICOM film must have pixels, got a file without them")
    group, element = struct.unpack_from(">HH" if big else "<HH", head)
    if (group, element) != (0x7FE0, 0x0010):
        raise ValueError("the pixels of a DICOM film must be whole numbers, got floating point")
    (length,) = struct.unpack(">I" if big else "<I", head[-4:])
    if syntax.is_encapsulated != (length == 0xFFFFFFFF):
        raise ValueError("the pixels must be in the form that the transfer syntax says, got another; the file is damaged")
    if syntax.is_encapsulated:
        return 0
    if not expected <= length < max(2 * expected, expected + 2):
        more = f", enough for {length // expected:,} films; export one per file" if length >= expected > 0 else ""
        raise ValueError(f"the pixels of this film must have {expected:,} bytes by its header, got {length:,}{more}")
    return length - expected - expected % 2 if length > expected + expected % 2 else 0


def read_native(body: BinaryIO, expected: int) -> bytes:
    """The uncompressed pixels after the head of their element.

    Raises:
        ValueError: the file ends before them, or a deflated one long after them.
    """
    with hide_values("the DICOM pixels are damaged"):
        pixels = body.read(expected)
    if len(pixels) < expected:
        raise ValueError(f"the file is truncated: {len(pixels):,} of {expected:,} bytes of pixels")
    if isinstance(body, Inflated):
        body.limit += MAX_HEADER_BYTES
        if len(body.read(MAX_HEADER_BYTES)) == MAX_HEADER_BYTES:
            raise ValueError(f"a deflated film may inflate to {MAX_HEADER_BYTES:,} bytes behind its pixels, this one holds more")
    return pixels


def read_numbers(header: Dataset, key: str) -> list[float]:
    """The numbers of an attribute; none if it is absent or empty. Raises ValueError if it holds something else."""
    with hide_values(f"the DICOM attribute {key} is damaged"):
        value = header.get(key)
        if value is None or value == "":
            return []
        if isinstance(value, bytes):  # a number whose type the header leaves open
            return [float(int.from_bytes(value[:2], "little"))]
        return [float(number) for number in (value if isinstance(value, MultiValue) else [value])]


def read_number(header: Dataset, key: str, absent: int) -> int:
    """The first whole number of an attribute, or `absent`. Raises ValueError if it holds something else."""
    numbers = read_numbers(header, key)
    with hide_values(f"the DICOM attribute {key} is damaged"):
        return int(numbers[0]) if numbers else absent


def read_whole(header: Dataset, key: str) -> int:
    """The first whole number of an attribute. Raises ValueError if it is absent or holds something else."""
    if not read_numbers(header, key):
        raise ValueError(f"the header of a DICOM film must have {key}, got none")
    return read_number(header, key, 0)


def read_text(header: Dataset, key: str) -> str:
    """The text of an attribute without spaces around it, empty if it is absent. Raises ValueError if it cannot be read."""
    with hide_values(f"the DICOM attribute {key} is damaged"):
        value = header.get(key)
        return "" if value is None else str(value[0] if isinstance(value, MultiValue) else value).strip()


def _read_meta(stream: BinaryIO) -> tuple[FileMetaDataset, int]:
    stream.seek(132)
    head = io.BytesIO(stream.read(MAX_META_BYTES))
    with hide_values("the file meta information of the DICOM file is damaged"):
        meta = FileMetaDataset(read_dataset(head, False, True, stop_when=lambda tag, vr, length: tag.group != 2))
    return meta, 132 + head.tell()


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return int(tag) in _PIXELS
