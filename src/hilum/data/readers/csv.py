"""The reader of any films with a table, whose columns are named in params.yaml."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hilum.data.readers.sidecar import (
    Columns,
    check_columns,
    compile_patient,
    leave_out_masks,
    list_unmasked,
    name_patients,
    read_sidecar,
)
from hilum.data.readers.table_files import read_table
from hilum.data.readers.tables import attach_rows
from hilum.data.readers.values import join_findings, split_findings
from hilum.records import UNCERTAIN

NO_FINDING = "none"  # a film whose columns of findings are all 0
CODES = {"1": "yes", "1.0": "yes", "0": "no", "0.0": "no", "-1": "unsure", "-1.0": "unsure", "": "missing"}


def read_csv(
    root: Path,
    table: str,
    path: str,
    finding: str = "",
    findings: Sequence[str] = (),
    separators: str = "",
    pattern: str = "",
    **columns: str | Sequence[str],
) -> pd.DataFrame:
    """Any films with a table of labels, whose columns `params.yaml` names.

    Images: whatever lies below the root; a film without a row and a row without a film are counted and listed.
    Patients: the column `patient`, or the group `patient` of `pattern`, searched in the path of the film; with neither each film
        counts as a separate patient, which a note says.
    Views: one column or several; lateral films and views that no rule names are left out, each with its reason; an empty view is
        a value of its own.
    Labels: as in the table; their error rate is unknown. Either one column of findings (several in a cell are separated by
        any character of `separators`), or a column per finding that holds 1, 0, -1 or nothing: 1 is the finding, -1 is
        `<finding>/uncertain`, a film whose columns are all 0 has the finding `none`, and one without a 1 or -1 and with an empty
        cell has no finding.
    Split: the column `split`, with train, val (joins train) or test.
    Boxes: a column with JSON `[[x, y, width, height], ...]`, or four columns and one row per box; several rows of one film
        become one. Masks: columns with paths below the root.
    Licence: the column `license`.

    root: the folder. table, path: the CSV file below it, and its column with the path, name or name without ending of the film.
    finding: one column; findings: one column per finding. columns: the names for patient, site, view, age, sex, license, split,
    boxes, lung_mask and lesion_mask, each empty if the table has none.

    Raises:
        ValueError: no table, no film, missing columns, a cell other than 1, 0, -1 or nothing, or no film left.
    """
    file = root / table
    rows = read_sidecar(file, name_columns(path, **columns))
    whole = read_table(file, numbers=findings)
    check_columns(whole, {"finding": finding, "findings": list(findings)}, file)
    rows["finding"] = read_marks(whole, findings) if findings else [split_findings(text, separators) for text in whole[finding]]
    if "boxes" in rows and finding:
        rows["box_findings"] = [[finding] * len(boxes) for finding, boxes in zip(rows["finding"], rows["boxes"], strict=True)]
    result = attach_rows(list_unmasked(root, rows), rows, table)
    result.attrs["notes"] += rows.attrs["notes"]
    name_patients(result, pattern, "path")
    leave_out_masks(root, result)
    return result


def find_csv_faults(
    root: Path,
    table: str,
    path: str,
    finding: str = "",
    findings: Sequence[str] = (),
    separators: str = "",
    pattern: str = "",
    **columns: str | Sequence[str],
) -> list[str]:
    """Faults of the settings, found at once: no table, missing columns, an invalid pattern."""
    faults = []
    named = {**name_columns(path, **columns), "finding": finding, "findings": list(findings)}
    for look in (lambda: check_columns(read_table(root / table, rows=0), named, root / table), lambda: compile_patient(pattern)):
        try:
            look()
        except ValueError as error:
            faults.append(str(error))
    return faults


def name_columns(
    path: str, patient: str | Sequence[str] = "", split: str | Sequence[str] = "", **columns: str | Sequence[str]
) -> Columns:
    """Columns of the manifest -> the user's names for them."""
    return {"film": path, "patient_id": patient, "official_split": split, **columns}


def read_marks(table: pd.DataFrame, findings: Sequence[str]) -> list[str]:
    """The findings of each row from a column per finding.

    Raises:
        ValueError: a cell other than 1, 0, -1 or nothing.
    """
    strange = {name: sorted(set(table[name]) - set(CODES))[:3] for name in findings}
    if odd := [f"{', '.join(map(repr, words))} in {name}" for name, words in strange.items() if words]:
        raise ValueError(
            f"a column of a finding must hold 1, 0, -1 or nothing, got {'; '.join(odd)}; correct the table, or name the column "
            "as `finding` if it holds words"
        )
    return [_read_row([CODES[code] for code in row], findings) for row in table[list(findings)].to_numpy()]


def _read_row(codes: Sequence[str], findings: Sequence[str]) -> str:
    endings = {"yes": "", "unsure": f"/{UNCERTAIN}"}
    present = [name + endings[code] for name, code in zip(findings, codes, strict=True) if code in endings]
    if present:
        return join_findings(present)
    return "" if "missing" in codes else NO_FINDING
