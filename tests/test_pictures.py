"""A figure becomes the same PNG whoever draws it: no date inside, and nothing of a user's matplotlibrc."""

import io
from collections.abc import Callable

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hilum.data.prepared.geometry import fit_square
from hilum.data.quality.pair_sheet import draw_pairs
from hilum.data.sheets import draw_annotated, draw_burned_in
from hilum.evaluation.figures import confusion_figure
from hilum.evaluation.style import STYLE
from hilum.explain.drawing.cells import draw_grid
from hilum.pages.data_report.figures import draw_counts, draw_sizes
from hilum.pictures import PLAIN, encode_png, plain, settle_layout

TASTE = {"font.size": 17, "axes.facecolor": "#ffeecc", "savefig.facecolor": "#00ff00", "savefig.bbox": "tight", "axes.grid": True}
FILMS = {"s/$a$": np.zeros((16, 16), np.uint8)}
PLACE = {"s/$a$": fit_square(32, 32, 16, "pad")}
TABLE = pd.DataFrame({"image_id": ["s/$a$"], "label": ["ill"], "source": ["s"], "width": 30, "height": 20})
NEAR = pd.DataFrame({"image_id": ["s/$a$"], "other": ["s/$a$"], "score": [0.97], "mirrored": ["yes"]}).assign(
    scale_x=1.0, scale_y=1.0, patient_id="p", other_patient="q", label="ill", other_label="ill"
)
FIGURES: dict[str, Callable[[], Figure]] = {
    "pair_sheet": lambda: draw_pairs(NEAR, TABLE, np.stack(list(FILMS.values()))),
    "sheets, burned in": lambda: draw_burned_in(FILMS, {"s/$a$": np.array([[2.0, 2.0, 4.0, 4.0]])}, PLACE),
    "sheets, boxes": lambda: draw_annotated(FILMS, {"s/$a$": "[[0, 0, 8, 8]]"}, PLACE, {}),
    "data_figures, counts": lambda: draw_counts(TABLE.assign(split="train", films=1, patients=1), ["ill"]),
    "data_figures, sizes": lambda: draw_sizes(TABLE),
    "cells": lambda: draw_grid({"true positive": []}, 2, "Grad-CAM", signed=False, unit="logits", sanity=""),
    "figures": lambda: confusion_figure(np.array([[1, 2], [3, 4]]), ["normal", "ill"], "arm"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_the_same_under_a_users_own_matplotlibrc(name: str) -> None:
    settings = STYLE if name == "figures" else PLAIN
    wanted = encode_png(FIGURES[name](), settings)
    with matplotlib.rc_context(TASTE):
        assert encode_png(FIGURES[name](), settings) == wanted
        assert matplotlib.rcParams["font.size"] == 17, "the user's own settings stand again"


@plain
def bars() -> Figure:
    figure = Figure(figsize=(2, 1), dpi=80, layout="constrained")
    figure.subplots().bar(["a name"], [1])
    return figure


def test_resolution_and_compression_are_as_asked_and_the_pixels_are_the_same() -> None:
    own, packed, fine = encode_png(bars()), encode_png(bars(), compression=9), encode_png(bars(), dpi=160)
    opened = [Image.open(io.BytesIO(png)) for png in (own, packed, fine)]
    assert [image.size for image in opened] == [(160, 80), (160, 80), (320, 160)]
    assert own != packed and opened[0].tobytes() == opened[1].tobytes()
    assert all(image.info["Software"] == "hilum" for image in opened)


def test_a_settled_layout_moves_no_more() -> None:
    figure = bars()
    settle_layout(figure)
    before = figure.axes[0].get_position().bounds
    encode_png(figure)
    assert figure.axes[0].get_position().bounds == before
    free = Figure()
    settle_layout(free)  # nothing to settle
    assert free.get_layout_engine() is None
