"""Checks of predictions before metrics, and what their films lack for a metric to be defined."""

import numpy as np
from numpy.typing import NDArray

from hilum.records import Labels, Predictions, Probabilities

Flags = NDArray[np.bool_]  # (N,)


def check_predictions(predictions: Predictions) -> None:
    """Refuse predictions whose parts do not fit together.

    Raises:
        ValueError: all faults at once: no films, unequal lengths, labels outside the classes, duplicate image ids,
            probabilities that are not finite, not within 0..1 or do not sum to 1.
    """
    n, k = len(predictions.y_true), len(predictions.classes)
    lengths = {name: len(getattr(predictions, name)) for name in ("image_id", "patient_id", "y_true", "y_prob", "y_pred")}
    faults = []
    if n == 0:
        faults.append("there must be at least one film, got 0; evaluate a split that has films")
    if len(set(lengths.values())) > 1:
        faults.append(f"all columns must have one length, got {lengths}; pair them by image_id")
    if k < 2 or predictions.y_prob.shape[1:] != (k,):
        faults.append(f"y_prob must have a column per class and two or more classes, got shape {predictions.y_prob.shape}"
                      f" for {k} classes; use the class order stored with the model")  # fmt: skip
    else:
        faults += _probability_faults(predictions.y_prob)
    for name in ("y_true", "y_pred"):
        wrong = np.setdiff1d(getattr(predictions, name), np.arange(k))
        if len(wrong):
            faults.append(f"{name} must hold indices 0..{k - 1}, got {wrong[:5].tolist()}; use the class order of the model")
    ids, copies = np.unique(predictions.image_id, return_counts=True)
    if (copies > 1).any():
        faults.append(f"image_id must be unique, got {ids[copies > 1][:3].tolist()} more than once; keep one row per film")
    if faults:
        raise ValueError("predictions do not fit together: " + "; ".join(faults) + ".")


def check_pair(a: Predictions, b: Predictions) -> Predictions:
    """`b` in the order of a's films, after a check that both arms predict the same films and classes.

    Raises:
        ValueError: either arm does not fit together; or class order, films, patients or true classes differ, with the first few
            that do.
    """
    check_predictions(a)
    check_predictions(b)
    rule = "two arms must have the same class order, films, patients and true classes"
    remedy = "evaluate both arms on the same split and label rules"
    if a.classes != b.classes:
        raise ValueError(f"{rule}, got classes {list(a.classes)} and {list(b.classes)}; {remedy}.")
    only_a, only_b = np.setdiff1d(a.image_id, b.image_id), np.setdiff1d(b.image_id, a.image_id)
    if len(only_a) or len(only_b):
        raise ValueError(
            f"{rule}, got {len(only_a)} films only in the first {only_a[:3].tolist()} and {len(only_b)} only in the second"
            f" {only_b[:3].tolist()}; {remedy}."
        )
    rows = np.argsort(b.image_id)[np.searchsorted(b.image_id, a.image_id, sorter=np.argsort(b.image_id))]
    b = Predictions(b.image_id[rows], b.patient_id[rows], b.y_true[rows], b.y_prob[rows], b.y_pred[rows], b.classes)
    for what, differs in (("patients", a.patient_id != b.patient_id), ("true classes", a.y_true != b.y_true)):
        if differs.any():
            films = a.image_id[differs]
            raise ValueError(f"{rule}, got other {what} for {len(films)} films {films[:3].tolist()}; {remedy}.")
    return b


def _probability_faults(y_prob: Probabilities) -> list[str]:
    bad = ~np.isfinite(y_prob).all(axis=1) | (y_prob < 0).any(axis=1) | (np.abs(y_prob.sum(axis=1) - 1) > 1e-3)
    if not bad.any():
        return []
    row = int(np.argmax(bad))
    evidence = f"got {y_prob[row].tolist()} in row {row} and {int(bad.sum())} such rows"
    return [f"every row of y_prob must be finite, 0..1 and sum to 1, {evidence}; use the softmax output of the model"]


def shortfalls(y_true: Labels, y_pred: Labels, classes: tuple[str, ...]) -> dict[str, str]:
    """Need of an overall metric -> what these films lack for it; a need that is met is left out."""
    absent = [name for k, name in enumerate(classes) if not (y_true == k).any()]
    lacks = {
        "every_class": f"no film of {', '.join(absent)} among {len(y_true)}" if absent else "",
        "two_classes": f"all {len(y_true)} films are of one class" if len(np.unique(y_true)) < 2 else "",
        "two_verdicts": f"all {len(y_true)} films have one prediction" if len(np.unique(y_pred)) < 2 else "",
    }
    return {need: text for need, text in lacks.items() if text}


def class_shortfalls(positive: Flags, called: Flags, name: str) -> dict[str, str]:
    """Need of a per-class metric -> what the films of class `name` lack for it."""
    lacks = {
        "positives": f"no film of {name} among {len(positive)}" if not positive.any() else "",
        "negatives": f"all {len(positive)} films are of {name}" if positive.all() else "",
        "called": f"no film is predicted as {name}" if not called.any() else "",
        "not_called": f"all {len(positive)} films are predicted as {name}" if called.all() else "",
        "positives_or_called": f"no film is of {name} or predicted as such" if not (positive | called).any() else "",
    }
    return {need: text for need, text in lacks.items() if text}
