import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilum.data.decoding.images import prepare_film, read_film, read_mask
from hilum.data.decoding.limits import MAX_PIXELS
from hilum.data.prepared.geometry import fit_film, fit_square, resize_film, square_film


def encode(picture: Image.Image, kind: str = "PNG", **settings: object) -> io.BytesIO:
    stream = io.BytesIO()
    picture.save(stream, kind, **settings)
    stream.seek(0)
    return stream


def grey_picture(height: int = 30, width: int = 20) -> Image.Image:
    return Image.fromarray(np.add.outer(np.arange(height) * 4, np.arange(width) * 5).astype(np.uint8))


def test_grey_png_is_read_as_it_is() -> None:
    read = read_film(encode(grey_picture()))
    assert read.grey.dtype == np.uint8
    assert (read.width, read.height) == (20, 30)
    np.testing.assert_array_equal(read.grey, np.asarray(grey_picture()))


def test_colour_becomes_grey_by_luminance() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 200, 30]]], np.uint8)
    expected = [round(float(np.dot(c, (0.299, 0.587, 0.114)))) for c in colours[0].astype(float)]
    np.testing.assert_allclose(read_film(encode(Image.fromarray(colours))).grey[0], expected, atol=1)


def test_a_palette_is_read_through_its_colours() -> None:
    picture = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    picture.putpalette([200, 200, 200, 7, 7, 7])
    assert read_film(encode(picture)).grey.tolist() == [[200, 7]]


def test_transparent_pixels_lie_on_black() -> None:
    pixels = np.array([[[255, 255, 255, 0], [80, 80, 80, 255]]], np.uint8)
    assert read_film(encode(Image.fromarray(pixels))).grey.tolist() == [[0, 80]]
    grey_alpha = Image.fromarray(np.array([[[255, 0], [80, 255]]], np.uint8), "LA")
    assert read_film(encode(grey_alpha)).grey.tolist() == [[0, 80]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 128, 255], [0, 128, 255]),  # 8 bits in a container of 16
        ([0, 2048, 4095], [0, 128, 255]),  # 12 bits
        ([0, 2048, 3000], [0, 128, 187]),  # 12 bits, no pixel at the top: not stretched to white
        ([0, 32768, 65535], [0, 128, 255]),  # 16 bits
    ],
)
def test_sixteen_bits_are_scaled_by_the_smallest_depth_that_holds_them(values: list[int], expected: list[int]) -> None:
    picture = Image.fromarray(np.array([values], np.uint16))
    assert read_film(encode(picture)).grey.tolist() == [expected]


def test_one_bit_and_cmyk_films_are_read() -> None:
    assert read_film(encode(Image.fromarray(np.array([[True, False]])))).grey.tolist() == [[255, 0]]
    cmyk = read_film(encode(Image.new("CMYK", (8, 8), (0, 0, 0, 155)), "JPEG")).grey
    np.testing.assert_allclose(cmyk, 100, atol=2)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_exif_orientation_is_applied(kind: str) -> None:
    film = np.zeros((16, 32), np.uint8)
    film[:8, :8] = 255  # upper left of what is stored
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise for display
    read = read_film(encode(Image.fromarray(film), kind, exif=exif))
    assert (read.width, read.height) == (16, 32)
    assert read.grey.shape == (32, 16)
    assert read.grey[:8, 8:].min() > 200  # now upper right
    assert read.grey[:, :8].max() < 60


def test_a_path_and_a_stream_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "film.PNG"
    path.write_bytes(encode(grey_picture()).getvalue())
    np.testing.assert_array_equal(read_film(path).grey, read_film(encode(grey_picture())).grey)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_truncated_film_is_refused(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    whole = encode(noise, kind).getvalue()
    for draft in (None, (8, 8)):
        with pytest.raises(ValueError, match=r"truncated|broken|Truncated"):
            read_film(io.BytesIO(whole[: len(whole) // 2]), draft=draft)


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"", "empty file"), (b"no picture", "got text"), (encode(grey_picture(), "GIF").getvalue(), "got GIF; convert it")],
)
def test_what_holds_no_film_is_refused(raw: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_film(io.BytesIO(raw))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="missing"):
        read_film(tmp_path / "none.png")


def test_a_flipped_byte_in_a_png_is_refused() -> None:
    raw = bytearray(encode(grey_picture()).getvalue())
    raw[60] ^= 0xFF
    with pytest.raises(ValueError, match=r"."):
        read_film(io.BytesIO(bytes(raw)))


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ValueError, match="at most 500 pixels, got 20 x 30"):
        read_film(encode(grey_picture()), max_pixels=500)
    header_only = encode(Image.new("1", (8_001, 8_000))).getvalue()[:200]  # decoding these 200 bytes would say "truncated"
    with pytest.raises(ValueError, match=f"{MAX_PIXELS:,} pixels"):
        read_film(io.BytesIO(header_only))


def test_pad_keeps_the_film_and_adds_black_on_both_sides() -> None:
    squared = square_film(np.full((2, 4), 9, np.uint8), "pad")
    assert squared.tolist() == [[0] * 4, [9] * 4, [9] * 4, [0] * 4]


def test_stretch_leaves_squaring_to_the_resize() -> None:
    film = np.full((2, 4), 9, np.uint8)
    assert resize_film(square_film(film, "stretch"), 8).tolist() == [[9] * 8] * 8


@pytest.mark.parametrize("call", [lambda: square_film(np.zeros((2, 2), np.uint8), "crop"), lambda: fit_square(2, 2, 2, "crop")])
def test_another_square_is_refused(call: object) -> None:
    with pytest.raises(ValueError, match="pad, stretch, got 'crop'"):
        call()  # type: ignore[operator]


def test_resizing_is_anti_aliased() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (512, 256))  # a nearest-neighbour resize would give all 0 or all 255
    small = resize_film(stripes, 64)
    assert small.dtype == np.uint8
    assert np.abs(small[:, 2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("square", ["pad", "stretch"])
@pytest.mark.parametrize(("width", "height"), [(400, 300), (300, 500), (401, 256)])
def test_a_marked_corner_is_followed_both_ways(square: str, width: int, height: int) -> None:
    film = np.zeros((height, width), np.uint8)
    x, y, side = width - 60, 20, 40  # a white square near the upper right corner
    film[y : y + side, x : x + side] = 255
    prepared, geometry = prepare_film(encode(Image.fromarray(film)), 128, square)
    rows, columns = np.nonzero(prepared > 127)
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
    box = geometry.boxes_to_prepared(np.array([[x, y, side, side]]))[0]
    np.testing.assert_allclose(found, [box[0], box[1], box[0] + box[2], box[1] + box[3]], atol=0.75)
    corners = np.array([[x, y], [x + side, y + side]], float)
    np.testing.assert_allclose(geometry.to_raw(geometry.to_prepared(corners)), corners, atol=1e-9)
    back = geometry.map_to_raw((prepared / 255).astype(np.float32))
    assert back.shape == (height, width)
    rows, columns = np.nonzero(back > 0.5)
    half_pixel = 0.75 * max(1 / geometry.scale_x, 1 / geometry.scale_y)
    np.testing.assert_allclose([columns.min(), rows.min()], [x, y], atol=half_pixel)
    np.testing.assert_allclose([columns.max() + 1, rows.max() + 1], [x + side, y + side], atol=half_pixel)
    mask = geometry.mask_to_prepared(film > 0)
    np.testing.assert_array_equal(mask, prepared > 127)


def test_geometry_by_hand() -> None:
    pad = fit_square(400, 200, 100, "pad")
    assert (pad.scale_x, pad.scale_y, pad.offset_x, pad.offset_y) == (0.25, 0.25, 0.0, 25.0)
    stretch = fit_square(400, 200, 100, "stretch")
    assert (stretch.scale_x, stretch.scale_y, stretch.offset_x, stretch.offset_y) == (0.25, 0.5, 0.0, 0.0)
    np.testing.assert_allclose(pad.boxes_to_prepared(np.array([[0, 0, 400, 200]])), [[0, 25, 100, 50]])


@pytest.mark.parametrize("square", ["pad", "stretch"])
def test_a_mask_at_another_resolution_goes_where_the_film_goes(square: str) -> None:
    film = np.zeros((300, 400), np.uint8)
    film[:150, :200] = 255
    prepared, geometry = prepare_film(encode(Image.fromarray(film)), 96, square)
    small = np.zeros((64, 64), bool)
    small[:32, :32] = True
    mask = geometry.mask_to_prepared(read_mask(encode(Image.fromarray(small))))
    assert mask.shape == (96, 96)
    assert np.logical_xor(mask, prepared > 127).mean() < 0.01


def test_a_mask_of_ones_instead_of_255_counts() -> None:
    ones = np.zeros((10, 10), np.uint8)
    ones[:5] = 1
    mask = read_mask(encode(Image.fromarray(ones)))
    assert mask[:5].all()
    assert not mask[5:].any()


def test_the_draft_changes_little_on_real_films(shared: Path) -> None:
    paths = sorted((shared / "data" / "full-resolution").rglob("*.jpeg"))[::9]
    assert len(paths) == 10
    for path in paths:
        quick, geometry = prepare_film(path, 224, "pad")
        read = read_film(path)
        assert (geometry.width, geometry.height) == (read.width, read.height) == read.grey.shape[::-1]
        slow = resize_film(square_film(read.grey, "pad"), 224)
        assert np.abs(quick.astype(int) - slow).mean() <= 2.0


def test_the_draft_of_a_colour_jpeg_is_its_luminance() -> None:
    rng = np.random.default_rng(3)
    smooth = np.asarray(Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize((512, 384), Image.Resampling.BICUBIC))
    for settings in ({}, {"keep_rgb": True}):
        raw = encode(Image.fromarray(smooth), "JPEG", quality=95, **settings).getvalue()
        quick = prepare_film(io.BytesIO(raw), 64, "stretch")[0].astype(int)
        slow = resize_film(read_film(io.BytesIO(raw)).grey, 64)
        assert np.abs(quick - slow).mean() < 1.0


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(300, 401), (401, 300), (128, 128), (40, 90), (90, 40), (100, 128), (3, 500)])
def test_a_film_is_fitted_as_if_it_were_squared_and_then_resized(shape: tuple[int, int], kind: type) -> None:
    film = np.random.default_rng(0).uniform(0, 255, shape).astype(kind)
    for square in ("pad", "stretch"):
        whole = resize_film(square_film(film, square), 128)
        np.testing.assert_array_equal(fit_film(film, 128, square), np.rint(whole).astype(np.uint8))
