"""Whether the patients of two sources can be compared by their names."""

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


def _one_salt(root: Path, other: Path) -> bool:
    """Whether both have one salt; it is made where films are read, not where it is asked for."""
    return salt_file(root).is_file() and salt_file(other).is_file() and read_salt(root) == read_salt(other)
