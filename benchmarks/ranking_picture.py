"""The picture of `method_ranking.py`: methods ordered by the truth, and their rank by each measure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rankings import draw_resamples, mean_ranks, method_means, ranks

from hilum.explain.measures.registry import MEASURES
from hilum.explain.methods.registry import METHODS

NAMES = {  # short enough for a column heading
    "agreement": "agreement",
    "mu_fidelity": "MuFidelity",
    "randomised_spearman": "randomised weights",
    "gini": "Gini",
    "deletion_blur": "deletion, blurred",
    "insertion_blur": "insertion, blurred",
    "deletion_mean": "deletion, mean grey",
    "insertion_mean": "insertion, mean grey",
}


def draw_ranks(
    piles: Mapping[str, NDArray[np.float64]],
    truths: Sequence[str],
    shortcut_baselines: Sequence[str],
    orders: pd.DataFrame,
    methods: Sequence[str],
    path: Path,
) -> None:
    """A grid of ranks: a row per method, the best by truth on top; a column per measure, the one nearest to the truth first.

    A column that gets lighter downwards like the first one has the order of the truth.
    """
    all_of_them = draw_resamples(piles[truths[0]].shape[0], piles[truths[0]].shape[2], 0, 0)[0]
    true = mean_ranks([piles[name] for name in truths], all_of_them)
    rows = np.argsort(true, kind="stable")
    taus = orders.set_index("measure")["tau"]
    shown = sorted(shortcut_baselines, key=lambda name: -np.nan_to_num(taus[name], nan=-2))
    columns = [ranks(-true), *(ranks(method_means(piles[name], all_of_them)) for name in shown)]
    grid = np.stack([column[rows] for column in columns], axis=1)
    figure = Figure(figsize=(9.6, 6.2), layout="constrained", dpi=100)
    axes = figure.subplots()
    colours = mpl.colormaps["cividis_r"].with_extremes(bad="white")
    spread = np.insert(grid, 1, np.nan, axis=1)  # a gap after the truth
    axes.imshow(spread, cmap=colours, aspect="auto", vmin=0, vmax=len(methods))
    for (down, across), value in np.ndenumerate(spread):
        if np.isfinite(value):
            dark = value > 0.55 * len(methods)
            axes.text(across, down, f"{value:g}", ha="center", va="center", fontsize=8.5, color="white" if dark else "black")
    heads = ["truth", "", *(f"{_name(name)}\n" for name in shown)]
    axes.set_xticks(
        range(len(heads)), [head.strip() for head in heads], rotation=40, ha="left", rotation_mode="anchor", fontsize=9
    )
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), [METHODS[methods[i]].title for i in rows], fontsize=9)
    below = ["", "", *(f"{taus[name]:+.2f}" if np.isfinite(taus[name]) else "" for name in shown)]
    for across, text in enumerate(below):
        axes.text(across, len(rows) - 0.25, text, ha="center", va="top", fontsize=8.5)
    axes.text(0, len(rows) - 0.25, "rank by truth (1: best)\ntau of the orders →", ha="center", va="top", fontsize=8.5)
    axes.set_ylim(len(rows) + 0.3, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.savefig(path)


def _name(measure: str) -> str:
    return NAMES.get(measure, MEASURES[measure].title if measure in MEASURES else measure)
