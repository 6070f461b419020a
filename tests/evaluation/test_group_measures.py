"""The measures of a group are the metrics on all films, hold at another mix of classes, and are moved by films as they say."""

from dataclasses import replace

import numpy as np
import pytest

from hilum.evaluation.group_measures import MEASURES, count_shares, measure_group, needed_classes
from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.records import Predictions


def make_predictions(classes: int, films: int = 200, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, films - classes)])
    logits = rng.normal(size=(films, classes)).round(1)  # some are equal
    logits[np.arange(films), truth] += 1.0
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    names = np.array([f"f{i}" for i in range(films)])
    return Predictions(names, names, truth, probabilities, probabilities.argmax(axis=1), tuple("abcd"[:classes]))


def measured(predictions: Predictions, rows: np.ndarray | slice, shares: np.ndarray | None = None) -> np.ndarray:
    shares = count_shares(predictions) if shares is None else shares
    return measure_group(predictions.y_true[rows], predictions.y_prob[rows], predictions.y_pred[rows], shares).values


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_on_all_films_they_are_the_metrics_of_these_names(classes: int) -> None:
    predictions = make_predictions(classes)
    metrics = evaluate_all(predictions)
    names = [f"{name}{'/b' if classes == 2 else '_macro'}" for name in list(MEASURES)[:3]]
    confidence = predictions.y_prob[np.arange(200), predictions.y_pred].mean()
    expected = [*(metrics[name] for name in names), confidence - metrics["accuracy"]]
    np.testing.assert_allclose(measured(predictions, slice(None)), expected, atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_group_with_more_films_of_a_class_is_measured_at_the_same_mix(classes: int) -> None:
    """Each film of the last class three times: the shares change, what a film of each class gets does not."""
    predictions = make_predictions(classes)
    often = np.repeat(np.arange(200), np.where(predictions.y_true == classes - 1, 3, 1))
    shares = count_shares(predictions)
    np.testing.assert_allclose(measured(predictions, often, shares), measured(predictions, slice(None), shares), atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
def test_what_films_add_is_how_the_value_moves_when_one_counts_more(classes: int) -> None:
    """A film counted once more, of 200: the value moves by what the film adds over its class's mean, to the first order."""
    predictions = make_predictions(classes)
    shares = count_shares(predictions)
    whole = measure_group(predictions.y_true, predictions.y_prob, predictions.y_pred, shares)
    films = np.bincount(predictions.y_true)
    mean = np.stack([np.bincount(predictions.y_true, row) / films for row in whole.films])
    influence = (whole.films - mean[:, predictions.y_true]) / films[predictions.y_true]
    for film in range(0, 200, 20):
        moved = measured(predictions, np.append(np.arange(200), film), shares) - whole.values
        np.testing.assert_allclose(
            moved, influence[:, film] * films[predictions.y_true[film]] / (films[predictions.y_true[film]] + 1), atol=2e-4
        )
        assert np.abs(moved).max() > 1e-4


def test_a_measure_without_films_of_a_class_that_it_needs_is_undefined() -> None:
    predictions = make_predictions(2)
    ill = np.flatnonzero(predictions.y_true == 1)
    found = dict(zip(MEASURES, measured(predictions, ill), strict=True))
    assert np.isnan([found["auroc"], found["specificity"], found["overconfidence"]]).all()
    assert found["sensitivity"] == evaluate_all(predictions)["sensitivity/b"]
    three = make_predictions(3)
    assert np.isnan(measured(three, np.flatnonzero(three.y_true < 2))).all()
    assert needed_classes(3).all() and needed_classes(2).sum() == 6


def test_a_threshold_of_two_classes_decides_and_not_the_most_probable_class() -> None:
    predictions = make_predictions(2)
    strict = replace(predictions, y_pred=(predictions.y_prob[:, 1] > 0.9).astype(np.int64))
    assert measured(strict, slice(None))[1] == evaluate_all(strict)["sensitivity/b"] < evaluate_all(predictions)["sensitivity/b"]
