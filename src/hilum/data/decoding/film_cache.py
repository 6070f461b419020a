"""Decoded films kept between runs, by content: a film that was decoded once is only hashed the next time.

A file of the cache is named after a hash of all that determines its content: bytes of the film and its masks, size and words
of `prepare`, code and libraries that decode. Files carry a hash of their own content; a damaged or truncated one is ignored. They
are written atomically, so that runs may be interrupted and may share the folder. It can be deleted at any time.
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilum.code_version import made_by
from hilum.data.burned_in.ocr import PACKAGES
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import DecodedFilm
from hilum.data.prepared.geometry import Geometry

LIMIT = 8 * 1024**3  # bytes of all decoded films; the least recently used are deleted first
ABANDONED = 24 * 3600  # seconds after which a half-written file is abandoned
CODE = (  # what this file imports; tests/data/decoding/test_film_cache.py compares
    *("code_version.py", "data/burned_in/found.py", "data/burned_in/letters.py", "data/burned_in/ocr.py"),
    *("data/burned_in/covering.py", "data/burned_in/search.py", "data/burned_in/second_look.py", "data/burned_in/strokes.py"),
    *("data/burned_in/text.py", "data/burned_in/treatment.py", "data/decoding/covered_film.py"),
    *("data/decoding/codestream.py", "data/decoding/decoding.py", "data/decoding/depth.py", "data/decoding/dicom.py"),
    *("data/decoding/dicom_header.py", "data/decoding/dicom_values.py", "data/decoding/film_cache.py"),
    *("data/decoding/film_read.py", "data/decoding/formats.py"),
    *("data/decoding/images.py", "data/decoding/jpeg_scans.py", "data/decoding/kinds.py", "data/decoding/levels.py"),
    *("data/decoding/limits.py", "data/decoding/links.py", "data/decoding/netpbm.py", "data/decoding/sandbox.py"),
    *("data/decoding/tiff.py", "data/decoding/windowing.py"),
    *("data/prepared/geometry.py", "data/prepared/whole_masks.py"),
)
LIBRARIES = (
    *(
        "numpy",
        "opencv-python-headless",
        "pillow",
        "pydicom",
        "pyjpegls",
        "pylibjpeg",
        "pylibjpeg-openjpeg",
        "python-gdcm",
        "scipy",
    ),
)


def name_entry(hashes: Mapping[str, str], size: int, square: str, treatment: Treatment, bits: Sequence[int] = ()) -> str:
    """The name under which a result of `decode_film` is kept: a hash of its arguments, of the code and of the libraries.

    hashes: SHA-256 of each file, by `film` or the kind of mask. bits: the depth that was settled for a film of 16 bits.
    """
    facts = json.dumps(
        [_version(treatment.searches), dict(hashes), size, square, treatment.do, treatment.searches, list(bits)], sort_keys=True
    )
    return hashlib.sha256(facts.encode()).hexdigest()


def name_bits(sha256: str) -> str:
    """The name under which the bits that a film of 16 bits uses are kept; sha256: of its file."""
    return hashlib.sha256(json.dumps([_version(""), "bits", sha256]).encode()).hexdigest()


def recall(folder: Path, name: str) -> DecodedFilm | None:
    """The film kept under that name; None if there is none, or it is damaged."""
    content = _read_sealed(folder, name)
    return None if content is None else _unpack(content)


def recall_bits(folder: Path, name: str) -> int | None:
    """The bits kept under a name of `name_bits`; None as `recall`."""
    content = _read_sealed(folder, name)
    return None if content is None else int(content)


def keep(folder: Path, name: str, film: DecodedFilm) -> None:
    """Keep a film under that name, unless another decoding of the same files might give something else."""
    if film.lasting:
        _write_sealed(folder, name, _pack(film))


def keep_bits(folder: Path, name: str, bits: int) -> None:
    """Keep the bits that a film uses under a name of `name_bits`."""
    _write_sealed(folder, name, str(bits).encode())


def _read_sealed(folder: Path, name: str) -> bytes | None:
    file = _place(folder, name)
    try:
        seal, _, content = file.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if seal != _seal(name, content):
        return None
    with suppress(FileNotFoundError):  # another run may have dropped it since
        os.utime(file)  # marks it as used
    return content


def _write_sealed(folder: Path, name: str, content: bytes) -> None:
    file = _place(folder, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{uuid.uuid4().hex}.partial")
    try:
        partial.write_bytes(_seal(name, content) + b"\n" + content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def drop_oldest(folder: Path, limit: int) -> None:
    """Delete the least recently used until the rest takes at most `limit` bytes, and half-written files of interrupted runs."""
    found = []
    for file in folder.glob("*/*"):
        with suppress(FileNotFoundError):  # another run deletes files as well
            status = file.stat()
            if file.suffix != ".partial":
                found.append((status.st_mtime_ns, status.st_size, file))
            elif status.st_mtime < time.time() - ABANDONED:
                file.unlink()
    total = 0
    for _, size, file in sorted(found, reverse=True):
        total += size
        if total > limit:
            file.unlink(missing_ok=True)


@cache
def _version(reader: str) -> str:
    """Versions of the code and libraries that determine the result. reader: of what is burned in."""
    return made_by(CODE, (*LIBRARIES, *PACKAGES) if reader == "ocr" else LIBRARIES)


def _place(folder: Path, name: str) -> Path:
    return folder / name[:2] / name


def _seal(name: str, content: bytes) -> bytes:
    return hashlib.sha256(name.encode() + content).hexdigest().encode()


def _pack(one: DecodedFilm) -> bytes:
    """A line of JSON, and the bytes of the arrays that it names."""
    arrays: dict[str, NDArray[np.generic]] = {f"masks/{kind}": bits for kind, bits in one.masks.items()}
    arrays |= {f"whole/{kind}": np.frombuffer(png, np.uint8) for kind, png in one.whole_masks.items()}
    if one.film is not None:
        arrays["film"] = one.film
    if one.behind is not None:
        arrays["places"], arrays["levels"] = one.behind
    facts = {
        "broken": one.broken,
        "pixel_sha256": one.pixel_sha256,
        "geometry": one.geometry and astuple(one.geometry),
        "burned_in": one.burned_in,
        "mask_faults": one.mask_faults,
        "remarks": one.remarks,
        "arrays": [(name, array.dtype.str, array.shape) for name, array in arrays.items()],
    }
    return json.dumps(facts).encode() + b"\n" + b"".join(array.tobytes() for array in arrays.values())


def _unpack(content: bytes) -> DecodedFilm:
    line, _, rest = content.partition(b"\n")
    facts, arrays, start = json.loads(line), {}, 0
    for name, kind, shape in facts["arrays"]:
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(rest, kind, count, start).reshape(shape).copy()
        start += arrays[name].nbytes
    return DecodedFilm(
        broken=facts["broken"],
        film=arrays.get("film"),
        pixel_sha256=facts["pixel_sha256"],
        geometry=facts["geometry"] and Geometry(*facts["geometry"]),
        burned_in=facts["burned_in"] and tuple(facts["burned_in"]),
        behind=(arrays["places"], arrays["levels"]) if "places" in arrays else None,
        masks={name.removeprefix("masks/"): bits for name, bits in arrays.items() if name.startswith("masks/")},
        whole_masks={name.removeprefix("whole/"): bits.tobytes() for name, bits in arrays.items() if name.startswith("whole/")},
        mask_faults=facts["mask_faults"],
        remarks=tuple(facts["remarks"]),
    )
