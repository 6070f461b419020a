"""Draws of a site's patients, and what recalibration on them brings for the others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hilum.evaluation.scoring.decisions import decide
from hilum.evaluation.scoring.metrics import log_loss
from hilum.evaluation.scoring.scaling import softmax
from hilum.evaluation.site_calibration import Rule, read_logits
from hilum.evaluation.site_figures import SHOWN, site_curve_figure
from hilum.evaluation.site_learning_curve import COLUMNS, SiteFilms, draw_patients, find_sizes, measure_curve, resample
from hilum.evaluation.style import to_png
from hilum.records import Predictions


def make_site(films: int, factor: float, seed: int, share: float = 0.5, per_patient: int = 2) -> SiteFilms:
    """Films whose true log odds are known; the model's are `factor` times too large."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(films) < share).astype(np.int64)
    odds = np.log(share / (1 - share)) + 1.5 * rng.normal(2 * labels - 1.0, 1.0) * 2 / 1.5
    y_prob = softmax(np.stack([np.zeros(films), factor * odds], axis=1))
    patients = np.array([f"p{i // per_patient:04d}" for i in range(films)])
    rule = Rule("half", None, False, None, ("normal", "ill"))
    own = Predictions(np.array([f"f{i}" for i in range(films)]), patients, labels, y_prob, decide(y_prob, 0.5), rule.classes)
    return SiteFilms(own, read_logits(y_prob), rule)


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_holds_whole_patients_and_every_class_in_its_share(seed: int) -> None:
    films = make_site(400, 1, seed, share=0.25).predictions
    inside = draw_patients(films.y_true, films.patient_id, 80, np.random.default_rng(seed))
    assert not set(films.patient_id[inside]) & set(films.patient_id[~inside]) and 80 <= inside.sum() <= 81
    of_patient = pd.Series(films.y_true).groupby(films.patient_id).first()
    drawn = of_patient[sorted(set(films.patient_id[inside]))]
    assert abs(drawn.mean() - of_patient.mean()) < 2 / len(drawn)
    again = draw_patients(films.y_true, films.patient_id, 80, np.random.default_rng(seed + 100))
    assert (again != inside).any()


def test_every_patient_is_drawn_equally_often() -> None:
    films, rng = make_site(120, 1, 0).predictions, np.random.default_rng(0)
    often = np.mean([draw_patients(films.y_true, films.patient_id, 40, rng) for _ in range(600)], axis=0)
    assert abs(often.mean() - 40 / 120) < 0.02 and often.std() < 0.04


@pytest.mark.parametrize("seed", range(20))
def test_a_patient_with_most_of_the_films_leaves_every_class_in_a_draw_and_patients_beside_it(seed: int) -> None:
    patients = np.array(["big"] * 60 + [f"p{i}" for i in range(20)])
    labels = np.array([0] * 60 + [0, 1] * 10)
    inside = draw_patients(labels, patients, 25, np.random.default_rng(seed))
    assert set(labels[inside]) == {0, 1} and len(set(patients[~inside])) > 0
    assert not set(patients[inside]) & set(patients[~inside])


def test_patients_of_two_classes_are_measured_too() -> None:
    site = make_site(420, 2, 6, per_patient=3)
    assert (pd.Series(site.predictions.y_true).groupby(site.predictions.patient_id).nunique() > 1).any()
    ruled = replace(site, rule=replace(site.rule, threshold_rule="youden"))
    assert sorted(set(measure_curve(ruled, 10, 0.95, 10, 7)["size"])) == [50, 100, 200]  # 8 patients have 25 films


def test_a_resample_draws_patients_with_all_their_films() -> None:
    patients = np.repeat([f"p{i}" for i in range(30)], 3)
    rows = np.flatnonzero(patients != "p0")
    drawn = patients[resample(patients, rows, np.random.default_rng(0))]
    names, films = np.unique(drawn, return_counts=True)
    assert "p0" not in names and (films % 3 == 0).all() and films.sum() == 87 and len(names) < 29


def test_sizes_that_leave_too_few_patients_are_not_drawn_and_said() -> None:
    assert find_sizes(make_site(2000, 1, 0, per_patient=1)) == ([25, 50, 100, 200], [])
    sizes, notes = find_sizes(make_site(130, 1, 0, share=0.5, per_patient=1))
    assert sizes == [25, 50, 100] and notes[0].endswith("0 left)") and "200 films (" in notes[0]
    sizes, notes = find_sizes(make_site(600, 1, 0, share=0.05, per_patient=1))
    assert 25 not in sizes and "25 films (ill: 0 drawn, " in notes[0]


def test_the_effect_of_a_known_distortion_is_that_of_the_population() -> None:
    far, site = make_site(200_000, 3, 1, per_patient=1), make_site(600, 3, 2)
    true = make_site(200_000, 1, 1, per_patient=1)
    expected = [log_loss(one.predictions.y_true, one.predictions.y_prob, one.predictions.y_pred) for one in (far, true)]
    done: list[tuple[int, int]] = []
    curve = measure_curve(site, 40, 0.95, 10, 7, lambda *told: done.append(told))
    assert list(curve.columns) == list(COLUMNS) and done[-1] == (160, 160) and len(done) == 160
    rows = curve[(curve["metric"] == "log_loss") & (curve["method"] == "temperature")].set_index("size")
    assert rows.index.tolist() == [25, 50, 100, 200] and (rows["draws"] == 40).all()
    assert rows.loc[200, "before"] == pytest.approx(expected[0], rel=0.2)
    assert rows.loc[200, "difference"] == pytest.approx(expected[1] - expected[0], rel=0.35)
    assert (rows["high"] > rows["difference"]).all() and (rows["low"] < rows["difference"]).all()
    assert rows.loc[200, "high"] < 0 and rows.loc[200, "difference"] < rows.loc[25, "difference"]
    pd.testing.assert_frame_equal(curve, measure_curve(site, 40, 0.95, 10, 7))


def test_for_a_calibrated_model_the_interval_includes_0_and_few_films_do_harm() -> None:
    curve = measure_curve(make_site(600, 1, 3), 40, 0.95, 10, 7)
    rows = curve[(curve["metric"] == "log_loss") & (curve["method"] == "temperature_and_biases")].set_index("size")
    assert (rows["high"] > 0).all() and rows.loc[25, "difference"] > rows.loc[200, "difference"]


def test_the_curve_is_drawn_with_each_method_at_each_size() -> None:
    curve = measure_curve(make_site(150, 2, 4, share=0.5), 10, 0.95, 10, 7)
    figure = site_curve_figure(curve, "95 % interval", "a model: what films of the site bring")
    assert to_png(figure)[:4] == b"\x89PNG" and len(figure.axes) == len(SHOWN)
    for axes, metric in zip(figure.axes, SHOWN, strict=True):
        drawn = np.concatenate([line.get_ydata() for line in axes.lines if line.get_linestyle() == "None"])
        wanted = curve[curve["metric"] == metric]["difference"]
        assert sorted(np.round(drawn.astype(float), 9)) == sorted(wanted.round(9))
        assert [label.get_text() for label in axes.get_xticklabels()] == ["25", "50", "100"]


def test_without_a_size_there_is_no_row() -> None:
    curve = measure_curve(make_site(30, 1, 5), 10, 0.95, 10, 7)
    assert list(curve.columns) == list(COLUMNS) and not len(curve)
