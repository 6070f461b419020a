"""Readers of data sets: a folder of films in, one row per film out, in the columns of the manifest."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from hilum.data.phantom import read_phantom

SUFFIXES = (".png", ".jpg", ".jpeg")  # compared in lower case
MASK_FOLDERS = ("lung_masks", "lesion_masks")  # beside the films; what lies in them is no film

# What a reader may know of a film; prepare adds the rest of records.MANIFEST. An empty string means "no information".
READ_COLUMNS = (
    "image_id",  # path without its ending, until prepare puts the source's name in front
    "path",  # relative to the root, with forward slashes
    "patient_id",
    "official_split",
    "view",
    "finding",
    "age",
    "sex",
    "license",
    "boxes",
    "lung_mask",  # relative to the root
    "lesion_mask",
)

_KERMANY_PNEUMONIA = re.compile(r"person(\d+)_(bacteria|virus)_", re.IGNORECASE)
_KERMANY_NORMAL = re.compile(r"(NORMAL2-)?IM-(\d+)-", re.IGNORECASE)
_KERMANY_FINDINGS = {"bacteria": "pneumonia/bacterial", "virus": "pneumonia/viral"}


def list_films(root: Path) -> list[PurePosixPath]:
    """The PNG and JPEG files below a root, sorted, relative to it; masks, hidden files and hidden folders are no films.

    Raises:
        ValueError: the root is no folder or holds no film.
    """
    if not root.is_dir():
        raise ValueError(f"the root of a source must be a folder, got {root}, which does not exist; check `root`")
    films = sorted(path for path in _list_pictures(root) if path.parts[0].lower() not in MASK_FOLDERS)
    if not films:
        raise ValueError(f"a source must hold films, got none below {root}; looked for {', '.join(SUFFIXES)} in any case")
    return films


def read_kermany(root: Path) -> pd.DataFrame:
    """Chest films of children one to five years old, Guangzhou Women and Children's Medical Center (Kermany et al. 2018).

    Images: 5,856 JPEG, up to about 2,000 px (copies at 224 x 224 are common); folders `train`, `val` (16 films) and `test` (624).
    Patients: 4,097 by the key of class and number (`b128`, `v1661`, `n1-0115`, `n2-1427`): a bare number is used again for other
        children, 979 of them for a bacterial and a viral case.
    Views: anterior-posterior.
    Labels: normal, bacterial or viral pneumonia, read from the file name. Graded by two physicians, the evaluation part checked
        by a third; the error rate is not published. 32 surplus byte-identical files in 30 groups.
    Split: the folder `test` is the official test part; `val` has no viral film and joins `train`. Without a folder `test` there
        is no official split.
    Lung masks: `lung_masks/<same stem>.png` where present (v7labs covid-19-xray-dataset, CC BY 4.0).
    Shortcuts to watch: burnt-in letters ("R", "L", "A-P").
    Licence: CC BY 4.0.
    Source: doi 10.17632/rscbjbr9sj, https://data.mendeley.com/datasets/rscbjbr9sj

    Raises:
        ValueError: no film below the root, or no file name of this data set among them.
    """
    films = list_films(root)
    masks = {path.stem: path for path in _list_masks(root) if path.parts[0].lower() == "lung_masks"}
    has_test = any(_is_in_test(path) for path in films)
    rows, strangers = [], []
    for path in films:
        finding, patient = _read_kermany_name(path.name)
        if not finding:
            strangers.append(path)
        official = ("test" if _is_in_test(path) else "train") if has_test else ""
        mask = str(masks.get(path.stem, ""))
        rows.append({"finding": finding, "patient_id": patient or str(path), "official_split": official, "lung_mask": mask})
    if len(strangers) == len(films):
        raise ValueError(
            "a kermany root must hold files named personN_bacteria_M, personN_virus_M, IM-N-M or NORMAL2-IM-N-M, "
            f"got {_name_some(films)} below {root}; use the reader `folder` for a class-per-folder tree"
        )
    table = _make_table(films, rows, view="AP", license="CC BY 4.0")
    if strangers:
        table.attrs["notes"].append(f"films whose name tells no finding: {len(strangers)}, such as {_name_some(strangers)}")
    return table


def read_folder(root: Path, pattern: str = "") -> pd.DataFrame:
    """Any tree with a folder per class: the finding of a film is the path of its folder below the root.

    Images, views, licence: whatever the folder holds; nothing is known of them.
    Patients: the named group `patient` of `pattern`, searched in the file name; without a pattern each film is a patient of its
        own, which a note in `attrs["notes"]` says, because films of one patient may then be in training and in test.
    Labels: as the folders say; their error rate is unknown.
    Split: none. Folders called train, val or test are findings like any other: give each its own root or its own source.
    Masks: `lung_masks/<path of the film>.png` and `lesion_masks/<path of the film>.png` where present.

    Raises:
        ValueError: no film below the root, films beside the class folders, a pattern without the group `patient`, or one that
            does not match every file name.
    """
    expression = _compile_patient(pattern)
    films = list_films(root)
    loose = [path for path in films if len(path.parts) == 1]
    if loose:
        raise ValueError(
            f"every film must lie in a folder named after its class, got {len(loose)} films directly below {root}, such as "
            f"{_name_some(loose)}; make a folder per class"
        )
    found = {path: expression.search(path.name) if expression else None for path in films}
    missed = [path for path in films if expression and not (found[path] and found[path]["patient"])]  # type: ignore[index]
    if missed:
        raise ValueError(
            f"the pattern {pattern!r} must find a patient in every file name, got {len(missed)} of {len(films)} without one, "
            f"such as {_name_some(missed)}; widen the pattern"
        )
    masks = {path.parts[0].lower() + "/" + "/".join(path.with_suffix("").parts[1:]): str(path) for path in _list_masks(root)}
    rows = []
    for path in films:
        match, key = found[path], str(path.with_suffix(""))
        rows.append(
            {
                "finding": str(path.parent),
                "patient_id": match["patient"] if match else str(path),
                "lung_mask": masks.get(f"lung_masks/{key}", ""),
                "lesion_mask": masks.get(f"lesion_masks/{key}", ""),
            }
        )
    table = _make_table(films, rows)
    if expression is None:
        table.attrs["notes"].append(
            "no pattern tells the patient, so each film counts as a patient of its own: films of one patient may be in training "
            "and in test; give `pattern` with a group such as (?P<patient>[^_]+)"
        )
    return table


SOURCES: dict[str, Callable[..., pd.DataFrame]] = {
    "phantom": read_phantom,
    "kermany": read_kermany,
    "folder": read_folder,
}


def _list_pictures(root: Path) -> list[PurePosixPath]:
    pictures = []
    for path in root.rglob("*"):
        relative = PurePosixPath(path.relative_to(root).as_posix())
        hidden = any(part.startswith(".") for part in relative.parts)
        if relative.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            pictures.append(relative)
    return pictures


def _list_masks(root: Path) -> list[PurePosixPath]:
    return [path for path in _list_pictures(root) if path.parts[0].lower() in MASK_FOLDERS]


def _make_table(films: Sequence[PurePosixPath], rows: Iterable[dict[str, str]], **same: str) -> pd.DataFrame:
    table = pd.DataFrame(list(rows)).assign(image_id=_name_films(films), path=[str(path) for path in films], **same)
    table = table.reindex(columns=list(READ_COLUMNS), fill_value="").astype(str)
    table.attrs["notes"] = []
    return table


def _name_films(films: Sequence[PurePosixPath]) -> list[str]:
    """Path without ending; two files that differ in the ending alone keep it, so that names stay unique."""
    count = Counter(path.with_suffix("") for path in films)
    return [str(path.with_suffix("") if count[path.with_suffix("")] == 1 else path) for path in films]


def _is_in_test(path: PurePosixPath) -> bool:
    return "test" in (part.lower() for part in path.parts[:-1])


def _read_kermany_name(name: str) -> tuple[str, str]:
    if match := _KERMANY_PNEUMONIA.match(name):
        kind = match[2].lower()
        return _KERMANY_FINDINGS[kind], f"{kind[0]}{match[1]}"
    if match := _KERMANY_NORMAL.match(name):
        return "normal", f"n{2 if match[1] else 1}-{match[2]}"
    return "", ""


def _compile_patient(pattern: str) -> re.Pattern[str] | None:
    if not pattern:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"`pattern` must be a regular expression, got {pattern!r} ({error}); see Python's `re`") from error
    if "patient" not in expression.groupindex:
        raise ValueError(f"`pattern` must have a group named patient, got {pattern!r}; use one such as (?P<patient>[^_]+)")
    return expression


def _name_some(paths: Sequence[PurePosixPath]) -> str:
    return ", ".join(str(path) for path in paths[:3])
