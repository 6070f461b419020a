"""The section on cross-validation: pooled metrics with differences, every fold, the sheet, and no markup from names."""

import re
from dataclasses import replace

from page_sections import KEY, fold_results

from hilum.evaluation.comparison import compare_arms
from hilum.evaluation.style import arm_colour
from hilum.pages.folds import render_folds


def test_everything_stands_in_the_section() -> None:
    found = {"baseline": fold_results(0.2), "finetuned": fold_results(2.0)}
    differences = compare_arms({arm: one.predictions for arm, one in found.items()}, "baseline", 20, 0.95, 1)
    page = str(render_folds(found, list(found), "baseline", differences, KEY, "patient", 0.9))
    for arm, one in found.items():
        assert f"{one.metrics['out_of_fold/auroc_macro']:.3f} [{one.metrics['out_of_fold/auroc_macro.low']:.3f}" in page
        assert f">{arm}</span>: labels to check" in page
    assert re.search(r"AUROC, mean of classes.*?better", page, re.S) and page.count("lower is better") == 1
    assert "0.700 [0.600, 0.800]" in page and "undefined" in page, "a fold without a class has no AUROC"
    assert "7 films look more like another class" in page and "data:image/png;base64,cG5n" in page
    assert "without one part of the patients" in page
    assert "The 95 % interval of a value, and the 90 % interval of a difference below it, come from all held-out predict" in page
    assert page.count("<small>AUROC, mean of classes, 95 % interval</small>") == 2, "each fold of each arm"
    assert "<td>&lt;b&gt;</td>" in page
    assert "without one source" in str(render_folds(found, list(found), "baseline", differences, KEY, "source", 0.9))
    assert "baseline and finetuned were trained 2 times each" in page


def test_folds_of_two_levels_say_each_its_own() -> None:
    found = {"baseline": fold_results(0.2), "finetuned": replace(fold_results(2.0), confidence=0.8)}
    differences = compare_arms({arm: one.predictions for arm, one in found.items()}, "baseline", 20, 0.9, 1)
    page = str(render_folds(found, list(found), "baseline", differences, KEY, "patient", 0.9))
    assert "The 95 % interval (baseline) and 80 % interval (finetuned) of a value, and the 90 % interval of a difference" in page
    shown = re.findall(r">(\w+)</span><small>AUROC, mean of classes, (\d+ % interval)</small>", page)
    assert shown == [("baseline", "95 % interval"), ("finetuned", "80 % interval")]


def test_an_arm_has_its_colour_of_the_page_where_others_have_no_folds() -> None:
    found = {"baseline": fold_results(0.2), "third": fold_results(2.0)}
    differences = compare_arms({arm: one.predictions for arm, one in found.items()}, "baseline", 20, 0.95, 1)
    arms = ["baseline", "finetuned", "third"]
    page = str(render_folds(found, arms, "baseline", differences, KEY, "patient", 0.9))
    assert set(re.findall(r"--arm: (#\w+)", page)) == {arm_colour("baseline", arms), arm_colour("third", arms)}
    alone = {"baseline": found["baseline"]}
    nothing = compare_arms({"baseline": alone["baseline"].predictions}, "baseline", 20, 0.95, 1)
    page = str(render_folds(alone, arms, "baseline", nothing, KEY, "patient", 0.9))
    assert "baseline was trained 2 times, each" in page
    assert "The 95 % interval of a value comes from all held-out predictions" in page and "90 %" not in page
