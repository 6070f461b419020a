"""The reader of ChestX-ray14 of the NIH Clinical Center."""

from collections import defaultdict
from pathlib import Path, PurePosixPath

import pandas as pd
from PIL import Image

from hilum.cells import escape_name
from hilum.data.readers.found_files import name_some
from hilum.data.readers.listing import add_files, index_lung_masks, list_films
from hilum.data.readers.table_files import read_table
from hilum.data.readers.tables import attach_rows, count_odd, pick_columns
from hilum.data.readers.values import make_box, read_age, read_sex, read_view, split_findings
from hilum.records import JOINT

ENTRIES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")  # the first that exists
BOXES = "BBox_List_2017.csv"
LISTS = {"train": "train_val_list.txt", "test": "test_list.txt"}
BOX_SIDE = 1024  # pixels: boxes refer to the released films of this side
CORNERS = ("Bbox [x", "y", "w", "h]")  # the names of four columns of BOXES
COLUMNS = {
    "film": ("Image Index",),
    "finding": ("Finding Labels",),
    "patient_id": ("Patient ID",),
    "age": ("Patient Age", ""),
    "sex": ("Patient Gender", "Patient Sex", ""),
    "view": ("View Position", ""),
}


def read_nih(root: Path) -> pd.DataFrame:
    """Frontal chest films of adults and children, NIH Clinical Center 1992 to 2015 (ChestX-ray14, Wang et al. 2017).

    Images: 112,120 PNG of 1024 x 1024 pixels, 8 bit, anywhere below the root (`images`, `images_001/images`, ...). Rows of
        missing films (a partial download) are counted and listed.
    Patients: 30,805, column `Patient ID`. Age in years (above 120, in some rows of version 1: empty), sex.
    Views: PA and AP, as given.
    Labels: 14 findings and `No Finding`, several joined by `|`, extracted from reports by text mining; the authors state an
        error rate below 10 %, radiologists who reviewed films found a higher one.
    Split: `train_val_list.txt` and `test_list.txt` where both exist: the official split, by patient.
    Boxes: `BBox_List_2017.csv`, 984 boxes on 880 films, drawn by a radiologist: x, y, width, height in pixels of the
        1024 x 1024 film, with the finding of each; on films of another size they are scaled, which a note says. Without a
        table of entries, only films with boxes are read, with the findings of the boxes.
    Shortcuts to watch: chest tubes on films with Pneumothorax, AP films of patients too ill to stand.
    Licence: no restriction on use, with attribution to the NIH Clinical Center.
    Source: doi 10.1109/CVPR.2017.369, https://nihcc.app.box.com/v/ChestXray-NIHCC

    Raises:
        ValueError: neither entries nor boxes, no film, one list of the official split without the other, a film in both, missing
            columns, an invalid box, or nothing left.
    """
    boxes = _read_boxes(root)
    entries = _find_entries(root)
    films = list_films(root)
    masks = index_lung_masks(root)
    if entries:
        table = pick_columns(read_table(entries, numbers=COLUMNS["age"]), COLUMNS, entries)
    else:
        names = boxes["film"].drop_duplicates()
        patients = names.str.split("_").str[0]
        table = pd.DataFrame({"film": names, "finding": "", "patient_id": patients, "age": "", "sex": "", "view": ""})
    scales = _measure_scales(root, films, set(boxes["film"]))
    drawn: dict[str, list[list[float]]] = defaultdict(list)
    of_boxes: dict[str, list[str]] = defaultdict(list)
    for name, finding, box in boxes.itertuples(index=False):
        drawn[name].append(_scale(box, scales.get(name, (1.0, 1.0))))
        of_boxes[name].append(finding)
    findings = table["finding"].tolist() if entries else [JOINT.join(of_boxes[name]) for name in table["film"]]
    official, ages, views = _read_split(root), table["age"].map(read_age), [read_view(view) for view in table["view"]]
    rows = table.assign(
        finding=[split_findings(text, JOINT) for text in findings],
        age=ages,
        sex=table["sex"].map(read_sex),
        view=[view for view, _ in views],
        problem=[reason for _, reason in views],
        detail=[f"view {view}" for view in table["view"]],
        official_split=[official.get(name, "") for name in table["film"]],
        boxes=table["film"].map(lambda name: drawn[name]),
        box_findings=table["film"].map(lambda name: of_boxes[name]),
        lung_mask=[escape_name(str(masks.get(PurePosixPath(name).stem, ""))) for name in table["film"]],
    )
    result = attach_rows(films, rows, entries.name if entries else BOXES, license="NIH Clinical Center, with attribution")
    add_files(result, masks.values())
    result.attrs["tables"] = [*ENTRIES, BOXES, *LISTS.values()]
    result.attrs["notes"] += count_odd(table["age"], ages, "age")
    if not entries:
        result.attrs["notes"].append(f"no {ENTRIES[1]}: films and findings are those of {BOXES} alone")
    remarks = {
        "films in neither list of the official split": list(result["path"][result["official_split"] == ""]) if official else [],
        f"films that are not {BOX_SIDE} x {BOX_SIDE} pixels, to which their boxes are scaled": sorted(scales),
        "films with boxes that the table of entries does not know": sorted(set(boxes["film"]) - set(table["film"])),
    }
    for what, films_so in remarks.items():
        if films_so:
            some = name_some([PurePosixPath(name) for name in films_so])
            result.attrs["notes"].append(f"{what}: {len(films_so)}, such as {some}")
    return result


def find_nih_faults(root: Path) -> list[str]:
    """Faults of a root, found at once: neither entries nor boxes, missing columns, half an official split."""
    faults = []
    try:
        entries = _find_entries(root)
        if entries:
            pick_columns(read_table(entries, rows=5), COLUMNS, entries)
    except ValueError as error:
        faults.append(str(error))
    there = [name for name in LISTS.values() if (root / name).is_file()]
    if len(there) == 1:
        faults.append(_tell_half_split(there[0]))
    return faults


def _find_entries(root: Path) -> Path | None:
    entries = next((root / name for name in ENTRIES if (root / name).is_file()), None)
    if entries is None and not (root / BOXES).is_file():
        raise ValueError(
            f"an nih root must hold {' or '.join(ENTRIES)}, or {BOXES} at least, got neither in {root}; put one there"
        )
    return entries


def _read_split(root: Path) -> dict[str, str]:
    """Film -> train or test, from the two lists; empty without them."""
    lists = {part: root / name for part, name in LISTS.items() if (root / name).is_file()}
    if not lists:
        return {}
    if len(lists) == 1:
        raise ValueError(_tell_half_split(next(iter(lists.values())).name))
    names = {part: {line.strip() for line in path.read_text().splitlines() if line.strip()} for part, path in lists.items()}
    both = sorted(names["train"] & names["test"])
    if both:
        raise ValueError(
            f"a film must be in one list of the official split, got {len(both)} in both, such as {both[0]}; correct the lists"
        )
    return {name: part for part, listed in names.items() for name in listed}


def _tell_half_split(there: str) -> str:
    return (
        f"the official split must be given by both {' and '.join(LISTS.values())}, got {there} only; add the other, or remove it"
    )


def _read_boxes(root: Path) -> pd.DataFrame:
    """Columns film, finding, box; the header's third cell, `Bbox [x,y,w,h]`, contains commas, so columns are read by position."""
    if not (root / BOXES).is_file():
        return pd.DataFrame({"film": [], "finding": [], "box": []}, dtype=str)
    table = read_table(root / BOXES, numbers=CORNERS)
    if table.shape[1] < 6:
        raise ValueError(f"{BOXES} must have a film, a finding, x, y, width and height, got {', '.join(table.columns)}")
    cells = table.iloc[:, :6].to_numpy().tolist()
    return pd.DataFrame([{"film": row[0], "finding": row[1], "box": make_box(row[2:])} for row in cells])


def _measure_scales(root: Path, films: list[PurePosixPath], boxed: set[str]) -> dict[str, tuple[float, float]]:
    """Film -> (across, down) by which its boxes are scaled, for films with boxes that are not BOX_SIDE pixels wide and high."""
    scales = {}
    for path in films:
        if path.name in boxed:
            try:
                with Image.open(root / path) as film:
                    width, height = film.size
            except (OSError, Image.DecompressionBombError):
                continue  # a broken film: prepare reports it
            if (width, height) != (BOX_SIDE, BOX_SIDE):
                scales[path.name] = (width / BOX_SIDE, height / BOX_SIDE)
    return scales


def _scale(box: list[float], scale: tuple[float, float]) -> list[float]:
    x, y, width, height = box
    return [round(x * scale[0], 3), round(y * scale[1], 3), round(width * scale[0], 3), round(height * scale[1], 3)]
