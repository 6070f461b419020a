"""Which films an expert has drawn on, by their rows of the manifest."""

from collections.abc import Collection

import pandas as pd

COLUMNS = {"lesion": "lesion_mask", "box": "boxes", "lungs": "lung_mask"}  # kind of annotation -> column
NONE = ("", "[]")


def annotated_kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """(N, kinds of COLUMNS) whether a film has such an annotation. rows: columns of the manifest."""
    return pd.DataFrame({kind: ~rows[column].isin(NONE) for kind, column in COLUMNS.items()}, index=rows.index)


def has_annotation(rows: pd.DataFrame, kinds: Collection[str] = tuple(COLUMNS)) -> pd.Series:
    """(N,) whether a film has an annotation of one of these kinds. rows: columns of the manifest."""
    return annotated_kinds(rows)[list(kinds)].any(axis=1)
