"""train: one arm with its final values; the run opens first and receives every epoch during training."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from hilum.data.prepared.examples import Examples, as_images
from hilum.data.prepared.loading import load_split, read_grey_bits
from hilum.evaluation.scoring.calibration import Calibration, calibrate, describe_calibration, flat_calibration, tell_calibration
from hilum.evaluation.scoring.decisions import find_factors, find_threshold
from hilum.evaluation.scoring.epochs import epoch_line, score_epoch
from hilum.models.classifier import model_sha256, save_classifier
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.records import Labels
from hilum.results import base_tags, digest, epoch_metrics, folder_digest, read_json, run_key, write_json, write_table
from hilum.runs import code_tags, log_training
from hilum.settings.meaning import settle
from hilum.settings.params import Params, find_arm, read_params
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.training.kept_trainings import keep_trainings
from hilum.training.learning.arms import Task, correct_prior, read_logits, scale_logits, train_arm
from hilum.training.learning.fit import Fitted, begin_training
from hilum.training.learning.imbalance import copies_per_film, prior_shift, shown_prior
from hilum.training.learning.kept_state import KeptState
from hilum.training.task import file_digest, load_task, logged_params, origins, params_of, weights_digest
from hilum.workspace import Workspace, find_workspace


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    wanted = find_arm(params, arm)
    best = yaml.safe_load((workspace.arm(arm, "tuning") / "best.yaml").read_text()) or {}
    settled = settle(wanted, best)
    params = params_of(params, settled)
    versions = read_json(workspace.split / "versions.json")
    folder = workspace.arm(arm, "training")
    logged = logged_params(params, settled, file_digest(params, arm, workspace))
    select = params.train.select
    tags = {**base_tags("arm", versions), "arm": arm, "backbone": settled.backbone, "selected_by": f"val/{select}"}
    begin_training(params.train.seed)
    with begin_run(arm, params, workspace, logged, versions, tags) as (before, store, opened):
        task = load_task(params, settled, workspace, versions)

        def on_epoch(step: int, metrics: dict[str, float]) -> None:
            opened.log_metrics({k: v for k, v in metrics.items() if k not in ("select", "phase", "epoch", "step")}, step)
            say(f"{arm}: {epoch_line(metrics, select)}")

        model, fitted = train_arm(
            settled, task, len(settled.phases), score_epoch(select), on_epoch, bar(f"{arm}: activations"), before
        )
        kept = find_kept(fitted, select)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        calibration, prior = finish_model(model, fitted, task, workspace)
        save_classifier(model, folder / "model.keras")
        own = {"arm": arm, "backbone": settled.backbone, "grey_bits": read_grey_bits(workspace.prepared)}
        described = {**own, **describe_model(model, task, versions, prior)}
        write_json(folder / "model.json", described)
        settings = {
            "arm": arm,
            "params": logged,
            "origins": origins(logged, wanted),
            "model": described,
            "model_sha256": described["model_sha256"],
            "tags": tags,
            "trained": fitted.trained,
            "cuts": fitted.cuts,
            "best_step": fitted.best_step,
        }
        write_json(folder / "settings.json", {**settings, "run_key": run_key(settings)})
        write_training(folder, fitted, task.train, versions["classes"])
        write_calibration(folder, calibration, versions["classes"])
        log_training(store, opened, workspace, arm, params.tracking.model)
    say(f"{arm}: {tell_balance(fitted, task.train.labels, versions['classes'])}")
    say(f"{arm}: kept phase {kept['phase'] + 1:.0f} epoch {kept['epoch'] + 1:.0f}, val/{select} "
        f"{kept[f'val/{select}']:.4f}")  # fmt: skip
    say(f"{arm}: {tell_calibration(calibration)}")


@contextmanager
def begin_run(
    arm: str, params: Params, workspace: Workspace, logged: dict[str, Any], versions: dict[str, Any], tags: dict[str, str]
) -> Iterator[tuple[KeptState, Store, Run]]:
    """Open the run of a training, or the one that an interrupted training left, with the state that it left."""
    with keep_trainings(workspace.cache, "train") as trainings:
        before = trainings.keep(arm, {"params": logged, "films": versions, "weights": weights_digest(params, arm, workspace)})
        store = open_store(workspace, params.tracking)
        key = digest([before.key, folder_digest(workspace.arm(arm, "tuning"))])
        with store.start(arm, {**tags, **code_tags(workspace)}, key=key) as opened:
            opened.log_params(logged)
            opened.log_history(epoch_metrics(before.history))
            yield before, store, opened


def find_kept(fitted: Fitted, select: str) -> dict[str, float]:
    """The row of the history whose weights were kept. Raises ValueError if the selection metric was never defined."""
    kept = next(row for row in fitted.history.to_dict("records") if row["step"] == fitted.best_step)
    if not np.isfinite(kept[f"val/{select}"]):
        raise ValueError(f"val/{select} must be defined in at least one epoch, but it never was; lower the learning rate")
    return {str(name): value for name, value in kept.items()}


def finish_model(model: Any, fitted: Fitted, task: Task, workspace: Workspace) -> tuple[Calibration, dict[str, float]]:
    """Calibrate a fitted model, then adjust it to `train.prevalence`; also returns class -> share, the prior it assumes."""
    prior = shown_prior(fitted.shown[fitted.kept_phase], task.train.labels, len(task.classes))
    calibration = calibrate_model(model, task, workspace, prior)
    told = dict(zip(task.classes, prior.tolist(), strict=True))
    return calibration, answer_prevalence(model, told, task.settings.prevalence)


def calibrate_model(model: Any, task: Task, workspace: Workspace, prior: NDArray[np.float64]) -> Calibration:
    """Fit `train.calibration` on the validation films, and fold it into the model's logits."""
    settings, classes = task.settings, list(task.classes)
    patients = load_split(workspace.prepared, workspace.split, "val", classes).table["patient_id"].to_numpy(str)
    logits = read_logits(model, task.val.films)
    found = calibrate(settings.calibration, logits, task.val.labels, patients, prior, task.seed)
    scale_logits(model, found.scaling.temperature, found.scaling.biases)
    return found


def answer_prevalence(model: Any, prior: Mapping[str, float], prevalence: Mapping[str, float]) -> dict[str, float]:
    """Shift a model from its prior to `train.prevalence`, if that is set; returns the prior that it assumes then.

    A second call with that prior changes nothing. prior, prevalence: class -> share, the prior in class order.
    """
    if not prevalence:
        return dict(prior)
    correct_prior(model, prior_shift(np.array(list(prior.values())), prevalence, list(prior)))
    return {name: prevalence[name] for name in prior}


def describe_model(model: Any, task: Task, versions: dict[str, Any], prior: Mapping[str, float]) -> dict[str, Any]:
    """What is needed to use the model, for model.json. prior: class -> share that it assumes, in class order."""
    prevalence, rule = task.settings.prevalence, task.settings.threshold_rule
    return {
        "classes": versions["classes"],
        "data_version": versions["data_version"],
        "decision": task.settings.decision if len(prior) > 2 else "threshold",
        "decision_factors": find_factors(task.settings.decision, prior, task.settings.costs),
        "model_sha256": model_sha256(model),
        "prevalence": [prevalence[name] for name in task.classes] if prevalence else None,  # in class order
        "prior": dict(prior),
        "scaling": "inside the model: give it grey levels 0-255",
        "size": versions["size"],
        "split_version": versions["split_version"],
        "square": versions["square"],
        **{name: versions[name] for name in ("burned_in", "burned_in_reader")},
        "threshold": find_threshold(rule, task.val.labels, predictor(model)(as_images(task.val.films))),
        "threshold_rule": rule if len(versions["classes"]) == 2 else "argmax",
    }


def tell_balance(fitted: Fitted, labels: Labels, classes: list[str]) -> str:
    """`oversample; normal 41 films in 41 rows (at most 1 of one), ...`: the films of an epoch of the kept phase, in a line."""
    shown = fitted.shown[fitted.kept_phase]
    said = [
        f"{row['label']} {row['films']} films in {row['rows']} rows (at most {row['most_copies']} of one)"
        + (f" and {row['made_up']} synthesised" if row["made_up"] else "")
        + (f" of weight {row['weight']:.2f}" if row["weight"] != 1 else "")
        for row in copies_per_film(shown, labels, classes).to_dict("records")
    ]
    return f"{shown.strategy}; {', '.join(said)}"


def write_training(folder: Path, fitted: Fitted, train: Examples, classes: list[str]) -> None:
    """The history, the examples of each class in each phase, the kept epoch's metrics, and the mean film of each class.

    Mean films are SHAP's background where patients' films must not be passed on.
    """
    write_table(folder / "history.csv", fitted.history)
    tables = [copies_per_film(shown, train.labels, classes).assign(phase=i) for i, shown in enumerate(fitted.shown)]
    write_table(folder / "imbalance.csv", pd.concat(tables))
    means = np.stack([train.films[train.labels == k].mean(axis=0) for k in range(len(classes))])  # (K, H, W)
    np.savez(folder / "mean_films.npz", films=as_images(means.round().astype(np.uint8)), classes=np.array(classes))
    best = fitted.history.set_index("step").loc[fitted.best_step]
    metrics = {f"best/{key}": best[key] for key in best.index if key.startswith("val/")}
    metrics |= {f"penalty/phases.{phase}": penalty for phase, penalty in fitted.penalties.items()}
    for row in tables[fitted.kept_phase].to_dict("records"):
        for key in ("mean_copies", "most_copies", "made_up", "weight"):
            metrics[f"imbalance/{key}/{row['label']}"] = row[key]
    write_json(folder / "metrics.json", metrics)


def write_calibration(folder: Path, calibration: Calibration, classes: list[str]) -> None:
    """calibration.json, and its numbers among the metrics of the training."""
    write_json(folder / "calibration.json", describe_calibration(calibration, classes))
    write_json(folder / "metrics.json", {**read_json(folder / "metrics.json"), **flat_calibration(calibration, classes)})
