"""One DICOM film to grey levels: header checked against codestream, pixels decoded, modality, window and inversion applied."""

from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets
from pydicom.pixels import get_decoder

from hilum.data.decoding.codestream import Frame, check_rle, read_jpeg2000_frame, read_jpeg_frame
from hilum.data.decoding.dicom_header import (
    check_pixel_element,
    hide_values,
    read_header,
    read_native,
    read_number,
    read_text,
    read_whole,
)
from hilum.data.decoding.dicom_values import VALUE_TAGS, Scale, read_scale, to_brightness
from hilum.data.decoding.limits import check_pixels
from hilum.data.decoding.windowing import list_values, look_up

DECODERS = {  # transfer syntax -> the one library that decodes it; empty: pydicom itself
    uid.ImplicitVRLittleEndian: "",
    uid.ExplicitVRLittleEndian: "",
    uid.ExplicitVRBigEndian: "",
    uid.DeflatedExplicitVRLittleEndian: "",
    uid.RLELossless: "pydicom",
    uid.JPEGBaseline8Bit: "gdcm",
    uid.JPEGExtended12Bit: "gdcm",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
}
PIXEL_TAGS = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *VALUE_TAGS,
)
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue, Rec. 601
MAX_FRAGMENTS = 10_000  # of a compressed film

_JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000)


@dataclass(frozen=True)
class DicomFilm:
    """A film whose header and codestream agree and whose size is within bounds; nothing is decoded yet.

    header: the attributes PIXEL_TAGS. body: the open file at its pixels. code: the codestream of a compressed film.
    width, height: pixels. decoded, cost: bytes of the decoded pixels, and what decoding them needs, about. high: the highest of
    the stored bits. scale: of a grey film. remarks: oddities of the file that were ignored, as pydicom does; they quote
    numbers only.
    """

    header: Dataset
    body: BinaryIO
    code: bytes
    width: int
    height: int
    decoded: int
    cost: int
    high: int
    scale: Scale | None
    remarks: tuple[str, ...]


def open_dicom(stream: BinaryIO, max_pixels: int) -> DicomFilm:
    """Read header and pixel bytes of a DICOM film, and refuse what is no film or cannot be decoded here.

    What pydicom reads, with a warning or without, is read: bytes behind the pixels, 0 frames, a highest bit outside of the
    pixel, invalid windows, rescaling and look-up tables. Each is a remark.

    Raises:
        ValueError: damaged, several frames, another depth than 8 to 16 bits, palette colour, a transfer syntax without a decoder,
            more than `max_pixels`, or a codestream of another size than the header says.
    """
    header, body = read_header(stream, PIXEL_TAGS)
    syntax = header.file_meta.TransferSyntaxUID
    if syntax not in DECODERS:
        raise ValueError(f"a film of the transfer syntax {syntax.name} is not read; convert it to Explicit VR Little Endian")
    remarks = []
    frames = read_number(header, "NumberOfFrames", 1)
    if frames == 0:
        remarks.append("the number of frames is 0: one is read")
    elif frames != 1:
        raise ValueError(f"a film must have one frame, got {frames}; export one frame per file")
    width, height = read_whole(header, "Columns"), read_whole(header, "Rows")
    check_pixels(width, height, max_pixels)
    samples, allocated, stored = (read_whole(header, key) for key in ("SamplesPerPixel", "BitsAllocated", "BitsStored"))
    kind = read_text(header, "PhotometricInterpretation")
    if not (samples == 1 and kind in GREY) and not (samples == 3 and kind in COLOUR and (allocated, stored) == (8, 8)):
        raise ValueError(
            f"a film must be grey ({', '.join(GREY)}) or colour of 8 bits ({', '.join(COLOUR)}), got {samples} samples per pixel "
            f"of {stored} bits and another kind of colour or depth"
        )
    if allocated not in (8, 16) or not 8 <= stored <= allocated:
        raise ValueError(f"a film must store 8 to 16 bits in 8 or 16, got {stored} in {allocated}")
    high = read_number(header, "HighBit", stored - 1)
    if not stored - 1 <= high < allocated:
        remarks.append(f"the highest bit is {high}, which {stored} bits in {allocated} cannot have: {stored - 1} is used")
        high = stored - 1
    decoded = width * height * samples * allocated // 8
    if kind == "YBR_FULL_422" and not syntax.is_encapsulated:
        decoded = decoded // 3 * 2  # two pixels share their colour (PS3.3 C.7.6.3.1.2)
    if behind := check_pixel_element(body, syntax, decoded):
        remarks.append(f"{behind:,} bytes behind the {decoded:,} of the pixels: they are left out")
    code = b""
    if syntax.is_encapsulated:
        code = _join_fragments(body.read())
        _check_codestream(code, syntax, Frame(width, height, samples, stored), allocated)
    cost = 2 * decoded + width * height * (4 + 8 * samples * (syntax in _JPEG_2000))
    scale = read_scale(header) if samples == 1 else None
    remarks += scale.remarks if scale else ()
    return DicomFilm(header, body, code, width, height, decoded, cost, high, scale, tuple(remarks))


def decode_dicom(film: DicomFilm, dtype: DTypeLike = np.uint8) -> NDArray[Any]:
    """Grey levels 0-255 of a film, (H, W): uint8, rounded once, or float32 where they are to be resized first.

    Stored values go through the modality (its look-up table, else slope and intercept) and then through the values of interest:
    the first VOI look-up table if there is one, else the first window by its function (LINEAR if none is named), else, where the
    header has no valid one, from the 0.5 to the 99.5 percentile of the film's own values without padding.
    MONOCHROME1 is inverted last. Presentation states and overlays are not applied. Colour becomes grey by luminance, as stored.

    Raises:
        ValueError: the pixels cannot be decoded.
    """
    header = film.header
    array = _decode(film)
    if film.scale is None:
        grey = np.zeros(array.shape[:2], np.float32)  # (H, W)
        for k, share in enumerate(LUMINANCE):
            grey += array[..., k] * np.float32(share)
        return grey if dtype == np.float32 else np.rint(grey).astype(np.uint8)
    bits, signed = read_whole(header, "BitsStored"), read_number(header, "PixelRepresentation", 0) == 1
    patterns = _take_bits(array, bits, film.high)
    brightness = to_brightness(film.scale, list_values(bits, signed), patterns, bits)
    if read_text(header, "PhotometricInterpretation") == "MONOCHROME1":
        brightness = 1 - brightness
    levels = brightness * 255
    return look_up(levels.astype(np.float32) if dtype == np.float32 else np.rint(levels).astype(np.uint8), patterns)


def _decode(film: DicomFilm) -> NDArray[Any]:
    syntax = film.header.file_meta.TransferSyntaxUID
    source = Dataset()
    source.file_meta = film.header.file_meta
    for key in ("SamplesPerPixel", "Rows", "Columns", "BitsAllocated", "BitsStored"):
        setattr(source, key, read_whole(film.header, key))
    source.HighBit = film.high
    source.PixelRepresentation = read_number(film.header, "PixelRepresentation", 0)
    source.PhotometricInterpretation = read_text(film.header, "PhotometricInterpretation")
    if source.SamplesPerPixel == 3:
        source.PlanarConfiguration = read_number(film.header, "PlanarConfiguration", 0)
    pixels = encapsulate([film.code]) if syntax.is_encapsulated else read_native(film.body, film.decoded)
    source.add_new(0x7FE00010, "OB" if syntax.is_encapsulated or source.BitsAllocated == 8 else "OW", pixels)
    with hide_values(f"the pixels ({syntax.name}) cannot be decoded; the file is damaged or truncated"):
        options: dict[str, Any] = {"decoding_plugin": DECODERS[syntax], "correct_unused_bits": False}
        array, _ = get_decoder(syntax).as_array(source, index=0, raw=source.SamplesPerPixel == 1, **options)
    if array.shape[:2] != (film.height, film.width):
        raise ValueError(
            f"the decoded film must have {film.width} x {film.height} pixels, got {array.shape[1]} x {array.shape[0]}"
        )
    return array


def _take_bits(array: NDArray[Any], bits: int, high: int) -> NDArray[Any]:
    """The stored bits of each pixel as an unsigned number; other bits (an old overlay) are dropped."""
    array = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
    patterns = array.view(np.uint8 if array.dtype.itemsize == 1 else np.uint16)
    shift, width = high + 1 - bits, 8 * patterns.dtype.itemsize
    if shift == 0 and bits == width:
        return patterns
    mask = 2 ** min(bits, width) - 1
    return np.bitwise_and(np.right_shift(patterns, patterns.dtype.type(shift)), patterns.dtype.type(mask))


def _join_fragments(pixels: bytes) -> bytes:
    with hide_values("the fragments of the compressed film are damaged"):
        start = 8 + int.from_bytes(pixels[4:8], "little")  # behind the basic offset table
        parse_basic_offsets(pixels[:start])
        fragments = list(islice(generate_fragments(pixels[start:]), MAX_FRAGMENTS + 1))
    if not fragments or len(fragments) > MAX_FRAGMENTS:
        raise ValueError(f"a compressed film must have 1 to {MAX_FRAGMENTS:,} fragments, got {len(fragments):,}")
    return b"".join(fragments)


def _check_codestream(code: bytes, syntax: uid.UID, said: Frame, allocated: int) -> None:
    """Compare the DICOM header with the codestream, which a decoder follows."""
    if syntax == uid.RLELossless:
        check_rle(code, said.width * said.height, said.samples * allocated // 8)
        return
    frame = read_jpeg2000_frame(code) if syntax in _JPEG_2000 else read_jpeg_frame(code)
    if (frame.width, frame.height, frame.samples) != (said.width, said.height, said.samples):
        raise ValueError(
            f"the DICOM header says {said.width} x {said.height} pixels of {said.samples} samples, but the compressed film in it "
            f"{frame.width} x {frame.height} of {frame.samples}; the file is damaged or malicious"
        )
    if syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit) and frame.bits > 8:
        raise ValueError(f"JPEG Extended of {frame.bits} bits has no decoder here; convert the film to a lossless form")
    if frame.bits > allocated:
        raise ValueError(f"the compressed film must fit the {allocated} bits of the DICOM header, got {frame.bits}")
