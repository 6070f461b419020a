"""Pictures of explanations, from ready arrays: a film with its maps, or the same film under several models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.marks import FilmMarks
from hilum.explain.heat import DPI, GREY, INK, NOTE, block_sums, draw_bar, draw_film, draw_heat, plain
from hilum.explain.mark_drawing import draw_marks, draw_outline
from hilum.explain.methods import METHODS
from hilum.explain.sanity_stamp import stamp_map
from hilum.records import Attribution, Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#1b7837", "#b2182b"

SIDE, GAP, MARGIN = 2.55, 0.22, 0.15  # inches: of a film, between films, around all
ABREAST = 5  # pictures in a line, at most
HEADING, TITLE, BAR, CAPTION = 0.50, 0.22, 0.34, 0.46  # inches of height: above a row, above a film, below it


@dataclass(frozen=True)
class Answer:
    """What a model said of one film, in words.

    film: its name; predicted: class of the verdict, with its probability 0-1; true: class, None where nobody knows;
    target: class that the maps explain.
    """

    film: str
    predicted: str
    probability: float
    target: str
    true: str | None = None

    @property
    def verdict(self) -> str:
        """right, wrong or unknown."""
        if self.true is None:
            return "unknown"
        return "right" if self.true == self.predicted else "wrong"


@dataclass(frozen=True)
class Row:
    """One model's maps of the film at `index` of each attribution; name is the arm's."""

    name: str
    attributions: Sequence[Attribution]
    index: int
    answer: Answer


def answer_of(predictions: Predictions, row: int, target: int) -> Answer:
    """What the model said of one film, in words."""
    names = predictions.classes
    said, true = int(predictions.y_pred[row]), int(predictions.y_true[row])
    return Answer(
        str(predictions.image_id[row]), names[said], float(predictions.y_prob[row, said]), names[target], true=names[true]
    )


def draw_panel(
    film: NDArray[np.generic],
    attributions: Sequence[Attribution],
    index: int,
    answer: Answer,
    marks: FilmMarks | None = None,
) -> "Figure":
    """The film, what experts marked on it, and one map per method.

    film: (H, W) grey levels 0-255; index: which film of each attribution; marks: of the film, drawn in a column of their own.
    Raises: ValueError if a map has another size than the film.
    """
    return draw_rows(film, [Row("", attributions, index, answer)], marks)


@plain
def draw_rows(
    film: NDArray[np.generic],
    rows: Sequence[Row],
    marks: FilmMarks | None = None,
) -> "Figure":
    """The same film under several models, a row each, so that verdicts and maps can be compared.

    film: (H, W) grey levels 0-255; marks: what experts marked on it, drawn beside it and as thin lines over the maps.
    Raises: ValueError if there is no row, or a map has another size than the film.
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("rows must hold at least one model, got none")
    shown = marks if marks is not None and marks.kinds else None
    before = 1 if shown is None else 2  # columns: the film, and the film with its marks
    columns, lines = arrange(before + max(len(row.attributions) for row in rows))
    width = 2 * MARGIN + columns * SIDE + (columns - 1) * GAP
    line = TITLE + SIDE + BAR + CAPTION
    block = HEADING + lines * line
    height = 2 * MARGIN + len(rows) * block + 0.18
    figure = Figure((width, height), dpi=DPI, facecolor="white")

    def place(cell: int, top: float, tall: float) -> "Axes":
        left = MARGIN + cell % columns * (SIDE + GAP)
        top += cell // columns * line
        return figure.add_axes((left / width, 1 - (top + tall) / height, SIDE / width, tall / height))

    for number, row in enumerate(rows):
        top = MARGIN + number * block
        _write_heading(figure, row, MARGIN / width, 1 - top / height)
        at = top + HEADING + TITLE
        axes = place(0, at, SIDE)
        draw_film(axes, film)
        _title(axes, "film")
        if shown is not None:
            axes = place(1, at, SIDE)
            draw_film(axes, film)
            told = draw_marks(axes, shown)
            _title(axes, "marks")
            axes.text(0, -0.02, told, transform=axes.transAxes, va="top", fontsize=7.5, color=GREY, linespacing=1.25)
        for column, attribution in enumerate(row.attributions, start=before):
            method = METHODS[attribution.method]
            values = attribution.values[row.index]
            if values.shape != film.shape:
                raise ValueError(f"maps must have the size of the film {film.shape}, got {values.shape}")
            unit = method.unit
            if method.blocks:
                side = max(1, round(film.shape[0] / method.blocks))
                values, unit = block_sums(values, side), f"{unit} {side}x{side} pixels"
            axes = place(column, at, SIDE)
            draw_film(axes, film)
            top_value = draw_heat(axes, values, attribution.signed)
            if shown is not None:
                draw_outline(axes, shown)
            stamp_map(axes, attribution.sanity)
            _title(axes, f"{method.title}, for {row.answer.target}")
            draw_bar(place(column, at + SIDE + 0.07, 0.09), top_value, attribution.signed, unit)
            axes.text(
                0,
                -(BAR + 0.12) / SIDE,
                caption(attribution, row.index),
                transform=axes.transAxes,
                va="top",
                fontsize=7.5,
                color=GREY,
                linespacing=1.25,
            )
    figure.text(MARGIN / width, 0.5 * MARGIN / height, NOTE, fontsize=7, color=GREY, va="bottom")
    return figure


def arrange(cells: int) -> tuple[int, int]:
    """(columns, lines) of one model's pictures: one line of up to ABREAST, else as few lines as that allows, evenly filled."""
    lines = -(-cells // ABREAST)
    return -(-cells // lines), lines


def caption(attribution: Attribution, index: int) -> str:
    """One or two lines on how far a map can be trusted, from its own numbers."""
    numbers = {name: float(values[index]) for name, values in attribution.numbers.items()}
    told = CAPTIONS.get(attribution.method)
    return "\n".join(told(attribution.parameters, numbers)) if told else ""


def _of_layer(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    lines = [f"layer {parameters['layer']}, {parameters['cells'][0]}x{parameters['cells'][1]} cells"]
    if "channels" in numbers:
        lines.append(f"{numbers['channels']:.0f} channels (max_N {parameters['max_N']})")
    return lines


def _of_touchy(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    lines = ["touchy places, for or against"]
    if "samples" in parameters:
        lines.append(f"{parameters['samples']} copies with noise of {parameters['noise']:.0%} of the range")
    return lines


def _of_shap(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    against = f"{parameters['background']} background films"
    if "layer" in parameters:
        against = f"input of {parameters['layer']}, {parameters['cells'][0]}x{parameters['cells'][1]} cells; {against}"
    else:
        against = f"against {against}"
    return [f"additivity error {numbers['additivity_error']:+.2f} of {numbers['difference']:+.2f} logits", against]


def _of_gradients(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    start = f"from {', '.join(parameters['baselines'])}"
    start += f"; {numbers['regions']:.0f} regions" if "regions" in numbers else ""
    worst = max(parameters["baselines"], key=lambda name: abs(numbers[f"completeness_error_{name}"]))
    error, difference = numbers[f"completeness_error_{worst}"], numbers[f"difference_{worst}"]
    return [f"completeness error {error:+.2f} of {difference:+.2f} logits ({worst})", start]


def _of_lime(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    fit = "undefined" if np.isnan(numbers["local_fit"]) else f"{numbers['local_fit']:.2f}"
    return [
        f"local fit R² {fit}; the probability moved by {numbers['spread']:.2f}",
        f"strongest {parameters['features']} of {numbers['superpixels']:.0f} superpixels",
    ]


def _of_shapley(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    first = f"adds up to a probability of {numbers['difference']:+.2f}; hidden: {parameters['baseline']}"
    if "orders" not in parameters:
        return [first, f"{parameters['evaluations']} evaluations"]
    error = numbers["spread_of_orders"]
    return [first, f"{parameters['orders']} orders of {numbers['superpixels']:.0f} superpixels, standard error {error:.3f}"]


def _of_hidden(parameters: Mapping[str, Any], numbers: Mapping[str, float]) -> list[str]:
    way = f"{parameters['samples']} masks" if "samples" in parameters else f"{parameters['patch_pixels']} px patch"
    return [f"the probability moved by {numbers['spread']:.2f}", f"hidden: {parameters['baseline']}, {way}"]


CAPTIONS: dict[str, Callable[[Mapping[str, Any], Mapping[str, float]], list[str]]] = {
    "gradcam": _of_layer,
    "gradcam_plus_plus": _of_layer,
    "layercam": _of_layer,
    "scorecam": _of_layer,
    "saliency": _of_touchy,
    "smoothgrad": _of_touchy,
    "integrated_gradients": _of_gradients,
    "xrai": _of_gradients,
    "shap": _of_shap,
    "shap_layer": _of_shap,
    "lime": _of_lime,
    "shapley": _of_shapley,
    "shap_partition": _of_shapley,
    "occlusion": _of_hidden,
    "rise": _of_hidden,
}


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, fontsize=9, pad=3, loc="left", color=INK)


def _write_heading(figure: "Figure", row: Row, x: float, y: float) -> None:
    """Two lines: which film (and arm); what was predicted, what is true, and whether that is right."""
    answer = row.answer
    first = f"{row.name}  ·  {answer.film}" if row.name else answer.film
    figure.text(x, y, first, fontsize=10.5, weight="bold", va="top", color=INK)
    truth = "true class unknown" if answer.true is None else f"true {answer.true}"
    below = y - 0.24 / figure.get_figheight()
    left = x
    if answer.verdict != "unknown":
        colour = RIGHT if answer.verdict == "right" else WRONG
        figure.text(x, below, answer.verdict, fontsize=9.5, va="top", weight="bold", color=colour)
        left = x + 0.52 / figure.get_figwidth()
    text = f"predicted {answer.predicted} {answer.probability:.1%}  ·  {truth}"
    figure.text(left, below, text, fontsize=9.5, va="top", color=INK)
