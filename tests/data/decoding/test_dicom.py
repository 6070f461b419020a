"""One DICOM film to grey levels: every form gives the same picture, and the header is applied."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_forms import LOSSLESS, LOSSY, LOSSY_8_BIT, describe, film_pixels, jpeg_bytes, write, write_code
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from hilum.data.decoding.images import prepare_film, read_film
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.prepared.geometry import resize_film, square_film

DEPTHS = {"8 bits": (8, False), "12 bits": (12, False), "12 bits signed": (12, True), "16 bits": (16, False)}


def draw_film() -> NDArray[np.uint8]:
    rng = np.random.default_rng(4)
    someone = draw_population(rng, films=1, findings={"normal": 1.0}, shortcut_finding="normal", shortcut_strength=0.0)
    return draw_films(someone, size=320, shortcut_kind="none").films[0, 10:]


@pytest.fixture(scope="module", params=["drawn", "full-resolution", "covid-chestxray"])
def film(request: pytest.FixtureRequest) -> NDArray[np.uint8]:
    """A drawn film, and real ones where there are any: a child's at half its size, an adult's as it is."""
    if request.param == "drawn":
        return draw_film()
    folder = request.getfixturevalue("shared") / "data" / request.param
    path = sorted(path for path in folder.rglob("*") if path.suffix in (".jpeg", ".jpg", ".png"))[7]
    with Image.open(path) as picture:
        grey = picture.convert("L")
        return np.asarray(grey.resize((min(grey.width, 501), min(grey.height, 400))))


def deepen(film: NDArray[np.uint8], bits: int, signed: bool) -> NDArray[Any]:
    """A film of 8 bits with finer steps below its own, about the middle if signed."""
    if bits == 8:
        return film
    step = 2 ** (bits - 8)
    fine = film.astype(np.int64) * step + np.random.default_rng(0).integers(0, step, film.shape)
    return (fine - 2 ** (bits - 1)).astype(np.int16) if signed else fine.astype(np.uint16)


def read(raw: bytes) -> NDArray[np.int64]:
    return read_film(BytesIO(raw)).grey.astype(np.int64)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("form", LOSSLESS[1:])
def test_every_lossless_form_gives_the_same_picture(film: NDArray[np.uint8], depth: str, form: str) -> None:
    pixels = deepen(film, *DEPTHS[depth])
    plain = read(write(describe(pixels, DEPTHS[depth][0])))
    assert plain.std() > 30
    coded = read(write(describe(pixels, DEPTHS[depth][0]), form))
    assert np.abs(coded - plain).max() <= 1


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("form", LOSSY)
def test_a_lossy_form_differs_by_less_than_two_grey_levels(film: NDArray[np.uint8], depth: str, form: str) -> None:
    pixels = deepen(film, *DEPTHS[depth]).clip(-2000, None)  # near-lossless coding may carry the lowest value over to the highest
    coded, plain = (read(write(describe(pixels, DEPTHS[depth][0]), kind)) for kind in (form, "explicit"))
    assert 0 < np.abs(coded - plain).mean() < 2


@pytest.mark.parametrize("form", LOSSY_8_BIT)
def test_wrapped_jpegs_differ_by_less_than_two_grey_levels(film: NDArray[np.uint8], form: str) -> None:
    assert 0 < np.abs(read(write(describe(film), form)) - read(write(describe(film)))).mean() < 2


def test_a_jpeg_in_a_dicom_is_the_jpeg(film: NDArray[np.uint8]) -> None:
    described = describe(film, WindowCenter=128, WindowWidth=256)
    bare = read_film(BytesIO(jpeg_bytes(described))).grey
    assert np.abs(read(write(described, "JPEG baseline")) - bare).max() <= 1


def test_the_window_is_kept_until_the_film_has_its_size(film: NDArray[np.uint8]) -> None:
    pixels = deepen(film, 16, False)
    low, high = 20_000.0, 30_000.0
    raw = write(describe(pixels, WindowCenter=(low + high) / 2, WindowWidth=high - low, VOILUTFunction="LINEAR_EXACT"))
    exact = ((pixels.astype(np.float64) - low) / (high - low)).clip(0, 1) * 255
    square = np.pad(
        exact, [((max(exact.shape) - n) // 2, max(exact.shape) - n - (max(exact.shape) - n) // 2) for n in exact.shape]
    )
    wanted = np.asarray(Image.fromarray(square.astype(np.float32)).resize((224, 224), Image.Resampling.BILINEAR))
    prepared, geometry = prepare_film(BytesIO(raw), 224, "pad")
    assert np.abs(prepared - wanted).max() <= 0.51  # rounded once
    early = resize_film(square_film(read_film(BytesIO(raw)).grey, "pad"), 224)
    assert np.abs(early - wanted).max() > 0.51  # rounded before: more
    assert (geometry.width, geometry.height) == film.shape[::-1]


RAMP = np.tile(np.arange(4096, dtype=np.uint16), (8, 1))


def ramp(bits: int = 12, **attributes: Any) -> NDArray[np.int64]:
    return read(write(describe(RAMP, bits, **attributes)))[0]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(2048.0, 4096.0), (1000.0, 400.0), (40.0, 1.5), (-500.0, 300.0)])
def test_windows_are_those_of_pydicom(function: str, centre: float, width: float) -> None:
    described = describe(
        RAMP, 12, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function, RescaleSlope=1, RescaleIntercept=-1024
    )
    theirs = apply_voi_lut(apply_modality_lut(RAMP, described), described)[0]
    span = (0 - 1024, 4095 - 1024)
    expected = np.rint((theirs - span[0]) / (span[1] - span[0]) * 255)
    assert np.abs(read(write(described))[0] - expected).max() <= 1


def test_a_window_by_hand() -> None:
    grey = ramp(WindowCenter=1000.5, WindowWidth=511)
    assert grey[:746].max() == 0
    assert grey[1255:].min() == 255
    assert grey[1000] == 128  # the middle: (1000 - 1000) / 510 + 0.5
    assert ramp(WindowCenter=100.5, WindowWidth=1).tolist() == [0] * 101 + [255] * 3995


def test_the_first_of_several_windows_is_taken() -> None:
    one = ramp(WindowCenter=1000, WindowWidth=500)
    assert np.array_equal(ramp(WindowCenter=[1000, 3000], WindowWidth=[500, 90]), one)


def test_slope_and_intercept_come_before_the_window() -> None:
    shifted = ramp(
        WindowCenter=2 * 1000 - 7, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT", RescaleSlope=2, RescaleIntercept=-7
    )
    assert np.array_equal(shifted, ramp(WindowCenter=1000, WindowWidth=500, VOILUTFunction="LINEAR_EXACT"))


def table(first: int, entries: list[int], bits: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(entries), first, bits], entries
    item["LUTDescriptor"].VR = "US"
    item["LUTData"].VR = "US"
    return item


@pytest.mark.parametrize("form", ["implicit", "explicit", "big endian", "deflated"])
def test_look_up_tables_of_modality_and_interest(form: str) -> None:
    modality = table(100, [0, 10, 20, 30], 16)
    interest = table(10, [5, 100, 255], 8)
    described = describe(RAMP[:, 98:108], 12, ModalityLUTSequence=[modality], VOILUTSequence=[interest])
    described.WindowCenter, described.WindowWidth = 5, 2  # the table goes first
    interest.LUTDescriptor = [3, 10, 8]
    grey = read(write(described, form))[0]
    # 98..107 -> 0 0 0 10 20 30 30 30 30 30 -> before, first, first, behind the last
    assert grey.tolist() == [5, 5, 5, 5, 255, 255, 255, 255, 255, 255]


def test_a_table_of_bytes(film: NDArray[np.uint8]) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", bytes(range(255, -1, -1)))
    assert np.array_equal(read(write(describe(film, VOILUTSequence=[item]))), 255 - film.astype(int))


def test_monochrome1_is_inverted(film: NDArray[np.uint8]) -> None:
    for window in ({"WindowCenter": 128, "WindowWidth": 256}, {}):
        dark, bright = (
            read(write(describe(film, PhotometricInterpretation=kind, **window))) for kind in ("MONOCHROME1", "MONOCHROME2")
        )
        assert np.abs(dark - (255 - bright)).max() <= 1


def test_a_film_without_a_window_lies_between_its_percentiles() -> None:
    values = np.arange(1000, dtype=np.uint16).reshape(20, 50)
    grey = read(write(describe(values, 12))).ravel()
    low, high = 4, 994  # the first values with 0.5 and 99.5 % of the pixels at or below them
    assert grey[low] == 0
    assert grey[low + 3] == 1
    assert grey[high - 3] == 254
    assert grey[high] == 255
    assert np.array_equal(grey, np.rint(((np.arange(1000) - low) / (high - low)).clip(0, 1) * 255))


def test_padding_does_not_count_in_the_percentiles(film: NDArray[np.uint8]) -> None:
    pixels = deepen(film, 12, True).clip(-1000, 1000)
    padded = np.pad(pixels, ((0, 0), (0, 200)), constant_values=-2048)
    described = describe(padded, 12)
    described.add_new("PixelPaddingValue", "SS", -2048)
    assert np.array_equal(read(write(described))[:, :-200], read(write(describe(pixels, 12))))
    assert not np.array_equal(read(write(describe(padded, 12)))[:, :-200], read(write(describe(pixels, 12))))


def test_a_film_of_one_level_is_black() -> None:
    assert read(write(describe(np.full((9, 9), 700, np.uint16), 12))).max() == 0


def test_an_overlay_in_unused_bits_is_dropped() -> None:
    with_overlay = RAMP | np.where(np.arange(4096) % 2, 0x8000, 0).astype(np.uint16)
    assert np.array_equal(
        read(write(describe(with_overlay, 12, WindowCenter=2048, WindowWidth=4096)))[0],
        ramp(WindowCenter=2048, WindowWidth=4096),
    )


def test_high_bits_are_moved_down() -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    assert np.array_equal(read(write(describe(RAMP << 4, 12, HighBit=15, **window)))[0], ramp(**window))


COLOURS = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)


@pytest.mark.parametrize("form", ["explicit", "RLE", "JPEG-LS", "big endian", "JPEG 2000 lossless"])
def test_colour_becomes_grey_by_luminance(form: str) -> None:
    colours = np.repeat(np.repeat(COLOURS, 8, 0), 8, 1)
    expected = colours @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read(write(describe(colours), form)) - expected).max() <= 1


def test_colour_planes_and_colour_jpegs(film: NDArray[np.uint8]) -> None:
    colours = np.stack([film, 255 - film, film // 2], -1)
    expected = colours @ np.array([0.299, 0.587, 0.114])
    planes = describe(colours, PlanarConfiguration=1)
    planes.PixelData = colours.transpose(2, 0, 1).tobytes()
    assert np.abs(read(write(planes)) - expected).max() <= 1
    jpeg = read(write(describe(colours, PhotometricInterpretation="YBR_FULL_422"), "JPEG baseline"))
    assert np.abs(jpeg - expected).mean() < 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"NumberOfFrames": 3}, "must have one frame, got 3"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "must be grey"),
        ({"BitsStored": 7, "HighBit": 6}, "8 to 16 bits"),
        ({"Rows": 60_000, "Columns": 60_000}, "at most 64,000,000 pixels, got 60000 x 60000"),
        ({"Rows": 0}, "must have pixels"),
        ({"Rows": 100}, "must have 819,200 bytes by its header, got 65,536"),
        ({"Columns": None}, "must have Columns, got none"),
        ({"PixelData": None}, "must have pixels, got a file without them"),
        ({"Rows": 4}, "must have 32,768 bytes by its header, got 65,536, enough for 2 films; export one per file"),
    ],
)
def test_what_is_no_film_is_refused_with_the_rule(change: dict[str, Any], told: str) -> None:
    described = describe(RAMP, 12)
    for key, value in change.items():
        delattr(described, key) if value is None else setattr(described, key, value)
    raw = write(described)
    with pytest.raises(ValueError, match=told):
        read_film(BytesIO(raw))


@pytest.mark.parametrize("form", ["explicit", "deflated", "RLE", "JPEG-LS", "JPEG 2000 lossless", "JPEG lossless, SV1"])
def test_a_truncated_film_is_refused(film: NDArray[np.uint8], form: str) -> None:
    raw = write(describe(film), form)
    for share in (0.6, 0.02):
        with pytest.raises(ValueError, match=r"."):
            read_film(BytesIO(raw[: int(len(raw) * share)]))


def test_twelve_bit_jpeg_is_refused_clearly(film: NDArray[np.uint8]) -> None:
    code = bytearray(jpeg_bytes(describe(film)))
    place = code.index(b"\xff\xc0")
    code[place + 1], code[place + 4] = 0xC1, 12  # an extended sequential frame of 12 bits
    raw = write_code(describe(deepen(film, 12, False), 12), uid.JPEGExtended12Bit, bytes(code))
    with pytest.raises(ValueError, match="JPEG Extended of 12 bits has no decoder here; convert"):
        read_film(BytesIO(raw))


def test_another_transfer_syntax_is_refused_by_name(film: NDArray[np.uint8]) -> None:
    raw = write_code(describe(film), uid.MPEG2MPML, b"\x00\x00\x01\xba")
    with pytest.raises(ValueError, match=r"MPEG2 .* is not read; convert it"):
        read_film(BytesIO(raw))


def test_a_file_is_identified_by_content(film: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(write(describe(film)))
    assert read_film(path).grey.shape == film.shape


def test_an_error_quotes_no_value_of_the_header() -> None:
    described = describe(RAMP, 12)
    raw = write(described).replace(b"US\x02\x00" + (4096).to_bytes(2, "little"), b"US\x02\x00\x01\x00")
    broken = raw.replace(b"MONOCHROME2 ", b"Roentgen^An ")
    for content in (raw, broken, raw[:400]):
        with pytest.raises(ValueError, match=r".") as told:
            read_film(BytesIO(content))
        assert "Roentgen" not in str(told.value)


def test_what_the_test_writes_is_what_pydicom_reads(film: NDArray[np.uint8]) -> None:
    described = describe(film)
    assert np.array_equal(film_pixels(described), pydicom.dcmread(BytesIO(write(described))).pixel_array)
