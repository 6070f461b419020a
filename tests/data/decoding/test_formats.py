"""Every kind of file that holds a film gives the same film, and says so if it holds none."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilum.data.decoding.images import read_film
from hilum.data.decoding.kinds import DRAWN, name_kind
from hilum.pictures import encode_png, save_png

FILM = np.add.outer(np.arange(30) * 4, np.arange(20) * 5).astype(np.uint8)


def save(kind: str, picture: Image.Image | None = None, **settings: object) -> bytes:
    stream = io.BytesIO()
    (picture or Image.fromarray(FILM)).save(stream, kind, **settings)
    return stream.getvalue()


def forms() -> dict[str, bytes]:
    colour = Image.fromarray(FILM).convert("RGB")
    return {
        "TIFF": save("TIFF"),
        "TIFF, LZW": save("TIFF", compression="tiff_lzw"),
        "TIFF, Deflate": save("TIFF", compression="tiff_adobe_deflate"),
        "TIFF, PackBits": save("TIFF", compression="packbits"),
        "TIFF, colour": save("TIFF", colour),
        "TIFF, 0 is white": save("TIFF", tiffinfo={262: 0}),
        "BMP": save("BMP"),
        "BMP, colour": save("BMP", colour),
        "PGM": save("PPM"),
        "PPM": save("PPM", colour),
        "WebP": save("WEBP", lossless=True),
        "PNG": save("PNG"),
    }


@pytest.mark.parametrize("form", forms())
def test_every_form_gives_the_film(form: str) -> None:
    read = read_film(io.BytesIO(forms()[form]))
    assert read.grey.dtype == np.uint8
    assert (read.width, read.height, read.bits) == (20, 30, 0)
    np.testing.assert_array_equal(read.grey, FILM)


@pytest.mark.parametrize("form", [form for form in forms() if form != "PNG"])
def test_every_form_that_was_cut_is_refused(form: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    kind, settings = form.split(",")[0].replace("PGM", "PPM").replace("WebP", "WEBP"), {}
    if "," in form and kind == "TIFF":
        settings = {"compression": {"LZW": "tiff_lzw", "Deflate": "tiff_adobe_deflate", "PackBits": "packbits"}.get(form[6:])}
    whole = save(kind, noise.convert("RGB") if "colour" in form or form == "PPM" else noise, **settings)
    with pytest.raises(ValueError, match=r"\w"):
        read_film(io.BytesIO(whole[: len(whole) // 2]))


def test_a_bitmap_of_one_bit_is_black_where_it_is_set() -> None:
    assert read_film(io.BytesIO(b"P4\n3 2\n\x40\xa0")).grey.tolist() == [[255, 0, 255], [0, 255, 0]]
    assert read_film(io.BytesIO(b"P5 2 1 4\n\x00\x02")).grey.tolist() == [[0, 128]]


def test_a_turned_tiff_is_upright() -> None:
    raw = save("TIFF", tiffinfo={274: 6})
    read = read_film(io.BytesIO(raw))
    assert (read.width, read.height) == (30, 20)
    np.testing.assert_array_equal(read.grey, np.rot90(FILM, -1))


def refused() -> dict[str, tuple[bytes, str]]:
    page = Image.fromarray(FILM)
    return {
        "pages": (save("TIFF", save_all=True, append_images=[page]), "one page, got a TIFF of several"),
        "JPEG in TIFF": (save("TIFF", compression="jpeg"), "compression of a TIFF film must be one of .*, got number 7"),
        "real numbers": (save("TIFF", Image.fromarray(FILM.astype(np.float32))), "of 32 bits signed or real"),
        "32 bits": (save("TIFF", Image.fromarray(FILM.astype(np.int32))), "got 1 of 32 bits"),
        "BigTIFF": (save("TIFF", big_tiff=True), "classic form"),
        "letters": (b"P2\n2 1\n255\n0 128\n", "as text; convert it"),
        "animation": (save("WEBP", save_all=True, append_images=[Image.fromarray(255 - FILM)]), "animated"),
        "animated PNG": (save("PNG", save_all=True, append_images=[Image.fromarray(255 - FILM)]), "animated PNG"),
        "GIF": (save("GIF"), "got GIF; convert it"),
        "LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "pointer of Git LFS"),
    }


@pytest.mark.parametrize("form", refused())
def test_what_is_not_read_is_refused_with_the_reason(form: str) -> None:
    raw, told = refused()[form]
    with pytest.raises(ValueError, match=told):
        read_film(io.BytesIO(raw))


def test_a_picture_that_hilum_drew_is_no_film(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = encode_png(Figure(figsize=(1, 1)))
    save_png(Image.fromarray(FILM), tmp_path / "sheet.png")
    assert name_kind(drawn) == name_kind((tmp_path / "sheet.png").read_bytes()) == DRAWN
    with pytest.raises(ValueError, match="drawn by hilum"):
        read_film(io.BytesIO(drawn))
    assert name_kind(save("PNG")) == "PNG"


def test_a_kind_is_known_by_content_alone() -> None:
    for form, raw in forms().items():
        assert name_kind(raw) == form.split(",")[0].replace("PPM", "PGM"), form
    assert name_kind(b"") == "empty file"
    assert name_kind(b"file,label\na.png,ill\n") == "text"
    assert name_kind(b"BMW and other cars") == "text"
    assert name_kind(bytes(600)) == "file of an unknown kind"
    assert name_kind(save("JPEG2000")) == "JPEG 2000"
