"""The reader of any tree with a folder per class."""

import re
from pathlib import Path

import pandas as pd

from hilum.data.readers.listing import list_films, list_masks, make_table, name_some


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
            f"{name_some(loose)}; make a folder per class"
        )
    found = {path: expression.search(path.name) if expression else None for path in films}
    missed = [path for path in films if expression and not (found[path] and found[path]["patient"])]  # type: ignore[index]
    if missed:
        raise ValueError(
            f"the pattern {pattern!r} must find a patient in every file name, got {len(missed)} of {len(films)} without one, "
            f"such as {name_some(missed)}; widen the pattern"
        )
    masks = {path.parts[0].lower() + "/" + "/".join(path.with_suffix("").parts[1:]): str(path) for path in list_masks(root)}
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
    table = make_table(films, rows)
    if expression is None:
        table.attrs["notes"].append(
            "no pattern tells the patient, so each film counts as a patient of its own: films of one patient may be in training "
            "and in test; give `pattern` with a group such as (?P<patient>[^_]+)"
        )
    return table


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
