"""Which metrics MLflow gets: for three classes and one external source at most 80 on an arm's run, 8 more of repeats."""

from itertools import product

import pytest

from hilum.evaluation.scoring.metrics import METRICS, metric_names
from hilum.explain.measures.reference_maps import REFERENCES
from hilum.explain.measures.registry import MEASURES, column
from hilum.explain.methods.registry import METHODS
from hilum.pages.headline import HEADLINE
from hilum.results import REPEATED
from hilum.tracking import logged_metrics
from hilum.tracking.logged_metrics import LOGGED, logged

CLASSES = ("normal", "bacterial", "viral")
MOST = 80
MEANS = ("auroc_macro", "balanced_accuracy")  # of repeats
ENDS = ("", ".low", ".high", ".films", ".empty")


def everything() -> dict[str, dict[str, float]]:
    """Every metric that an arm's folders may hold: three classes, all methods, measures and annotations, an external source."""
    names = metric_names(CLASSES, METRICS)
    measures = [*MEASURES, "sanity_spearman", *(column(name, kind) for name in MEASURES for kind in ("lesion", "box", "lungs"))]
    maps = [f"explain/{measure}/{method}{end}" for measure, method, end in product(measures, [*METHODS, *REFERENCES], ENDS)]
    pairs = [f"explain/agreement_{kind}/gradcam-lime{end}" for kind, end in product(("spearman", "overlap"), ENDS)]
    baselines = [f"{above}{name}_only/{metric}{end}" for above in ("", "above_") for name in ("acquisition", "source")
                 for metric, end in product(names, ENDS)]  # fmt: skip
    audited = ("probability", "mark_points", "class_points", "region_verdicts", "outlines_auroc", "accuracy", "letter", "spread")
    fit = [f"{name}_{when}" for name in ("ece", "brier", "log_loss") for when in ("before", "after")]
    training = [f"calibration/{name}" for name in ("temperature", "films", "patients", *fit, *(f"bias/{c}" for c in CLASSES))]
    training += [f"imbalance/weight/{name}" for name in CLASSES] + ["penalty/phases.0", "best/val/log_loss"]
    evaluation = [f"{part}/{name}{end}" for part, name, end in product(("val", "test"), names, ENDS)]
    evaluation += ["subgroups/served_worse", "subgroups/measured"]
    evaluation += [f"repeats/test/{name}{end}" for name, end in product(REPEATED, ("", ".sd", ".low", ".high"))]
    external = [f"external/south/{part}{name}{end}" for part, name, end in product(("", "drop_"), names, ENDS)]
    found = {"training": training, "evaluation": [*evaluation, *baselines, "flagged/acquisition_only", "majority/accuracy"]}
    found |= {"explanations": [*maps, *pairs], "audit": [f"audit/{name}" for name in audited], "tuning": []}
    found |= {"external": external}
    return {folder: dict.fromkeys(keys, 0.5) for folder, keys in found.items()}


@pytest.mark.parametrize("methods", [(), ("gradcam", "lime", "shap"), tuple(METHODS)], ids=["unknown", "default", "full"])
def test_an_arm_of_three_classes_carries_at_most_80_metrics(methods: tuple[str, ...]) -> None:
    curves = {"train/loss", "val/log_loss", "val/auroc_macro", "val/balanced_accuracy", "val/mcc"}  # selected by mcc
    kept = {name for folder, metrics in everything().items() for name in logged(metrics, folder, methods)}
    without_boxes = {name for name in kept | curves if not name.startswith("explain/hit_rate_box/")}
    repeats = {name for name in without_boxes if name.startswith("repeats/")}
    assert 60 < len(without_boxes - repeats) <= MOST, sorted(without_boxes)
    assert repeats == {f"repeats/test/{name}{end}" for name in MEANS for end in ("", ".sd", ".low", ".high")}


def test_a_comparison_carries_differences_of_means_over_repeats_with_their_intervals() -> None:
    names = metric_names(CLASSES, METRICS)
    pairs = [*product(("difference",), names), *product(("repeats/difference",), REPEATED)]
    metrics = dict.fromkeys((f"{of}/finetuned/{name}{end}" for (of, name), end in product(pairs, ENDS[:3])), 0.5)
    kept = set(logged(metrics, "comparison"))
    wanted = [f"difference/finetuned/{name}" for name in logged_metrics.HEADLINE]
    wanted += [f"repeats/difference/finetuned/{name}" for name in MEANS]
    assert kept == {f"{name}{end}" for name in wanted for end in ENDS[:3]}


def test_the_headline_and_means_of_repeats_have_their_intervals_and_nothing_else_has() -> None:
    kept = {name for folder, metrics in everything().items() for name in logged(metrics, folder)}
    bounded = {name.rpartition(".")[0] for name in kept if name.endswith((".low", ".high"))}
    assert bounded == {f"test/{name}" for name in logged_metrics.HEADLINE} | {f"repeats/test/{name}" for name in MEANS}
    assert {f"{name}{end}" for name in bounded for end in (".low", ".high")} <= kept


def test_all_that_the_page_shows_first_is_logged() -> None:
    assert {f"test/{name}" for name in HEADLINE} <= set(logged(everything()["evaluation"], "evaluation"))


def test_maps_are_logged_of_the_first_methods_beside_the_reference_maps() -> None:
    metrics = everything()["explanations"]
    kept = {name.rpartition("/")[2] for name in logged(metrics, "explanations", ["rise", "xrai", "gradcam", "lime"])}
    assert kept == {"rise", "xrai", "gradcam", *REFERENCES}
    assert tuple(REFERENCES) == logged_metrics.REFERENCES


def test_every_row_names_a_metric_that_exists() -> None:
    """A row for a metric that was renamed would log nothing and be noticed by nobody."""
    for folder, metrics in everything().items():
        for row in LOGGED[folder]:
            for pattern in row.names:
                if folder != "tuning":
                    alone = {**LOGGED, folder: (logged_metrics.Row(row.what, (pattern,)),)}
                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr(logged_metrics, "LOGGED", alone)
                        assert logged(metrics, folder), f"{folder}: {pattern}"


def test_undefined_metrics_are_left_out() -> None:
    assert logged({"test/mcc": None, "test/ece": 0.1, "test/f1_macro": 0.3}, "evaluation") == {"test/ece": 0.1}


def test_a_folder_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must have rows in LOGGED .*, got 'repeats'; known: tuning, training"):
        logged({}, "repeats")
