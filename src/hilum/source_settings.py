"""What params.yaml may say of a source of films: one settings class per reader."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hilum.searched import Section

Positive = Annotated[float, Field(gt=0)]


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
    shortcut: Shortcut


class KermanySource(Section):
    reader: Literal["kermany"]
    root: str
    mode: Literal["copy", "reference"] = "copy"


class FolderSource(Section):
    reader: Literal["folder"]
    root: str
    mode: Literal["copy", "reference"] = "copy"
    pattern: str = ""


class DicomSource(Section):
    reader: Literal["dicom"]
    root: str
    mode: Literal["copy", "reference"] = "reference"  # raw headers do not travel to a DVC remote unasked
    labels: str
    file_column: str = ""
    uid_column: str = ""
    finding_column: str
    patient_column: str = ""

    @model_validator(mode="after")
    def _found_one_way(self) -> "DicomSource":
        if bool(self.file_column) == bool(self.uid_column):
            raise ValueError(
                f"films are found by file_column or by uid_column, one of them, got {self.file_column!r} and {self.uid_column!r}"
            )
        return self


class RsnaSource(Section):
    reader: Literal["rsna"]
    root: str
    mode: Literal["copy", "reference"] = "reference"


DICOM_SOURCES = (DicomSource, RsnaSource)  # their headers and paths carry names: pinned by hashes alone

Source = Annotated[PhantomSource | KermanySource | FolderSource | DicomSource | RsnaSource, Field(discriminator="reader")]
