"""Pages and sections from made-up results: cross-validation, external tests, subgroups, any model on any films."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from compared_runs import CLASSES as THREE
from compared_runs import predict
from markupsafe import Markup

from hilum.evaluation.comparison import compare_arms
from hilum.evaluation.outside.frozen_tables import measure_frozen
from hilum.evaluation.site_calibration import find_rule
from hilum.evaluation.statistics import patient_bootstrap
from hilum.evaluation.subgroups import measure_subgroups
from hilum.pages.any_evaluation import Section, render_any_evaluation
from hilum.pages.external import HEADLINE, OF_CLASSES, render_external
from hilum.pages.folds import FoldResults, render_folds
from hilum.pages.recalibration import RecalibrationPage, render_recalibration
from hilum.project.recalibration import measure_site
from hilum.project.recalibration_words import tell_apart, tell_decisions, tell_effect
from hilum.records import Predictions
from hilum.results import write_json, write_table
from hilum.settings.params import read_params
from project import ROOT

KEY = ("auroc_macro", "brier")
CLASSES = ("normal", "ill")


def fold_results(skill: float) -> FoldResults:
    """Of 80 films of as many patients; the second fold has a hostile name and no AUROC."""
    rng = np.random.default_rng(0)
    y_true = np.arange(80) % 2
    p = 1 / (1 + np.exp(-(rng.normal(size=80) + skill * (2 * y_true - 1))))
    names = np.array([f"film{i}" for i in range(80)])
    answers = Predictions(names, names, y_true, np.column_stack([1 - p, p]), (p > 0.5).astype(np.int64), CLASSES)
    metrics = {"out_of_fold/contradicted_labels": 7.0}
    for name, found in patient_bootstrap(answers, 20, 0.95, 1).items():
        metrics |= {
            f"out_of_fold/{name}": found.value,
            f"out_of_fold/{name}.low": found.low,
            f"out_of_fold/{name}.high": found.high,
        }
    folds = {"fold": [1, "<b>"], "films": 40, "patients": 40, "auroc_macro": [0.7, np.nan]}
    bounds = {"auroc_macro.low": [0.6, np.nan], "auroc_macro.high": [0.8, np.nan]}
    return FoldResults(metrics, answers, pd.DataFrame({**folds, **bounds}), b"png", 0.95)


def make_folds(arms: Sequence[str]) -> Markup:
    """The section on cross-validation; later arms are the better ones."""
    found = {arm: fold_results(0.2 + 1.8 * i) for i, arm in enumerate(arms)}
    differences = compare_arms({arm: one.predictions for arm, one in found.items()}, arms[0], 20, 0.95, 1)
    return render_folds(found, arms, arms[0], differences, KEY, "patient", 0.95)


def make_external(arms: Sequence[str], folder: Path) -> Markup:
    """The section on external tests: every arm on one source whose class shares are others, and better there or worse."""
    facts = {
        "films": 300,
        "patients": 200,
        "classes": list(CLASSES),
        "means_over": list(CLASSES),
        "sites": {"north": 100, "south": 200},
        "left_out": {"copy": 3},
        "threshold": None,
        "notes": ["a note"],
    }
    names = [*HEADLINE, *(f"{metric}/{one}" for metric in OF_CLASSES for one in CLASSES)]
    bounds = {"": 0.0, "_low": -0.05, "_high": 0.05}
    for i, arm in enumerate(arms):
        middle = {"internal": 0.8, "external": 0.8 - 0.1 * i, "drop": -0.1 * i}
        row = {f"{side}{end}": value + by for side, value in middle.items() for end, by in bounds.items()}
        source = folder / arm / "external" / "south"
        write_json(folder / arm / "external" / "sources.json", {"south": facts})
        write_json(folder / arm / "evaluation" / "settings.json", {"params": {"evaluate.confidence": 0.95}})
        write_table(source / "drop.csv", pd.DataFrame([{"metric": name, **row} for name in names]))
        shares = {"class": CLASSES, "prior": [0.6, 0.4], "internal": [0.5, 0.5], "external": [0.4, 0.6]}
        write_table(source / "shares.csv", pd.DataFrame(shares))
        corrected = {"as_it_is": 0.2, "corrected": 0.15, "difference": -0.05, "low": -0.08, "high": -0.02}
        write_table(source / "prior.csv", pd.DataFrame([{"metric": "brier", **corrected}]))
    return render_external({arm: folder / arm / "external" for arm in arms})


def make_subgroups(arms: Sequence[str], classes: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """arm -> its table of subgroups, in which a view is served worse and another better, and one has too few films."""
    names = [f"source/film {i}" for i in range(240)]
    tables = {}
    for i, arm in enumerate(arms):
        answers, rng = predict(1.5, i, names, classes), np.random.default_rng(i)
        right = answers.y_pred == answers.y_true
        views = np.where(rng.random(len(names)) < 0.2, "LL", np.where(right, "PA", "AP"))
        groups = pd.DataFrame({"view": views, "sex": rng.choice(["M", "F"], len(names))})
        groups.loc[:3, "sex"] = "not told"
        tables[arm] = measure_subgroups(answers, groups, 50, 0.95, 0)
    return tables


def make_evaluation(folder: Path) -> str:
    """The page of any model on any films: above one shortcut baseline, not above the other; with errors, and films left out."""
    films = [f"film {i}" for i in range(60)]
    model, known = predict(2.0, 0, films), predict(2.0, 0, films).y_prob
    settings = read_params(ROOT / "params.yaml").evaluate.model_copy(update={"bootstrap": 20})
    beside = {"acquisition_only": known, "source_only": np.full_like(known, 1 / len(THREE))}
    found = measure_frozen(model, settings, 0, beside)
    facts = {
        "classes": list(THREE),
        "model_sha256": "ab" * 32,
        "threshold": None,
        "films": 60,
        "patients": 30,
        "means_over": found.present,
        "left_out": {"copy": 1},
        "notes": ["a note"],
    }
    left_out = pd.DataFrame([{"image_id": "film 60", "path": "film 60.png", "problem": "copy", "detail": "of film 1"}])
    audit = Section("Audit", "What it says.", pd.DataFrame([{"probe": "surroundings", "value": 0.5}]), [])
    return render_any_evaluation(found, facts, left_out, settings, {"model": "my.keras", "data": "films"}, folder, [audit])


def make_recalibration(folder: Path, films: int = 160) -> str:
    """The page of a model that is too sure, recalibrated on films of as many patients; with a film that is left out.

    folder: for the script of the charts. films: of fewer than 20 no learning curve can be drawn.
    """
    rng = np.random.default_rng(3)
    y_true = np.arange(films) % 2
    ill = 1 / (1 + np.exp(-4 * (rng.normal(size=films) + 1.2 * y_true - 0.9)))
    names = np.array([f"film{i}" for i in range(films)])
    own = Predictions(names, names, y_true, np.column_stack([1 - ill, ill]), (ill > 0.5).astype(np.int64), CLASSES)
    settings = read_params(ROOT / "params.yaml").evaluate.model_copy(update={"bootstrap": 25})
    described = {"threshold": 0.5, "threshold_rule": "youden", "classes": list(CLASSES), "prior": {"normal": 0.7, "ill": 0.3}}
    found = measure_site(own, find_rule(described, "youden"), "temperature_and_biases", settings)
    effect, helps = tell_effect(found.effects, "theirs")
    facts = {
        **{"site": "north", "parent": "theirs.keras", "arm": "theirs-north", "method": "temperature_and_biases", "films": films},
        **{"patients": films, "classes": list(CLASSES), "effect": effect, "helps": helps, "notes": ["a note", *found.notes]},
        **{"date": "2026-01-02", "films_by_class": {"normal": films // 2, "ill": films // 2}, "left_out": {"copy": 1}},
        **{"parent_sha256": "ab" * 32, "model_sha256": "cd" * 32},
    }
    page = RecalibrationPage(
        facts=facts,
        effects=found.effects,
        curve=found.curve,
        before=found.before,
        after=found.after,
        decisions=tell_decisions(described, found.fit, found.before, found.after),
        left_out=pd.DataFrame([{"image_id": "film z", "path": "film z.png", "problem": "copy", "detail": "of film 1"}]),
        not_drawn=found.notes,
        apart=tell_apart({"normal": 0.5, "ill": 0.5}, {"north": []}, ["patients of north are not comparable with others"]),
    )
    return render_recalibration(page, settings, 25, folder)
