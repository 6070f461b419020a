"""One fold: who is answered for, by a model that learnt from the others, at a threshold that validation films chose."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from tiny_task import log_loss, make_phase, make_rows, silent

from hilum.data.prepared.loading import SplitFilms
from hilum.records import Labels, Probabilities
from hilum.settings.params import read_params
from hilum.settings.training import Arm, Head
from hilum.training.fold import Judging, predict_fold
from hilum.workspace import Workspace

FILMS = make_rows(36, seed=1)
PART = np.repeat(["train", "val", "held_out"], 12)


def test_a_fold_answers_for_the_films_that_it_holds_out_and_chooses_by_those_that_validate(root: Path, tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(36)
    table = pd.DataFrame({"image_id": [f"s/{i}" for i in order], "patient_id": [f"p{i}" for i in order], "fold 2": PART[order]})
    arm = Arm(backbone="mobilenet_025", weights="none", head=Head(dropout=0.0, weight_decay=0.0), phases=[make_phase(epochs=2)])
    scored: list[Labels] = []
    chosen: list[tuple[str, Labels, Probabilities]] = []

    def score(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
        scored.append(labels)
        loss = log_loss(labels, probabilities)
        return {"val/log_loss": loss, "select": -loss}

    def find_threshold(rule: str, labels: Labels, probabilities: Probabilities) -> float:
        chosen.append((rule, labels, probabilities))
        return 0.75

    fitted: list[tuple[NDArray[np.float64], Labels, NDArray[np.float64]]] = []

    def calibrate(logits: NDArray[np.float64], labels: Labels, prior: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        fitted.append((logits, labels, prior))
        return 2.0, np.array([0.3, 0.0, -0.3])

    def decide(probabilities: Probabilities, threshold: float | None, prior: NDArray[np.float64]) -> Labels:
        assert threshold == 0.75 and len(probabilities) == 12
        np.testing.assert_array_equal(prior, fitted[0][2])
        return np.arange(12)

    params, workspace = read_params(root / "params.yaml"), Workspace(tmp_path, tmp_path)
    judging, versions = Judging(score, calibrate, find_threshold, decide), {"classes": ["normal", "bacterial", "viral"]}
    table["row"], table["pixel_sha256"] = order, [FILMS.keys[i] for i in order]
    films = SplitFilms(table, FILMS.labels[order], FILMS.films)
    answers, history = predict_fold("2", films, arm, params, workspace, versions, judging, silent, silent)
    out, val = order[PART[order] == "held_out"], order[PART[order] == "val"]
    assert answers.image_id.tolist() == [f"s/{i}" for i in out]
    assert answers.patient_id.tolist() == [f"p{i}" for i in out]
    np.testing.assert_array_equal(answers.y_true, FILMS.labels[out])
    np.testing.assert_array_equal(answers.y_pred, np.arange(12))
    assert answers.y_prob.shape == (12, 3) and answers.classes == ("normal", "bacterial", "viral")
    assert len(scored) == 2 and all((labels == FILMS.labels[val]).all() for labels in scored)
    ((logits, labels, prior),) = fitted
    assert (labels == FILMS.labels[val]).all() and prior == pytest.approx([1 / 3] * 3), "class weights"
    scaled = np.exp(logits / 2.0 + [0.3, 0.0, -0.3])
    ((rule, labels, probabilities),) = chosen
    np.testing.assert_allclose(probabilities, scaled / scaled.sum(axis=1, keepdims=True), atol=1e-6)
    assert rule == params.train.threshold_rule and (labels == FILMS.labels[val]).all() and probabilities.shape == (12, 3)
    assert history["fold"].tolist() == ["2", "2"]

    def undefined(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
        return {"val/log_loss": np.nan, "select": np.nan}

    judging = Judging(undefined, calibrate, find_threshold, decide)
    with pytest.raises(ValueError, match="must be defined in at least one epoch"):
        predict_fold("2", films, arm, params, workspace, versions, judging, silent, silent)
