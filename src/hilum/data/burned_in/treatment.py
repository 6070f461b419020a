"""The treatment of what is burned into films: keep or inpaint, which reader searches, and films on which some is left."""

from dataclasses import dataclass

from hilum.data.burned_in.ocr import check_installed
from hilum.data.burned_in.search import READERS

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
