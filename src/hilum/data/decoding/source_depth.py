"""The bit depth of each source, settled once over all its films of 16 bits before any of them is prepared."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from hilum.data.decoding.depth import settle_bits, tell_outside
from hilum.data.decoding.film_cache import keep_bits, name_bits, recall_bits
from hilum.data.decoding.images import read_film
from hilum.data.decoding.kinds import HEAD, find_kind
from hilum.data.decoding.limits import read_bounded
from hilum.data.decoding.netpbm import FULL, read_netpbm_header
from hilum.data.decoding.tiff import read_tiff_frame


@dataclass(frozen=True)
class Depths:
    """settled: source -> bits, of the sources that have films of 16 bits. notes: a sentence on each of them.

    Of each film: scaled: the depth that it is scaled by; empty if it has no 16 bits. told: why it lies outside that depth, else
    empty.
    """

    settled: Mapping[str, int]
    scaled: Sequence[tuple[int, ...]]
    told: Sequence[str]
    notes: Sequence[str]


def settle_depths(
    sources: Sequence[str],
    films: Sequence[Path],
    workers: int,
    cache: Path | None,
    on_film: Callable[[int, int], None] | None = None,
) -> Depths:
    """Look at the beginning of every film, measure those of 16 bits, and settle a depth per source (`depth.settle_bits`).

    sources: of each film. Unreadable films are reported when they are prepared. workers: threads. cache: folder in which
    measured depths are kept. on_film: called with (films of 16 bits measured, all of them); not if there are none.
    """
    found = _measure_all(films, workers, cache, on_film)
    by_source: dict[str, list[int]] = defaultdict(list)
    for source, bits in zip(sources, found, strict=True):
        if bits:
            by_source[source].append(bits)
    settled = {source: settle_bits(bits) for source, bits in by_source.items()}
    scaled = [(settled[source],) if bits else () for source, bits in zip(sources, found, strict=True)]
    return Depths(
        settled,
        scaled,
        [tell_outside(bits, depths) if bits else "" for bits, depths in zip(found, scaled, strict=True)],
        [f"{source}: films of 16 bits, scaled by {settled[source]} of them: {len(own)}" for source, own in by_source.items()],
    )


def _measure_all(
    films: Sequence[Path], workers: int, cache: Path | None, on_film: Callable[[int, int], None] | None
) -> list[int]:
    """The bits that each film uses; 0 if it does not have 16 or cannot be decoded."""
    found = dict.fromkeys(films, 0)
    with ThreadPoolExecutor(max_workers=workers) as threads:
        try:
            deep = [film for film, is_deep in zip(films, threads.map(_is_deep, films), strict=True) if is_deep]
            for done, bits in enumerate(threads.map(lambda film: _measure(film, cache), deep), 1):
                found[deep[done - 1]] = bits
                if on_film is not None:
                    on_film(done, len(deep))
        except BaseException:
            threads.shutdown(cancel_futures=True)  # an interrupt must not wait for the films still in the queue
            raise
    return [found[film] for film in films]


def holds_sixteen_bits(stream: BinaryIO) -> bool:
    """Whether a file stores a film in 16 bits without saying how many are used; it may still be broken."""
    kind = find_kind(stream)
    head = stream.read(HEAD)
    stream.seek(0)
    try:
        if kind == "PNG":
            return head[24:25] == b"\x10"
        if kind == "PGM":
            return read_netpbm_header(head).top == FULL
        return kind == "TIFF" and read_tiff_frame(stream).bits > 8
    except ValueError:
        return False


def _is_deep(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return holds_sixteen_bits(stream)
    except OSError:
        return False


def _measure(path: Path, cache: Path | None) -> int:
    """The bits that a film uses; 0 if it cannot be decoded."""
    try:
        content = read_bounded(path)
        name = name_bits(hashlib.sha256(content).hexdigest())
        known = None if cache is None else recall_bits(cache, name)
        if known is not None:
            return known
        bits = read_film(BytesIO(content)).bits
    except (OSError, ValueError):
        return 0
    if cache is not None:
        keep_bits(cache, name, bits)
    return bits
