"""The reader of the pediatric chest films of Kermany et al. 2018."""

import re
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.cells import escape_name
from hilum.data.readers.found_files import name_some
from hilum.data.readers.listing import add_files, index_lung_masks, list_films, list_stems, make_table

_PNEUMONIA = re.compile(r"person(\d+)_(bacteria|virus)_", re.IGNORECASE)
_NORMAL = re.compile(r"(NORMAL2-)?IM-(\d+)-", re.IGNORECASE)
_VERSION_3 = re.compile(r"(BACTERIA|VIRUS|NORMAL)-(\d+)-\d+", re.IGNORECASE)
_FINDINGS = {"bacteria": "pneumonia/bacterial", "virus": "pneumonia/viral", "normal": "normal"}


def read_kermany(root: Path) -> pd.DataFrame:
    """Chest films of children one to five years old, Guangzhou Women and Children's Medical Center (Kermany et al. 2018).

    Images: 5,856 JPEG, up to about 2,000 px (copies at 224 x 224 are common); folders `train`, `val` (16 films) and `test` (624).
    Patients: 4,097 by the key of class and number (`b128`, `v1661`, `n1-0115`, `n2-1427`): a number alone is reused for other
        children, 979 of them for a bacterial and a viral case. Version 3 of the set names films BACTERIA-N-M, VIRUS-N-M and
        NORMAL-N-M, where N is a random number of up to seven digits; its key is class and number too (`b1008087`).
    Views: anterior-posterior.
    Labels: normal, bacterial or viral pneumonia, read from the file name. Graded by two physicians, the evaluation part checked
        by a third; the error rate is not published. 32 surplus byte-identical files in 30 groups.
    Split: the folder `test` is the official test part; `val` has no viral film and joins `train`. Without a folder `test` there
        is no official split.
    Lung masks: `lung_masks/<same stem>.png` where present (v7labs covid-19-xray-dataset, CC BY 4.0).
    Shortcuts to watch: burned-in letters ("R", "L", "A-P").
    Licence: CC BY 4.0.
    Source: doi 10.17632/rscbjbr9sj, https://data.mendeley.com/datasets/rscbjbr9sj

    Raises:
        ValueError: no film below the root, or no file name of this data set among them.
    """
    films = list_films(root)
    masks = index_lung_masks(root)
    has_test = any(_is_in_test(path) for path in films)
    rows, unnamed = [], []
    for path in films:
        finding, patient = _read_kermany_name(path.name)
        if not finding:
            unnamed.append(path)
        official = ("test" if _is_in_test(path) else "train") if has_test else ""
        mask = escape_name(str(masks.get(path.stem, masks.get(list_stems(path)[0], ""))))
        rows.append({"finding": finding, "patient_id": patient or str(path), "official_split": official, "lung_mask": mask})
    if len(unnamed) == len(films):
        raise ValueError(
            "a kermany root must hold files named personN_bacteria_M, personN_virus_M, IM-N-M or NORMAL2-IM-N-M, or as version 3 "
            f"of the set has them BACTERIA-N-M, VIRUS-N-M or NORMAL-N-M, got {name_some(films)} below {root}; "
            "use the reader `folder` for a class-per-folder tree"
        )
    table = make_table(films, rows, view="AP", license="CC BY 4.0")
    add_files(table, masks.values())
    if unnamed:
        table.attrs["notes"].append(f"films whose name has no finding: {len(unnamed)}, such as {name_some(unnamed)}")
    return table


def _is_in_test(path: PurePosixPath) -> bool:
    return "test" in (part.lower() for part in path.parts[:-1])


def _read_kermany_name(name: str) -> tuple[str, str]:
    if match := _PNEUMONIA.match(name):
        kind = match[2].lower()
        return _FINDINGS[kind], f"{kind[0]}{match[1]}"
    if match := _NORMAL.match(name):
        return "normal", f"n{2 if match[1] else 1}-{match[2]}"
    if match := _VERSION_3.match(name):
        kind = match[1].lower()
        return _FINDINGS[kind], f"{kind[0]}{match[2]}"
    return "", ""
