"""The allow-list of what hilum reads from a DICOM header, each value checked against its legal terms.

Everything else in a header (names, dates, places, accession numbers, comments) is never read into memory.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataset import Dataset

from hilum.data.decoding.dicom_header import read_header, read_numbers, read_text
from hilum.data.readers.dicom_patients import name_placeholder
from hilum.data.readers.identity import hide_patient

ALLOWED = (  # may enter a table, unchanged or as a remark
    *("SOPClassUID", "Modality", "ViewPosition", "PatientSex", "PatientAge", "BurnedInAnnotation", "Rows", "Columns"),
    *("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"),
)
HASHED = ("PatientID", "IssuerOfPatientID")  # leave this module only as a salted hash
MATCHED = ("SOPInstanceUID",)  # finds the film's row in a table of labels, and is not stored
VIEWS = ("AP", "PA", "LL", "RL", "LLD", "RLD", "LLO", "RLO", "LATERAL", "LAT")
MODALITIES = ("CR", "DX", "RG", "RF", "XA", "PX", "OT", "SC", "")  # projections, and unspecified
OLDEST = 89  # years; older patients are few enough to be identified, and are written as one year more
SQUARENESS = 0.01  # share by which the sides of a pixel may differ

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_AGE = re.compile(r"(\d{1,3})([DWMY]?)")
_UNITS = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}


@dataclass(frozen=True)
class FilmHeader:
    """The header of a film; empty where a value is missing or unreadable.

    image: it has rows and columns. patient: salted hash. uid: SOP Instance UID, for matching only. view: a term of VIEWS.
    age: years. sex: F or M. remarks: (problem, detail) for the user; they quote allowed terms only. placeholder: the word
    in place of the patient's identifier, see `name_placeholder`.
    """

    image: bool = False
    patient: str = ""
    uid: str = ""
    view: str = ""
    age: str = ""
    sex: str = ""
    remarks: tuple[tuple[str, str], ...] = ()
    placeholder: str = ""


def read_film_header(stream: BinaryIO, salt: bytes, burned_in: bool) -> FilmHeader:
    """Read the allow-list of a DICOM file.

    burned_in: remark on secondary captures that do not say whether text is burned in.

    Raises:
        ValueError: the header cannot be read.
    """
    header, _ = read_header(stream, (*ALLOWED, *HASHED, *MATCHED))
    identifier = read_text(header, "PatientID")
    issuer = read_text(header, "IssuerOfPatientID")
    view, age, sex = (read_text(header, key).upper() for key in ("ViewPosition", "PatientAge", "PatientSex"))
    strange = [
        name
        for name, there, known in (
            ("ViewPosition", view, view in VIEWS),
            ("PatientAge", age, _AGE.fullmatch(age)),
            ("PatientSex", sex, sex in ("F", "M", "O")),
        )
        if there and not known
    ]
    remarks = [*_remark_text(header, strange, burned_in), *_remark_pixels(header)]
    return FilmHeader(
        image=bool(read_numbers(header, "Rows") and read_numbers(header, "Columns")),
        patient=hide_patient(salt, f"{issuer} {identifier}" if identifier else ""),
        uid=read_text(header, "SOPInstanceUID"),
        view=view if view in VIEWS else "",
        age=_to_years(age),
        sex=sex if sex in ("F", "M") else "",
        remarks=tuple(remarks),
        placeholder=name_placeholder(identifier),
    )


def _remark_text(header: Dataset, strange: list[str], burned_in: bool) -> list[tuple[str, str]]:
    remarks = []
    if strange:
        remarks.append(
            ("text in a coded attribute", f"{', '.join(strange)} holds no term of DICOM; check whether it contains a name")
        )
    said = read_text(header, "BurnedInAnnotation").upper()
    if said == "YES":
        remarks.append(("burned-in text", "the header says that text which may name the patient is burned into the film"))
    elif said != "NO" and burned_in and read_text(header, "SOPClassUID").startswith(_SECONDARY_CAPTURE):
        remarks.append(("burned-in text", "a secondary capture whose header does not say whether text is burned in"))
    return remarks


def _remark_pixels(header: Dataset) -> list[tuple[str, str]]:
    remarks = []
    modality = read_text(header, "Modality").upper()
    if modality not in MODALITIES:
        term = modality if re.fullmatch("[A-Z]{2}", modality) else "no term of DICOM"
        remarks.append(("odd modality", f"the header says {term}, which is no projection radiograph"))
    for key in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        try:
            sides = read_numbers(header, key)
        except ValueError:  # must not lose the patient's data in the header
            remarks.append(("odd pixel size", f"{key} holds no numbers; the film is prepared as stored"))
            continue
        if len(sides) == 2 and min(sides) > 0:
            if abs(sides[0] / sides[1] - 1) > SQUARENESS:
                detail = f"{key} is {sides[0]:g} in height and {sides[1]:g} in width; the film is prepared as stored"
                remarks.append(("pixels not square", detail))
            break
    return remarks


def _to_years(age: str) -> str:
    """`041Y`, `006M` or a bare number of years as years; empty if it is no age."""
    match = _AGE.fullmatch(age)
    if not match:
        return ""
    years = int(match[1]) / _UNITS[match[2]]
    if years > 120:
        return ""
    return f"{round(min(years, OLDEST + 1), 2):g}"
