"""Which metrics a run carries in MLflow, in one table. All others stay in the run's artifacts and in `hilum compare`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

HEADLINE = ("auroc_macro", "auprc_macro", "balanced_accuracy", "mcc", "brier", "ece")  # with intervals
OVERALL = ("accuracy", "log_loss")  # without
REPEATED = ("auroc_macro", "balanced_accuracy")  # means over repeats of a training, with intervals over seeds and patients
PER_CLASS = ("auroc", "sensitivity", "specificity")
ON_VALIDATION = ("log_loss", "auroc_macro", "balanced_accuracy", "accuracy", "brier", "ece")  # of the saved model
CALIBRATION = ("temperature", "bias/*", "ece_before", "ece_after", "log_loss_before", "log_loss_after")
ABOVE = (
    "acquisition_only",
    "source_only",
    "above_acquisition_only",
    "above_source_only",
)  # baselines, and how far above
EXTERNAL = ("auroc_macro", "balanced_accuracy")  # of each external source, without: their intervals are in the files
MAPS = ("hit_rate_lesion", "hit_rate_box", "relevance_mass_lungs", "insertion_blur")  # measures of maps
REFERENCES = ("random", "centre")  # maps that every method is compared with
METHODS = 3  # most methods with measures in MLflow, those named first in `explain.methods`
ENDS = (".low", ".high")  # of an interval
COUNTS = (".films", ".empty")  # of what a value was measured on: in the files alone


@dataclass(frozen=True)
class Row:
    """names: patterns, `*` stands for any class, arm, phase or metric; interval: whether `.low` and `.high` come along."""

    what: str
    names: tuple[str, ...]
    interval: bool = False


FILES_ONLY = ("train/learning_rate",)  # of what is logged epoch by epoch: the settings say it, `history.csv` holds it
LOGGED: dict[str, tuple[Row, ...]] = {  # folder of results -> its rows
    "tuning": (Row("the best trial", ("val/*",)),),
    "training": (
        Row("calibration", tuple(f"calibration/{name}" for name in CALIBRATION)),
        Row("the penalty of a solved phase", ("penalty/*",)),
    ),
    "evaluation": (
        Row("headline", tuple(f"test/{name}" for name in HEADLINE), interval=True),
        Row("overall", tuple(f"test/{name}" for name in OVERALL)),
        Row("mean of the repeats", tuple(f"repeats/test/{name}" for name in REPEATED), interval=True),
        Row("standard deviation of the repeats", tuple(f"repeats/test/{name}.sd" for name in REPEATED)),
        Row("per class", tuple(f"test/{name}/*" for name in PER_CLASS)),
        Row("the saved model on validation films", tuple(f"val/{name}" for name in ON_VALIDATION)),
        Row("shortcut baselines", tuple(f"{name}/auroc_macro" for name in ABOVE)),
        Row("subgroups", ("subgroups/served_worse", "subgroups/measured")),
    ),
    "explanations": (
        Row("maps", tuple(f"explain/{name}/*" for name in MAPS)),
        Row("the sanity gate", ("explain/sanity_spearman/*",)),
    ),
    "external": (
        Row("headline", tuple(f"external/*/{name}" for name in EXTERNAL)),
        Row("drop from the internal test", ("external/*/drop_auroc_macro",)),
    ),
    "audit": (Row("audit", ("audit/probability", "audit/mark_points", "audit/class_points", "audit/outlines_auroc")),),
    "crossvalidation": (
        Row("headline", tuple(f"out_of_fold/{name}" for name in HEADLINE), interval=True),
        Row("overall", tuple(f"out_of_fold/{name}" for name in OVERALL)),
        Row("per class", tuple(f"out_of_fold/{name}/*" for name in PER_CLASS)),
        Row("doubtful labels", ("out_of_fold/contradicted_labels",)),
    ),
    "comparison": (
        Row("differences from the reference", tuple(f"difference/*/{name}" for name in HEADLINE), interval=True),
        Row("the same of means of repeats", tuple(f"repeats/difference/*/{name}" for name in REPEATED), interval=True),
    ),
}  # fmt: skip


def logged(metrics: Mapping[str, float | None], folder: str, methods: Sequence[str] = ()) -> dict[str, float]:
    """The metrics of a folder of results that MLflow gets, undefined ones left out.

    methods: of an explanation, in the order of its settings; empty: in the order of their names.

    Raises:
        ValueError: a folder without rows.
    """
    if folder not in LOGGED:
        raise ValueError(
            f"a folder of results must have rows in LOGGED of {__name__}, got {folder!r}; known: {', '.join(LOGGED)}"
        )
    found = {name: value for name, value in metrics.items() if value is not None and _has_row(name, folder)}
    if folder != "explanations":
        return found
    order = [*methods, *sorted(_method(name) for name in found)]
    shown = {*REFERENCES, *list(dict.fromkeys(name for name in order if name not in REFERENCES))[:METHODS]}
    return {name: value for name, value in found.items() if _method(name) in shown}


def _has_row(name: str, folder: str) -> bool:
    end = next((end for end in ENDS if name.endswith(end)), "")
    bare = name.removesuffix(end)
    return any(
        fnmatchcase(bare, pattern) and bare.count("/") == pattern.count("/")
        for row in LOGGED[folder]
        if (row.interval or not end) and not name.endswith(COUNTS)
        for pattern in row.names
    )


def _method(name: str) -> str:
    """The method of `explain/<measure>/<method>`, also where `.low` or another ending follows."""
    return name.rpartition("/")[2].partition(".")[0]
