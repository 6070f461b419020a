"""The search for what is burned into a film: single letters, text, and a text recogniser where it is installed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilum.data.burned_in.found import BurnedIn, join_found
from hilum.data.burned_in.letters import find_letters
from hilum.data.burned_in.ocr import read_text
from hilum.data.burned_in.text import find_text

Finder = Callable[[NDArray[np.uint8]], list[NDArray[np.float64]]]

READERS: dict[str, tuple[Finder, ...]] = {  # word of `prepare.burned_in_reader` -> what searches for text besides single letters
    "letters": (),
    "text": (find_text,),
    "ocr": (find_text, read_text),
}


def find_burned_in(grey: NDArray[np.uint8], reader: str) -> BurnedIn:
    """Letters and text in a film (H, W) uint8. reader: of READERS.

    Raises:
        ValueError: a reader whose packages are not installed.
    """
    text = tuple(outline for finder in READERS[reader] for outline in finder(grey))
    return join_found(BurnedIn(find_letters(grey)), BurnedIn(text=text))
