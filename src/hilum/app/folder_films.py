"""The films of a folder, to page through."""

from pathlib import Path

from hilum.app.film import OpenFilm, open_film
from hilum.data.decoding.kinds import tell_kind
from hilum.data.decoding.limits import read_bounded
from hilum.data.decoding.links import name_no_file
from hilum.data.readers.found_files import find_files

PATH = "/path/on/this/machine"  # what stands in an empty field for a folder


def list_films(folder: Path) -> list[Path]:
    """Every picture and DICOM below a folder by its content, sorted; masks, panels of hilum and other files are left out.

    Raises:
        ValueError: it is no folder, or has no film.
    """
    if not folder.is_dir():
        raise ValueError(f"the folder must exist on the machine that runs hilum, got {folder}; correct the path")
    found = find_files(folder)
    films = sorted([*found.pictures, *found.dicoms])
    if not films:
        raise ValueError(f"the folder must hold films (PNG, JPEG, TIFF or DICOM), got none in {folder}; name another")
    return [folder / path for path in films]


def read_listed(path: Path) -> OpenFilm:
    """A film of the folder.

    Raises:
        ValueError: it cannot be read; one sentence says why.
    """
    if no_file := name_no_file(path):
        raise ValueError(tell_kind(no_file))
    try:
        return open_film(read_bounded(path), path.name)
    except OSError as fault:
        raise ValueError(f"{path.name} cannot be read: {fault.strerror}; read the folder again") from None
