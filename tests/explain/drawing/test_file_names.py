"""No two names share a file, and a plain name can be read in its file's."""

import itertools
import random
import re
from pathlib import Path

import pytest

from hilum.explain.drawing.file_names import LONGEST, file_name, printable

LEGAL = re.compile(r"[A-Za-z0-9 ._-]+")  # MLflow's pictures take no other key
PIECES = [
    *'aAb/_-. =~%$:*\\"\n\r\t\x00',
    *("__", "___", ".."),
    *("ü", "u\u0308", "\u212b", "\u00c5", "K", "\u212a", "ß", "胸部", "\u2028", "😀", "\udcff", "\udc80", "\ud800"),
    *("phantom/p0001_2", "NORMAL/IM-0115-0001.jpeg", "x" * 90, "胸" * 70),
]


@pytest.mark.parametrize(
    ("film", "expected"),
    [
        ("phantom/p0001_2", "phantom__p0001_2"),
        ("film.png", "film.png"),
        ("a_b.png", "a_b.png"),
        ("a/b.png", "a__b.png"),
        ("chest/train/NORMAL/IM-0115-0001", "chest__train__NORMAL__IM-0115-0001"),
        ("gradcam/normal", "gradcam__normal"),
        ("scan 12.DCM", "scan 12.DCM"),
        ("Müller_1.png", "Muller_1.png___32e817672add"),
        ("a__b.png", "a__b.png___b634ba143090"),
    ],
)
def test_a_plain_name_is_its_files_and_any_other_carries_a_hash(film: str, expected: str) -> None:
    assert file_name(film) == expected


def test_no_two_of_all_short_names_share_a_file() -> None:
    names = ["".join(letters) for length in range(7) for letters in itertools.product("a/_-.ü", repeat=length)]
    assert len({file_name(name) for name in names}) == len(names) == sum(6**length for length in range(7))


def test_no_two_of_many_nasty_names_share_a_file_and_every_file_can_be_made(tmp_path: Path) -> None:
    rng = random.Random(0)
    names = {"".join(rng.choices(PIECES, k=rng.randint(1, 8))) for _ in range(20_000)}
    names |= {"x" * length for length in range(1, 400)} | {f"{'x' * 300}{i}" for i in range(1000)}
    files = {name: file_name(name) for name in names}
    assert len(set(files.values())) == len(names) > 15_000
    for name, file in files.items():
        assert LEGAL.fullmatch(file) and len(file) <= LONGEST, (name, file)
    for file in list(files.values())[:300]:
        (tmp_path / f"gradcam_layers_{file}.png").write_bytes(b"x")
    assert len(list(tmp_path.iterdir())) == 300


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a b/ü.png", "a b/ü.png"), ("a\nb", r"a\nb"), ("a\udcff.png", r"a\udcff.png"), ("\x07\u2028", r"\x07\u2028")],
)
def test_what_cannot_be_shown_is_escaped(name: str, expected: str) -> None:
    assert printable(name) == expected
    assert printable(name).encode()
