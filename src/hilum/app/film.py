"""One film from the bytes of its file: grey levels at its own size, and as a model takes it. Nothing is written anywhere."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.decoding.covered_film import CoveredFilm
from hilum.data.decoding.images import read_film
from hilum.data.decoding.kinds import DICOM, find_kind
from hilum.data.decoding.limits import check_file
from hilum.explain.drawing.file_names import printable
from hilum.serving.predictions import prepare_film

LONGEST_NAME = 80  # characters shown of a file's name


@dataclass(frozen=True)
class OpenFilm:
    """A film that was opened.

    name: of its file, without folders. sha256: of its bytes. content: its bytes. grey: (H, W) uint8, upright, at its own size.
    kind: of the file, by its content. header: (what, value) from the allow-list of a DICOM header. remarks: oddities of the file
    that did not prevent reading.
    """

    name: str
    sha256: str
    content: bytes
    grey: NDArray[np.uint8]
    kind: str = ""
    header: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        return int(self.grey.shape[1])

    @property
    def height(self) -> int:
        return int(self.grey.shape[0])


def open_film(content: bytes, name: str) -> OpenFilm:
    """Decode a film under hilum's limits.

    Raises:
        ValueError: it cannot be read; one sentence says why.
    """
    check_file(len(content))
    read = read_film(BytesIO(content))
    kind = find_kind(BytesIO(content))
    header, odd = _read_header(content) if kind == DICOM else ((), ())
    sha256 = hashlib.sha256(content).hexdigest()
    return OpenFilm(shorten_name(name), sha256, content, read.grey, kind, header, (*read.remarks, *odd))


def shorten_name(name: str) -> str:
    """The name of a file without folders, printable, its middle left out where it is long."""
    last = printable(PurePosixPath(PureWindowsPath(name).name).name) or "film"
    half = (LONGEST_NAME - 3) // 2
    return last if len(last) <= LONGEST_NAME else f"{last[:half]}...{last[-half:]}"


def prepare(film: OpenFilm, described: Mapping[str, Any]) -> CoveredFilm:
    """The film as `predict` prepares it for a model: (size, size), with its geometry. described: facts of the model.

    Raises:
        ValueError: as `serving.predictions.prepare_film`.
    """
    return prepare_film(BytesIO(film.content), described)


def _read_header(content: bytes) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """The allowed attributes that are there, and remarks on them; the patient's identifier is hashed with a salt that is lost."""
    from hilum.data.readers.film_header import read_film_header  # pydicom takes a quarter of a second

    try:
        read = read_film_header(BytesIO(content), secrets.token_bytes(16), burned_in=True)
    except ValueError as fault:
        return (), (str(fault),)
    shown = (("view", read.view), ("age", f"{read.age} years" if read.age else ""), ("sex", read.sex))
    return tuple((what, value) for what, value in shown if value), tuple(f"{what}: {detail}" for what, detail in read.remarks)
