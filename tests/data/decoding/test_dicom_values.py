"""A part of a DICOM header without a meaning costs no film that pydicom reads: what is done instead, and that it is said."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_forms import deflate, describe, write
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import decode_film
from hilum.data.decoding.film_cache import keep, recall
from hilum.data.decoding.film_read import Order
from hilum.data.decoding.images import read_draft, read_film
from hilum.data.decoding.levels import FilmRead
from hilum.data.decoding.sandbox import read_in_sandbox
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.film_problems import ODD_FILE
from hilum.data.readers.listing import make_table

RAMP = np.tile(np.arange(4096, dtype=np.uint16), (8, 1))
FULL = {"WindowCenter": 2048, "WindowWidth": 4096}


def table(*entries: int, promised: int = 0) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [promised or len(entries), 0, 8])
    item.add_new("LUTData", "US", list(entries))
    return item


def make(
    swaps: dict[bytes, bytes] | None = None,
    behind: int = 0,
    form: str = "explicit",
    pixels: NDArray[np.uint16] = RAMP,
    **attributes: Any,
) -> bytes:
    described = describe(pixels, 12, **attributes)
    described.PixelData += bytes(behind)
    raw = write(described, form)
    for old, new in (swaps or {}).items():
        assert len(old) == len(new) and old in raw
        raw = raw.replace(old, new)
    return raw


COMMAS = {b"2047.5": b"2047,5", b"4096.0": b"4096,0"}
ODD: dict[str, tuple[Callable[[], bytes], dict[str, Any], str]] = {  # the file, the attributes of its twin, the remark
    "bytes behind the pixels": (lambda: make(behind=512, **FULL), FULL, "512 bytes behind the 65,536 of the pixels"),
    "nearly a second film behind": (lambda: make(behind=65_534, **FULL), FULL, "65,534 bytes behind the 65,536"),
    "bytes behind, deflated": (lambda: make(behind=512, form="deflated", **FULL), FULL, "512 bytes behind"),
    "bytes behind, big endian": (lambda: make(behind=512, form="big endian", **FULL), FULL, "512 bytes behind"),
    "bytes behind, implicit": (lambda: make(behind=512, form="implicit", **FULL), FULL, "512 bytes behind"),
    "no frames": (lambda: make(NumberOfFrames=0, **FULL), FULL, "number of frames is 0: one is read"),
    "a low highest bit": (lambda: make(HighBit=7, **FULL), FULL, "highest bit is 7, .*: 11 is used"),
    "a highest bit above the pixel": (lambda: make(HighBit=16, **FULL), FULL, "highest bit is 16, .*: 11 is used"),
    "a window of 0": (lambda: make(WindowCenter=0, WindowWidth=0), {}, "LINEAR window must be at least 1, got 0: .*percentiles"),
    "a negative window": (
        lambda: make(WindowCenter=9, WindowWidth=-4, VOILUTFunction="SIGMOID"),
        {},
        "SIGMOID .* above 0, got -4",
    ),
    "a centre alone": (lambda: make(WindowCenter=100), {}, "a centre and no width: .*percentiles"),
    "a width alone": (lambda: make(WindowWidth=100), {}, "a width and no centre: .*percentiles"),
    "a centre and an empty width": (lambda: make(WindowCenter=100, WindowWidth=""), {}, "a centre and no width"),
    "a second window that is one": (
        lambda: make(WindowCenter=[0, 2048], WindowWidth=[0, 4096]),
        FULL,
        "at least 1, got 0: another window of the header is used",
    ),
    "decimal commas": (
        lambda: make(COMMAS, WindowCenter="2047.5", WindowWidth="4096.0"),
        {"WindowCenter": 2047.5, "WindowWidth": 4096},
        "WindowCenter is written with decimal commas",
    ),
    "decimal commas in several windows": (
        lambda: make({b"2047.5": b"2047,5", b"4096.0": b"4096,0"}, WindowCenter=["2047.5", "9"], WindowWidth=["4096.0", "9"]),
        {"WindowCenter": 2047.5, "WindowWidth": 4096},
        "WindowWidth is written with decimal commas",
    ),
    "commas that may be thousands": (
        lambda: make({b"2.048 ": b"2,048 ", b"4.096 ": b"4,096 "}, WindowCenter="2.048", WindowWidth="4.096"),
        {},
        "WindowCenter holds no numbers: it is ignored",
    ),
    "words as window": (
        lambda: make({b"102.25": b"Anna.R"}, WindowCenter="102.25", WindowWidth="400"),
        {},
        "WindowCenter holds no numbers",
    ),
    "a centre that is no number": (
        lambda: make({b"1234": b"nan "}, WindowCenter="1234", WindowWidth="40"),
        {},
        "centre .* got nan",
    ),
    "a strange function": (lambda: make(**FULL, VOILUTFunction="CUBIC"), FULL, "got another word: LINEAR is used"),
    "a slope of 0": (lambda: make(**FULL, RescaleSlope=0, RescaleIntercept=0), {}, "slope not 0, got 0 and 0: .*percentiles"),
    "a slope alone": (lambda: make(**FULL, RescaleSlope=2), FULL, "one of rescale slope and intercept"),
    "a table cut short": (
        lambda: make(**FULL, VOILUTSequence=[table(1, 2, 3, promised=9)]),
        FULL,
        "VOILUTSequence must have the 9 entries .* got 3 of 8 bits: it is ignored",
    ),
    "a table of the modality cut short": (
        lambda: make(**FULL, ModalityLUTSequence=[table(1, 2, 3, promised=9)]),
        {},
        "ModalityLUTSequence must have the 9 entries .*stored values",
    ),
    "an empty table": (lambda: make(**FULL, VOILUTSequence=[Dataset()]), FULL, "VOILUTSequence of the header is damaged"),
}


def read(raw: bytes) -> FilmRead:
    return read_film(BytesIO(raw))


@pytest.mark.parametrize("oddity", ODD)
@pytest.mark.filterwarnings("ignore:The pixel data is", "ignore:A value of '0'")
def test_a_film_that_pydicom_reads_is_read_with_a_remark(oddity: str) -> None:
    make_odd, twin, remark = ODD[oddity]
    raw = make_odd()
    assert np.array_equal(pydicom.dcmread(BytesIO(raw)).pixel_array, RAMP), "pydicom reads it"
    found, expected = read(raw), read(make(**twin))
    assert np.array_equal(found.grey, expected.grey)
    assert expected.remarks == ()
    assert re.search(remark, "; ".join(found.remarks))
    assert "Anna" not in str(found.remarks)


def test_a_film_as_it_should_be_has_no_remark() -> None:
    for attributes in ({}, FULL, {**FULL, "RescaleSlope": 1, "RescaleIntercept": 0, "VOILUTFunction": "SIGMOID"}):
        for form in ("explicit", "implicit", "deflated", "RLE", "JPEG-LS"):
            assert read(make(form=form, **attributes)).remarks == ()
    odd = describe(np.zeros((3, 3), np.uint8))  # 9 bytes, and one that makes them even
    odd.PixelData += b"\0"
    assert read(write(odd)).remarks == ()


def test_padding_that_is_no_number_is_passed_over() -> None:
    described = describe(RAMP, 12)
    described.add_new("PixelPaddingValue", "DS", "12")
    found = read(write(described).replace(b"DS\x02\x0012", b"DS\x02\x00Xy"))
    assert np.array_equal(found.grey, read(make()).grey)
    assert found.remarks == ("PixelPaddingValue holds no numbers: it is ignored",)


@pytest.mark.filterwarnings("ignore:The pixel data is")
def test_colour_of_two_pixels_in_one_is_read_as_pydicom_reads_it() -> None:
    """YBR_FULL_422, uncompressed: two bytes per pixel."""
    luminance = np.arange(64, dtype=np.uint8).reshape(8, 8) * 3
    described = describe(np.stack([luminance] * 3, -1), PhotometricInterpretation="YBR_FULL_422")
    halves = luminance.reshape(-1, 2)
    described.PixelData = np.concatenate([halves, np.full_like(halves, 128)], 1).tobytes()
    assert np.abs(read(write(described)).grey.astype(int) - luminance).max() <= 1
    described.PixelData += bytes(64)
    assert read(write(described)).remarks == ("64 bytes behind the 128 of the pixels: they are left out",)


def test_remarks_come_back_from_a_child_and_from_the_cache(tmp_path: Path) -> None:
    raw = make(WindowCenter=100)
    remarks = read(raw).remarks
    assert remarks
    assert read_in_sandbox(raw, Order(max_pixels=10**6)).remarks == remarks
    assert read_draft(BytesIO(raw), 32).remarks == remarks
    decoded = decode_film(raw, {}, 32, "pad", Treatment("keep", "letters"))
    keep(tmp_path, "ab1", decoded)
    again = recall(tmp_path, "ab1")
    assert decoded.remarks == remarks and again is not None and again.remarks == remarks


def test_a_decompression_bomb_behind_the_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="behind its pixels, this one holds more"):
        read(deflate(describe(RAMP, 12), bytes(2**20), 3))


def test_prepare_lists_and_reports_what_it_tolerated(tmp_path: Path) -> None:
    for name, raw in (
        ("a/1", make(behind=512)),
        ("a/2", make(pixels=RAMP[:, ::-1], **FULL)),
        ("b/3", make(pixels=RAMP ^ 2048, WindowCenter=0, WindowWidth=0, HighBit=7)),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.dcm").write_bytes(raw)
    films = [PurePosixPath(f"{name}.dcm") for name in ("a/1", "a/2", "b/3")]
    given = make_table(films, [{"finding": film.parts[0], "patient_id": film.stem} for film in films])
    prepared = build_manifest(
        {"s": (tmp_path, given)},
        size=32,
        square="pad",
        labels={"a": ["a"], "b": ["b"]},
        unmatched="stop",
        broken_share=0.0,
        treatment=Treatment("keep", "text"),
        workers=1,
    )
    assert len(prepared.manifest) == 3
    listed = prepared.problems.set_index("image_id")
    assert listed["problem"].to_dict() == {"s/a/1": ODD_FILE, "s/b/3": ODD_FILE}
    assert "512 bytes behind" in listed["detail"]["s/a/1"]
    assert "highest bit is 7" in listed["detail"]["s/b/3"] and "got 0" in listed["detail"]["s/b/3"]
    assert [note for note in prepared.notes if note.startswith(f"{ODD_FILE}: 2 films, such as s/a/1 (512 bytes behind")]
