"""A comparison page of synthetic runs: predictions of known skill, blocks of noise as maps, and films with two dark lungs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from hilum.evaluation.comparison import difference_table, draw_arms, mcnemar_table, prediction_changes
from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.evaluation.simultaneous import compare_at_once
from hilum.evaluation.tables import class_table
from hilum.explain.shown_films import ShownFilms
from hilum.pages.chart_script import load_bundle
from hilum.pages.charts import ChartRuns, draw_charts
from hilum.pages.comparison import ArmSummary, ComparisonPage
from hilum.pages.film_room import RoomRun, render_room
from hilum.pages.headline import HEADLINE, headline_rows
from hilum.pages.levels import Levels
from hilum.records import Attribution, Predictions

CLASSES = ("normal", "bacterial", "viral")
PATIENTS = 2  # films of each
MAP = 112  # pixels of a map at most: a page shows 64


def predict(skill: float, seed: int, names: Sequence[str], classes: tuple[str, ...] = CLASSES) -> Predictions:
    rng = np.random.default_rng(seed)
    true = np.arange(len(names)) % len(classes)
    logits = rng.normal(size=(len(names), len(classes)))
    logits[np.arange(len(names)), true] += skill
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    patients = np.array([f"patient/{i // PATIENTS}" for i in range(len(names))])
    return Predictions(np.array(names), patients, true, prob, prob.argmax(axis=1), classes)


def draw_films(count: int, side: int) -> np.ndarray:
    """(N, side, side) uint8: two dark lungs on grey, a little noise."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:side, :side] / side
    lungs = ((x - 0.3) ** 2 / 0.02 + (y - 0.5) ** 2 / 0.08 < 1) | ((x - 0.7) ** 2 / 0.02 + (y - 0.5) ** 2 / 0.08 < 1)
    noise = gaussian_filter(rng.normal(size=(4, side, side)), (0, 2, 2))[np.arange(count) % 4]
    shade = rng.uniform(-25, 25, (count, 1, 1))
    return np.clip(np.where(lungs, 70.0, 170.0) + shade + 48 * noise, 0, 255).astype(np.uint8)


def draw_maps(method: str, count: int, side: int, seed: int) -> Attribution:
    """Maps (N, side, side) of blocks of noise; the last film's map is empty."""
    signed, cells = method != "gradcam", side // 8
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(count, cells, cells)), (0, 1, 1)).astype(np.float32)
    values = (noise if signed else np.maximum(noise, 0)).repeat(8, axis=1).repeat(8, axis=2)
    values[-1] = 0
    return Attribution(values, method, np.arange(count) % 3, signed, {}, sanity="fails sanity" if method == "lime" else "passes")


def outline(x: float) -> dict[str, object]:
    """A lesion, a lung and a box."""
    square = [[x, 0.4], [x + 0.1, 0.4], [x + 0.1, 0.55], [x, 0.55], [x, 0.4]]
    return {"lesion": [square], "lungs": [[[0.15, 0.2], [0.45, 0.2], [0.45, 0.8], [0.15, 0.8], [0.15, 0.2]]],
            "box": [[0.6, 0.3, 0.2, 0.2]], "findings": ["nodule"]}  # fmt: skip


def make_page(
    runs: Sequence[str],
    films: Sequence[str],
    cache: Path,
    side: int = 32,
    methods: Sequence[str] = ("gradcam", "lime", "shap"),
    classes: tuple[str, ...] = CLASSES,
    shown: bool = True,
    resamples: int = 20,
) -> ComparisonPage:
    """The page; runs grow in skill. cache: for the script of the charts. shown: whether pictures of films are in it."""
    arms = {name: predict(0.6 + 1.4 * i / len(runs), i, films, classes) for i, name in enumerate(runs)}
    reference, draws = runs[0], draw_arms(arms, runs[0], resamples, 1)
    intervals = {name: one.intervals(0.95) for name, one in draws.items()}
    differences, together = difference_table(draws, reference, 0.95), compare_at_once(draws, list(runs), HEADLINE, 0.95)
    stored = ShownFilms(list(films), draw_films(len(films), side), [outline(0.2 + 0.4 * (i % 2)) for i in range(len(films))])
    room = [
        RoomRun(
            name,
            arms[name],
            {m: draw_maps(m, len(films), min(side, MAP), 7 * i + k) for k, m in enumerate(methods)},
            films,
            stored,
        )
        for i, name in enumerate(runs)
    ]
    validation = {name: 0.5 + 0.4 * ((7 * i) % len(runs)) / len(runs) for i, name in enumerate(runs)}
    trainings = [evaluate_all(predict(1.0, 100 + i, films, classes)) for i in range(4)]
    repeats = {runs[-1]: {metric: [one[metric] for one in trainings] for metric in HEADLINE}}
    chart_runs = ChartRuns(intervals, arms, together, HEADLINE, reference, validation, "auroc_macro", repeats)
    majority = dict.fromkeys(draws[reference].names, 0.4)
    return ComparisonPage(
        title=f"hilum: {len(runs)} runs compared",
        classes=list(classes),
        reference=reference,
        headline=headline_rows(intervals, majority, differences, HEADLINE, {}),
        facts=[("shared test films", str(len(films)))],
        levels=Levels("95 % interval", "95 % interval", "95 % interval"),
        arms=[ArmSummary(name, "mobilenet", "none", "initial weights", ["head, 3 epochs"], 100,
                         "phase 1, epoch 2", "ab" * 32, "argmax", None,
                         [("head.dropout", i / 100, "params"), ("batch_size", 32, "params")], []) for i, name in enumerate(runs)],
        class_tables={name: class_table(arms[name], intervals[name], np.full(len(classes), 0.5)) for name in runs},
        differences=differences,
        mcnemar=mcnemar_table(arms, reference, 1),
        changes={name: prediction_changes(arms[reference], one) for name, one in arms.items() if name != reference},
        shortcut_baselines=[],
        margin=0.05,
        explanation=pd.DataFrame(),
        notes=[],
        agreement=[],
        figures={},
        warnings=[],
        folds="",
        audit="",
        sanity="",
        simultaneous=together,
        charts=draw_charts(chart_runs, "95 % interval", "simultaneous 95 % intervals"),
        bundle=load_bundle(cache),
        room=render_room(room, reference, shown),
        left_out=["12 test films of the first run, which not every run tested."],
    )  # fmt: skip
