"""Labels that held-out predictions contradict: found where they were planted, and shown with what was said of them."""

import numpy as np
import pytest

from hilum.evaluation.contradictions import COLUMNS_OF_SHEET, contradiction_sheet, find_contradictions
from hilum.evaluation.style import to_png
from hilum.records import Predictions


def predictions(probabilities: list[list[float]], labels: list[int]) -> Predictions:
    y_prob, count = np.array(probabilities), len(labels)
    names = np.array([f"s/film{i}" for i in range(count)])
    return Predictions(names, names, np.array(labels), y_prob, np.zeros(count, np.int64), ("normal", "bacterial", "viral"))


def test_the_widest_margin_stands_first_and_a_label_that_holds_is_not_there() -> None:
    answers = predictions([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]], [0, 0, 1, 1])
    table = find_contradictions(answers, np.array(["1", "1", "2", "2"]))
    assert list(table["image_id"]) == ["s/film2", "s/film0", "s/film3"], "of equal classes the first is the most probable"
    assert table.iloc[0].to_dict() == {
        "image_id": "s/film2",
        "patient_id": "s/film2",
        "fold": "2",
        "label": "bacterial",
        "predicted": "viral",
        "p_label": 0.1,
        "p_predicted": 0.8,
        "margin": pytest.approx(0.7),
    }


def test_labels_that_were_turned_are_the_most_contradicted() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    logits = rng.normal(size=(300, 3)) + 4 * np.eye(3)[truth]
    label = truth.copy()
    label[:10] = (truth[:10] + 1) % 3
    answers = predictions((np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).tolist(), label.tolist())
    table = find_contradictions(answers, np.full(300, "1"))
    found = set(table["image_id"].head(12)) & {f"s/film{i}" for i in range(10)}
    assert len(found) >= 9


def test_the_sheet_shows_each_film_with_its_label_and_prediction() -> None:
    count = COLUMNS_OF_SHEET + 1
    answers = predictions([[0.1, 0.7, 0.2]] * count, [0] * count)
    table = find_contradictions(answers, np.full(count, "1"))
    films = np.random.default_rng(0).integers(0, 255, (count, 12, 12), np.uint8)
    figure = contradiction_sheet(table, films, "labels to look at")
    shown = [axis for axis in figure.axes if axis.images]
    assert len(shown) == count and len(figure.axes) == 2 * COLUMNS_OF_SHEET
    for axis, film, name in zip(shown, films, table["image_id"], strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), film)
        assert axis.get_title(loc="left") == "label normal 0.10\nbacterial 0.70" and axis.texts[0].get_text() == name
    assert to_png(figure) == to_png(contradiction_sheet(table, films, "labels to look at"))


def test_a_sheet_without_films_says_so() -> None:
    answers = predictions([[0.9, 0.05, 0.05]], [0])
    table = find_contradictions(answers, np.array(["1"]))
    figure = contradiction_sheet(table, np.zeros((0, 12, 12), np.uint8), "labels")
    assert len(table) == 0 and figure.axes[0].texts[0].get_text() == "No label is contradicted."
