"""File names of films: unique, and plain names stay readable."""

import hashlib
import re
import unicodedata

LONGEST = 200  # bytes; a file system takes 255, which must also hold a sheet's name and an ending
DIGITS = 12  # of the hash: 48 bits, which only separate names that become the same plain name
PLAIN = re.compile(r"[A-Za-z0-9 .-]+(?:[/_][A-Za-z0-9 .-]+)*")


def file_name(film: str) -> str:
    """A file's name, without an ending, for a film's name (`source/patient_1`) or words joined by slashes (`method/class`).

    Plain names are made of ASCII letters, digits, `.`, `-`, spaces and single `_` and `/`: they stay as they are, with `__` for
    each `/`. Any other name, and one that gets too long, is made plain and cut, and ends in `___` and a hash of the exact name.
    So the result depends on the name alone, is at most LONGEST bytes of ASCII, and is a legal key of MLflow's pictures.
    Names that differ only in case need a case-sensitive disk, such as the films' own.
    """
    plain = film.replace("/", "__")
    if PLAIN.fullmatch(film) and len(plain) <= LONGEST:
        return plain
    letters = (char for char in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(char))  # ü: u
    readable = re.sub(r"[^A-Za-z0-9 ._-]+", "-", "".join(letters))
    sha256 = hashlib.sha256(film.encode("utf-8", "surrogatepass")).hexdigest()  # a name on disk may hold bytes that are not UTF-8
    return f"{readable[: LONGEST - DIGITS - 3]}___{sha256[:DIGITS]}"


def printable(name: str) -> str:
    """A name for pictures and text; unprintable parts, such as a line break or a byte that is not UTF-8, are escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)
