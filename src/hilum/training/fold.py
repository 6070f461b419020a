"""One fold of a cross-validation: a training without the films that it holds out, and the predictions for these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.folds import HELD_OUT, TRAINS, VALIDATES, rows_of_fold
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import SplitFilms
from hilum.models.forward import predictor
from hilum.records import Labels, Predictions, Probabilities, Score
from hilum.settings.params import Params
from hilum.settings.training import Arm
from hilum.training.learning.arms import read_logits, scale_logits, train_arm
from hilum.training.learning.fit import OnEpoch, OnFilm, find_kept
from hilum.training.learning.imbalance import shown_prior
from hilum.training.learning.kept_state import KeptState
from hilum.training.task import make_task
from hilum.workspace import Workspace


@dataclass(frozen=True)
class Judging:
    """How a fold is evaluated.

    score: of an epoch. calibrate: temperature and biases (K,) from logits, labels and the prior (K,) of the training loss.
    find_threshold: from rule, labels and probabilities. decide: the classes, from probabilities, threshold and that prior.
    """

    score: Score
    calibrate: Callable[[NDArray[np.float64], Labels, NDArray[np.float64]], tuple[float, NDArray[np.float64]]]
    find_threshold: Callable[[str, Labels, Probabilities], float | None]
    decide: Callable[[Probabilities, float | None, NDArray[np.float64]], Labels]


def predict_fold(
    name: str,
    films: SplitFilms,
    arm: Arm,
    params: Params,
    workspace: Workspace,
    versions: dict[str, Any],
    judging: Judging,
    on_epoch: OnEpoch,
    on_film: OnFilm,
    kept: KeptState | None = None,
) -> tuple[Predictions, pd.DataFrame]:
    """Predictions for the films that a fold holds out, and a row per epoch; its validation films calibrate and select.

    arm: without spaces, from `meaning.settle`. films: the table of folds.csv. kept: the state of an interrupted training.
    """
    rows = {part: rows_of_fold(films.table, name, part) for part in (TRAINS, VALIDATES, HELD_OUT)}
    train, val, out = (films.take(rows[part]) for part in (TRAINS, VALIDATES, HELD_OUT))
    task = make_task(train, val, arm, params, workspace, versions)
    model, fitted = train_arm(arm, task, len(arm.phases), judging.score, on_epoch, on_film, kept)
    find_kept(fitted, params.train.select)  # else the weights of no chosen epoch would predict
    prior = shown_prior(fitted.shown[fitted.kept_phase], train.labels, len(versions["classes"]))
    scale_logits(model, *judging.calibrate(read_logits(model, val.films), val.labels, prior))
    predict = predictor(model)
    threshold = judging.find_threshold(params.train.threshold_rule, val.labels, predict(as_images(val.films)))
    probabilities = predict(as_images(out.films))
    held_out = films.table.iloc[rows[HELD_OUT]]
    predictions = Predictions(
        held_out["image_id"].to_numpy(str),
        held_out["patient_id"].to_numpy(str),
        out.labels,
        probabilities,
        judging.decide(probabilities, threshold, prior),
        tuple(versions["classes"]),
    )
    return predictions, fitted.history.assign(fold=name)
