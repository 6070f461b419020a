"""One film from the bytes of its file: grey levels at its own size, and as a model takes it. Nothing is written anywhere."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.decoding.covered_film import CoveredFilm
from hilum.data.decoding.images import read_film
from hilum.data.decoding.limits import check_file
from hilum.serving.predictions import prepare_film


@dataclass(frozen=True)
class OpenFilm:
    """A film that was opened.

    name: of its file, without folders. sha256: of its bytes. content: its bytes. grey: (H, W) uint8, upright, at its own size.
    remarks: oddities of the file that did not prevent reading.
    """

    name: str
    sha256: str
    content: bytes
    grey: NDArray[np.uint8]
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
    return OpenFilm(name, hashlib.sha256(content).hexdigest(), content, read.grey, read.remarks)


def prepare(film: OpenFilm, described: Mapping[str, Any]) -> CoveredFilm:
    """The film as `predict` prepares it for a model: (size, size), with its geometry. described: facts of the model.

    Raises:
        ValueError: as `serving.predictions.prepare_film`.
    """
    return prepare_film(BytesIO(film.content), described)
