"""What a model is calibrated to: the prior that it answers, patients that were not seen, and films enough."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hilum.evaluation.scoring.calibration import (
    FEWEST,
    FOLDS,
    calibrate,
    cross_fit,
    deal_patients,
    describe_calibration,
    find_scaling,
    flat_calibration,
    measure_predictions,
    tabulate_reliability,
    weigh_to_prior,
)
from hilum.evaluation.scoring.metrics import BINS, brier, ece, log_loss
from hilum.evaluation.scoring.scaling import softmax
from hilum.records import Labels

EVEN = np.full(3, 1 / 3)
SKEWED = np.array([0.1, 0.8, 0.1])
CLASSES = ["normal", "bacterial", "viral"]


def draw(films: int, shares: NDArray[np.float64], answered: NDArray[np.float64], temperature: float, seed: int):  # type: ignore[no-untyped-def]
    """Films with these class shares; logits of a network that answers another prior and is `temperature` times too sure."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, films, p=shares)
    centres = np.array([[0.0, 0.0], [1.6, 0.0], [2.2, 1.0]])  # neighbours of unequal distance: classes of unequal difficulty
    seen = rng.normal(centres[labels], 1.0)
    posterior = seen @ centres.T - 0.5 * (centres**2).sum(axis=1) + np.log(answered)
    return temperature * posterior, labels


def patients_of(films: int, each: int = 2) -> NDArray[np.str_]:
    return np.array([f"p{i // each}" for i in range(films)])


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_is_that_of_the_prior_which_the_model_answers_whatever_the_films_shares(temperature: float) -> None:
    """Class weights: the network answers an even prior, on validation the hardest class has four films in five."""
    logits, labels = draw(40000, SKEWED, EVEN, temperature, seed=1)
    assert find_scaling("temperature", logits, labels, EVEN).temperature == pytest.approx(temperature, rel=0.05)


def test_without_the_weights_the_temperature_would_make_up_for_the_prior() -> None:
    logits, labels = draw(40000, SKEWED, EVEN, 1.0, seed=1)
    unweighted = find_scaling("temperature", logits, labels, np.bincount(labels) / len(labels)).temperature
    assert abs(unweighted - 1) > 0.1, "or the test above shows nothing"


def test_a_model_of_the_films_own_shares_is_fitted_unweighted() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    _, labels = draw(2000, shares, shares, 2.0, seed=2)
    own = np.bincount(labels) / len(labels)
    np.testing.assert_allclose(weigh_to_prior(labels, own), 1.0, atol=1e-12)
    weights = weigh_to_prior(labels, EVEN)
    mass = np.bincount(labels, weights) / weights.sum()
    np.testing.assert_allclose(mass, EVEN, atol=1e-12)


def test_the_figures_after_are_of_patients_that_the_fit_did_not_see() -> None:
    """Every fold's answers come from the others alone: other labels of its own films leave them as they are."""
    logits, labels = draw(120, EVEN, EVEN, 3.0, seed=3)
    patients = patients_of(120)
    fold = deal_patients(labels, patients, FOLDS, seed=4)
    assert all(len(set(fold[patients == name])) == 1 for name in set(patients))
    assert np.bincount(fold).min() >= 120 // FOLDS - 4
    answers = cross_fit("temperature", logits, labels, np.ones(120), fold)
    for held in range(FOLDS):
        other = np.where(fold == held, (labels + 1) % 3, labels)
        again = cross_fit("temperature", logits, other, np.ones(120), fold)
        np.testing.assert_array_equal(again[fold == held], answers[fold == held])
        assert (again[fold != held] != answers[fold != held]).any()


def test_folds_have_their_share_of_a_rare_class() -> None:
    labels = np.repeat([0, 1, 2], [80, 30, 10])
    fold = deal_patients(labels, patients_of(120, each=1), FOLDS, seed=5)
    assert [int((labels[fold == held] == 2).sum()) for held in range(FOLDS)] == [2] * FOLDS


def test_calibration_lowers_the_loss_of_a_model_that_is_too_sure_on_patients_not_seen_too() -> None:
    logits, labels = draw(300, EVEN, EVEN, 4.0, seed=6)
    found = calibrate("temperature", logits, labels, patients_of(300), EVEN, seed=7)
    assert found.after["log_loss"] < found.before["log_loss"] and found.after["ece"] < found.before["ece"]
    assert 3 < found.scaling.temperature < 5
    assert (found.films, found.patients, found.folds) == (300, 150, FOLDS)
    hopeful = measure_predictions(labels, found.scaling.apply(logits), weigh_to_prior(labels, EVEN))
    assert found.after["log_loss"] > hopeful["log_loss"], "the figure of the fitted films themselves is hopeful"
    assert found.own_before["log_loss"] == pytest.approx(log_loss(labels, softmax(logits), labels))


def test_the_points_of_the_drawing_hold_the_calibration_errors_before_and_after() -> None:
    """Each bin's share of the films times its gap, summed, is the error; before, the model is too sure."""
    logits, labels = draw(300, EVEN, EVEN, 4.0, seed=6)
    labels[:40] = 0  # shares of the classes that are not the prior's
    found = calibrate("temperature", logits, labels, patients_of(300), EVEN, seed=7)
    points = tabulate_reliability(found)
    assert sorted(set(points["predictions"])) == ["after", "before"] and len(points["low"]) == 2 * BINS
    for state, figures in (("before", found.before), ("after", found.after)):
        here = np.array(points["predictions"]) == state
        share, gap = (np.array(points[name])[here] for name in ("share", "accuracy"))
        gap = gap - np.array(points["confidence"])[here]
        assert share.sum() == pytest.approx(1) and np.array(points["films"])[here].sum() == 300
        assert np.nansum(share * np.abs(gap)) == pytest.approx(figures["ece"])
    sure = np.array(points["confidence"])[:BINS] - np.array(points["accuracy"])[:BINS]
    assert np.nanmean(sure) > 0.05
    unfitted = calibrate("none", logits, labels, patients_of(300), EVEN, seed=7)
    assert tabulate_reliability(unfitted)["low"] == [], "nothing was fitted, so there is nothing to draw"


def test_figures_with_weights_of_one_are_the_metrics() -> None:
    logits, labels = draw(200, EVEN, EVEN, 1.5, seed=8)
    answers = softmax(logits)
    found = measure_predictions(labels, answers, np.ones(200))
    said = answers.argmax(axis=1)
    for name, metric in (("log_loss", log_loss), ("brier", brier), ("ece", ece)):
        assert found[name] == pytest.approx(metric(labels, answers, said), abs=1e-12)
    doubled = np.append(np.arange(200), np.arange(50))
    weights = np.append(np.full(50, 2.0), np.ones(150))
    twice = measure_predictions(labels[doubled], answers[doubled], np.ones(250))
    assert measure_predictions(labels, answers, weights) == pytest.approx(twice)


def test_a_word_turns_it_off() -> None:
    logits, labels = draw(200, EVEN, EVEN, 3.0, seed=9)
    found = calibrate("none", logits, labels, patients_of(200), EVEN, seed=1)
    assert (found.scaling.temperature, found.scaling.note, found.folds) == (1.0, "", 0)
    assert found.after == found.before
    with pytest.raises(ValueError, match=r"train\.calibration must be one of temperature, temperature_and_biases or none, got"):
        find_scaling("platt", logits, labels, EVEN)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.resize([0, 1, 2], FEWEST - 1), "takes 30 validation films and 5 of each class, got 29 and 9 of the rarest"),
        (np.resize([0, 1], 60), "got 60 and 0 of the rarest; raise split.validation"),
        (np.append(np.resize([0, 1], 60), [2] * 4), "got 64 and 4 of the rarest"),
    ],
)
def test_too_few_films_or_a_class_without_leave_the_model_as_it_is_and_say_so(labels: Labels, told: str) -> None:
    logits = np.random.default_rng(1).normal(0, 3, (len(labels), 3))
    found = calibrate("temperature", logits, labels, patients_of(len(labels)), EVEN, seed=1)
    assert found.scaling.temperature == 1.0 and not found.scaling.biases.any()
    assert found.scaling.note.startswith("not calibrated: ") and told in found.scaling.note
    assert found.after == found.before and np.isfinite(found.before["log_loss"])


def test_logits_that_are_no_numbers_are_refused() -> None:
    logits, labels = draw(60, EVEN, EVEN, 1.0, seed=2)
    logits[3, 1] = np.nan
    for word in ("temperature", "none"):
        with pytest.raises(ValueError, match="got 1 of 60 validation films with others; a training that diverged"):
            find_scaling(word, logits, labels, EVEN)


def test_one_patient_alone_leaves_nobody_to_judge_by() -> None:
    logits, labels = draw(60, EVEN, EVEN, 2.0, seed=3)
    found = calibrate("temperature", logits, labels, np.full(60, "p"), EVEN, seed=1)
    assert found.scaling.temperature != 1.0 and np.isnan(found.after["log_loss"]) and np.isfinite(found.before["log_loss"])


def test_the_same_films_give_the_same_numbers_and_another_seed_other_folds() -> None:
    logits, labels = draw(150, EVEN, EVEN, 2.0, seed=4)
    one, same, other = (calibrate("temperature", logits, labels, patients_of(150), EVEN, seed) for seed in (1, 1, 2))
    assert one.after == same.after != other.after
    assert one.scaling.temperature == other.scaling.temperature


def test_what_is_written_names_films_patients_and_prior() -> None:
    logits, labels = draw(150, EVEN, np.array([0.5, 0.3, 0.2]), 2.0, seed=5)
    found = calibrate("temperature_and_biases", logits, labels, patients_of(150), np.array([0.5, 0.3, 0.2]), seed=1)
    told, flat = describe_calibration(found, CLASSES), flat_calibration(found, CLASSES)
    assert (told["films"], told["patients"], told["calibration"]) == (150, 75, "temperature_and_biases")
    assert told["prior"] == {"normal": 0.5, "bacterial": 0.3, "viral": 0.2}
    assert told["before"]["log_loss"] == flat["calibration/log_loss_before"]
    assert told["own_shares_after"]["ece"] == flat["val/ece_calibrated"]
    assert {f"calibration/bias/{name}" for name in CLASSES} <= set(flat)
    plain = flat_calibration(calibrate("temperature", logits, labels, patients_of(150), EVEN, seed=1), CLASSES)
    assert not [name for name in plain if "bias" in name]
