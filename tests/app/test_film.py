"""Films opened from bytes: under the limits, with the allow-list of a DICOM header, and as `predict` prepares them."""

from io import BytesIO
from zipfile import ZipFile

import numpy as np
import pytest
from dicom_forms import NAME, PATIENT, deflate, describe, write, write_code
from PIL import Image
from pydicom import uid

from hilum.app.film import LONGEST_NAME, open_film, prepare, shorten_name
from hilum.data.decoding.limits import MAX_FILE_BYTES
from hilum.serving.predictions import prepare_film

GREY = np.random.default_rng(3).integers(0, 256, (60, 40), dtype=np.uint8)
DESCRIBED = {"size": 32, "square": "pad", "classes": ["normal", "ill"], "threshold": 0.5}


def encoded(kind: str) -> bytes:
    stream = BytesIO()
    Image.fromarray(GREY).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_a_film_has_its_own_grey_levels_and_size(kind: str) -> None:
    film = open_film(encoded(kind), "a.png")
    assert film.kind == kind and (film.width, film.height) == (40, 60)
    assert np.array_equal(film.grey, GREY) and not film.remarks and not film.header


def rotated() -> bytes:
    """A progressive JPEG that lies on its side and says so."""
    stream, told = BytesIO(), Image.Exif()
    told[0x0112] = 6  # orientation: turn clockwise
    smooth = Image.fromarray(GREY).resize((400, 600), Image.Resampling.BICUBIC)
    smooth.transpose(Image.Transpose.ROTATE_90).save(stream, "JPEG", progressive=True, quality=95, exif=told.tobytes())
    return stream.getvalue()


def converted(mode: str, kind: str) -> bytes:
    stream = BytesIO()
    Image.fromarray(GREY).resize((400, 600), Image.Resampling.BICUBIC).convert(mode).save(stream, kind, quality=95)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content", [rotated(), converted("CMYK", "JPEG"), converted("P", "PNG"), converted("RGBA", "PNG"), converted("L", "WEBP")]
)
def test_a_film_of_an_unusual_form_is_the_same_film(content: bytes) -> None:
    expected = np.asarray(Image.fromarray(GREY).resize((400, 600), Image.Resampling.BICUBIC), float)
    film = open_film(content, "a")
    assert (film.width, film.height) == (400, 600)
    assert np.corrcoef(film.grey.ravel(), expected.ravel())[0, 1] > 0.97 and abs(film.grey.mean() - expected.mean()) < 3


def archive() -> bytes:
    stream = BytesIO()
    with ZipFile(stream, "w") as files:
        files.writestr("a.png", encoded("PNG"))
    return stream.getvalue()


def frames() -> bytes:
    film = describe(GREY)
    film.NumberOfFrames, film.PixelData = 2, film.PixelData * 2
    return write(film)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "got an empty file"),
        (b"a text\n" * 99, "got text; convert it"),
        (archive(), "got zip archive or Office document; convert it"),
        (encoded("GIF"), "got GIF; convert it"),
        (frames(), "one frame, got 2; export one frame per file"),
        (write_code(describe(GREY), uid.MPEG2MPML, bytes(99)), "MPEG2 Main Profile / Main Level is not read; convert it to"),
        (write(describe(GREY))[:-500], "damaged|pixels"),
    ],
    ids=["empty", "text", "zip", "GIF", "frames", "MPEG", "cut"],
)
def test_a_file_that_holds_no_film_gets_one_sentence(content: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says) as fault:
        open_film(content, "film.png")
    assert "\n" not in str(fault.value) and len(str(fault.value)) < 250


def test_it_is_prepared_as_predict_does() -> None:
    content = encoded("PNG")
    ready, same = prepare(open_film(content, "a.png"), DESCRIBED), prepare_film(BytesIO(content), DESCRIBED)
    assert np.array_equal(ready.film, same.film) and ready.geometry == same.geometry


def test_of_a_dicom_only_allowed_attributes_are_kept() -> None:
    film = open_film(write(describe(GREY, PatientAge="095Y", BurnedInAnnotation="YES")), "a.dcm")
    assert film.header == (("view", "PA"), ("age", "90 years"), ("sex", "F"))
    assert any("burned into the film" in remark for remark in film.remarks)
    told = repr((film.header, film.remarks))
    assert NAME not in told and PATIENT not in told and "1872" not in told


def test_files_beyond_the_limits_are_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="may inflate to 1,048,576 bytes"):
        open_film(deflate(describe(np.zeros((100, 100), np.uint16)), bytes(2**20), 1100), "bomb.dcm")
    flat = BytesIO()
    Image.fromarray(np.zeros((7000, 7000), np.uint8)).save(flat, "PNG")  # 49 MB in 50 kB: decoded in a process with limits
    with pytest.raises(ValueError, match="112 MiB"):
        open_film(flat.getvalue(), "flat.png")
    flat = BytesIO()
    Image.fromarray(np.zeros((8100, 8000), np.uint8)).save(flat, "PNG")
    with pytest.raises(ValueError, match="at most 64,000,000 pixels"):
        open_film(flat.getvalue(), "flat.png")
    monkeypatch.setattr("hilum.data.decoding.limits.MAX_FILE_BYTES", 1000)
    with pytest.raises(ValueError, match="at most 1,000 bytes"):
        open_film(bytes(1001), "large")
    assert MAX_FILE_BYTES > 1000


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a.png", "a.png"), ("C:\\films\\b.dcm", "b.dcm"), ("../../etc/passwd", "passwd"), ("", "film"), ("a\nb.png", "a\\nb.png")],
)
def test_a_name_is_shown_without_folders_and_control_characters(name: str, shown: str) -> None:
    assert shorten_name(name) == shown


def test_a_long_name_keeps_both_ends() -> None:
    shown = shorten_name("a" * 300 + "z.png")
    assert len(shown) <= LONGEST_NAME and shown.startswith("aaa") and shown.endswith("z.png") and "..." in shown
