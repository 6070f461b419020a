"""Every figure: rendered, nothing cut off or written over something else, the same bytes twice."""

import functools
import io
import itertools
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from hilum.evaluation.arm_figures import confusion_arms_figure, difference_figure, metrics_figure
from hilum.evaluation.comparison import compare_arms
from hilum.evaluation.figures import (
    calibration_figure,
    confusion_figure,
    learning_figure,
    pr_figure,
    roc_figure,
    scaling_figure,
)
from hilum.evaluation.scoring.decisions import majority_baseline
from hilum.evaluation.statistics import Interval, patient_bootstrap
from hilum.evaluation.style import ARM_COLOURS, DPI, arm_colour, arm_marker, to_png, with_interval, wrapped
from hilum.evaluation.tables import confusion_matrix, pr_by_class, reliability_table, roc_by_class
from hilum.records import Predictions

NAMES = (
    "normal", "bacterial pneumonia", "viral pneumonia", "pleural_effusion/left-sided",
    "nodule", "cardiomegaly", "tuberculosis", "interstitial lung disease",
)  # fmt: skip
LONG = "an_arm_with_the_kind_of_name_that_people_do_write"
METRICS_SHOWN = ["auroc_macro", "accuracy", "balanced_accuracy", "mcc", "brier", "ece", "sensitivity/bacterial pneumonia"]


@functools.cache
def films(classes, skill, seed=0, count=120):
    rng = np.random.default_rng(seed)
    y_true = np.arange(count) % classes
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), y_true] += skill
    y_prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([f"f{i:03d}" for i in range(count)])
    return Predictions(ids, ids, y_true, y_prob, y_prob.argmax(axis=1), NAMES[:classes])


def arms(classes=3):
    return {"baseline": films(classes, 1.0), "finetuned": films(classes, 1.6), LONG: films(classes, 0.9, seed=1)}


def confusion(classes):
    return lambda: confusion_figure(confusion_matrix(films(classes, 1.5)), NAMES[:classes], f"{LONG}: 120 test films")


def confusion_arms(classes, count):
    def draw():
        matrices = {f"arm {i}" if i else LONG: confusion_matrix(films(classes, 1 + i)) for i in range(count)}
        return confusion_arms_figure(matrices, NAMES[:classes], "predictions of all arms on the same 120 test films")

    return draw


def curves(draw, make, classes):
    def drawn():
        p = films(classes, 1.5)
        return draw(make(p, patient_bootstrap(p, 10, 0.95, 1)), 0.95, "baseline: 120 test films")

    return drawn


def calibration(count):
    return lambda: calibration_figure(reliability_table(films(3, 1.5, count=count), 10), 0.1, "baseline: calibration")


def scaling(count):
    def draw():
        parts = [reliability_table(films(3, skill, count=count), 10).assign(predictions=state)
                 for state, skill in (("before", 3.0), ("after", 1.5))]  # fmt: skip
        return scaling_figure(pd.concat(parts), {"before": 0.123, "after": 0.021}, f"{LONG}: validation films")

    return draw


def learning(phases):
    def draw():
        names = [f"{i + 1}: {what}" for i, what in enumerate(["head", "6 blocks", "all blocks"])]
        phase = np.repeat(names[: len(phases)], phases)
        epoch = np.arange(1, len(phase) + 1)
        table = pd.DataFrame(
            {"phase": phase, "epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "val_auroc": epoch / 40}
        )
        return learning_figure(table, ["loss", "val_loss"], ["val_auroc"], int(epoch[-1]), "finetuned: learning curves")

    return draw


def solutions():
    step = np.arange(1, 14)
    table = pd.DataFrame({"phase": 1, "epoch": step, "loss": 1 / step, "val_loss": 1.2 / step, "val_auroc": step / 40})
    title = "baseline: the solved head under each penalty"
    words = ("penalties tried, the largest first", "phase 1 penalty 0.0316")
    return learning_figure(table, ["loss", "val_loss"], ["val_auroc"], 6, title, *words)


def differences(names):
    def draw():
        found = {name: arms()[name] for name in names}
        rows = compare_arms(found, "baseline", 20, 0.95, 1)
        rows = rows[rows["metric"].isin(METRICS_SHOWN)]
        return difference_figure(rows, "baseline", names, 0.95, "every arm against baseline, 120 test films")

    return draw


@functools.cache
def arm_intervals():
    found = {**arms(), "majority class": majority_baseline(np.array([0, 0, 1, 2]), arms()["baseline"])}
    return {name: patient_bootstrap(p, 10, 0.95, 1) for name, p in found.items()}


def metrics():
    return metrics_figure(arm_intervals(), METRICS_SHOWN, list(arms()), "95 % interval", "all arms on the same 120 test films")


FIGURES = {
    "confusion 2": confusion(2),
    "confusion 3": confusion(3),
    "confusion 8": confusion(8),
    "confusion 1 arm": confusion_arms(3, 1),
    "confusion 2 arms": confusion_arms(8, 2),
    "confusion 4 arms": confusion_arms(2, 4),
    "roc 3": curves(roc_figure, roc_by_class, 3),
    "roc 8": curves(roc_figure, roc_by_class, 8),
    "roc of one class": lambda: roc_figure({}, 0.95, "baseline"),
    "pr 3": curves(pr_figure, pr_by_class, 3),
    "pr 8": curves(pr_figure, pr_by_class, 8),
    "calibration": calibration(120),
    "calibration of 1 film": calibration(1),
    "scaling": scaling(120),
    "scaling of 1 film": scaling(1),
    "learning, 1 epoch": learning([1]),
    "learning, 2 phases": learning([10, 12]),
    "learning, short phases": learning([1, 1, 20]),
    "learning, a solved head": solutions,
    "differences of 1 arm": differences(["baseline", "finetuned"]),
    "differences of 2 arms": differences(["baseline", "finetuned", LONG]),
    "metrics": metrics,
}


def written(figure):
    """Bounding boxes of all visible text, in pixels; tick labels only where their tick is drawn."""
    renderer = figure.canvas.get_renderer()
    undrawn = set()
    for axis in itertools.chain.from_iterable((axes.xaxis, axes.yaxis) for axes in figure.axes):
        drawn = {id(tick) for tick in axis._update_ticks()}
        undrawn |= {id(tick.label1) for tick in axis.majorTicks + axis.minorTicks if id(tick) not in drawn}
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip() and id(t) not in undrawn]
    hidden = [t for axes in figure.axes if not axes.axison for t in axes.findobj(Text)]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in texts if t not in hidden]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_clipped_and_no_text_lies_on_another(name):
    figure = FIGURES[name]()
    image = Image.open(io.BytesIO(to_png(figure)))
    assert np.abs(image.size - figure.get_size_inches() * DPI).max() <= 1
    width, height = image.size
    boxes = written(figure)
    assert len(boxes) > 5
    outside = [text for text, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height]
    assert not outside
    shrunk = [(text, box.padded(-1)) for text, box in boxes]
    assert not [(a, b) for (a, box), (b, other) in itertools.combinations(shrunk, 2) if box.overlaps(other)]
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize(
    "name",
    [
        "confusion 3",
        "confusion 4 arms",
        "roc 3",
        "pr 3",
        "calibration",
        "scaling",
        "learning, 2 phases",
        "differences of 2 arms",
        "metrics",
    ],
)
def test_the_same_bytes_twice_whatever_the_callers_style(name):
    figure = FIGURES[name]()
    first = to_png(figure)
    assert to_png(figure) == first
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.dpi": 30, "xtick.direction": "in"}):
        assert to_png(FIGURES[name]()) == first
    assert b"Software\x00hilum" in first and b"atplotlib" not in first and b"tIME" not in first


def test_white_background_and_no_global_state():
    before = dict(matplotlib.rcParams)
    image = np.asarray(Image.open(io.BytesIO(to_png(FIGURES["roc 3"]()))).convert("RGB"))
    assert (image[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_an_arm_keeps_its_colour_and_marker_when_others_leave_the_figure():
    names = [f"arm{i}" for i in range(12)]
    assert arm_colour("arm1", names) == ARM_COLOURS[1]
    assert len({(arm_colour(a, names), arm_marker(a, names)) for a in names}) == 12
    shown = differences(["baseline", "finetuned"])
    alone = [line.get_color() for line in shown().axes[0].lines if line.get_label() == "finetuned"]
    beside = [line.get_color() for line in differences(["baseline", "finetuned", LONG])().axes[0].lines
              if line.get_label() == "finetuned"]  # fmt: skip
    assert alone == beside == [ARM_COLOURS[1]]


def test_a_class_without_films_is_a_dash_not_a_zero():
    figure = confusion_figure(np.array([[3, 1], [0, 0]]), ["a", "b"], "arm")
    assert [t.get_text() for t in figure.axes[0].texts] == ["3", "1", "0", "0"]
    assert [t.get_text() for t in figure.axes[1].texts] == ["75 %", "25 %", "–", "–"]


def test_hollow_markers_are_unclear_differences():
    rows = pd.DataFrame({"arm": "b", "metric": ["accuracy", "mcc"], "difference": [0.1, 0.01], "low": [0.05, -0.1],
                         "high": [0.2, 0.1], "judgement": ["better", "unclear"]})  # fmt: skip
    figure: Figure = difference_figure(rows, "a", ["a", "b"], 0.95, "b against a")
    points = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert [p.get_markerfacecolor() for p in points] == [ARM_COLOURS[1], "white"]
    assert "+0.100 [+0.050, +0.200] better" in [t.get_text() for t in figure.axes[0].texts]


def test_words():
    assert with_interval(Interval(0.9123, 0.88, 0.9411, 0)) == "0.912 [0.880, 0.941]"
    assert with_interval(Interval(np.nan, np.nan, np.nan, 1)) == "undefined"
    assert wrapped("pleural_effusion/left-sided").replace("\n", "") == "pleural_effusion/left-sided"
    assert max(map(len, wrapped("x" * 40).split("\n"))) == 16
