"""Pictures of explanations, from ready arrays: a film with its maps, or the same film under several models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilum.data.annotations import FilmAnnotations
from hilum.explain.drawing.annotations import draw_annotations, draw_outline
from hilum.explain.drawing.file_names import printable
from hilum.explain.drawing.heat import (
    DPI,
    GREY,
    INK,
    NOTE,
    block_sums,
    draw_bar,
    draw_film,
    draw_heat,
    fit_inches,
    strongest,
)
from hilum.explain.drawing.layout import BAR, HEADING, MARGIN, NAME, SIDE, TITLE, Layout, arrange
from hilum.explain.drawing.stamp import stamp_map
from hilum.explain.methods.registry import METHODS, caption, unit_of
from hilum.pictures import plain
from hilum.records import Attribution, Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#1b7837", "#b2182b"


@dataclass(frozen=True)
class FilmPrediction:
    """A model's prediction for one film, in words.

    film: its name; predicted: class, with its probability 0-1; true: class, None where unknown;
    target: class that the maps explain, with its probability; rule: of `tell_rule`, how the class is decided.
    """

    film: str
    predicted: str
    probability: float
    target: str
    target_probability: float
    rule: str
    true: str | None = None

    @property
    def verdict(self) -> str:
        """right, wrong or unknown."""
        if self.true is None:
            return "unknown"
        return "right" if self.true == self.predicted else "wrong"


@dataclass(frozen=True)
class Row:
    """One model's maps of the film at `index` of each attribution; name is the arm's.

    titles: of the maps, instead of the method and the prediction's target. same_scale: the maps of the row share the scale
    of the strongest.
    """

    name: str
    attributions: Sequence[Attribution]
    index: int
    prediction: FilmPrediction
    titles: Sequence[str] | None = None
    same_scale: bool = False


def prediction_of(
    predictions: Predictions, row: int, target: int, threshold: float | None, factors: NDArray[np.float64] | None = None
) -> FilmPrediction:
    """The prediction for one film whose true class is known, in words; threshold, factors: its rule, as `tell_rule` says."""
    true = predictions.classes[int(predictions.y_true[row])]
    probabilities, predicted = predictions.y_prob[row], int(predictions.y_pred[row])
    return describe_prediction(
        str(predictions.image_id[row]), predictions.classes, probabilities, predicted, target, threshold, true, factors
    )


def describe_prediction(
    film: str,
    classes: Sequence[str],
    probabilities: NDArray[np.float64],
    predicted: int,
    target: int,
    threshold: float | None,
    true: str | None = None,
    factors: NDArray[np.float64] | None = None,
) -> FilmPrediction:
    """A prediction from its numbers: probabilities (K,), predicted and target as class indices."""
    of_predicted, of_target = float(probabilities[predicted]), float(probabilities[target])
    return FilmPrediction(
        film, classes[predicted], of_predicted, classes[target], of_target, tell_rule(classes, threshold, factors), true
    )


def tell_rule(classes: Sequence[str], threshold: float | None, factors: NDArray[np.float64] | None = None) -> str:
    """How the class is decided from probabilities: by the threshold of the second of two classes, or by the largest.

    factors: (K,) that the probabilities are multiplied by before, or None.
    """
    if threshold is not None:
        return f"{classes[1]} from a threshold of {threshold:.1%}"
    if factors is None or np.ptp(factors) == 0:
        return "the most probable class decides"
    times = ", ".join(f"{name} {factor:.3g}" for name, factor in zip(classes, factors, strict=True))
    return f"the largest probability times its factor decides ({times})"


def draw_panel(
    film: NDArray[np.generic],
    attributions: Sequence[Attribution],
    index: int,
    prediction: FilmPrediction,
    annotations: FilmAnnotations | None = None,
) -> "Figure":
    """The film, the experts' annotations, and one map per method.

    film: (H, W) grey levels 0-255; index: which film of each attribution; annotations: drawn in a column of their own; their
    geometry gives the original proportions of the film.
    Raises: ValueError if a map has another size than the film.
    """
    return draw_rows(film, [Row("", attributions, index, prediction)], annotations)


@plain
def draw_rows(
    film: NDArray[np.generic],
    rows: Sequence[Row],
    annotations: FilmAnnotations | None = None,
) -> "Figure":
    """The same film under several models, a row each, so that predictions and maps can be compared.

    Maps that do not fit in one line continue below, again with a row for each model, so that a method's maps are neighbours.

    film: (H, W) grey levels 0-255; annotations: of experts, drawn beside it and as thin outlines over the maps; their
    geometry gives the original proportions of the film.
    Raises: ValueError if there is no row, or a map has another size than the film.
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("rows must hold at least one model, got none")
    shown = annotations if annotations is not None and annotations.kinds else None
    before = 1 if shown is None else 2  # columns: the film, and the film with its annotations
    columns, lines = arrange(before + max(len(row.attributions) for row in rows))
    page = Layout(len(rows), columns, lines, *fit_inches(SIDE, annotations.geometry if annotations else None))
    figure = Figure((page.width, page.height), dpi=DPI, facecolor="white")
    for number, row in enumerate(rows):
        _draw_names(figure, page, row, number)
        axes = page.place(figure, number, 0, TITLE, page.down)
        draw_film(axes, film)
        _title(axes, "film")
        if shown is not None:
            axes = page.place(figure, number, 1, TITLE, page.down)
            draw_film(axes, film)
            legend = draw_annotations(axes, shown)
            _title(axes, "annotations")
            axes.text(0, -0.02, legend, transform=axes.transAxes, va="top", fontsize=7.5, color=GREY, linespacing=1.25)
        _draw_maps(figure, page, film, row, number, before, shown)
    figure.text(MARGIN / page.width, 0.5 * MARGIN / page.height, NOTE, fontsize=7, color=GREY, va="bottom")
    return figure


def _draw_names(figure: "Figure", page: Layout, row: Row, number: int) -> None:
    """The heading of a row, and its name above each further line."""
    write_heading(figure, row.name, row.prediction, MARGIN / page.width, 1 - (page.top_of(number, 0) - HEADING) / page.height)
    for band in range(1, page.lines if page.rows > 1 else 1):
        above = 1 - (page.top_of(number, band) - NAME) / page.height
        figure.text(MARGIN / page.width, above, row.name, fontsize=10.5, weight="bold", va="top", color=INK)


def _draw_maps(
    figure: "Figure",
    page: Layout,
    film: NDArray[np.generic],
    row: Row,
    number: int,
    before: int,
    annotations: FilmAnnotations | None,
) -> None:
    """A row's maps over the film (H, W), in the columns from `before` on, each with its scale and caption."""
    pictures = [_readable(attribution, row.index, film.shape) for attribution in row.attributions]
    shared = max((strongest(values) for values, _ in pictures), default=0.0) if row.same_scale else None
    for column, (attribution, (values, unit)) in enumerate(zip(row.attributions, pictures, strict=True), start=before):
        method = METHODS[attribution.method]
        axes = page.place(figure, number, column, TITLE, page.down)
        draw_film(axes, film)
        top_value = draw_heat(axes, values, attribution.signed, shared)
        if annotations is not None:
            draw_outline(axes, annotations)
        stamp_map(axes, attribution.sanity)
        _title(axes, row.titles[column - before] if row.titles else f"{method.title}, for {row.prediction.target}")
        draw_bar(page.place(figure, number, column, TITLE + page.down + 0.07, 0.09), top_value, attribution.signed, unit)
        axes.text(
            0,
            -(BAR + 0.12) / page.down,
            caption(attribution, row.index),
            transform=axes.transAxes,
            va="top",
            fontsize=7.5,
            color=GREY,
            linespacing=1.25,
        )


def _readable(attribution: Attribution, index: int, size: tuple[int, ...]) -> tuple[NDArray[np.float32], str]:
    """One map as a picture shows it, and the unit of its values: single pixels cannot be read, so some are summed over blocks."""
    method, values = METHODS[attribution.method], attribution.values[index]
    if values.shape != size:
        raise ValueError(f"maps must have the size of the film {size}, got {values.shape}")
    if not method.blocks:
        return values, unit_of(attribution)
    side = max(1, round(size[0] / method.blocks))
    return block_sums(values, side), f"{unit_of(attribution)} {side}x{side} pixels"


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, fontsize=9, pad=3, y=1.0, loc="left", color=INK)


def write_heading(figure: "Figure", name: str, prediction: FilmPrediction, x: float, y: float) -> None:
    """Two lines: which film (below which name); what was predicted, what is true, whether that is right, and by which rule."""
    film = printable(prediction.film)
    first = f"{name}  ·  {film}" if name else film
    figure.text(x, y, first, fontsize=10.5, weight="bold", va="top", color=INK)
    truth = "true class unknown" if prediction.true is None else f"true {prediction.true}"
    below = y - 0.24 / figure.get_figheight()
    left = x
    if prediction.verdict != "unknown":
        colour = RIGHT if prediction.verdict == "right" else WRONG
        figure.text(x, below, prediction.verdict, fontsize=9.5, va="top", weight="bold", color=colour)
        left = x + 0.52 / figure.get_figwidth()
    text = f"predicted {prediction.predicted} {prediction.probability:.1%}  ·  {truth}  ·  {prediction.rule}"
    if prediction.target != prediction.predicted:
        text += f"  ·  explained: {prediction.target} {prediction.target_probability:.1%}"
    figure.text(left, below, text, fontsize=9.5, va="top", color=INK)
