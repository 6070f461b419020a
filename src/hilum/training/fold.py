"""One fold of a cross-validation: a training without the films that it holds out, and the answers for these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from hilum.data.folds import HELD_OUT, TRAINS, VALIDATES, rows_of_fold
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import SplitFilms
from hilum.models.forward import predictor
from hilum.records import Labels, Predictions, Probabilities, Score
from hilum.settings.params import Params
from hilum.settings.training import Arm
from hilum.training.arms import train_arm
from hilum.training.fit import OnEpoch, OnFilm
from hilum.training.task import make_task
from hilum.workspace import Workspace


@dataclass(frozen=True)
class Judging:
    """How a fold is judged: the score of an epoch; the threshold, from rule, labels and probabilities; the prediction at one."""

    score: Score
    find_threshold: Callable[[str, Labels, Probabilities], float | None]
    decide: Callable[[Probabilities, float | None], Labels]


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
) -> tuple[Predictions, pd.DataFrame]:
    """The answers for the films that a fold holds out, and a row per epoch; the threshold is chosen on its validation films.

    arm: without spaces, as `meaning.settle` makes it. films: the table of folds.csv.
    """
    rows = {part: rows_of_fold(films.table, name, part) for part in (TRAINS, VALIDATES, HELD_OUT)}
    train, val, out = (films.take(rows[part]) for part in (TRAINS, VALIDATES, HELD_OUT))
    task = make_task(train, val, arm, params, workspace, versions)
    model, fitted = train_arm(arm, task, len(arm.phases), judging.score, on_epoch, on_film)
    predict = predictor(model)
    threshold = judging.find_threshold(params.train.threshold_rule, val.labels, predict(as_images(val.films)))
    probabilities = predict(as_images(out.films))
    held_out = films.table.iloc[rows[HELD_OUT]]
    predictions = Predictions(
        held_out["image_id"].to_numpy(str),
        held_out["patient_id"].to_numpy(str),
        out.labels,
        probabilities,
        judging.decide(probabilities, threshold),
        tuple(versions["classes"]),
    )
    return predictions, fitted.history.assign(fold=name)
