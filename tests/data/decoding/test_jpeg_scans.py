"""A JPEG whose data do not cover its picture is no film; a whole one always is."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilum.data.decoding.images import read_film

FORMS: dict[str, tuple[str, dict[str, object]]] = {
    "grey": ("L", {}),
    "optimised": ("L", {"optimize": True}),
    "restarts": ("L", {"restart_marker_rows": 2}),
    "progressive": ("L", {"progressive": True}),
    "colour": ("RGB", {}),
    "colour, not subsampled": ("RGB", {"subsampling": 0}),
    "colour, restarts": ("RGB", {"restart_marker_rows": 2}),
    "colour, progressive": ("RGB", {"progressive": True}),
    "four inks": ("CMYK", {}),
}
DRAFTS = [None, (64, 64)]


def write(form: str, level: int | None = None) -> bytes:
    mode, settings = FORMS[form]
    small = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    film = Image.fromarray(small).resize((700, 500), Image.Resampling.BICUBIC)
    if level is not None:
        film = Image.new("L", (700, 500), level)
    stream = io.BytesIO()
    film.convert(mode).save(stream, "JPEG", **settings)
    return stream.getvalue()


def claim(raw: bytes, factor: int) -> bytes:
    """The same data under a header of so many times the height and width."""
    place = max(raw.find(b"\xff\xc0"), raw.find(b"\xff\xc2")) + 5
    height, width = struct.unpack_from(">HH", raw, place)
    return raw[:place] + struct.pack(">HH", factor * height, factor * width) + raw[place + 4 :]


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("form", FORMS)
def test_a_jpeg_without_all_its_data_is_refused(form: str, draft: tuple[int, int] | None) -> None:
    whole = write(form)
    for spoilt in (*(whole[: int(len(whole) * share)] + b"\xff\xd9" for share in (0.3, 0.5, 0.97)), claim(whole, 2)):
        with pytest.raises(ValueError, match=r"must cover its picture|must send all its 64 bands"):
            read_film(io.BytesIO(spoilt), draft=draft)


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("form", FORMS)
def test_a_whole_jpeg_is_read_be_it_mid_grey(form: str, draft: tuple[int, int] | None) -> None:
    for level in (None, 0, 127, 128, 255):
        assert read_film(io.BytesIO(write(form, level)), draft=draft).width == 700


def test_bytes_behind_the_end_of_a_jpeg_harm_nothing() -> None:
    assert read_film(io.BytesIO(write("grey") + b"\xff\xd9 and what an editor wrote")).height == 500


def test_real_films_are_whole_and_no_longer_so_when_they_are_cut(shared: Path) -> None:
    """All 5,232 of the pediatric set and the others beside it were tried once: none refused, every cut one refused."""
    paths = sorted(path for path in (shared / "data").rglob("*") if path.suffix in (".jpg", ".jpeg"))[::60]
    assert len(paths) > 80
    for path in paths:
        raw = path.read_bytes()
        read_film(io.BytesIO(raw), draft=(256, 256))
        for spoilt in (raw[: len(raw) // 2] + b"\xff\xd9", claim(raw, 2)):
            with pytest.raises(ValueError, match=r"\w"):
                read_film(io.BytesIO(spoilt), draft=(256, 256))
