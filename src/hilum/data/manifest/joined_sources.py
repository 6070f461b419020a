"""All readers' rows in one table, each under its source's name."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hilum.data.masks import MASK_KINDS
from hilum.records import MANIFEST


def join_sources(tables: Mapping[str, tuple[Path, pd.DataFrame]]) -> pd.DataFrame:
    """All readers' rows in one table: columns of records.MANIFEST with the source's name in front, `root` and `<column>_file`.

    path_file, lung_mask_file, lesion_mask_file: the file below the root, from `attrs["files"]` of the reader's table where a
    path is not its name. A film without a patient counts as a separate patient.

    Raises:
        ValueError: no source, a source without rows, a column that is not in the manifest, an image_id used twice.
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
        raise ValueError(
            f"an official split must be train, test or empty, got {', '.join(parts)} from {source}; correct its reader"
        )
    patient = rows["patient_id"].where(rows["patient_id"] != "", rows["image_id"])
    files = table.attrs.get("files", {})
    found = {  # objects: pandas' own texts are UTF-8, a file's name may not be
        f"{name}_file": pd.Series([files.get(path, path) for path in rows[name]], rows.index, object)
        for name in ("path", *MASK_KINDS)
    }
    rows = rows.assign(source=source, patient_id=source + "/" + patient, root=str(root), **found)
    for name in ("image_id", "path"):
        rows[name] = source + "/" + rows[name]
    for kind in MASK_KINDS:
        rows[kind] = [f"{source}/{path}" if path else "" for path in rows[kind]]
    return rows
