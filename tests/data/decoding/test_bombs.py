"""A file that would blow up costs little and is refused with a reason: measured in memory, in a process of its own."""

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dicom_forms import deflate, describe, raw_deflate, write, write_code
from openjpeg.utils import encode_array
from PIL import Image
from pydicom import uid

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.codestream import check_rle, read_jpeg2000_frame, read_jpeg_frame
from hilum.data.decoding.images import read_film
from hilum.data.decoding.limits import MAX_FILE_BYTES, MAX_SCANS
from hilum.data.manifest.building import build_manifest

MIB = 2**20
SMALL = np.zeros((100, 100), np.uint16)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes, *chunks: bytes, bits: int = 8, colour: int = 0) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """`size` bytes of zeros, compressed."""
    packer = zlib.compressobj(9)
    return b"".join(
        [*(packer.compress(bytes(MIB)) for _ in range(size // MIB)), packer.compress(bytes(size % MIB)), packer.flush()]
    )


def gigabyte() -> bytes:
    """A gigabyte of zeros, compressed, whose checksum must not be reached."""
    return b"\x78\xda" + raw_deflate(bytes(MIB)) * 1100 + b"\x03\x00" + bytes(4)


def deflated_beyond_the_pixels() -> bytes:
    return deflate(describe(SMALL), bytes(MIB), 1100)


def deflated_in_the_pixels() -> bytes:
    """The header says 100 x 100; the pixel element itself claims and holds a gigabyte."""
    size, claimed = struct.pack("<I", SMALL.nbytes), struct.pack("<I", 1100 * MIB)
    return reform(deflate(describe(SMALL), b"", 1), lambda body: body.replace(size, claimed), bytes(MIB), 1100)


def deflated_in_a_private_element() -> bytes:
    return deflate(
        describe(SMALL, PixelData=None), b"\x09\x00\x00\x10OB\x00\x00" + struct.pack("<I", 1100 * MIB) + bytes(MIB), 1100
    )


def deflated_and_honest() -> bytes:
    """8000 x 8000 pixels of 16 bits, as the header says, out of 0.1 MB."""
    raw = deflate(describe(SMALL, PixelData=None, Rows=8000, Columns=8000), b"", 1)
    head = b"\xe0\x7f\x10\x00OW\x00\x00" + struct.pack("<I", 128_000_000)
    return reform(raw, lambda body: body + head, bytes(MIB), 123)


def reform(raw: bytes, change: Callable[[bytes], bytes], repeated: bytes = b"", times: int = 0) -> bytes:
    """Change the inflated body of a deflated file, of which the first MiB is kept, and add to it."""
    end = 144 + struct.unpack_from("<I", raw, 140)[0]
    body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw[end:], MIB)
    return raw[:end] + raw_deflate(change(body)) + raw_deflate(repeated) * times + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def lying_jpeg_2000() -> bytes:
    code = encode_array(np.zeros((8000, 8000), np.uint8))
    assert len(code) < 6000
    return write_code(describe(SMALL.astype(np.uint8)), uid.JPEG2000Lossless, code)


def honest_jpeg_2000() -> bytes:
    code = encode_array(np.zeros((8000, 7900), np.uint8))
    return write_code(describe(SMALL.astype(np.uint8), Rows=8000, Columns=7900), uid.JPEG2000Lossless, code)


def rle() -> bytes:
    """Runs of 128 bytes, 20 MB of them, in a film of 100 x 100."""
    header = struct.pack("<16I", 1, 64, *([0] * 14))
    return write_code(describe(SMALL.astype(np.uint8)), uid.RLELossless, header + b"\x81\x00" * (10 * MIB))


def jpeg(width: int, height: int, mode: str = "RGB", **settings: object) -> bytes:
    stream = BytesIO()
    Image.new(mode, (width, height)).save(stream, "JPEG", **settings)
    return stream.getvalue()


def patch_jpeg(raw: bytes, width: int, height: int) -> bytes:
    place = raw.index(b"\xff\xc0")
    return raw[: place + 5] + struct.pack(">HH", height, width) + raw[place + 9 :]


def nested_header() -> bytes:
    """Sequences of undefined length, 5,000 deep."""
    film = write(describe(SMALL, PatientAge=None))
    place = film.index(b"\x28\x00\x02\x00US")
    return film[:place] + (b"\x28\x00\x01\x00SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 5000)


def many_elements() -> bytes:
    """A sequence of undefined length with two million empty elements."""
    film = write(describe(SMALL))
    place = film.index(b"\x28\x00\x02\x00US")
    start = b"\x28\x00\x01\x00SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return film[:place] + start + b"\x09\x00\x01\x00LO\x00\x00" * 2_000_000


def tiff(width: int, height: int, bits: int = 8, **tile: int) -> bytes:
    """One strip (or tile) of zeros under Deflate; the header says the size."""
    packed = zeros(width * height * bits // 8 if not tile else 64)
    tags = {256: width, 257: height, 258: bits, 259: 8, 262: 1, 277: 1}
    tags |= {322: tile["side"], 323: tile["side"], 324: 8, 325: len(packed)} if tile else {273: 8, 278: height, 279: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiff_of_repeated_tags() -> bytes:
    """500 tags that all say that they are the same 10 MB."""
    entries = b"".join(struct.pack("<HHII", 60_000 + k, 7, 10 * MIB, 8) for k in range(500))
    return b"II*\0" + struct.pack("<I", 8 + 10 * MIB) + bytes(10 * MIB) + struct.pack("<H", 500) + entries + bytes(4)


def bmp_runs() -> bytes:
    """8000 x 8000 pixels, skipped in steps of 255 rows."""
    steps = b"\0\2\0\xff" * 40 + b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, 8000, 8000, 1, 8, 1, len(steps), 0, 0, 256, 0) + bytes(1024)
    return b"BM" + struct.pack("<IHHI", 14 + len(head) + len(steps), 0, 0, 14 + len(head)) + head + steps


def webp(width: int, height: int) -> bytes:
    """A blank picture of 16 x 16 on a canvas that is said to be larger."""
    stream = BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "WEBP", lossless=True)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X\x0a\0\0\0\0\0\0\0" + sides + stream.getvalue()[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_blank() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (7900, 7900)).save(stream, "WEBP", lossless=True, method=0)
    return stream.getvalue()


BOMBS = {
    "deflated DICOM, a gigabyte behind its pixels": (deflated_beyond_the_pixels, "behind its pixels, this one holds more"),
    "deflated DICOM, a gigabyte of pixels": (deflated_in_the_pixels, "20,000 bytes by its header, got"),
    "deflated DICOM, a gigabyte in a private element": (deflated_in_a_private_element, "header is damaged"),
    "deflated DICOM, 64 million pixels": (deflated_and_honest, "expands so much may take"),
    "JPEG 2000 in a DICOM that says 100 x 100": (lying_jpeg_2000, "says 100 x 100 .* in it 8000 x 8000"),
    "JPEG 2000 in a DICOM that says so": (honest_jpeg_2000, "expands so much may take"),
    "RLE": (rle, "must give 10,000 bytes, one per pixel, got more"),
    "DICOM header of nested sequences": (nested_header, "header is damaged"),
    "DICOM header of many elements": (many_elements, "header is damaged"),
    "PNG, 50000 x 50000": (lambda: png(50_000, 50_000, zeros(50 * MIB)), "at most 64,000,000 pixels"),
    "PNG, 8000 x 8000 grey": (lambda: png(8000, 8000, zeros(8001 * 8000)), "expands so much may take"),
    "PNG, 8000 x 8000 grey of 16 bits": (lambda: png(8000, 8000, zeros(16001 * 8000), bits=16), "expands so much may take"),
    "PNG, 8000 x 8000 with transparency": (lambda: png(8000, 8000, zeros(32001 * 8000), colour=6), "expands so much may take"),
    "PNG with a gigabyte of compressed text": (
        lambda: png(1, 1, zeros(2), png_chunk(b"zTXt", b"a\0\0" + gigabyte())),
        "too large|text",
    ),
    "PNG with a gigabyte of colour profile": (lambda: png(1, 1, zeros(2), png_chunk(b"iCCP", b"a\0\0" + gigabyte())), ""),
    "JPEG, 65500 x 65500": (lambda: patch_jpeg(jpeg(64, 64), 65_500, 65_500), "at most 64,000,000 pixels"),
    "JPEG, 8000 x 8000": (lambda: jpeg(8000, 8000), ""),
    "JPEG, 8000 x 8000, progressive": (lambda: jpeg(8000, 8000, progressive=True), "expands so much may take"),
    "PNG, 8000 x 8000 of three times 16 bits": (
        lambda: png(8000, 8000, zeros(48001 * 8000), bits=16, colour=2),
        "expands so much may take",
    ),
    "TIFF, 50000 x 50000": (lambda: tiff(50_000, 50_000, side=64), "at most 64,000,000 pixels"),
    "TIFF, 8000 x 8000": (lambda: tiff(8000, 8000), "expands so much may take"),
    "TIFF, 8000 x 8000 of 16 bits": (lambda: tiff(8000, 8000, 16), "expands so much may take"),
    "TIFF in one tile of 60000 x 60000": (lambda: tiff(64, 64, side=60_000), "expands so much may take"),
    "TIFF of tags that share their bytes": (tiff_of_repeated_tags, "tags of a TIFF must fit into its"),
    "BMP, 8000 x 8000 in runs": (bmp_runs, "expands so much may take"),
    "PGM, 8000 x 8000": (lambda: b"P5 8000 8000 65535\n" + bytes(100), "must hold 128,000,000 bytes, got less"),
    "PGM, 50000 x 50000": (lambda: b"P5 50000 50000 255\n" + bytes(100), "at most 64,000,000 pixels"),
    "WebP, 50000 x 50000": (lambda: webp(50_000, 50_000), "at most 64,000,000 pixels"),
    "WebP, 8000 x 8000 around 16 x 16": (lambda: webp(8000, 8000), "expands so much may take"),
    "WebP, 7900 x 7900": (webp_blank, "expands so much may take"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_needs_less_than_200_mib(name: str, tmp_path: Path) -> None:
    make, told = BOMBS[name]
    path = tmp_path / "film"
    path.write_bytes(make())
    assert path.stat().st_size < 25 * MIB
    code = Path(__file__).resolve().parents[2] / "support" / "measure_read.py"
    source = Path(__file__).resolve().parents[3] / "src"
    done = subprocess.run(
        [sys.executable, code, path], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(source)}, check=True
    )
    found = json.loads(done.stdout)
    print(f"{name}: {path.stat().st_size:,} bytes cost {found['bytes'] / MIB:.0f} MiB: {found['told']}")
    assert found["bytes"] < 200 * MIB
    if told:
        with pytest.raises(ValueError, match=told):
            raise ValueError(found["told"])


def test_a_decompression_bomb_is_a_row_in_the_problem_list(tmp_path: Path) -> None:
    (tmp_path / "bomb.dcm").write_bytes(lying_jpeg_2000())
    for k in range(2):
        Image.fromarray(np.full((40, 40), 90 * k, np.uint8)).save(tmp_path / f"{k}.png")
    table = pd.DataFrame({"image_id": ["bomb", "0", "1"], "path": ["bomb.dcm", "0.png", "1.png"], "finding": ["a", "a", "b"]})
    prepared = build_manifest(
        {"clinic": (tmp_path, table)}, 16, "pad", {"a": ["a"], "b": ["b"]}, "stop", 0.5, Treatment("keep", "letters"), 1
    )
    assert prepared.problems[["image_id", "problem"]].to_numpy().tolist() == [["clinic/bomb", "broken film"]]
    assert "100 x 100" in prepared.problems["detail"][0]


def test_a_doubtful_film_that_fits_is_read_by_the_child(tmp_path: Path) -> None:
    film = np.zeros((6000, 6000), np.uint8)
    film[1000:2000] = 200
    Image.fromarray(film).save(tmp_path / "blank.png", optimize=True)
    assert film.size / (tmp_path / "blank.png").stat().st_size > 50
    read = read_film(tmp_path / "blank.png")
    assert np.array_equal(read.grey, film)
    assert (read.width, read.height) == (6000, 6000)


def test_a_file_of_too_many_bytes_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "film.dcm"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # sparse: no byte is written
    with pytest.raises(ValueError, match="at most 201,326,592 bytes, got 201,326,593"):
        read_film(path)


def test_frame_headers_say_size_samples_and_depth() -> None:
    for settings in ({}, {"progressive": True}):
        frame = read_jpeg_frame(jpeg(31, 17, **settings))
        assert (frame.width, frame.height, frame.samples, frame.bits) == (31, 17, 3, 8)
    for kind, boxed in ((np.uint8, 0), (np.uint16, 1), (np.int16, 1)):
        values = np.arange(117 * 131).reshape(117, 131).astype(kind)
        frame = read_jpeg2000_frame(encode_array(values, bits_stored=8 * values.itemsize, codec_format=boxed))
        assert (frame.width, frame.height, frame.samples, frame.bits) == (131, 117, 1, 8 * values.itemsize)


@pytest.mark.parametrize("read", [read_jpeg_frame, read_jpeg2000_frame])
@pytest.mark.parametrize("code", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\x00", b"\xff\x4f\xff\x51\x00\x29", bytes(100)])
def test_a_damaged_codestream_is_refused(read: object, code: bytes) -> None:
    with pytest.raises(ValueError, match=r"JPEG"):
        read(code)  # type: ignore[operator]


def test_a_jpeg_of_too_many_scans_is_refused() -> None:
    raw = jpeg(64, 64, progressive=True)
    place = raw.rindex(b"\xff\xda")
    more = raw[:place] + raw[place:-2] * (MAX_SCANS + 1) + raw[-2:]
    with pytest.raises(ValueError, match=f"at most {MAX_SCANS} scans"):
        read_film(BytesIO(more))


def test_a_jpeg_2000_of_too_many_tiles_is_refused() -> None:
    code = bytearray(encode_array(np.zeros((600, 600), np.uint8)))
    struct.pack_into(">II", code, 24, 8, 8)
    with pytest.raises(ValueError, match="at most 4096 tiles, got 5,625"):
        read_jpeg2000_frame(bytes(code))


def test_rle_runs_are_counted() -> None:
    header = struct.pack("<16I", 1, 64, *([0] * 14))
    check_rle(header + b"\x02abc\xfe\x00\x80", 6, 1)  # three literals, three of a run
    with pytest.raises(ValueError, match="must give 7 bytes, one per pixel, got 6"):
        check_rle(header + b"\x02abc\xfe\x00", 7, 1)
    with pytest.raises(ValueError, match="must have 2 segments, got 1"):
        check_rle(header + b"\x02abc", 3, 2)
