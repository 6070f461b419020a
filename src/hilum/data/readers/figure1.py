"""The reader of the Figure 1 COVID-19 chest X-ray dataset initiative."""

import re
from pathlib import Path

import pandas as pd

from hilum.data.readers.covid_chestxray import NUMBERS, TABLE, read_clinical_rows
from hilum.data.readers.table_files import read_table
from hilum.data.readers.tables import pick_columns

COLUMNS = {  # new name -> names in the table; an empty one: may be missing
    "film": ("patientid",),
    "patient_id": ("patientid",),
    "finding": ("finding",),
    "view": ("view",),
    "modality": ("modality", ""),
    "age": ("age", ""),
    "sex": ("sex", ""),
    "offset": ("offset", ""),
    "folder": ("",),
    "license": ("",),
}


def read_figure1(root: Path) -> pd.DataFrame:
    """Chest films that clinicians shared in the Figure 1 app, mostly COVID-19 (Wang, Wong and others, 2020).

    Images: 55 rows of `metadata.csv` (latin-1 text in some versions), JPEG and PNG of many sizes below `images`, named after
        `patientid`; many are photographs of a screen, some noted in the column `artifacts/distortion`.
    Patients: `patientid` without the letter of a second or third film: `COVID-00003a` and `COVID-00003b` are one patient;
        `offset` counts days since the first symptoms.
    Views: PA, AP and AP erect; mostly not given, which stays empty: no information, and a value of its own.
    Labels: `COVID-19`, `Pneumonia`, `No finding`, and empty for about a fifth of the films, which a rule must exclude; given
        by the sharing clinician, the error rate is unknown.
    Age: years; words such as `50+` and `early 40s` are no numbers and become empty (a note counts them).
    Split: none.
    Shortcuts to watch: screen photographs; one source for one class.
    Licence: none is stated in the repository ("for research purposes only").
    Source: https://github.com/agchung/Figure1-COVID-chestxray-dataset

    Raises:
        ValueError: no table, no film, a column is missing, or nothing is left.
    """
    table = pick_columns(read_table(root / TABLE, numbers=NUMBERS), COLUMNS, root / TABLE)
    table["patient_id"] = [re.sub(r"(?<=\d)[a-z]$", "", name) for name in table["patient_id"]]
    return read_clinical_rows(root, table)


def find_figure1_faults(root: Path) -> list[str]:
    """Faults of a root, found at once: no table, missing columns."""
    try:
        pick_columns(read_table(root / TABLE), COLUMNS, root / TABLE)
    except ValueError as error:
        return [str(error)]
    return []
