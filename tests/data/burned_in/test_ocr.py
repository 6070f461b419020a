"""The text recogniser: what a user reads who has none, and where it is installed what it finds."""

import importlib.util
import sys

import numpy as np
import pytest
from written_films import Writing, write_on

from hilum.data.burned_in.ocr import PACKAGES, check_installed, read_lines, read_text
from hilum.data.burned_in.search import find_burned_in
from hilum.data.burned_in.treatment import Treatment

NAME = ("MEYER, ANNA", "DOB 03.11.1987")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that has neither package."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name in PACKAGES else found(name, *more))


def test_a_missing_extra_names_itself_and_how_to_get_it(without: None) -> None:
    with pytest.raises(
        ValueError, match=r"got no rapidocr and no onnxruntime; install them with `uv pip install -e '\.\[ocr\]'`"
    ):
        check_installed()
    with pytest.raises(ValueError, match="needs the packages rapidocr and onnxruntime"):
        Treatment("inpaint", "ocr")
    Treatment("keep", "ocr")  # nobody reads then


def test_nothing_but_reading_loads_it() -> None:
    assert "rapidocr" not in sys.modules or importlib.util.find_spec("rapidocr") is not None
    find_burned_in(np.zeros((64, 64), np.uint8), "text")
    assert "rapidocr" not in sys.modules


@pytest.mark.skipif(any(importlib.util.find_spec(name) is None for name in PACKAGES), reason="needs the extra `ocr`")
@pytest.mark.parametrize("angle", [0, 30, 90])
def test_a_name_is_read_and_its_outline_holds_it(angle: int) -> None:
    film, there = write_on(np.full((480, 480), 60, np.uint8), Writing(0.03, "serif", angle, "strong", "middle", NAME), 0)
    words = " ".join(text for _, text in read_lines(film))
    assert "MEYER" in words and "1987" in words
    assert find_burned_in(film, "ocr").paint(film.shape)[there].mean() > 250
    assert read_text(np.full((200, 200), 60, np.uint8)) == []
