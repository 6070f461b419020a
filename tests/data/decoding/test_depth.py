"""Films of 16 bits: in every colour type, and never rescaled by a bright pixel or a letter."""

import io

import cv2
import numpy as np
import pytest
from sixteen_bits import pgm16, png16, ramp, tiff16

from hilum.data.decoding.depth import find_bits, scale_levels, settle_bits, tell_outside
from hilum.data.decoding.images import read_film

OPAQUE = np.full((64, 64, 1), 65535, np.uint16)
EXPECTED = np.rint(ramp(12)[..., 0] * (255 / 4095)).astype(np.uint8)


def forms() -> dict[str, bytes]:
    grey = ramp(12)
    colour = np.repeat(grey, 3, axis=2)
    return {
        "grey": png16(grey),
        "R = G = B": png16(colour),
        "grey and alpha": png16(np.concatenate([grey, OPAQUE], axis=2)),
        "RGBA": png16(np.concatenate([colour, OPAQUE], axis=2)),
        "TIFF": tiff16(grey[..., 0]),
        "TIFF, LZW": tiff16(grey[..., 0], compression="tiff_lzw"),
        "TIFF, 0 is white": tiff16(4095 - grey[..., 0], photometric=0),
        "TIFF, RGB": cv2.imencode(".tif", colour)[1].tobytes(),
        "PGM": pgm16(grey[..., 0]),
        "PGM that tells its depth": pgm16(grey[..., 0], top=4095),
    }


@pytest.mark.parametrize("form", forms())
def test_the_same_values_give_the_same_film_in_every_form(form: str) -> None:
    read = read_film(io.BytesIO(forms()[form]))
    np.testing.assert_array_equal(read.grey, EXPECTED)
    assert read.bits == (0 if "tells" in form else 12)


def test_colours_of_sixteen_bits_become_grey_by_luminance_on_black() -> None:
    colours = np.array([[[65535, 0, 0, 65535], [0, 65535, 0, 65535], [0, 0, 65535, 32768], [65535, 65535, 65535, 0]]], np.uint16)
    assert read_film(io.BytesIO(png16(colours)), bits=(16,)).grey.tolist() == [[76, 150, 15, 0]]


def test_an_orientation_is_applied_to_colours_of_sixteen_bits() -> None:
    film = np.zeros((16, 32, 3), np.uint16)
    film[:8, :8] = 65535
    turned = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    read = read_film(io.BytesIO(png16(film, [(b"eXIf", turned)])))
    assert (read.width, read.height, read.grey.shape) == (16, 32, (32, 16))
    assert read.grey[:8, 8:].min() == 255 and read.grey[:, :8].max() == 0


@pytest.mark.parametrize("spoil", ["cut", "a flipped byte", "a larger claim"])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_spoilt_film_of_sixteen_bits_is_refused(spoil: str, samples: int) -> None:
    raw = bytearray(png16(np.random.default_rng(0).integers(0, 65536, (64, 64, samples)).astype(np.uint16)))
    if spoil == "cut":
        raw = raw[: len(raw) // 2]
    elif spoil == "a flipped byte":
        raw[len(raw) // 2] ^= 0xFF
    else:
        raw = raw.replace(b"\0\0\0\x40\0\0\0\x40", b"\0\0\0\x80\0\0\0\x80")
    with pytest.raises(ValueError, match=r"\w"):
        read_film(io.BytesIO(bytes(raw)))


@pytest.mark.parametrize("letter", [1, 6])
def test_a_bright_pixel_or_a_letter_rescales_no_film(letter: int) -> None:
    film = ramp(10)
    marked = film.copy()
    marked[:letter, :letter] = 1024 if letter == 1 else 65535
    before, after = (read_film(io.BytesIO(png16(planes))).grey for planes in (film, marked))
    assert (after[:letter, :letter] == 255).all()
    np.testing.assert_array_equal(after[letter:], before[letter:])


def test_a_depth_that_was_settled_is_used_whatever_the_film_holds() -> None:
    dark = ramp(8)
    assert read_film(io.BytesIO(png16(dark)), bits=(12,)).grey.max() == 16
    bright = read_film(io.BytesIO(png16(ramp(14))), bits=(12,))
    assert bright.bits == 14
    assert (bright.grey == 255).mean() == pytest.approx(0.75, abs=0.01)


def test_the_depth_of_a_source_is_that_of_nearly_all_its_films() -> None:
    assert settle_bits([12] * 19 + [16]) == 12  # one stray in twenty
    assert settle_bits([12] * 18 + [14, 14]) == 14
    assert settle_bits([10, 12, 10]) == 12  # underexposed films are no strays
    with pytest.raises(ValueError, match="got none"):
        settle_bits([])


def test_among_several_depths_a_film_takes_the_smallest_that_holds_it() -> None:
    assert find_bits(ramp(12)[..., 0], (16, 12)) == 12
    assert find_bits(ramp(14)[..., 0], (16, 12)) == 16
    assert find_bits(ramp(16)[..., 0], (10, 12)) == 12


def test_a_film_outside_the_settled_depth_is_reported() -> None:
    assert "above the 12 bits" in tell_outside(14, (12,))
    assert "uses 8 bits where the other films use 12" in tell_outside(8, (12,))
    assert tell_outside(10, (12,)) == tell_outside(12, (10, 12)) == ""


def test_levels_are_rounded_once() -> None:
    assert scale_levels(np.array([[0, 2048, 4095, 4096, 65535]], np.uint16), 12).tolist() == [[0, 128, 255, 255, 255]]
