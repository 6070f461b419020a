"""Whether the headers of a source distinguish its patients: de-identified exports often give every film one identifier."""

import re
from collections import Counter
from collections.abc import Sequence

PLACEHOLDERS = (  # used for any patient, without blanks and punctuation; a run of zeros or X as well
    *(
        "anonymous",
        "anonymized",
        "anonymised",
        "anonym",
        "anonyme",
        "anonymisiert",
        "anon",
        "anonymouspatient",
        "anonymizedpatient",
    ),
    *(
        "deidentified",
        "pseudonym",
        "removed",
        "redacted",
        "blank",
        "empty",
        "default",
        "dummy",
        "test",
        "patient",
        "patientid",
        "id",
    ),
    *("unknown", "unbekannt", "inconnu", "none", "null", "nan", "na", "noid", "nopatientid", "notavailable", "notspecified"),
)
MOST = 0.5  # share of the films; one patient with more cannot be split into training, validation and test
SERIES = 10  # films that one patient may have: an identifier of fewer is accepted, unless it is a placeholder


def name_placeholder(identifier: str) -> str:
    """The placeholder in an identifier, as a word that may be quoted; empty if it may name a patient, or is empty."""
    word = re.sub(r"[\W_]", "", identifier.casefold())
    if not word:
        return "punctuation" if identifier.strip() else ""
    if re.fullmatch("0+|x+", word):
        return word[0].upper()
    return word.upper() if word in PLACEHOLDERS else ""


def check_patients(patients: Sequence[str], placeholders: Sequence[str], films: int, remedy: str) -> list[str]:
    """Notes on films whose header has a placeholder as patient; they count as one patient.

    patients: hashes of the identifiers in the films' headers, empty for none; unreadable headers are left out. placeholders:
    `name_placeholder` of each. films: all films of the source. remedy: where else patients may be named.

    Raises:
        ValueError: most films share one identifier, or have a placeholder or none: as one patient they cannot be split, and as a
            patient each, films of one person may be in training and in test.
    """
    found = [word for word in placeholders if word]
    words = ", ".join(f"{word} ({count})" for word, count in Counter(found).most_common(5))
    nameless = sum(not patient for patient in patients)
    unknown = nameless + len(found)
    if unknown > max(1, MOST * films) and (found or unknown >= SERIES):
        got = [f"{len(found)} of {films} films with a placeholder for it: {words}"] if found else []
        got += [f"{nameless} of {films} films without one"] if nameless else []
        raise ValueError(_refuse(" and ".join(got), remedy))
    shared = Counter(filter(None, patients)).most_common(1)
    if shared and shared[0][1] > MOST * films and shared[0][1] >= SERIES:
        raise ValueError(_refuse(f"{shared[0][1]} of {films} films that share one", remedy))
    return (
        [f"films whose header has a placeholder as patient: {len(found)}, {words}; each word counts as one patient"]
        if found
        else []
    )


def _refuse(got: str, remedy: str) -> str:
    return (
        f"the PatientID of the headers must distinguish patients, got {got}; as one patient these films cannot be split, "
        f"and as a patient each, films of one person may be in training and in test: {remedy}"
    )
