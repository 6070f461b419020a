"""The treatment of what is burned into films: keep or inpaint, which reader searches, and films on which some is left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilum.data.burned_in.ocr import check_installed
from hilum.data.burned_in.search import READERS
from hilum.records import FORMER

DONE = ("keep", "inpaint")
LEFT = ("keep", "exclude", "stop")


@dataclass(frozen=True)
class Treatment:
    """The words of `prepare.burned_in`, `prepare.burned_in_reader` and `prepare.burned_in_left`.

    do: keep or inpaint. reader: of READERS; what searches before films are inpainted. left: keep, exclude or stop: films on which
    something is still found.

    Raises:
        ValueError: another word, or a reader whose packages are not installed.
    """

    do: str
    reader: str
    left: str = "keep"

    def __post_init__(self) -> None:
        for name, word, legal in (
            ("burned_in", self.do, DONE),
            ("burned_in_reader", self.reader, tuple(READERS)),
            ("burned_in_left", self.left, LEFT),
        ):
            if word not in legal:
                raise ValueError(f"`{name}` must be one of {', '.join(legal)}, got {word!r}")
        if self.searches == "ocr":
            check_installed()

    @property
    def searches(self) -> str:
        """The reader that searches: where all is kept, only single letters are counted, which costs little."""
        return self.reader if self.do == "inpaint" else "letters"


def read_treatment(described: Mapping[str, Any], left: str = "keep") -> Treatment:
    """The treatment of what is burned into the model's own films; models of earlier versions inpainted single letters.

    described: model.json. left: what becomes of films on which something is still found.

    Raises:
        ValueError: an unknown word, or a reader whose packages are not installed.
    """
    do = described.get("burned_in", described.get(FORMER["burned_in"], "keep"))
    return Treatment(do, described.get("burned_in_reader", "letters"), left)
