"""Whether the patients of two sources can be compared by their names."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from hilum.data.readers.identity import read_salt, salt_file
from hilum.data.readers.registry import READERS
from hilum.settings.sources import DICOM_SOURCES, Source


def find_same_people(source: Source, root: Path, others: Mapping[str, tuple[Source, Path]]) -> tuple[list[str], list[str]]:
    """The other sources in which a patient's name means the same person as in this one, and a sentence on each of the rest.

    Names agree where both are one published set, or where both are DICOM whose patients are hashed with one salt. others: name ->
    settings and root.
    """
    same, apart = [], []
    for name, (other, place) in others.items():
        published = other.reader == source.reader and READERS[source.reader].published
        if published or (isinstance(source, DICOM_SOURCES) and isinstance(other, DICOM_SOURCES) and _one_salt(root, place)):
            same.append(name)
        else:
            apart.append(
                f"patients are not comparable with those of {name}: neither one naming nor one salt; films were compared by "
                "bytes, pixels and likeness"
            )
    return same, apart


def list_namings(source: Source, root: Path) -> list[str]:
    """By whose naming a source names its patients, as a model may keep it: a published set, a salt. None: in its own way.

    As in `find_same_people`: two sources with one of these in common name a patient alike.
    """
    published = [source.reader] if READERS[source.reader].published else []
    return [*published, *(name_salt(root) if isinstance(source, DICOM_SOURCES) else [])]


def name_salt(root: Path) -> list[str]:
    """The salt of a root of DICOM films by its own hash; nothing where it has none yet."""
    if not salt_file(root).is_file():
        return []
    return [f"salt {hashlib.sha256(b'hilum salt ' + read_salt(root)).hexdigest()[:16]}"]


def _one_salt(root: Path, other: Path) -> bool:
    """Whether both have one salt; it is made where films are read, not where it is asked for."""
    return salt_file(root).is_file() and salt_file(other).is_file() and read_salt(root) == read_salt(other)
