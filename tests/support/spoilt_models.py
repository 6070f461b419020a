"""What may have happened to a `.keras` file: one function per fault that spoils it in place, and what hilum says of it."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
from own_models import rewrite, zeros_in_hdf5

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"


def cut(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def flip_a_bit_of_the_weights(path: Path) -> None:
    """In the numbers, not in the tables around them."""
    kernel = keras.saving.load_model(path).layers[-1].kernel.numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(kernel)] ^= 1
    path.write_bytes(bytes(content))


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "which is empty; copy or save it again"),
    "pointer": (lambda path: path.write_bytes(POINTER), "the pointer that git-LFS keeps in its place; run `git lfs pull`"),
    "no archive": (lambda path: path.write_bytes(b"half a model"), "is truncated or damaged"),
    "half": (lambda path: cut(path, 0.5), "is truncated or damaged"),
    "nearly all": (lambda path: cut(path, 0.999), "is truncated or damaged"),
    "one bit": (flip_a_bit_of_the_weights, r"model\.weights\.h5 does not have the bytes that were written"),
    "weights are none": (lambda path: rewrite(path, weights=b"no weights"), r"whose model\.weights\.h5 cannot be read"),
    "config is none": (lambda path: rewrite(path, config=b"\xff{"), "must be JSON"),
    "zeros in the archive": (
        lambda path: rewrite(path, zipfile.ZIP_DEFLATED, other=bytes(64 * 2**20)),
        "at most 50 times larger than the file, got 67,",
    ),
    "zeros in the weights": (
        lambda path: rewrite(path, weights=zeros_in_hdf5(2**26)),
        "at most 50 times larger than the file, got 268,435,456 bytes",
    ),
    "a deep config": (lambda path: rewrite(path, config=b"[" * 10**5), "config\\.json"),
    "a large config": (lambda path: rewrite(path, config=b" " * (33 * 2**20)), "must have at most 33,554,432 bytes"),
}
