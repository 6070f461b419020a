"""Checks of a user's `.keras` file before anything in it is loaded: its kind, its sizes, its weights; no TensorFlow here."""

import lzma
import os
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from hilum.serving.model_config import check_config

ENDINGS = (".keras", ".h5", ".hdf5", ".pb")  # of the model formats of Keras and TensorFlow; hilum reads the first
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MAX_CONFIG = 32 * 2**20  # bytes; the largest network of keras.applications needs 1.3 MB
MAX_BYTES = 8 * 2**30  # of all files of the archive; the largest network of keras.applications needs 1.4 GB
DOUBTFUL_RATIO = 50  # Keras does not compress, and compression shrinks trained weights by a tenth
DOUBTFUL_BYTES = 32 * 2**20  # bytes that may be unpacked without checking that ratio
POINTER = b"version https://git-lfs"
HDF5 = b"\x89HDF\r\n\x1a\n"

_BROKEN = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)  # raised by zipfile


def names_file(model: str) -> bool:
    """Whether `--model` names a file or a folder on this machine, and not a run or a registered model."""
    if model.startswith(("models:/", "runs:/")):
        return False
    return model.lower().endswith(ENDINGS) or os.sep in model or Path(model).exists()


def check_model_file(path: Path) -> int:
    """The number of weights in a `.keras` file. Parts with implausible declared sizes are not unpacked.

    Raises:
        ValueError: it is not a complete `.keras` file, expands too much, or as `check_config`.
    """
    _check_kind(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(path, archive)
            if spoilt := archive.testzip():  # Keras reads parts of a file, and so does not notice this
                raise zipfile.BadZipFile(f"{spoilt} does not have the bytes that were written")
            check_config(path, archive.read(CONFIG))
            return _count_weights(path, archive)
    except _BROKEN as fault:
        reason = str(fault) or type(fault).__name__
        raise ValueError(
            f"a model must be a whole .keras file, got {path}, which is truncated or damaged ({reason}); copy or save it again"
        ) from None


def _check_kind(path: Path) -> None:
    """Refuse a file that is not a `.keras` archive by its name and its first bytes."""
    if not path.exists():
        raise ValueError(f"--model must name a file, a run or a registered model, got {path}, which does not exist")
    if path.is_dir() or path.suffix.lower() == ".pb":
        raise ValueError(_refuse_folder(path if path.is_dir() else path.parent))
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        raise ValueError(f"a model must be a .keras file, got {path}, which is empty; copy or save it again")
    if start.startswith(POINTER):
        raise ValueError(
            f"a model must be a .keras file, got {path}, which is the pointer that git-LFS keeps in its place; run `git lfs pull`"
        )
    if start.startswith(HDF5):
        raise ValueError(_refuse_hdf5(path))
    if path.suffix.lower() != ".keras":
        raise ValueError(f"a model must be a .keras file, got {path}; save it by model.save('model.keras')")


def _refuse_hdf5(path: Path) -> str:
    import h5py

    told = f"a model must be a .keras file, got {path}, which is in the older HDF5 format (.h5)"
    try:
        with h5py.File(path, "r") as file:
            whole = "model_config" in file.attrs
    except (OSError, RuntimeError):
        return f"{told} and is truncated or damaged; copy or save it again"
    if not whole:
        return (
            f"{told} with weights alone; load them into their model where it was made, and save that by model.save('model.keras')"
        )
    return f"{told}; if you trust its source, convert it with these two lines of Python:\n{convert_lines(path)}"


def convert_lines(path: Path) -> str:
    """Two lines of Python that write an HDF5 model as a `.keras` file beside it; Keras recognises the format by the ending."""
    old, first = path, "import keras"
    if path.suffix not in (".h5", ".hdf5"):
        old = path.with_name(f"{path.stem}_old.h5")
        first = f"import keras, os; os.rename({str(path)!r}, {str(old)!r})"
    return f"{first}\nkeras.saving.load_model({str(old)!r}, compile=False).save({str(path.with_suffix('.keras'))!r})"


def _refuse_folder(path: Path) -> str:
    if (path / "saved_model.pb").is_file():
        return (
            f"a model must be a .keras file, got the folder {path}, a SavedModel: it holds the computation and not the layers "
            "that explanations need, so it cannot be converted; where the model was made, save it by model.save('model.keras')"
        )
    return f"a model must be a .keras file, got {path}, which is a folder; name the file in it"


def _check_sizes(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that lacks a part or expands too much, by its declared sizes; zipfile reads no more than those."""
    names = archive.namelist()
    for wanted in (CONFIG, WEIGHTS):
        if names.count(wanted) != 1:
            found = ", ".join(map(repr, names[:5])) or "nothing"
            raise ValueError(
                f"a .keras file must hold {CONFIG} and {WEIGHTS} once each, got {path} with {found}; "
                "save the whole model by model.save('model.keras')"
            )
    if (config := archive.getinfo(CONFIG).file_size) > MAX_CONFIG:
        raise ValueError(
            f"{CONFIG} of a .keras file must have at most {MAX_CONFIG:,} bytes, got {config:,} in {path}; serve another file"
        )
    held = sum(member.file_size for member in archive.infolist())
    _check_expansion(path, held, path.stat().st_size)
    if held > MAX_BYTES:
        raise ValueError(
            f"a .keras file must unpack to at most {MAX_BYTES:,} bytes, got {held:,} in {path}; serve a smaller model"
        )


def _check_expansion(path: Path, held: int, stored: int) -> None:
    if held > DOUBTFUL_BYTES and held > DOUBTFUL_RATIO * stored:
        raise ValueError(
            f"weights must be in a .keras file as Keras writes them, at most {DOUBTFUL_RATIO} times larger than the file, got "
            f"{held:,} bytes out of {stored:,} in {path}; save the model again by model.save('model.keras')"
        )


def _count_weights(path: Path, archive: zipfile.ZipFile) -> int:
    """The number of weights in the HDF5 file, after the same check of its own compression."""
    import h5py  # slow, and not needed by every command that looks up a name

    info = archive.getinfo(WEIGHTS)
    with archive.open(WEIGHTS) as member:
        source = member if info.compress_type == zipfile.ZIP_STORED else BytesIO(member.read())
        try:
            with h5py.File(source, "r") as weights:
                count, held = _measure(weights)
        except (OSError, RuntimeError, KeyError, ValueError) as fault:
            raise ValueError(
                f"a model must be a whole .keras file, got {path}, whose {WEIGHTS} cannot be read "
                f"({str(fault).splitlines()[0]}); copy or save it again"
            ) from None
    _check_expansion(path, held, path.stat().st_size)
    return count


def _measure(weights: Any) -> tuple[int, int]:
    """The number of values in the datasets, and their bytes once read."""
    import h5py

    found = [0, 0]
    elsewhere: list[str] = []  # nothing may be raised inside a visit

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.external or item.is_virtual:
                elsewhere.append(name)
            found[0] += int(item.size or 0)
            found[1] += int(item.size or 0) * item.dtype.itemsize

    def refuse(name: str, link: Any) -> None:
        if not isinstance(link, h5py.HardLink):
            elsewhere.append(name)

    weights.visititems_links(refuse)
    weights.visititems(add)
    if elsewhere:
        raise ValueError(f"{elsewhere[0]} leads elsewhere")
    return found[0], found[1]
