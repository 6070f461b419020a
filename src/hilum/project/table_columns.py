"""The columns of a table of films outside the pipeline: by usual names, or as `--columns` names them."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from hilum.data.readers.values import squeeze

COLUMNS = {  # what a table must or may say -> names that columns have for it, in any case, with blanks or underscores
    "path": (
        "path",
        "file",
        "filename",
        "file name",
        "filepath",
        "image",
        "image id",
        "image index",
        "image path",
        "film",
        "dicom",
    ),
    "finding": (
        "finding",
        "findings",
        "finding label",
        "finding labels",
        "label",
        "labels",
        "class",
        "diagnosis",
        "target",
        "category",
    ),
    "patient": ("patient", "patient id", "patientid", "subject", "subject id", "case id"),
    "boxes": ("boxes",),
    "lesion_mask": ("lesion mask",),
    "lung_mask": ("lung mask",),
}
NEEDED = ("path", "finding")
ANNOTATED = ("boxes", "lesion_mask", "lung_mask")  # what an expert drew; an empty name: not read
CORNERS = (("x", "y", "width", "height"), ("x", "y", "w", "h"), ("bbox [x", "y", "w", "h]"))  # instead of boxes: a row per box


def split_pairs(text: str, option: str) -> list[str]:
    """The pairs of an option, as a shell separates them. Raises ValueError where a quote is not closed."""
    try:
        return shlex.split(text)
    except ValueError as fault:
        raise ValueError(f"{option} must be pairs separated by blanks, got {text!r}: {fault}") from None


def choose_columns(text: str, header: Sequence[str], classes: Sequence[str], file: Path) -> tuple[dict[str, str], list[str]]:
    """What a table says by the names of its columns; and a column per finding, where it has one for each class instead.

    The names of the corners of boxes are separated by commas. text: of `--columns`.

    Raises:
        ValueError: a column is missing, or several may be meant; with the option to give.
    """
    given = dict(pair.partition("=")[::2] for pair in split_pairs(text, "--columns"))
    if strange := [name for name in given if name not in COLUMNS]:
        raise ValueError(f"--columns must name {', '.join(COLUMNS)}, got {', '.join(strange)}; write path=NAME finding=NAME")
    if absent := [name for what in given for name in _list_names(what, given[what]) if name not in header]:
        raise ValueError(f"--columns must name columns of {file.name} ({', '.join(header)}), got {', '.join(absent)}")
    known: dict[str, str] = dict(given)
    for what, names in COLUMNS.items():
        fits = [name for name in header if squeeze(name.replace("_", " ").replace("-", " ")) in names]
        if what not in known and len(fits) == 1:
            known[what] = fits[0]
        elif what not in known and len(fits) > 1:
            raise ValueError(
                f"one column of {file.name} must be the {what}, got {', '.join(fits)}; name it: --columns '{what}={fits[0]}'"
            )
    if "boxes" not in known and (corners := _find_corners(header)):
        known["boxes"] = ",".join(corners)
    marks = [name for name in header if squeeze(name) in {squeeze(one) for one in classes}]
    if "finding" not in known and len(marks) > 1:
        known["finding"] = ""
    else:
        marks = []
    if missing := [what for what in NEEDED if what not in known]:
        asked = " ".join(f"{what}=NAME" for what in missing)
        raise ValueError(
            f"a table must have a column of {' and of '.join(missing)}, got {', '.join(header)} in {file.name}; name it: "
            f"--columns '{asked}'"
        )
    return known, marks


def list_annotations(named: Mapping[str, str]) -> dict[str, str | list[str]]:
    """The columns of ANNOTATED that a table has, as readers take them. named: of `choose_columns`."""
    found: dict[str, str | list[str]] = {what: named[what] for what in ANNOTATED if named.get(what)}
    if "," in named.get("boxes", ""):
        found["boxes"] = named["boxes"].split(",")
    return found


def _list_names(what: str, names: str) -> list[str]:
    if what in ANNOTATED and not names:
        return []
    return names.split(",") if what == "boxes" else [names]


def _find_corners(header: Sequence[str]) -> list[str]:
    """The four columns of a box, in the order of CORNERS; none where one is missing or there twice."""
    words = [squeeze(name) for name in header]
    for corners in CORNERS:
        if all(words.count(one) == 1 for one in corners):
            return [header[words.index(one)] for one in corners]
    return []
