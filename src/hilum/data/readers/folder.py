"""The reader of any tree with a folder per class."""

from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape, escape_name
from hilum.data.readers.found_files import drop_images, find_files, name_some
from hilum.data.readers.listing import add_files, list_films, list_masks, make_table
from hilum.data.readers.sidecar import (
    MASKS,
    check_columns,
    compile_patient,
    leave_out_masks,
    list_unmasked,
    name_patients,
    read_sidecar,
)
from hilum.data.readers.table_files import read_table
from hilum.data.readers.tables import NO_FILM, attach_rows

PATH = "path"  # the required column of a side-car table
KNOWN = {"patient": "patient_id", **{name: name for name in ("site", "view", "age", "sex", "license", "boxes", *MASKS)}}
CORNERS = ("x", "y", "width", "height")  # instead of `boxes`: one row per box


def read_folder(root: Path, pattern: str = "", table: str = "") -> pd.DataFrame:
    """Any tree with a folder per class: the finding of a film is the path of its folder below the root.

    Images, views, licence: whatever the folder holds; known only from a side-car table.
    Patients: the named group `patient` of `pattern`, searched in the file name; a side-car table comes first. With neither each
        film counts as a separate patient, which a note says, because films of one patient may be in training and in test.
    Labels: the folders; their error rate is unknown.
    Split: none. Folders named train, val or test are findings like any other: give each its own root or its own source.
    Masks: `lung_masks/<path of the film>.png` and `lesion_masks/<path of the film>.png` where present; and folders `masks`,
        `lung_masks` or `lesion_masks` among the class folders, whose files are named after films beside them or in `images`, as
        in the COVID-19 Radiography Database (`COVID/images`, `COVID/masks`). `images` names no class.
    Side-car: `table` names a CSV file below the root with the column `path` and any of patient, site, view, age, sex, license,
        boxes (JSON `[[x, y, width, height], ...]`; or x, y, width, height and one row per box), lung_mask, lesion_mask. Films
        without
        a row are kept and counted; rows without a film are listed.

    Raises:
        ValueError: no film below the root, films beside the class folders, a pattern without the group `patient`, one that does
            not match every film without a patient, or a side-car table that is missing or lacks `path`.
    """
    compile_patient(pattern)
    films, rows = list_films(root), None
    if table:
        rows = read_sidecar(root / table, _name_columns(root / table))
        films = list_unmasked(root, rows)
    loose = [path for path in films if len(drop_images(path).parts) == 1]
    if loose:
        raise ValueError(
            f"every film must lie in a folder named after its class, got {len(loose)} films directly below {root}, such as "
            f"{name_some(loose)}; make a folder per class"
        )
    records = [
        {"film": escape_name(str(path)), "finding": escape(str(drop_images(path.parent))), "problem": "", "detail": ""}
        for path in films
    ]
    if rows is None:
        result = make_table(films, records)
    else:
        both = pd.concat([pd.DataFrame(records), rows.assign(finding="")], ignore_index=True)
        result = attach_rows(films, both.astype(object).where(both.notna(), ""), table)
        result.attrs["notes"] += [*rows.attrs["notes"], *_count_bare(len(films), rows, result, table)]
    drawn, among = list_masks(root), find_files(root).masks
    every = [*drawn, *(mask for kind in among.values() for mask in kind.values())]
    add_files(result, every)
    masks = {
        escape_name("/".join((path.parts[0].lower(), *path.with_suffix("").parts[1:]))): escape_name(str(path)) for path in drawn
    }
    for kind in MASKS:
        beside = [masks.get(f"{kind}s/{PurePosixPath(path).with_suffix('')}", "") for path in result["path"]]
        result[kind] = result[kind].where(result[kind] != "", pd.Series(beside, index=result.index))
        inside = {escape_name(str(film)): escape_name(str(mask)) for film, mask in among.get(kind, {}).items()}
        result[kind] = [named or inside.get(path, "") for named, path in zip(result[kind], result["path"], strict=True)]
    name_patients(result, pattern, "file name")
    leave_out_masks(root, result)
    return result


def find_folder_faults(root: Path, pattern: str = "", table: str = "") -> list[str]:
    """Faults of the settings, found at once: an invalid pattern, no side-car table, no column `path` in it."""
    faults = []
    for look in (lambda: compile_patient(pattern), lambda: _name_columns(root / table) if table else None):
        try:
            look()
        except ValueError as error:
            faults.append(str(error))
    return faults


def _name_columns(path: Path) -> dict[str, str | list[str]]:
    """The columns of a side-car table, by their names in the manifest."""
    header = read_table(path, rows=0)
    check_columns(header, {"film": PATH}, path)
    columns: dict[str, str | list[str]] = {"film": PATH, **{new: name for name, new in KNOWN.items() if name in header}}
    if set(CORNERS) <= set(header.columns) and "boxes" not in columns:
        columns["boxes"] = list(CORNERS)
    return columns


def _count_bare(films: int, rows: pd.DataFrame, result: pd.DataFrame, table: str) -> list[str]:
    """A note if there are films without a row."""
    strays = {row["path"] for row in result.attrs["left_out"] if row["problem"] in NO_FILM}
    bare = films - len(set(rows["film"]) - strays)
    return [f"films without a row in {table}: {bare} of {films}"] if bare > 0 else []
