"""The bit depth of a source: settled over its films of 16 bits, and only those are read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sixteen_bits import pgm16, png16, ramp, tiff16

from hilum.data.decoding import source_depth
from hilum.data.decoding.source_depth import holds_sixteen_bits, settle_depths


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """20 films of 10 bits, every third with a brighter pixel, one of 14, one of 8 as stored, and one that is broken."""
    made = []
    for k in range(23):
        path = tmp_path / f"{k:02d}"
        planes = ramp(14 if k == 20 else 10) // (1 + k % 2)
        planes[1, 1] = k  # no two alike
        if k % 3 == 0:
            planes[0, 0] = 1024
        path.write_bytes(png16(planes))
        made.append(path)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(made[21], "PNG")
    made[22].write_bytes(made[0].read_bytes()[:200])
    return made


def test_one_depth_is_settled_per_source(films: list[Path], tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "other.png")
    found = settle_depths([*["s"] * 23, "other"], [*films, tmp_path / "other.png"], workers=2, cache=None)
    assert found.settled == {"s": 10}
    assert list(found.scaled) == [*[(10,)] * 21, (), (), ()]
    assert [k for k, told in enumerate(found.told) if told] == [20]
    assert "above the 10 bits" in found.told[20]
    assert list(found.notes) == ["s: films of 16 bits, scaled by 10 of them: 21"]


def test_only_films_of_sixteen_bits_are_decoded_and_only_once(
    films: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    read = source_depth.read_film
    monkeypatch.setattr(source_depth, "read_film", lambda film: decoded.append(1) or read(film))
    told: list[tuple[int, int]] = []
    first = settle_depths(["s"] * 23, films, 2, tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert told == [(k, 22) for k in range(1, 23)]
    assert len(decoded) == 22
    assert settle_depths(["s"] * 23, films, 2, tmp_path / "cache") == first
    assert len(decoded) == 23, "the broken one is tried again"


def test_without_films_of_sixteen_bits_nothing_is_settled_or_reported(films: list[Path], tmp_path: Path) -> None:
    found = settle_depths(["s", "s"], [films[21], tmp_path / "gone"], 1, None, lambda done, total: pytest.fail("told"))
    assert (found.settled, list(found.scaled), list(found.told), list(found.notes)) == ({}, [(), ()], ["", ""], [])


@pytest.mark.parametrize(
    ("content", "deep"),
    [
        (png16(ramp(12)), True),
        (png16(np.repeat(ramp(12), 3, axis=2)), True),
        (tiff16(ramp(12)[..., 0]), True),
        (pgm16(ramp(12)[..., 0]), True),
        (pgm16(ramp(12)[..., 0], top=4095), False),  # tells its depth
        (b"P5 1 1 255\n\0", False),
        (b"II*\0\xff\xff\xff\xff", False),
        (b"", False),
    ],
)
def test_sixteen_bits_are_known_by_the_beginning_of_a_file(content: bytes, deep: bool, tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(content)
    with (tmp_path / "film").open("rb") as stream:
        assert holds_sixteen_bits(stream) is deep
