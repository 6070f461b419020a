"""The settings of a source of films in params.yaml: one class per reader."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hilum.settings.search_space import Name, Positive, Section

PINNED = "pinned.json"  # of a source in mode `reference`: the SHA-256 of every file, without paths if DICOM
PLACE = {"root", "mode"}  # settings of location: the same films give the same results
NOT_READ = {"reader", *PLACE}  # settings of a source that do not concern its reader
UNTRAINED = {"marks", *PLACE}  # settings that decide no training: what readers marked is used by `explain` alone


class Shortcut(Section):
    kind: Literal["none", "letter", "border", "texture"]
    finding: str
    strength: Annotated[float, Field(ge=0, le=1)]


class PhantomSource(Section):
    reader: Literal["phantom"]
    films: Annotated[int, Field(ge=20)]
    size: Annotated[int, Field(ge=64, le=1024)]
    seed: int
    findings: dict[str, Positive]
    contrast: Annotated[float, Field(gt=0, le=1)]
    shortcut: Shortcut
    hospitals: list[Literal["north", "south"]] = Field(default_factory=list)


class KermanySource(Section):
    reader: Literal["kermany"]
    root: str
    mode: Literal["copy", "reference"] = "copy"


class FolderSource(Section):
    reader: Literal["folder"]
    root: str
    mode: Literal["copy", "reference"] = "copy"
    pattern: str = ""
    table: str = ""


class CsvSource(Section):
    reader: Literal["csv"]
    root: str
    mode: Literal["copy", "reference"] = "copy"
    table: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(min_length=1)]
    finding: str = ""
    findings: list[str] = Field(default_factory=list)
    separators: str = ""
    pattern: str = ""
    patient: str = ""
    site: str = ""
    view: str | list[str] = ""
    age: str = ""
    sex: str = ""
    license: str = ""
    split: str = ""
    boxes: str | list[str] = ""
    lung_mask: str = ""
    lesion_mask: str = ""

    @model_validator(mode="after")
    def _labelled(self) -> "CsvSource":
        if bool(self.finding) == bool(self.findings):
            raise ValueError(
                f"a table must give findings by `finding` (one column) or `findings` (a column each), got {self.finding!r} and "
                f"{self.findings}; name one of the two"
            )
        if isinstance(self.boxes, list) and len(self.boxes) not in (1, 4):
            raise ValueError(f"boxes must be one column or the four of x, y, width and height, got {self.boxes}; name four")
        return self


class CovidChestxraySource(Section):
    reader: Literal["covid_chestxray"]
    root: str
    mode: Literal["copy", "reference"] = "copy"
    licenses: list[str] = Field(default_factory=list)


class Figure1Source(Section):
    reader: Literal["figure1"]
    root: str
    mode: Literal["copy", "reference"] = "copy"


class NihSource(Section):
    reader: Literal["nih"]
    root: str
    mode: Literal["copy", "reference"] = "copy"


class DicomSource(Section):
    reader: Literal["dicom"]
    root: str
    mode: Literal["copy", "reference"] = "reference"  # raw headers are not uploaded to a DVC remote by default
    table: Annotated[str, Field(min_length=1)]
    path: str = ""
    uid: str = ""
    finding: Annotated[str, Field(min_length=1)]
    patient: str = ""
    marks: str = ""

    @model_validator(mode="after")
    def _found_one_way(self) -> "DicomSource":
        if bool(self.path) == bool(self.uid):
            raise ValueError(
                f"films are found by a column `path` or by a column `uid`, one of them, got {self.path!r} and {self.uid!r}"
            )
        return self


class RsnaSource(Section):
    reader: Literal["rsna"]
    root: str
    mode: Literal["copy", "reference"] = "reference"


DICOM_SOURCES = (DicomSource, RsnaSource)  # their headers and paths contain names: pinned by hashes alone

Source = Annotated[
    PhantomSource
    | KermanySource
    | FolderSource
    | CsvSource
    | CovidChestxraySource
    | Figure1Source
    | NihSource
    | DicomSource
    | RsnaSource,
    Field(discriminator="reader"),
]


class ExternalSource(Section):
    """Films that frozen arms are tested on. labels: class -> findings, as `prepare.labels`; empty: those of `prepare.labels`."""

    films: Source
    labels: dict[Name, list[str]] = Field(default_factory=dict)
