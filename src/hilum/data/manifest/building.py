"""One table of all films: sources joined, films prepared, findings mapped to classes, copies removed, left-out films listed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.burned_in.covering import COLUMNS
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import DecodedFilm
from hilum.data.decoding.reading import FilmFiles, ReadFilm, read_films
from hilum.data.decoding.source_depth import Depths, settle_depths
from hilum.data.manifest.film_problems import join_problems, list_broken, list_left_out, list_notes, list_remarks, tell_odd
from hilum.data.manifest.joined_sources import join_sources
from hilum.data.manifest.labels import Rules, count_findings, map_labels
from hilum.data.manifest.prepared_set import GEOMETRY, Prepared
from hilum.data.masks import MASK_KINDS, PackedMasks
from hilum.data.prepared.geometry import check_square
from hilum.data.quality.alike.copies import find_copies
from hilum.data.quality.still_burned_in import find_still_burned_in
from hilum.records import MANIFEST, Films
from hilum.settings.meaning import EXCLUDED


def build_manifest(
    tables: Mapping[str, tuple[Path, pd.DataFrame]],
    size: int,
    square: str,
    labels: Rules,
    unmatched: str,
    broken_share: float,
    treatment: Treatment,
    workers: int,
    on_film: Callable[[int, int], None] | None = None,
    labels_by_source: Mapping[str, Rules] | None = None,
    unused_rules: str = "stop",
    cache: Path | None = None,
    on_deep: Callable[[int, int], None] | None = None,
    every_class: bool = True,
) -> Prepared:
    """Join the sources, give each film its class, decode it, and remove copies.

    tables: source name -> (root, table of a reader of `sources`). size: side of the prepared film, pixels.
    square: pad or stretch. labels, unmatched, labels_by_source, unused_rules: see `map_labels`.
    broken_share: of the films with a class, 0 to 1.
    treatment: of what is burned into the films; with `left: stop` the caller must stop (`stop_where_left`).
    workers: threads that decode (Pillow lets other threads run while it decodes). on_film: called with (films done, all films).
    every_class: see `map_labels`.
    cache: folder of decoded films (`film_cache`), read and written; None: every film is decoded. on_deep: as on_film, of the
    films of 16 bits that are measured before.

    Raises:
        ValueError: what `join_sources` and `map_labels` refuse, too many broken films, or a class left without films.
    """
    check_square(square)
    rows = join_sources(tables)
    by_id = rows.set_index("image_id")
    mapping = map_labels(by_id[["finding", "source"]], labels, unmatched, unused_rules, labels_by_source, every_class)
    rows["label"], paths = mapping.label.to_numpy(), by_id["path"]
    named = mapping.problems.assign(path=mapping.problems["image_id"].map(paths))
    findings = count_findings(rows)
    rows = _keep_labelled(rows)
    films = np.zeros((len(rows), size, size), np.uint8)  # (N, H, W)
    files, depths = _settle_files(rows, workers, cache, on_deep)
    read = read_films(files, films, square, treatment, workers, cache, on_film)
    broken, odd, *faults = list_broken(rows, read, broken_share, depths.told)
    whole = _note_content(rows, read)[~rows["image_id"].isin(broken["image_id"])]
    still = find_still_burned_in(whole, [read[row].decoded for row in whole.index], films, treatment)
    faults += [still.problems]
    whole = whole[(treatment.left != "exclude") | ~whole["image_id"].isin(still.problems["image_id"])]
    copies, linked = find_copies(whole)
    kept = whole[~whole["image_id"].isin(copies["image_id"])]
    _check_classes(kept, labels, every_class)
    there = dict(zip(kept["image_id"], (read[row].decoded for row in kept.index), strict=True))
    return Prepared(
        manifest=kept[list(MANIFEST)].reset_index(drop=True),
        films=_keep_rows(films, kept.index.to_numpy()),
        masks={kind: _pack_masks({name: one.masks.get(kind) for name, one in there.items()}, size) for kind in MASK_KINDS},
        problems=join_problems([list_left_out(tables), named, broken, *faults, copies, list_remarks(tables, paths), odd]),
        findings=findings,
        linked_patients=linked,
        **_tabulate_films(there),
        still_burned_in=still,
        grey_bits=depths.settled,
        notes=(*list_notes(tables), *mapping.notes, *tell_odd(odd), *depths.notes),
        decoded=sum(not one.recalled for one in read),
        recalled=sum(one.recalled for one in read),
    )


def _keep_labelled(rows: pd.DataFrame) -> pd.DataFrame:
    kept = rows[~rows["label"].isin(["", EXCLUDED])].reset_index(drop=True)
    if kept.empty:
        counts = rows["finding"].value_counts().head(20)
        found = ", ".join(f"{finding!r} ({films})" for finding, films in counts.items())
        raise ValueError(
            f"some film must belong to a class, got none of {len(rows)}; their findings are {found}; correct the rules"
        )
    return kept


def _tabulate_films(there: Mapping[str, Any]) -> dict[str, Any]:
    """`whole_masks`, `geometry`, `burned_in` and `behind` of Prepared."""
    return {
        "whole_masks": {kind: _gather_whole_masks(there, kind) for kind in MASK_KINDS},
        "geometry": pd.DataFrame([(name, *astuple(one.geometry)) for name, one in there.items()], columns=list(GEOMETRY)),
        "burned_in": pd.DataFrame([(name, *one.burned_in) for name, one in there.items()], columns=list(COLUMNS)),
        "behind": {name: one.behind for name, one in there.items() if one.behind is not None},
    }


def _find_files(rows: pd.DataFrame) -> list[FilmFiles]:
    tasks = rows[["root", "path_file", *(f"{kind}_file" for kind in MASK_KINDS)]].to_dict("records")
    return [
        FilmFiles(
            Path(task["root"], task["path_file"]),
            {kind: Path(task["root"], task[f"{kind}_file"]) for kind in MASK_KINDS if task[f"{kind}_file"]},
        )
        for task in tasks
    ]


def _settle_files(
    rows: pd.DataFrame, workers: int, cache: Path | None, on_deep: Callable[[int, int], None] | None
) -> tuple[list[FilmFiles], Depths]:
    """The files of each film, with the depth of its source where it has 16 bits."""
    files = _find_files(rows)
    depths = settle_depths(rows["source"].tolist(), [one.film for one in files], workers, cache, on_deep)
    return [replace(one, bits=bits) for one, bits in zip(files, depths.scaled, strict=True)], depths


def _gather_whole_masks(there: Mapping[str, DecodedFilm], kind: str) -> dict[str, bytes]:
    return {name: one.whole_masks[kind] for name, one in there.items() if kind in one.masks}


def _note_content(rows: pd.DataFrame, read: Sequence[ReadFilm]) -> pd.DataFrame:
    """The rows with hashes and size of their decoded films, and masks only where one could be read."""
    noted = rows.assign(sha256=[one.sha256 for one in read], pixel_sha256=[one.decoded.pixel_sha256 for one in read])
    places = [one.decoded.geometry for one in read]
    for name in ("width", "height"):
        noted[name] = [getattr(place, name) if place else 0 for place in places]
    for kind in MASK_KINDS:
        noted[kind] = [path if kind in one.decoded.masks else "" for path, one in zip(rows[kind], read, strict=True)]
    return noted


def _check_classes(kept: pd.DataFrame, labels: Rules, every_class: bool) -> None:
    empty = sorted(set(labels) - {EXCLUDED} - set(kept["label"]))
    if empty and (every_class or kept.empty):
        raise ValueError(
            f"every class must keep a film, got none for {', '.join(empty)} after broken films and copies of conflicting labels "
            "were left out; repair the files, or correct `prepare.labels`"
        )


def _keep_rows(films: Films, rows: NDArray[np.int64]) -> Films:
    """The chosen rows, moved up in place: a second array of all films may not fit into memory."""
    for new, old in enumerate(rows):
        films[new] = films[old]
    return films[: len(rows)]


def _pack_masks(packed: Mapping[str, NDArray[np.uint8] | None], size: int) -> PackedMasks:
    """The masks of all films that have one. packed: image_id -> eight pixels of a row in each byte, (size, (size + 7) // 8)."""
    there = {name: bits for name, bits in packed.items() if bits is not None}
    bits = np.stack(list(there.values())) if there else np.zeros((0, size, (size + 7) // 8), np.uint8)  # (N, size, bytes)
    return PackedMasks(np.array(list(there), dtype=str), bits, size)
