"""Shortcut baselines on films without training films of their own: each film is predicted by a fit on other patients' films."""

import numpy as np
from numpy.typing import NDArray

from hilum.evaluation.acquisition import predict_by_features
from hilum.evaluation.scoring.calibration import deal_patients
from hilum.records import Labels, Predictions, Probabilities

FOLDS = 5


def cross_fit_baseline(features: NDArray[np.float64], predictions: Predictions, seed: int) -> Probabilities | None:
    """(N, G) probabilities of films by a regression on the features (N, F) of the other folds of patients.

    None where it is undefined: with one class, or fewer than FOLDS patients of one.
    """
    labels: Labels = predictions.y_true
    patients = [len(set(predictions.patient_id[labels == k].tolist())) for k in np.unique(labels)]
    if len(patients) < 2 or min(patients) < FOLDS:
        return None
    fold = deal_patients(labels, predictions.patient_id, FOLDS, seed)
    found = np.zeros_like(predictions.y_prob)
    for held in range(FOLDS):
        out = fold == held
        if len(np.unique(labels[~out])) < 2:
            return None
        found[out] = predict_by_features(features[~out], labels[~out], features[out], len(predictions.classes))
    return found
