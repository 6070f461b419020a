"""crossvalidate: train and evaluate one arm on every fold, as nested runs under one parent, and pool the predictions."""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from hilum.data.folds import fold_names
from hilum.data.prepared.loading import SplitFilms, load_split
from hilum.evaluation.contradictions import contradiction_sheet, find_contradictions
from hilum.evaluation.scoring.calibration import Prior, find_scaling
from hilum.evaluation.scoring.decisions import decide, factors_of, find_factors, find_threshold
from hilum.evaluation.scoring.epochs import score_epoch, watch_epochs
from hilum.evaluation.scoring.metrics import METRICS, evaluate_all, with_bins
from hilum.evaluation.scoring.scaling import Logits
from hilum.evaluation.statistics import flat_metrics, patient_bootstrap
from hilum.evaluation.style import to_png
from hilum.processors import usable_processors
from hilum.progress import bar, say, steps, tell_time_left
from hilum.records import Labels, Predictions, Probabilities
from hilum.results import (
    base_tags,
    digest,
    epoch_metrics,
    file_sha256,
    flatten,
    pool_predictions,
    read_json,
    table_of,
    write_json,
    write_table,
)
from hilum.runs import code_tags, fold_metrics, log_results
from hilum.settings.meaning import settle, show_backbone, trained_arm
from hilum.settings.params import Evaluate, Params, find_arm, read_params
from hilum.settings.training import Arm
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.training.fold import Judging, predict_fold
from hilum.training.kept_folds import KeptFolds, keep_folds
from hilum.training.kept_trainings import keep_trainings
from hilum.training.learning.arms import count_steps
from hilum.training.learning.fit import begin_training
from hilum.training.learning.kept_state import KeptState
from hilum.training.task import file_digest, logged_params, params_of, weights_digest
from hilum.training.workers.executors import EXECUTORS
from hilum.workspace import Workspace, find_workspace

SHOWN = 24  # films on the contact sheet; contradictions.csv has all


@dataclass(frozen=True)
class _Fold:
    """The result of one fold: predictions on its held-out films, a row per epoch, and its row of folds.csv."""

    name: str
    predictions: Predictions
    history: pd.DataFrame
    measured: dict[str, Any]


@dataclass(frozen=True)
class Shared:
    """What all folds of a cross-validation share. settled: the arm without spaces. decided: what decides their results."""

    arm: str
    settled: Arm
    params: Params
    workspace: Workspace
    versions: dict[str, Any]
    kept: KeptFolds
    decided: dict[str, Any]


def run(arm: str) -> None:
    """Train and evaluate every fold and write the folder; an interrupted one resumes with its folds. Test rows are not used.

    Searched values are those that `tune` found on the train and validation parts: it used films that a fold holds out, so the
    predictions are unbiased for the weights and slightly optimistic for those values.
    """
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    if not params.split.folds:
        raise ValueError("split.folds must be 2 or more, got 0; set it and crossvalidate.arms in params.yaml, then `dvc repro`")
    find_arm(params, arm)
    arm_settings = trained_arm(params.arms, arm)
    folder = workspace.arm(arm, "crossvalidation")
    shutil.rmtree(folder, ignore_errors=True)
    best = yaml.safe_load((workspace.arm(arm, "tuning") / "best.yaml").read_text()) or {}
    settled = settle(arm_settings, best)
    params = params_of(params, settled)
    versions = read_json(workspace.split / "versions.json")
    films = load_split(workspace.prepared, workspace.split, "folds", versions["classes"])
    names = fold_names(films.table)
    tags = {**base_tags("crossvalidation", versions), "arm": arm, "backbone": show_backbone(settled)}
    settings = describe_folds(arm, names, settled, params, workspace, tags)
    tags = {**tags, **code_tags(workspace)}
    begin_training(params.train.seed, params.workers.threads)
    store = open_store(workspace, params.tracking)
    decided = decides(arm, settled, params, workspace, versions)
    kept = keep_folds(workspace.cache, arm, decided)
    key = digest([kept.folder.name, settings["params"]])
    shared = Shared(arm, settled, params, workspace, versions, kept, decided)
    with keep_trainings(workspace.cache, "crossvalidate") as trainings:
        waited = trainings.hold(arm, kept.folder.name, kept.forget)  # then the finished run is the other one's
        with store.start(f"crossvalidate-{arm}", tags, key=key, finished=not waited) as parent:
            found = train_folds(shared, films, names, store, parent, tags, key)
            write_folds(folder, [found[name] for name in names], params, films)
            write_json(folder / "settings.json", settings)
            log_results(parent, folder, "crossvalidation")
    tell_pooled(arm, read_json(folder / "metrics.json"), len(names))


def train_folds(
    shared: Shared, films: SplitFilms, names: Sequence[str], store: Store, parent: Run, tags: Mapping[str, str], key: str
) -> dict[str, _Fold]:
    """All folds by name, each with a nested run. key: of the parent, under which those below it are continued."""
    classes, workers = tuple(shared.versions["classes"]), shared.params.workers
    found: dict[str, _Fold] = {}
    earlier = {name for name in names if shared.kept.load(name, classes)}
    begun = time.monotonic()
    for name in folds_by_workers(shared, names, earlier) if workers.executor != "serial" else names:
        fold_tags = {**tags, "role": "fold", "fold": name, "mlflow.note.content": ""}
        with store.start(f"fold-{name}", fold_tags, parent.id, key) as run:
            found[name] = take_back(shared, name, run, name in earlier) or keep_fold(shared, films, name, run)
            if made := len(found.keys() - earlier):
                told = tell_time_left(time.monotonic() - begun, made, len(names) - len(earlier))
                say(f"fold {name}, {len(found)} of {len(names)}, {told}")
            run.log_metrics(fold_metrics(found[name].measured))
    return found


def folds_by_workers(shared: Shared, names: Sequence[str], earlier: Collection[str]) -> Iterator[str]:
    """The names of all folds, the finished ones first, then those that workers train, as they finish them."""
    yield from (name for name in names if name in earlier)
    workers = shared.params.workers
    missing = {number: name for number, name in enumerate(names) if name not in earlier}
    say(f"{shared.arm}: {len(missing)} folds by up to {workers.count} workers ({workers.executor})")
    with EXECUTORS[workers.executor](prepare_folds, shared, workers.count, shared.params.tune.dask) as run_jobs:
        for _, name in run_jobs(missing):
            yield name


def prepare_folds(shared: Shared) -> Callable[[str], str]:
    """What trains one fold in a worker, and keeps it."""
    begin_training(shared.params.train.seed, shared.params.workers.threads)
    films = load_split(shared.workspace.prepared, shared.workspace.split, "folds", shared.versions["classes"])

    def work(name: str) -> str:
        keep_fold(shared, films, name, None)
        return name

    return work


def keep_fold(shared: Shared, films: SplitFilms, name: str, run: Run | None) -> _Fold:
    """Train a fold, or continue an interrupted training of it, and keep its predictions. run: where each epoch is logged.

    One that was waited for, which a worker whose stage had ended has kept, is taken as it is.
    """
    with keep_trainings(shared.workspace.cache, f"crossvalidate/{shared.arm}", of_parts=True) as trainings:
        before = trainings.keep(name, shared.decided)
        if (fold := take_back(shared, name, run, earlier=False)) is None:
            fold = run_fold(shared, films, name, run, before)
            shared.kept.save(name, fold.predictions, fold.history)
    return fold


def tell_pooled(arm: str, metrics: dict[str, float], folds: int) -> None:
    """Print the main result of all folds."""
    value, low, high = (metrics[f"out_of_fold/auroc_macro{end}"] for end in ("", ".low", ".high"))
    say(f"{arm}: out_of_fold/auroc_macro {value:.3f} [{low:.3f}, {high:.3f}] over {folds} folds")


def describe_folds(
    arm: str, names: list[str], settled: Arm, params: Params, workspace: Workspace, tags: dict[str, str]
) -> dict[str, Any]:
    """What settings.json holds."""
    return {
        "arm": arm,
        "folds": names,
        "params": {
            **fold_params(params, settled, file_digest(params, arm, workspace)),
            **flatten(params.split.model_dump(include={"folds", "fold_by"}), "split"),
            **flatten(params.evaluate.model_dump(exclude={"acquisition"}), "evaluate"),
        },
        "tags": tags,
    }


def fold_params(params: Params, settled: Arm, weights_sha256: str) -> dict[str, Any]:
    """What `train` logs, except the prevalence, for which no fold's predictions are corrected, and repeats, as there are none."""
    logged = logged_params(params, settled, weights_sha256)
    return {key: value for key, value in logged.items() if not key.startswith(("train.prevalence", "train.repeats"))}


def decides(arm: str, settled: Arm, params: Params, workspace: Workspace, versions: dict[str, Any]) -> dict[str, Any]:
    """Everything that determines a fold's result, except the code."""
    return {
        "params": fold_params(params, settled, file_digest(params, arm, workspace)),
        "versions": versions,
        "films": file_sha256(workspace.split / "folds.csv"),  # which film is in which part of which fold, and its pixels
        "weights": weights_digest(params, arm, workspace),
        "threads": params.workers.threads or usable_processors(),
    }


def take_back(shared: Shared, name: str, run: Run | None, earlier: bool) -> _Fold | None:
    """A fold that was trained before its run began, with its history in its run; None where there is none.

    earlier: by an earlier cross-validation, not by a worker of this one.
    """
    if (found := shared.kept.load(name, tuple(shared.versions["classes"]))) is None:
        return None
    predictions, history = found
    if run and earlier:
        say(f"fold {name}: taken from an earlier cross-validation")
        run.tag({"continued": "from an earlier cross-validation"})
    if run:
        run.log_history(epoch_metrics(history))
    return _Fold(name, predictions, history, measure_fold(name, predictions, shared.params.evaluate))


def run_fold(shared: Shared, films: SplitFilms, name: str, run: Run | None, before: KeptState | None = None) -> _Fold:
    """Train an arm without the films that a fold holds out, choose its threshold on the validation films, and predict them.

    run: None in a worker, whose epochs are logged when the fold has ended. before: the state that an interrupted training of this
    fold left.
    """
    title, arm, params, versions = f"fold {name}", shared.settled, shared.params, shared.versions
    if before and run:
        run.log_history(epoch_metrics(before.history))

    counts = count_steps(arm.phases)
    judging = judge_fold(params, versions["classes"])
    on_film = bar(f"{title}: activations")
    with steps(title, sum(counts)) as report:
        on_epoch = watch_epochs(run.log_metrics if run else lambda *_: None, report, counts, params.train.select)
        predictions, history = predict_fold(
            name, films, arm, params, shared.workspace, versions, judging, on_epoch, on_film, before
        )
    return _Fold(name, predictions, history, measure_fold(name, predictions, params.evaluate))


def judge_fold(params: Params, classes: list[str]) -> Judging:
    """How `train` scores epochs, calibrates and decides, for the training of a fold."""
    settings = params.train

    def find(logits: Logits, labels: Labels, prior: Prior) -> tuple[float, Prior]:
        scaling = find_scaling(settings.calibration, logits, labels, prior)
        return scaling.temperature, scaling.biases

    def prediction(probabilities: Probabilities, threshold: float | None, prior: Prior) -> Labels:
        factors = find_factors(settings.decision, dict(zip(classes, prior.tolist(), strict=True)), settings.costs)
        return decide(probabilities, threshold, factors_of({"classes": classes, "decision_factors": factors}))

    return Judging(score_epoch(settings.select), find, find_threshold, prediction)


def measure_fold(name: str, predictions: Predictions, settings: Evaluate) -> dict[str, Any]:
    """A row of folds.csv: fold, films, patients, every overall metric on the held-out films, and the interval of the AUROC."""
    values = {
        key: value for key, value in evaluate_all(predictions, with_bins(settings.calibration_bins)).items() if "/" not in key
    }
    found = patient_bootstrap(predictions, settings.bootstrap, settings.confidence, settings.seed, {"auroc": METRICS["auroc"]})[
        "auroc_macro"
    ]
    bounds = {"auroc_macro.low": found.low, "auroc_macro.high": found.high}
    return {"fold": name, "films": len(predictions.y_true), "patients": len(set(predictions.patient_id)), **values, **bounds}


def write_folds(folder: Path, folds: list[_Fold], params: Params, films: SplitFilms) -> None:
    """predictions.csv, folds.csv, history.csv, the metrics of the pooled predictions, and the labels that these contradict."""
    pooled = pool_predictions([fold.predictions for fold in folds])
    fold_of = np.repeat([fold.name for fold in folds], [len(fold.predictions.y_true) for fold in folds])
    write_table(folder / "predictions.csv", table_of(pooled, "out_of_fold").assign(fold=fold_of))
    write_table(folder / "folds.csv", pd.DataFrame([fold.measured for fold in folds]))
    history = pd.concat([fold.history for fold in folds], ignore_index=True)
    write_table(folder / "history.csv", epoch_metrics(history).assign(fold=history["fold"]))
    settings = params.evaluate
    drawn = (settings.bootstrap, settings.confidence, settings.seed)
    found = patient_bootstrap(pooled, *drawn, with_bins(settings.calibration_bins), bar("pooled: patients resampled"))
    contradicted = find_contradictions(pooled, fold_of)
    write_json(
        folder / "metrics.json", {**flat_metrics(found, "out_of_fold"), "out_of_fold/contradicted_labels": len(contradicted)}
    )
    write_table(folder / "contradictions.csv", contradicted)
    shown = contradicted.head(SHOWN)
    place = {image_id: row for row, image_id in enumerate(films.table["image_id"])}
    pictures = films.take(np.array([place[image_id] for image_id in shown["image_id"]], int)).films
    title = f"{len(shown)} of {len(contradicted)} labels contradicted by out-of-fold predictions, the most contradicted first"
    (folder / "contradictions.png").write_bytes(to_png(contradiction_sheet(shown, pictures, title)))
