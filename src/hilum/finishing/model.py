"""From fitted weights to a model that predicts: its calibration, the prior that it assumes, and its decision."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.evaluation.scoring.calibration import Calibration, calibrate
from hilum.evaluation.scoring.decisions import describe_decision
from hilum.models.classifier import model_sha256
from hilum.models.forward import predictor
from hilum.training.learning.arms import Task, correct_prior, read_logits, scale_logits
from hilum.training.learning.fit import Fitted
from hilum.training.learning.imbalance import prior_shift, shown_prior
from hilum.workspace import Workspace


def finish_model(model: Any, fitted: Fitted, task: Task, workspace: Workspace) -> tuple[Calibration, dict[str, float]]:
    """Calibrate a fitted model, then adjust it to `train.prevalence`; also returns class -> share, the prior it assumes."""
    prior = shown_prior(fitted.shown[fitted.kept_phase], task.train.labels, len(task.classes))
    calibration = calibrate_model(model, task, workspace, prior)
    told = dict(zip(task.classes, prior.tolist(), strict=True))
    return calibration, assume_prevalence(model, told, task.settings.prevalence)


def adjust_given(
    arm: str, model: Any, task: Task, workspace: Workspace, versions: dict[str, Any]
) -> tuple[Calibration, dict[str, Any]]:
    """Calibrate a given model if its arm says so, then adjust it to `train.prevalence`; also returns the facts of model.json.

    The prior of its probabilities is known only after biases were fitted: then it is that of the validation films.
    Raises: ValueError if a setting needs that prior, and no biases could be fitted.
    """
    share = np.bincount(task.val.labels, minlength=len(task.classes)) / len(task.val.labels)  # (K,)
    calibration = calibrate_model(model, task, workspace, share)
    known = calibration.scaling.prior_learnt
    if not known and (task.settings.prevalence or task.settings.decision == "balanced"):
        raise ValueError(
            f"train.prevalence and train.decision balanced must know the prior of {arm}, which biases fitted on validation "
            f"give, got none: {calibration.scaling.note}; raise split.validation, or take these settings back"
        )
    prior = assume_prevalence(model, dict(zip(task.classes, share.tolist(), strict=True)), task.settings.prevalence)
    return calibration, {**describe_model(model, task, versions, prior), "prior": prior if known else None}


def calibrate_model(model: Any, task: Task, workspace: Workspace, prior: NDArray[np.float64]) -> Calibration:
    """Fit `train.calibration` on the validation films, and fold it into the model's logits."""
    settings, classes = task.settings, list(task.classes)
    patients = load_split(workspace.prepared, workspace.split, "val", classes).table["patient_id"].to_numpy(str)
    logits = read_logits(model, task.val.films)
    found = calibrate(settings.calibration, logits, task.val.labels, patients, prior, task.seed)
    if found.scaling.fitted:
        scale_logits(model, found.scaling.temperature, found.scaling.biases)
    return found


def assume_prevalence(model: Any, prior: Mapping[str, float], prevalence: Mapping[str, float]) -> dict[str, float]:
    """Shift a model from its prior to `train.prevalence`, if that is set; returns the prior that it assumes then.

    A second call with that prior changes nothing. prior, prevalence: class -> share, the prior in class order.
    """
    if not prevalence:
        return dict(prior)
    correct_prior(model, prior_shift(np.array(list(prior.values())), prevalence, list(prior)))
    return {name: prevalence[name] for name in prior}


def describe_model(model: Any, task: Task, versions: dict[str, Any], prior: Mapping[str, float]) -> dict[str, Any]:
    """What is needed to use the model, for model.json. prior: class -> share that it assumes, in class order."""
    prevalence = task.settings.prevalence
    return {
        "classes": versions["classes"],
        "data_version": versions["data_version"],
        "model_sha256": model_sha256(model),
        "prevalence": [prevalence[name] for name in task.classes] if prevalence else None,  # in class order
        "prior": dict(prior),
        "scaling": "inside the model: give it grey levels 0-255",
        "size": versions["size"],
        "split_version": versions["split_version"],
        "square": versions["square"],
        **{name: versions[name] for name in ("burned_in", "burned_in_reader")},
        **describe_decision(task.settings, prior, task.val.labels, predictor(model)(as_images(task.val.films))),
    }
