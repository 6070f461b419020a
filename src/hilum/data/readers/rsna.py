"""The reader of the RSNA Pneumonia Detection Challenge of 2018."""

import json
from pathlib import Path

import pandas as pd

from hilum.data.readers.dicom_listing import DicomFile, find_label_faults, make_dicom_table, read_headers, read_labels
from hilum.data.readers.identity import hide_patient, read_salt

LABELS, CLASSES = "stage_2_train_labels.csv", "stage_2_detailed_class_info.csv"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"
FINDINGS = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")
SIDES = ("x", "y", "width", "height")
TABLES = {LABELS: ("patientId", *SIDES, "Target"), CLASSES: ("patientId", "class")}  # and the columns that each must have


def read_rsna(root: Path, keys: Path | None = None) -> pd.DataFrame:
    """Frontal chest films with boxes around opacities that suggest pneumonia, RSNA Pneumonia Detection Challenge (2018).

    Images: 26,684 labelled films of the training part, DICOM of 1024 x 1024 pixels and 8 bits, named <patientId>.dcm; they were
        chosen from the 112,120 of NIH ChestX-ray14 and made from its PNGs, so that windows of the detector are lost. The 3,000
        films of `stage_2_test_images` have no labels in these tables; they are left out and counted.
    Patients: every film has its own identifier, although some NIH patients have several films here. Where the challenge's
        `pneumonia-challenge-dataset-mappings_2018.json` is below the root, the NIH patient is taken from it (salted hash); else
        a note says that films of one patient may be in training and in test.
    Views: AP or PA, age and sex, all from the headers; ages above 120 are errors of the set and are left empty.
    Labels: three findings of the detailed class file: `Normal` (8,851 films), `No Lung Opacity / Not Normal` (11,821) and
        `Lung Opacity` (6,012). The middle one is ill without opacity: it is never normal unless `prepare.labels` says so. Drawn
        and graded by radiologists of RSNA and the Society of Thoracic Radiology from the film alone; their error rate is unknown.
    Boxes: 9,555 in all, x, y, width, height in pixels; the table has a row per box, this reader a row per film with all its
        boxes, and an empty list where none was drawn.
    Split: none.
    Shortcuts to watch: AP films (of bedridden patients) have far more opacities than PA films.
    Privacy: the films were de-identified; they are still named by the hash of their content here.
    Licence: RSNA's terms of use (academic, commercial and non-commercial purposes with attribution); films: NIH Clinical Center.
    Source: Shih et al. 2019, doi 10.1148/ryai.2019180041.

    keys: root beside which the salt is, if the films are a copy of it.

    Raises:
        ValueError: no film, no salt, a table that is missing or contradicts itself or the other one, or no row that fits a film.
    """
    films, notes = read_headers(root, keys, burned_in=False)  # every film is a secondary capture here
    boxes = read_labels(root, LABELS, TABLES[LABELS], numbers=SIDES)
    classes = read_labels(root, CLASSES, TABLES[CLASSES]).drop_duplicates()
    _check_tables(boxes, classes)
    finding = classes.set_index("patientId")["class"].to_dict()
    drawn = {str(name): _list_boxes(rows) for name, rows in boxes[boxes["Target"] == "1"].groupby("patientId")}
    known = [film for film in films if film.file.stem in finding]
    if not known:
        raise ValueError(f"the rows of {CLASSES} must fit films below the root by patientId, got none that does; check `root`")
    twice = len(known) - len({film.file.stem for film in known})
    if twice:
        raise ValueError(f"every patientId must be one film, got {twice} files of the same name below {root}; remove the copies")
    if len(known) < len(films):
        notes.append(f"films without a row in {CLASSES}: {len(films) - len(known)}, left out (the test part has no labels)")
    absent = len(set(finding) - {film.file.stem for film in known})
    if absent:
        notes.append(f"rows of {CLASSES} that fit no film: {absent}")
    patients = _read_patients(root, known, read_salt(keys or root))
    if not patients:
        notes.append(
            f"without {MAPPING} NIH patients are unknown, so each film counts as a separate patient: films of "
            "one patient may be in training and in test"
        )
    rows = [
        {
            "finding": finding[film.file.stem],
            "boxes": json.dumps(drawn.get(film.file.stem, [])),
            "patient_id": patients.get(film.file.stem, ""),
        }
        for film in known
    ]
    remedy = f"put {MAPPING} of the challenge below the root, or the films as they were published"
    return make_dicom_table(root, known, rows, notes, remedy, license="RSNA terms of use, with attribution")


def find_rsna_faults(root: Path, keys: Path | None = None) -> list[str]:
    """Faults of a root, found at once: a table that is missing, or lacks a column. keys: unused."""
    return [fault for name, columns in TABLES.items() for fault in find_label_faults(root, name, columns)]


def _check_tables(boxes: pd.DataFrame, classes: pd.DataFrame) -> None:
    """Collect every contradiction within and between the two tables; messages count and name lines."""
    faults = []
    if strange := sorted(set(classes["class"]) - set(FINDINGS)):
        faults.append(f"{CLASSES} has classes other than {', '.join(FINDINGS)}: {', '.join(strange)}")
    if several := int(classes["patientId"].duplicated().sum()):
        faults.append(f"{CLASSES} gives {several} films two classes")
    if strange := sorted(set(boxes["Target"]) - {"0", "1"}):
        faults.append(f"{LABELS} has targets other than 0 and 1: {', '.join(strange)}")
    numbers = boxes[list(SIDES)].apply(pd.to_numeric, errors="coerce")
    whole = numbers.notna().all(axis=1) & (numbers[["width", "height"]] > 0).all(axis=1)
    if len(bad := boxes.index[(boxes["Target"] == "1") & ~whole]):
        faults.append(f"{LABELS} has {len(bad)} targets without a box, the first on line {bad[0]}")
    opaque = set(classes.loc[classes["class"] == "Lung Opacity", "patientId"])
    boxed, listed = set(boxes.loc[boxes["Target"] == "1", "patientId"]), set(boxes["patientId"])
    if differ := len(opaque ^ boxed):
        faults.append(f"{differ} films have a box in {LABELS} and no Lung Opacity in {CLASSES}, or the other way round")
    if differ := len(listed ^ set(classes["patientId"])):
        faults.append(f"{differ} films are in only one of the two tables")
    if faults:
        raise ValueError(f"the tables of rsna must agree: {'; '.join(faults)}; take both from one download")


def _list_boxes(rows: pd.DataFrame) -> list[list[float]]:
    values = rows[list(SIDES)].astype(float).to_numpy().tolist()
    return [[int(side) if side == int(side) else side for side in box] for box in values]


def _read_patients(root: Path, films: list[DicomFile], salt: bytes) -> dict[str, str]:
    """patientId -> hashed NIH patient, from the challenge's mapping if it is there."""
    if not (root / MAPPING).is_file():
        return {}
    try:
        images = {str(row["subset_img_id"]): str(row["img_id"]) for row in json.loads((root / MAPPING).read_text())}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{MAPPING} must be a list with subset_img_id and img_id, got another file ({type(error).__name__}); "
            "download it again or remove it"
        ) from None
    absent = sum(film.file.stem not in images for film in films)
    if absent:
        raise ValueError(f"{MAPPING} must name every film, got {absent} that it does not; download it again or remove it")
    return {film.file.stem: hide_patient(salt, images[film.file.stem].split("_")[0]) for film in films}
