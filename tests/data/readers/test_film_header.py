"""Of a header, only the allow-list and only its terms."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from dicom_forms import LOSSLESS, describe, write
from pydicom import uid

from hilum.data.readers.film_header import FilmHeader, read_film_header
from hilum.data.readers.identity import hide_patient

SALT = bytes(range(32))
PIXELS = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def header(form: str = "explicit", burned_in: bool = True, **attributes: Any) -> FilmHeader:
    return read_film_header(BytesIO(write(describe(PIXELS, 12, **attributes), form)), SALT, burned_in)


@pytest.mark.parametrize("form", LOSSLESS)
def test_what_is_allowed_is_read_from_every_form(form: str) -> None:
    described = describe(PIXELS, 12)
    expected = FilmHeader(True, hide_patient(SALT, " HOSPITAL-0001"), described.SOPInstanceUID, "PA", "41", "F", ())
    assert read_film_header(BytesIO(write(described, form)), SALT, True) == expected


def test_the_issuer_is_part_of_a_patient() -> None:
    assert header(IssuerOfPatientID="A").patient != header(IssuerOfPatientID="B").patient
    assert header(PatientID="").patient == ""
    assert header(PatientID=None).patient == ""


@pytest.mark.parametrize(
    ("age", "years"),
    [
        ("041Y", "41"),
        ("006M", "0.5"),
        ("002W", "0.04"),
        ("51", "51"),
        ("089Y", "89"),
        ("090Y", "90"),
        ("101Y", "90"),
        ("148", ""),
    ],
)
def test_ages_are_years_and_the_oldest_are_pooled(age: str, years: str) -> None:
    assert header(PatientAge=age).age == years


@pytest.mark.parametrize("key", ["ViewPosition", "PatientAge", "PatientSex"])
def test_a_name_in_a_coded_attribute_is_dropped_and_remarked(key: str) -> None:
    read = header(**{key: "ROENTGEN^A"})
    assert [problem for problem, _ in read.remarks] == ["text in a coded attribute"]
    assert key in read.remarks[0][1]
    assert "ROENTGEN" not in str(read)


@pytest.mark.parametrize(
    ("attributes", "remarks"),
    [
        ({"BurnedInAnnotation": "YES"}, ["burned-in text"]),
        ({"BurnedInAnnotation": None}, []),
        ({"BurnedInAnnotation": None, "SOPClassUID": uid.SecondaryCaptureImageStorage}, ["burned-in text"]),
        ({"BurnedInAnnotation": "NO", "SOPClassUID": uid.SecondaryCaptureImageStorage}, []),
        (
            {"BurnedInAnnotation": None, "SOPClassUID": uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage},
            ["burned-in text"],
        ),
        ({"Modality": "CT"}, ["odd modality"]),
        ({"PixelSpacing": [0.2, 0.2]}, []),
        ({"PixelSpacing": [0.2, 0.4]}, ["pixels not square"]),
        ({"ImagerPixelSpacing": [0.2, 0.4]}, ["pixels not square"]),
        ({"PixelAspectRatio": [4, 3]}, ["pixels not square"]),
    ],
)
def test_what_a_person_must_see_is_remarked(attributes: dict[str, Any], remarks: list[str]) -> None:
    assert [problem for problem, _ in header(**attributes).remarks] == remarks


def test_a_public_set_of_secondary_captures_is_not_remarked() -> None:
    capture = {"BurnedInAnnotation": None, "SOPClassUID": uid.SecondaryCaptureImageStorage}
    assert header(burned_in=False, **capture).remarks == ()
    assert header(burned_in=False, BurnedInAnnotation="YES").remarks != ()


def test_an_object_without_an_image_is_known() -> None:
    assert not header(Rows=None, Columns=None, PixelData=None).image


def test_nothing_else_of_a_header_is_in_memory() -> None:
    assert all(secret not in str(header()) for secret in ("Roentgen", "HOSPITAL", "1872", "Wuerzburg"))


@pytest.mark.parametrize("key", ["PixelSpacing", "ImagerPixelSpacing"])
def test_a_pixel_size_that_is_no_number_does_not_lose_the_patient(key: str) -> None:
    """Exports that write windows with decimal commas write sizes so too; without a patient films of one would be split."""
    raw = write(describe(PIXELS, 12, **{key: [0.143, 0.143]})).replace(b"0.143\\0.143", b"0,143\\0,143")
    read = read_film_header(BytesIO(raw), SALT, True)
    assert read.patient == hide_patient(SALT, " HOSPITAL-0001")
    assert read.remarks == (("odd pixel size", f"{key} holds no numbers; the film is prepared as stored"),)
