"""The reader of the COVID-19 image data collection of Cohen et al., and the shared code for tables of this form."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape_name
from hilum.data.readers.listing import add_files, index_lung_masks, list_films
from hilum.data.readers.table_files import read_table
from hilum.data.readers.tables import attach_rows, count_odd, pick_columns
from hilum.data.readers.values import UNTOLD, X_RAY, read_age, read_number, read_sex, read_view, split_findings, squeeze

TABLE = "metadata.csv"
FOLDER = "images"
COLUMNS = {  # new name -> names in the versions of the table; an empty one: may be missing
    "film": ("filename",),
    "folder": ("folder", ""),
    "patient_id": ("patientid",),
    "finding": ("finding",),
    "view": ("view",),
    "modality": ("modality", ""),
    "age": ("age", ""),
    "sex": ("sex", ""),
    "offset": ("offset", ""),
    "license": ("license", "licence", ""),
}
NUMBERS = ("age", "offset")  # columns


def read_covid_chestxray(root: Path, licenses: Sequence[str] = ()) -> pd.DataFrame:
    """Chest films from publications and case collections, adults, mostly COVID-19 (Cohen, Morrison and Dao 2020).

    Images: about 950 rows of `metadata.csv`, some 850 of them X-ray films of some 450 patients, JPEG and PNG of many sizes, below
        `images`. Rows of CT slices and volumes are left out, each with its reason.
    Patients: column `patientid`; `offset` counts days since the first symptoms or the admission.
    Views: PA, AP, AP Supine and AP Erect, in any case; lateral films and views that no rule names are left out, each with its
        reason. A missing view stays empty: no information, and a value of its own.
    Labels: as in the publications; the error rate is unknown. A path in the newer table (`Pneumonia/Viral/COVID-19`), a
        name or a list of names in the older one (`COVID-19`, `No Finding`, `COVID-19, ARDS`); `todo` means not yet graded. Kept
        unchanged, lists as `COVID-19|ARDS`: rules must use the spelling of the table at hand.
    Split: none.
    Masks: `lung_masks/<same stem>.png` where present. The repository's own `lungVAE-masks` are a network's, not read here.
    Shortcuts to watch: nearly every film with COVID-19 comes from another clinic than those without; arrows and letters of
        journal figures; hardly any normal film.
    Licence: per film, column `license`; with `licenses` only films with one of these licences, in any case, are taken, and none
        without a licence.
    Source: https://github.com/ieee8023/covid-chestxray-dataset, arXiv 2006.11988

    Raises:
        ValueError: no table, no film, a column is missing, or nothing is left.
    """
    table = pick_columns(read_table(root / TABLE, numbers=NUMBERS), COLUMNS, root / TABLE)
    return read_clinical_rows(root, table, licenses)


def find_covid_chestxray_faults(root: Path, licenses: Sequence[str] = ()) -> list[str]:
    """Faults of a root and an allow-list, found at once: no table, missing columns, licences that no row has."""
    try:
        table = pick_columns(read_table(root / TABLE), COLUMNS, root / TABLE)
    except ValueError as error:
        return [str(error)]
    known = {squeeze(word): word for word in table["license"] if word}
    strange = [word for word in licenses if squeeze(word) not in known]
    return [f"licenses must be in {TABLE} ({', '.join(sorted(known.values()))}), got {', '.join(strange)}"] if strange else []


def read_clinical_rows(root: Path, table: pd.DataFrame, licenses: Sequence[str] = (), **same: str) -> pd.DataFrame:
    """Rows of tables of this form joined with the films below `images`.

    table: the keys of COLUMNS; a finding is a path, a name or a list of names with commas.
    """
    films = list_films(root)
    inside = [path for path in films if path.parts[0].lower() == FOLDER]
    films = inside or films
    masks = {stem.casefold(): path for stem, path in index_lung_masks(root).items()}
    views = [read_view(view) for view in table["view"]]
    ages, offsets = table["age"].map(read_age), table["offset"].map(read_number)
    rows = table.assign(
        film=[f"{folder}/{film}" if folder else film for folder, film in zip(table["folder"], table["film"], strict=True)],
        finding=[split_findings(text, ",|") for text in table["finding"]],
        view=[view for view, _ in views],
        age=ages,
        sex=table["sex"].map(read_sex),
        offset=offsets,
        lung_mask=[escape_name(str(masks.get(PurePosixPath(film).stem.casefold(), ""))) for film in table["film"]],
    ).drop(columns=["folder", "modality"])
    reasons = [
        _find_reason(modality, view, reason, license_, licenses)
        for modality, view, (_, reason), license_ in zip(table["modality"], table["view"], views, table["license"], strict=True)
    ]
    rows["problem"], rows["detail"] = [reason for reason, _ in reasons], [detail for _, detail in reasons]
    result = attach_rows(films, rows, TABLE, **same)
    add_files(result, masks.values())
    result.attrs["notes"] += [
        *count_odd(table["age"], ages, "age"),
        *count_odd(table["offset"], offsets, "offset"),
    ]
    return result


def _find_reason(modality: str, view: str, reason: str, license_: str, licenses: Sequence[str]) -> tuple[str, str]:
    """Why a row is not taken: the problem and its detail, or two empty strings."""
    if squeeze(modality) not in (*UNTOLD, *X_RAY):
        return "no X-ray film", f"modality {modality}"
    if reason:
        return reason, f"view {view}"
    if licenses and squeeze(license_) not in {squeeze(word) for word in licenses}:
        return "licence not allowed", f"licence {license_ or 'not given'}; allowed: {', '.join(licenses)}"
    return "", ""
