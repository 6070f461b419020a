"""The sheet of the current film: what the page shows, as a page by itself and as a PDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from hilum.app.film import OpenFilm
from hilum.app.film_maps import FilmMap, view_lime
from hilum.app.film_predictions import Predicted, tell_prediction
from hilum.app.overlay import LIME_VIEWS, encode, lay_lime, lay_map, tell_scale
from hilum.app.served_models import ServedModel
from hilum.app.sheet_pdf import write_sheet_pdf
from hilum.explain.drawing.heat import OPACITY
from hilum.explain.methods.registry import caption
from hilum.pages.reading_sheet import ReadingSheet, SheetModel, render_reading_sheet
from hilum.settings.explain import Explain

WARNING = "Not for diagnosis: for research only, this is no medical device."


@dataclass(frozen=True)
class Reading:
    """What there is of one film. picture: (h, w), as it is looked at. pairs: models with their predictions. maps: of them."""

    film: OpenFilm
    picture: NDArray[np.uint8]
    pairs: Sequence[tuple[ServedModel, Predicted]]
    maps: Sequence[FilmMap]
    warnings: Sequence[str]
    settings: Explain


def describe_film(film: OpenFilm) -> list[tuple[str, str]]:
    """What is known of a film without the model: kind, size, allowed attributes of its header, hash of its file."""
    facts = [("file", f"{film.kind}, {film.width} x {film.height} px"), *film.header]
    return [*facts, ("SHA-256", film.sha256)]


def tell_map(one: FilmMap) -> str:
    """A map's numbers in one line: its scale, how it was made, its time."""
    return "; ".join([tell_scale(one.attribution), *caption(one.attribution, 0).split("\n"), f"{one.seconds:.2f} s"])


def write_html(reading: Reading) -> bytes:
    """The sheet as HTML that needs no other file."""
    return render_reading_sheet(_describe_reading(reading)).encode()


def write_pdf(reading: Reading) -> bytes:
    """The sheet as PDF in A4, with the same text and pictures; each model begins a page."""
    return write_sheet_pdf(_describe_reading(reading))


def _describe_reading(reading: Reading) -> ReadingSheet:
    models = [_describe(reading, served, said) for served, said in reading.pairs]
    now = f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    return ReadingSheet(
        reading.film.name, describe_film(reading.film), reading.warnings, encode(reading.picture), models, WARNING, now
    )


def _describe(reading: Reading, served: ServedModel, said: Predicted) -> SheetModel:
    facts = [("model", served.version), ("trained on data", served.data_version), ("probabilities", served.calibration)]
    shares = list(zip(said.classes, said.probabilities, strict=True))
    pictures = [picture for one in _of(reading, served) for picture in _picture(reading, said, one)]
    return SheetModel(served.title, said.name, tell_prediction(said, served.described), shares, facts, pictures)


def _of(reading: Reading, served: ServedModel) -> list[FilmMap]:
    return [one for one in reading.maps if one.model == served.address]


def _picture(reading: Reading, said: Predicted, one: FilmMap) -> list[tuple[str, bytes]]:
    """The map, and of LIME its three views."""
    told = f"{one.title}, for {said.classes[one.order.target]}"
    laid = lay_map(reading.picture, one.attribution, one.geometry, OPACITY)
    found = [(f"{told}: {tell_map(one)}", encode(laid))]
    if one.order.method == "lime":
        views = view_lime(one, said, reading.settings)
        for kind in LIME_VIEWS:
            picture = lay_lime(reading.picture, views, one.geometry, kind, one.attribution.sanity)
            found.append((f"LIME, {kind}, for {said.classes[one.order.target]}", encode(picture)))
    return found
