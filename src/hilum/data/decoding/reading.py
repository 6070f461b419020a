"""Many films on all cores: hashed, taken from the cache where the same bytes were decoded before, else decoded and cached."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import DecodedFilm, decode_film
from hilum.data.decoding.depth import GREY_BITS
from hilum.data.decoding.film_cache import LIMIT, drop_oldest, keep, name_entry, recall
from hilum.data.decoding.limits import read_bounded
from hilum.records import Films


@dataclass(frozen=True)
class FilmFiles:
    """The files of a film, and of its masks by kind. bits: the depth that was settled for a film of 16 bits; empty for others."""

    film: Path
    masks: Mapping[str, Path]
    bits: Sequence[int] = ()


@dataclass(frozen=True)
class ReadFilm:
    """A film that was read.

    sha256: of its file; empty if that could not be read. decoded: the result of its files, without the pixels of the film.
    recalled: from the cache.
    """

    sha256: str
    decoded: DecodedFilm
    recalled: bool = False


def read_films(
    files: Sequence[FilmFiles],
    films: Films,
    square: str,
    treatment: Treatment,
    workers: int,
    cache: Path | None,
    on_film: Callable[[int, int], None] | None = None,
) -> list[ReadFilm]:
    """Read into `films` in place: only the prepared films, one raw film per thread and the packed masks are in memory.

    films: (N, size, size) uint8, a row for each of the files; that of a broken film stays unchanged. workers: threads.
    cache: folder of decoded films; None: every film is decoded. on_film: called with (films done, all films).
    """

    def read(row: int) -> ReadFilm:
        one = _read(files[row], films.shape[1], square, treatment, cache)
        if one.decoded.film is not None:
            films[row] = one.decoded.film
        return replace(one, decoded=replace(one.decoded, film=None))

    found = []
    with ThreadPoolExecutor(max_workers=workers) as threads:
        try:
            for one in threads.map(read, range(len(files))):
                found.append(one)
                if on_film is not None:
                    on_film(len(found), len(files))
        except BaseException:
            threads.shutdown(cancel_futures=True)  # an interrupt must not wait for the films still in the queue
            raise
    if cache is not None:
        drop_oldest(cache, LIMIT)
    return found


def _tell_unread(error: OSError | ValueError) -> str:
    """Why a file could not be read, without its path, which differs by machine and may name a patient."""
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    return f"the file cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)


def _read(files: FilmFiles, size: int, square: str, treatment: Treatment, cache: Path | None) -> ReadFilm:
    there, unread = {}, {}
    for kind, path in {"film": files.film, **files.masks}.items():
        try:
            there[kind] = read_bounded(path)
        except (OSError, ValueError) as error:
            unread[kind] = _tell_unread(error)
    if "film" in unread:
        return ReadFilm("", DecodedFilm(broken=unread["film"]))
    hashes = {kind: hashlib.sha256(content).hexdigest() for kind, content in there.items()}
    name = name_entry(hashes, size, square, treatment, files.bits)
    known = None if cache is None else recall(cache, name)
    decoded = known or decode_film(there.pop("film"), there, size, square, treatment, files.bits or GREY_BITS)
    if cache is not None and known is None:
        keep(cache, name, decoded)
    return ReadFilm(hashes["film"], replace(decoded, mask_faults={**decoded.mask_faults, **unread}), known is not None)
