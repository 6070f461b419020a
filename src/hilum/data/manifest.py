"""One table of all films: sources joined, films prepared, findings mapped to classes, copies removed, all left out listed."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.cells import guard_table
from hilum.data.burned_in.removal import MARKER_COLUMNS, check_markers
from hilum.data.decoding.decoding import DecodedFilm, Removed
from hilum.data.decoding.reading import FilmFiles, ReadFilm, read_films
from hilum.data.decoding.source_depth import Depths, settle_depths
from hilum.data.labels import Rules, count_findings, map_labels
from hilum.data.prepared.geometry import check_square
from hilum.data.prepared.loading import GREY_BITS
from hilum.data.prepared.masks import MASK_KINDS, PackedMasks
from hilum.data.prepared.whole_masks import write_whole_masks
from hilum.data.quality.copies import PROBLEMS, find_copies
from hilum.records import MANIFEST, Films
from hilum.settings.meaning import EXCLUDED

ODD_FILE = "odd file, read all the same"  # a problem that costs no film
GEOMETRY = ("image_id", "width", "height", "size", "scale_x", "scale_y", "offset_x", "offset_y")  # columns of geometry.csv


@dataclass(frozen=True)
class Prepared:
    """What `build_manifest` makes.

    manifest: one row per kept film, columns records.MANIFEST, sorted by image_id; all strings but width and height.
    films: (N, size, size) uint8 grey levels 0-255, in the manifest's order.
    masks: "lung_mask" and "lesion_mask" -> the masks there are, at the size of the prepared film.
    whole_masks: the same -> image_id -> the mask as it was drawn, of `whole_masks.encode_mask`.
    problems: columns image_id, path, problem, detail; every film and mask left out, by the reader as well, and every film of
        two rules; and remarks on films that stay: of readers and decoders, and where they lie outside their source's bit depth.
    findings: columns finding, label, source, films; of the films that the readers give, counted before anything is left out;
        label empty where no rule names the finding, EXCLUDED where a rule leaves it out.
    linked_patients: columns patient_id, other; names of patients who share a film and must go into the same split.
    geometry: one row per kept film, columns GEOMETRY: where the raw film lies in the prepared one.
    markers: one row per kept film, columns markers.MARKER_COLUMNS: letters and marks burnt into the raw film.
    removed: image_id -> what the removal of marks took from the film (`decoding.put_back`), where it took something.
    grey_bits: source -> the depth that was settled for its films of 16 bits (`source_depth`), where it has some.
    notes: sentences for a person.
    decoded, recalled: films of a class that were decoded now, and that came from the cache.
    """

    manifest: pd.DataFrame
    films: Films
    masks: Mapping[str, PackedMasks]
    whole_masks: Mapping[str, Mapping[str, bytes]]
    problems: pd.DataFrame
    findings: pd.DataFrame
    linked_patients: pd.DataFrame
    geometry: pd.DataFrame
    markers: pd.DataFrame
    removed: Mapping[str, Removed]
    grey_bits: Mapping[str, int]
    notes: tuple[str, ...]
    decoded: int
    recalled: int


def build_manifest(
    tables: Mapping[str, tuple[Path, pd.DataFrame]],
    size: int,
    square: str,
    labels: Rules,
    unmatched: str,
    broken_share: float,
    markers: str,
    workers: int,
    on_film: Callable[[int, int], None] | None = None,
    labels_by_source: Mapping[str, Rules] | None = None,
    unused_rules: str = "stop",
    cache: Path | None = None,
    on_deep: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Join the sources, give each film its class, decode it, and remove copies.

    tables: source name -> (root, table of a reader of `sources`). size: side of the prepared film, pixels.
    square: pad or stretch. labels, unmatched, labels_by_source, unused_rules: see `map_labels`.
    broken_share: of the films with a class, 0 to 1.
    markers: keep or inpaint what is burnt into a film.
    workers: threads that decode (Pillow lets other threads run while it decodes). on_film: called with (films done, all films).
    cache: folder of decoded films (`film_cache`), read and written; None: every film is decoded. on_deep: as on_film, of the
    films of 16 bits that are measured before.

    Raises:
        ValueError: what `join_sources` and `map_labels` refuse, too many broken films, or a class left without films.
    """
    check_square(square)
    check_markers(markers)
    rows = join_sources(tables)
    mapping = map_labels(rows.set_index("image_id")[["finding", "source"]], labels, unmatched, unused_rules, labels_by_source)
    rows["label"] = mapping.label.to_numpy()
    paths = rows.set_index("image_id")["path"]
    named = mapping.problems.assign(path=mapping.problems["image_id"].map(paths))
    findings = count_findings(rows)
    rows = rows[~rows["label"].isin(["", EXCLUDED])].reset_index(drop=True)

    films = np.zeros((len(rows), size, size), np.uint8)  # (N, H, W)
    files, depths = _settle_files(rows, workers, cache, on_deep)
    read = read_films(files, films, square, markers, workers, cache, on_film)
    broken, odd, *faults = _list_broken(rows, read, broken_share, depths.told)
    whole = _note_content(rows, read)[~rows["image_id"].isin(broken["image_id"])]
    copies, linked = find_copies(whole)
    kept = whole[~whole["image_id"].isin(copies["image_id"])]
    _check_classes(kept, labels)
    there = dict(zip(kept["image_id"], (read[row].decoded for row in kept.index), strict=True))
    return Prepared(
        manifest=kept[list(MANIFEST)].reset_index(drop=True),
        films=_keep_rows(films, kept.index.to_numpy()),
        masks={kind: _pack_masks({name: one.masks.get(kind) for name, one in there.items()}, size) for kind in MASK_KINDS},
        whole_masks={kind: _gather_whole_masks(there, kind) for kind in MASK_KINDS},
        problems=_join_problems([_list_left_out(tables), named, broken, *faults, copies, _list_remarks(tables, paths), odd]),
        findings=findings,
        linked_patients=linked,
        geometry=pd.DataFrame([(name, *astuple(one.geometry)) for name, one in there.items()], columns=list(GEOMETRY)),
        markers=pd.DataFrame([(name, *one.markers) for name, one in there.items()], columns=list(MARKER_COLUMNS)),
        removed={name: one.removed for name, one in there.items() if one.removed is not None},
        grey_bits=depths.settled,
        notes=(*_list_notes(tables), *mapping.notes, *_tell_odd(odd), *depths.notes),
        decoded=sum(not one.recalled for one in read),
        recalled=sum(one.recalled for one in read),
    )


def tell_decoded(prepared: Prepared) -> str:
    """How many films were decoded and how many came from the cache, in a line."""
    return f"films decoded: {prepared.decoded}; from the cache: {prepared.recalled}"


def join_sources(tables: Mapping[str, tuple[Path, pd.DataFrame]]) -> pd.DataFrame:
    """All readers' rows in one table: columns of records.MANIFEST with the source's name in front, `root` and `<column>_file`.

    path_file, lung_mask_file, lesion_mask_file: where the file is below the root; where a path is not its name, `attrs["files"]`
    of the reader's table leads there. A film without a
    patient becomes a patient of its own.

    Raises:
        ValueError: no source, a source without rows, a column that the manifest does not know, an image_id used twice.
    """
    if not tables:
        raise ValueError("at least one source must be named, got none; name one under `prepare.sources`")
    parts = [_name_source(source, Path(root), table) for source, (root, table) in tables.items()]
    rows = pd.concat(parts, ignore_index=True).sort_values("image_id", ignore_index=True)
    twice = rows["image_id"][rows["image_id"].duplicated()].tolist()
    if twice:
        raise ValueError(f"there must be one row per film, got {len(twice)} rows more, such as a second {twice[0]}")
    return rows


def _name_source(source: str, root: Path, table: pd.DataFrame) -> pd.DataFrame:
    unknown = sorted(set(table.columns) - set(MANIFEST))
    if unknown or not len(table):
        raise ValueError(
            f"a reader must give rows in the columns of the manifest, got {len(table)} rows from {source} and the unknown "
            f"columns {unknown}; the legal ones are {', '.join(MANIFEST)}"
        )
    rows = table.reindex(columns=list(MANIFEST), fill_value="").fillna("").astype(str)
    rows.attrs = {}  # notes and lists are no part of the joined table
    parts = sorted(set(rows["official_split"]) - {"", "train", "test"})
    if parts:
        raise ValueError(f"an official split must be train, test or empty, got {', '.join(parts)} from {source}; mend its reader")
    patient = rows["patient_id"].where(rows["patient_id"] != "", rows["image_id"])
    files = table.attrs.get("files", {})
    found = {  # objects: pandas' own texts are UTF-8, a file's name may be none
        f"{name}_file": pd.Series([files.get(path, path) for path in rows[name]], rows.index, object)
        for name in ("path", *MASK_KINDS)
    }
    rows = rows.assign(source=source, patient_id=source + "/" + patient, root=str(root), **found)
    for name in ("image_id", "path"):
        rows[name] = source + "/" + rows[name]
    for kind in MASK_KINDS:
        rows[kind] = [f"{source}/{path}" if path else "" for path in rows[kind]]
    return rows


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


def _join_problems(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)[list(PROBLEMS)]


def _list_faults(rows: pd.DataFrame, faults: Sequence[str], problem: str) -> pd.DataFrame:
    table = rows[["image_id", "path"]].assign(problem=problem, detail=faults)
    return table[table["detail"] != ""]


def _list_broken(rows: pd.DataFrame, read: Sequence[ReadFilm], broken_share: float, outside: Sequence[str]) -> list[pd.DataFrame]:
    """Films that could not be read, odd files that could, masks of each kind that could not, and films outside their bit depth.

    Raises:
        ValueError: too many films could not be read.
    """
    decoded = [one.decoded for one in read]
    broken = _list_faults(rows, [one.broken for one in decoded], "broken film")
    _check_broken(broken, len(rows), broken_share)
    masks = [_list_faults(rows, [one.mask_faults.get(kind, "") for one in decoded], f"broken {kind}") for kind in MASK_KINDS]
    odd = _list_faults(rows, ["; ".join(one.remarks) for one in decoded], ODD_FILE)
    return [broken, odd, *masks, _list_faults(rows, outside, "outside the bit depth")]


def _tell_odd(odd: pd.DataFrame) -> list[str]:
    some = "; ".join(f"{row.image_id} ({row.detail})" for row in odd.head(3).itertuples())
    return [f"{ODD_FILE}: {len(odd)} films, such as {some}"] if len(odd) else []


def _list_remarks(tables: Mapping[str, tuple[Path, pd.DataFrame]], paths: "pd.Series[str]") -> pd.DataFrame:
    """What readers want a person to see of films that stay."""
    told = [
        (f"{source}/{image_id}", problem, detail)
        for source, (_, table) in tables.items()
        for image_id, problem, detail in table.attrs.get("problems", [])
    ]
    remarks = pd.DataFrame(told, columns=["image_id", "problem", "detail"])
    return remarks.assign(path=remarks["image_id"].map(paths))


def _list_notes(tables: Mapping[str, tuple[Path, pd.DataFrame]]) -> list[str]:
    return [f"{source}: {note}" for source, (_, table) in tables.items() for note in table.attrs.get("notes", [])]


def _note_content(rows: pd.DataFrame, read: Sequence[ReadFilm]) -> pd.DataFrame:
    """The rows with what their decoded films say: hashes and size, and masks only where one could be read."""
    noted = rows.assign(sha256=[one.sha256 for one in read], pixel_sha256=[one.decoded.pixel_sha256 for one in read])
    places = [one.decoded.geometry for one in read]
    for name in ("width", "height"):
        noted[name] = [getattr(place, name) if place else 0 for place in places]
    for kind in MASK_KINDS:
        noted[kind] = [path if kind in one.decoded.masks else "" for path, one in zip(rows[kind], read, strict=True)]
    return noted


def _check_broken(broken: pd.DataFrame, count: int, broken_share: float) -> None:
    if len(broken) > broken_share * count:
        examples = "; ".join(f"{row.path}: {row.detail}" for row in broken.head(5).itertuples())
        raise ValueError(
            f"at most a share of {broken_share} of the films may be broken, got {len(broken)} of {count}: {examples}; "
            "mend or remove the files, or raise `prepare.broken_share`"
        )


def _list_left_out(tables: Mapping[str, tuple[Path, pd.DataFrame]]) -> pd.DataFrame:
    """What the readers did not take, with the source's name in front."""
    parts = []
    for source, (_, table) in tables.items():
        part = pd.DataFrame(table.attrs.get("left_out", []), columns=list(PROBLEMS)).astype(str)
        parts.append(part.assign(**{name: source + "/" + part[name] for name in ("image_id", "path")}))
    return pd.concat(parts, ignore_index=True)


def _check_classes(kept: pd.DataFrame, labels: Rules) -> None:
    empty = sorted(set(labels) - {EXCLUDED} - set(kept["label"]))
    if empty:
        raise ValueError(
            f"every class must keep a film, got none for {', '.join(empty)} after broken films and copies of conflicting labels "
            "were left out; mend the files, or correct `prepare.labels`"
        )


def _keep_rows(films: Films, rows: NDArray[np.int64]) -> Films:
    """The chosen rows, moved up in place: a second array of all films may not fit into memory."""
    for new, old in enumerate(rows):
        films[new] = films[old]
    return films[: len(rows)]


def _pack_masks(packed: Mapping[str, NDArray[np.uint8] | None], size: int) -> PackedMasks:
    """The masks that there are. packed: image_id -> eight pixels of a row in each byte, (size, (size + 7) // 8)."""
    there = {name: bits for name, bits in packed.items() if bits is not None}
    bits = np.stack(list(there.values())) if there else np.zeros((0, size, (size + 7) // 8), np.uint8)  # (N, size, bytes)
    return PackedMasks(np.array(list(there), dtype=str), bits, size)


def write_prepared(prepared: Prepared, folder: Path) -> None:
    """Write films.npy, manifest.csv, the masks and the tables of what was left out; equal content gives equal bytes.

    No text of a table is a formula to a spreadsheet (`cells`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "films.npy", prepared.films)
    guard_table(prepared.manifest).to_csv(folder / "manifest.csv", index=False)
    guard_table(prepared.problems).to_csv(folder / "problems.csv", index=False)
    guard_table(prepared.linked_patients).to_csv(folder / "linked_patients.csv", index=False)
    guard_table(prepared.geometry).to_csv(folder / "geometry.csv", index=False)
    guard_table(prepared.markers).to_csv(folder / "markers.csv", index=False)
    (folder / GREY_BITS).write_text(json.dumps(dict(prepared.grey_bits), indent=2, sort_keys=True) + "\n")
    for kind, masks in prepared.masks.items():
        np.savez(folder / f"{kind}s.npz", image_id=masks.image_id.astype(str), bits=masks.bits, size=masks.size)
    for kind, drawn in prepared.whole_masks.items():
        write_whole_masks(drawn, folder / f"whole_{kind}s.zip")
