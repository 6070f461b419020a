"""The sheet of one film that was read in the app: the film, each model's prediction, its maps; one HTML text by itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from hilum.pages.templates import render


@dataclass(frozen=True)
class SheetModel:
    """One model on the sheet.

    title: its name. predicted: the class. says: the sentence with the rule. shares: (class, probability) in class order.
    facts: (what, value) of the model: version, data, calibration. pictures: (caption, PNG) of its maps.
    """

    title: str
    predicted: str
    says: str
    shares: Sequence[tuple[str, float]]
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class ReadingSheet:
    """One film. facts: (what, value) of it. warnings: sentences. picture: PNG of the film. made: when, in words."""

    film: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    picture: bytes
    models: Sequence[SheetModel]
    warning: str
    made: str


def render_reading_sheet(sheet: ReadingSheet) -> str:
    """One HTML text that needs no other file."""
    return str(render("reading_sheet.html", sheet=sheet))
