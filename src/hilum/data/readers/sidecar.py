"""A user's table beside the films: its columns, read into the terms of the manifest."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape_name
from hilum.data.readers.found_files import find_files, name_some
from hilum.data.readers.listing import add_files, list_films, list_names, name_left_out
from hilum.data.readers.table_files import read_table
from hilum.data.readers.tables import count_odd
from hilum.data.readers.values import UNTOLD, make_box, read_age, read_boxes, read_sex, read_view, squeeze

PLAIN = ("patient_id", "site", "license", "lung_mask", "lesion_mask")  # taken unchanged
MASKS = ("lung_mask", "lesion_mask")
SPLITS = {"train": "train", **dict.fromkeys(("val", "valid", "validation", "dev"), "train"), "test": "test", "": ""}
Columns = Mapping[str, str | Sequence[str]]  # column of the manifest -> name, or names where it is in several


def read_sidecar(path: Path, columns: Columns, separators: str = "") -> pd.DataFrame:
    """The rows of a table, as `attach_rows` takes them, without the column finding.

    columns: `film` (the column with the path, name or name without ending) and any of patient_id, site, view (one column or
    several, of which the last one with a value counts), age, sex, license, official_split, lung_mask, lesion_mask, boxes (one
    column with JSON `[[x, y, width, height], ...]`, or four with one box per row). Notes are in `attrs["notes"]`.

    Raises:
        ValueError: no such table or columns, an invalid box, or a split that is neither train, validation nor test.
    """
    table = read_table(path, numbers=[name for column in ("age", "boxes") for name in _list_names(columns.get(column, ""))])
    check_columns(table, columns, path)
    rows = pd.DataFrame({"film": table[_first(columns["film"])], "problem": "", "detail": ""}, index=table.index)
    notes = []
    for name in PLAIN:
        if columns.get(name):
            rows[name] = table[_first(columns[name])]
    if "patient_id" in rows:  # else all films of unknown patients would be films of one
        rows["patient_id"] = rows["patient_id"].where(~rows["patient_id"].map(squeeze).isin(UNTOLD), "")
    for name, read in (("age", read_age), ("sex", read_sex)):
        if columns.get(name):
            cells = table[_first(columns[name])]
            rows[name] = cells.map(read)
            notes += count_odd(cells, rows[name], name)
    if columns.get("view"):
        rows[["view", "problem", "detail"]] = _read_views(table, columns["view"])
    if columns.get("official_split"):
        rows["official_split"] = [_read_split(text) for text in table[_first(columns["official_split"])]]
    if columns.get("boxes"):
        rows["boxes"] = pd.Series(_read_box_columns(table, columns["boxes"]), index=rows.index, dtype=object)
    rows.attrs["notes"] = notes
    return rows


def check_columns(table: pd.DataFrame, columns: Columns, path: Path) -> None:
    """Raise ValueError naming every column of the settings that the table does not have."""
    wanted = [name for names in columns.values() for name in _list_names(names)]
    missing = [name for name in dict.fromkeys(wanted) if name not in table.columns]
    if missing:
        raise ValueError(
            f"columns of {path.name} must be of {', '.join(table.columns)}, got {', '.join(missing)}; correct the names"
        )


def list_unmasked(root: Path, rows: pd.DataFrame) -> list[PurePosixPath]:
    """The films below a root, without the files that a table names as masks."""
    masks = {str(PurePosixPath(path)) for kind in MASKS if kind in rows for path in rows[kind] if path}
    return [path for path in list_films(root) if masks.isdisjoint(list_names(path))]


def leave_out_masks(root: Path, table: pd.DataFrame) -> None:
    """Empty the masks of a reader's table whose files are missing, and list these as left out, in place."""
    for kind in MASKS:
        _name_as_found(root, table, kind)
    files = table.attrs.get("files", {})
    for kind in MASKS:
        gone = [bool(path) and not (root / files.get(path, path)).is_file() for path in table[kind]]
        for path, film in zip(table.loc[gone, kind], table.loc[gone, "path"], strict=True):
            table.attrs["left_out"].append(name_left_out(path, f"missing {kind}", f"named as the mask of {film}, but missing"))
        if any(gone):
            table.attrs["notes"].append(f"missing {kind}: {sum(gone)}, such as {table.loc[gone, kind].iloc[0]}")
        table.loc[gone, kind] = ""


def _name_as_found(root: Path, table: pd.DataFrame, kind: str) -> None:
    """Name masks as the manifest writes them, in place, where a table writes names that are not UTF-8 in another way."""
    files = table.attrs.get("files", {})
    if all(not path or (root / files.get(path, path)).is_file() for path in table[kind]):
        return
    found = find_files(root)
    among = [path for of_kind in found.masks.values() for path in of_kind.values()]
    every = [*found.pictures, *found.root_masks, *found.stray_masks, *among]
    odd = {name: path for path in every if escape_name(str(path)) != str(path) for name in list_names(path)}
    add_files(table, [odd[path] for path in table[kind] if path in odd])
    table[kind] = [escape_name(str(odd[path])) if path in odd else path for path in table[kind]]


def name_patients(table: pd.DataFrame, pattern: str, where: str) -> None:
    """Fill empty patient_ids of a reader's table by the pattern, or by each film's own path, which a note says; in place.

    pattern: its named group `patient` is the patient. where: what it is searched in, `path` (of the film) or `file name`.

    Raises:
        ValueError: an invalid pattern, or one that does not match every film without a patient.
    """
    unnamed = table["patient_id"] == ""
    expression = compile_patient(pattern)
    if expression:
        paths = [PurePosixPath(path) for path in table.loc[unnamed, "path"]]
        found = {path: expression.search(str(path) if where == "path" else path.name) for path in paths}
        missed = [path for path, match in found.items() if not (match and match["patient"])]
        if missed:
            raise ValueError(
                f"the pattern {pattern!r} must find a patient in every {where}, got {len(missed)} of {len(found)} without one, "
                f"such as {name_some(missed)}; widen the pattern"
            )
        table.loc[unnamed, "patient_id"] = [match["patient"] for match in found.values() if match]
    elif unnamed.any():
        table.loc[unnamed, "patient_id"] = table.loc[unnamed, "path"]
        table.attrs["notes"].append(
            f"the patients of {unnamed.sum()} films are unknown, so each film counts as a separate patient: films of one "
            "patient may be in training and in test; give `pattern` with a group such as (?P<patient>[^_]+), or a table with "
            "a column of patients"
        )


def compile_patient(pattern: str) -> re.Pattern[str] | None:
    """The regular expression of a pattern with the group `patient`, None for an empty one. Raises ValueError if it is neither."""
    if not pattern:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`pattern` must be a regular expression, got {pattern!r} ({error}); see Python's `re`") from error
    if "patient" not in expression.groupindex:
        raise ValueError(f"`pattern` must have a group named patient, got {pattern!r}; use one such as (?P<patient>[^_]+)")
    return expression


def _read_views(table: pd.DataFrame, names: str | Sequence[str]) -> list[tuple[str, str, str]]:
    """The view of each row, and the problem and its detail where one of the columns has a view that is not taken."""
    results = []
    for words in table[[names] if isinstance(names, str) else list(names)].to_numpy():
        read = [(word, *read_view(word)) for word in words]
        view = next((view for _, view, _ in reversed(read) if view), "")
        results.append(next(((view, reason, f"view {word}") for word, _, reason in read if reason), (view, "", "")))
    return results


def _list_names(names: str | Sequence[str]) -> list[str]:
    return [name for name in ([names] if isinstance(names, str) else names) if name]


def _first(names: str | Sequence[str]) -> str:
    return names if isinstance(names, str) else names[0]


def _read_split(text: str) -> str:
    if squeeze(text) not in SPLITS:
        raise ValueError(f"a split must be train, val or test, got {text!r}; correct the table or leave the column out")
    return SPLITS[squeeze(text)]


def _read_box_columns(table: pd.DataFrame, names: str | Sequence[str]) -> list[list[list[float]]]:
    """The boxes of each row: from one column of JSON, or from four columns, empty where all four are."""
    if isinstance(names, str) or len(names) == 1:
        return [read_boxes(text) for text in table[_first(names)]]
    return [[make_box(row)] if any(row) else [] for row in table[list(names)].to_numpy().tolist()]
