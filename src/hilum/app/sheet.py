"""The sheet of the current film: what the page shows, as a page by itself and as a PDF."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilum.app.film import OpenFilm
from hilum.app.film_maps import FilmMap, view_lime
from hilum.app.film_predictions import Predicted, name_prediction, tell_prediction
from hilum.app.overlay import LIME_VIEWS, encode, lay_lime, lay_map, tell_scale
from hilum.app.served_models import ServedModel
from hilum.data.annotations import no_annotations
from hilum.explain.drawing.heat import GREY, OPACITY
from hilum.explain.drawing.panels import Row, draw_rows
from hilum.explain.methods.registry import caption
from hilum.pages.reading_sheet import ReadingSheet, SheetModel, render_reading_sheet
from hilum.pictures import PLAIN, drawn_under
from hilum.settings.explain import Explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    models = [_describe(reading, served, said) for served, said in reading.pairs]
    now = f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    sheet = ReadingSheet(
        reading.film.name, describe_film(reading.film), reading.warnings, encode(reading.picture), models, WARNING, now
    )
    return render_reading_sheet(sheet).encode()


def write_pdf(reading: Reading) -> bytes:
    """The sheet as PDF: a page for each model with the film as the model saw it and its maps."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages

    stream = BytesIO()
    facts = {"Title": reading.film.name, "Creator": "hilum", "Producer": "hilum"}
    with drawn_under({**PLAIN, "pdf.fonttype": 42}), PdfPages(stream, metadata=facts) as pages:
        for served, said in reading.pairs:
            FigureCanvasPdf(_draw_page(reading, served, said)).print_pdf(pages)
    return stream.getvalue()


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


def _draw_page(reading: Reading, served: ServedModel, said: Predicted) -> "Figure":
    """One page, as panels of `explain` are drawn, with the warning and the versions at its foot."""
    maps = _of(reading, served)
    target = maps[0].order.target if maps else said.predicted
    titles = [f"{one.title}, for {said.classes[one.order.target]}, {one.seconds:.2f} s" for one in maps]
    row = Row(
        served.title,
        [one.attribution for one in maps],
        0,
        name_prediction(said, served.described, reading.film.name, target),
        titles,
    )
    figure = draw_rows(said.film.film, [row], no_annotations(said.film.geometry))
    width, height = figure.get_size_inches()
    figure.set_size_inches(max(width, 8.3), height + 0.75)
    _shift_up(figure, width / max(width, 8.3), height / (height + 0.75))
    shares = ", ".join(f"{name} {share:.1%}" for name, share in zip(said.classes, said.probabilities, strict=True))
    foot = [
        f"{WARNING} {served.version}, trained on data {served.data_version}.",
        f"Probabilities: {shares}; {served.calibration}.",
        *reading.warnings,
    ]
    figure.text(0.15 / max(width, 8.3), 0.1 / height, "\n".join(foot[:4]), fontsize=7, color=GREY, va="bottom")
    return figure


def _shift_up(figure: "Figure", across: float, down: float) -> None:
    """Keep the drawing at its size, at the upper left of a figure that was enlarged. across, down: old size / new size."""
    for axes in figure.axes:
        x, y, width, height = axes.get_position().bounds
        axes.set_position((x * across, 1 - (1 - y) * down, width * across, height * down))
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position((x * across, 1 - (1 - y) * down))
