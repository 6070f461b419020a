"""Pseudonyms: patients by salted hash, DICOM films by the hash of their content.

The salt and the key from hash to file are files beside the root of the films: only who holds the films has them, and no one else
can try out patient numbers. Neither is below the root (which `mode: copy` copies), in git, prepared data or a tracking store.
"""

import hashlib
import hmac
import os
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

SALT_SUFFIX = ".hilum-salt"
KEY_SUFFIX = ".hilum-films.csv"
SALT_DIGITS = 64  # hexadecimal
SHOWN_DIGITS = 16  # of a hash, in image_id and patient_id

_REMEDY = "make that folder writable, or put a copy of the salt of whoever shares this data there"


def salt_file(root: Path) -> Path:
    """The salt's file for a root of films: beside it, not below it."""
    root = root.resolve()
    return root.with_name(root.name + SALT_SUFFIX)


def key_file(root: Path) -> Path:
    """The file with the key from a film's hash to its file, for those who hold the films."""
    root = root.resolve()
    return root.with_name(root.name + KEY_SUFFIX)


def read_salt(root: Path) -> bytes:
    """The salt of a root of films; created at random if absent, readable by its owner only.

    Raises:
        ValueError: it cannot be read or written, or the file holds something else.
    """
    file = salt_file(root)
    try:
        if not file.exists():
            _write_privately(file, secrets.token_hex(SALT_DIGITS // 2) + "\n")
        text = file.read_text().strip()
    except OSError as error:
        raise ValueError(
            f"patients' identifiers are hashed with a salt beside the films, but {file} cannot be read or written "
            f"({error.strerror}); {_REMEDY}"
        ) from None
    if len(text) != SALT_DIGITS or set(text) - set("0123456789abcdef"):
        raise ValueError(f"the salt must be {SALT_DIGITS} hexadecimal digits, got something else in {file}; {_REMEDY}")
    return bytes.fromhex(text)


def hide_patient(salt: bytes, patient: str) -> str:
    """A patient's identifier as a salted hash (HMAC-SHA256, 16 hexadecimal digits); empty stays empty."""
    patient = " ".join(patient.split())
    return hmac.new(salt, patient.encode(), hashlib.sha256).hexdigest()[:SHOWN_DIGITS] if patient else ""


def name_films(hashes: Sequence[str]) -> list[tuple[str, str]]:
    """image_id and path of films from the hashes of their bytes; the second of two equal files ends in -2."""
    seen: Counter[str] = Counter()
    names = []
    for sha in hashes:
        seen[sha] += 1
        more = f"-{seen[sha]}" if seen[sha] > 1 else ""
        names.append((sha[:SHOWN_DIGITS] + more, f"{sha}{more}.dcm"))
    return names


def write_key(root: Path, hashes: Mapping[str, str]) -> Path:
    """Write the key from hash to file beside the root, to find the films named in a list.

    hashes: path below the root -> SHA-256 of the file.

    Raises:
        ValueError: it cannot be written.
    """
    file = key_file(root)
    lines = sorted(f'{sha[:SHOWN_DIGITS]},{sha},"{path.replace(chr(34), chr(34) * 2)}"' for path, sha in hashes.items())
    try:
        file.unlink(missing_ok=True)
        _write_privately(file, "\n".join(["image_id,sha256,file", *lines]) + "\n")
    except OSError as error:
        raise ValueError(
            f"the key from hash to film must be beside the films, but {file} cannot be written ({error.strerror}); {_REMEDY}"
        ) from None
    return file


def hash_films(root: Path, films: Sequence[PurePosixPath]) -> list[str]:
    """SHA-256 of each film's bytes."""
    hashes = []
    for film in films:
        with (root / film).open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes


def _write_privately(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", errors="surrogateescape") as stream:
        stream.write(text)
