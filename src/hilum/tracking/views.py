"""The saved views of `mlflow ui`: Arms, Maps side by side, Search; what each shows, as the state that MLflow's page reads.

The state was read from views that MLflow 3.17 saved itself: `experiment tag mlflow.sharedViewState.<key>`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

CONFUSION = "confusion__test"  # key of the picture of a confusion matrix
AUDIT = "audit"  # key of the audit's picture
ARMS, MAPS, SEARCH = "hilum-arms", "hilum-maps", "hilum-search"  # keys of the views
LOWER_IS_BETTER = ("brier", "ece", "log_loss")
NAME = "attributes.`Run Name`"
WIDTHS = {
    NAME: 170,
    "tags.`state`": 110,
    "tags.`data`": 150,
    "tags.`sanity`": 330,
    "params.`backbone`": 125,
}  # of columns, pixels
LETTER, MARGIN = 7, 36  # pixels of other columns, whose names are in full
HIGH, LOW = 420, 300  # of a card, pixels


@dataclass(frozen=True)
class Known:
    """What the runs of an experiment hold, newest first: names that a view can show.

    select: metric that keeps the best epoch; searched, objectives: parameters and metrics of trials; metrics, pictures: of arms.
    """

    select: str = "val/log_loss"
    searched: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """title: in the list of views; charts: whether it opens on charts instead of the table; state: what MLflow's page reads."""

    title: str
    charts: bool
    state: dict[str, Any] = field(repr=False)


def make_views(known: Known) -> dict[str, View]:
    """Key -> view, in the order in which they are listed."""
    return {ARMS: _arms(known), MAPS: _maps(known), SEARCH: _search(known)}


def _arms(known: Known) -> View:
    metrics = [known.select, "val/auroc_macro", "test/auroc_macro", "test/balanced_accuracy", "test/ece"]
    columns = [
        *(_column("metrics", name) for name in dict.fromkeys(metrics)),
        *(_column("params", name) for name in ("backbone", "weights")),
        *(_column("tags", name) for name in ("audit", "acquisition_only", "sanity", "data")),
    ]
    headline = [_bar(name) for name in ("test/auroc_macro", "test/balanced_accuracy", "test/ece", "val/auroc_macro")]
    rows, charts = _rows("tags.role = 'arm'", columns, known.select), _charts(known, [("Headline", LOW, 2, headline)])
    return View("Arms", False, {**rows, **charts})


def _maps(known: Known) -> View:
    maps = sorted((key for key in known.pictures if "__" in key and key != CONFUSION), key=lambda key: key.split("__")[::-1])
    others = [key for key in (CONFUSION, AUDIT) if key in known.pictures]
    curves = dict.fromkeys([known.select, "val/auroc_macro", "val/balanced_accuracy", "train/loss"])
    sections = [
        ("The same film and method", HIGH, 1, [_picture(key) for key in maps]),
        ("Confusion matrices and audits", HIGH, 2, [_picture(key) for key in others]),
        ("Learning curves", LOW, 2, [_line(name) for name in curves]),
    ]
    columns = [_column("metrics", name) for name in ("test/auroc_macro",)]
    return View("Maps side by side", True, {**_rows("tags.role = 'arm'", columns, known.select), **_charts(known, sections)})


def _search(known: Known) -> View:
    columns = [
        *(_column("metrics", name) for name in known.objectives[:1]),
        *(_column("params", name) for name in known.searched),
        *(_column("tags", name) for name in ("state", "arm")),
    ]
    cards = [_parallel(known.searched, known.objectives[:1])] if known.searched and known.objectives else []
    # A saved view cannot expand the runs below a search, and a chart shows expanded runs only: groups it can, those of an arm.
    group = {"groupByKeys": [{"mode": "tag", "groupByData": "arm"}], "aggregateFunction": "min"}
    by = known.objectives[0] if known.objectives else f"best/{known.select}"
    rows = {**_rows("tags.role = 'trial'", columns, by), "groupBy": group, "useGroupedValuesInCharts": False}
    return View("Search", True, {**rows, **_charts(known, [("Searched values", HIGH, 1, cards)])})


def _rows(question: str, columns: Sequence[str], by: str) -> dict[str, Any]:
    """Which runs are listed, with which columns, the best by this metric first.

    By their start MLflow nests runs below others that are not asked for, such as that of `mlflow run`, which it shows collapsed.
    """
    return {
        "searchFilter": question,
        "orderByKey": _column("metrics", by),
        "orderByAsc": by.rpartition("/")[2] in LOWER_IS_BETTER,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": list(columns),
        "columnOrder": [NAME, *columns],
        "columnWidths": {name: WIDTHS.get(name, MARGIN + LETTER * len(name.split("`")[1])) for name in (NAME, *columns)},
        "runsHiddenMode": "FIRST_20_RUNS",
        "hideEmptyCharts": True,
        "useGroupedValuesInCharts": True,
        "groupBy": None,
        "viewMaximized": False,
        "runListHidden": False,
    }


def _charts(known: Known, sections: Iterable[tuple[str, int, int, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Sections of cards: (title, height of a card, cards in a row, cards). All other metrics and pictures get no card."""
    made, cards = [], []
    for number, (title, height, across, own) in enumerate(sections):
        uuid = f"section-{number}"
        made.append({"uuid": uuid, "name": title, "display": True, "isReordered": True, "columns": across, "cardHeight": height})
        cards += [{**card, "uuid": f"{uuid}-{i}", "metricSectionId": uuid} for i, card in enumerate(own)]
    shown = {name for card in cards for name in (card.get("metricKey"), *card.get("imageKeys", ()))}
    left_out: list[dict[str, Any]] = [
        *({"type": "BAR", "metricKey": name} for name in known.metrics if name not in shown),
        *({"type": "IMAGE", "imageKeys": [key]} for key in known.pictures if key not in shown),
    ]
    hidden = {"metricSectionId": "section-0", "deleted": True}
    cards += [{**card, **hidden, "uuid": f"left-out-{i}"} for i, card in enumerate(left_out)]
    return {"compareRunSections": made, "compareRunCharts": cards, "isAccordionReordered": True}


def _bar(name: str) -> dict[str, Any]:
    return {"type": "BAR", "runsCountToCompare": 20, "metricKey": name, "deleted": False, "isGenerated": False}


def _line(name: str) -> dict[str, Any]:
    return {
        **_bar(name),
        "type": "LINE",
        "selectedMetricKeys": [name],
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _picture(key: str) -> dict[str, Any]:
    card = {"type": "IMAGE", "runsCountToCompare": 20, "imageKeys": [key], "step": 0, "showRunParams": False}
    return {**card, "deleted": False, "isGenerated": False}


def _parallel(params: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    card = {"type": "PARALLEL", "selectedParams": list(params), "selectedMetrics": list(metrics), "showAllRuns": True}
    return {**card, "runsCountToCompare": 100, "deleted": False, "isGenerated": False}


def _column(kind: str, name: str) -> str:
    """MLflow's own name of a column. kind: metrics, params, tags or attributes."""
    return f"{kind}.`{name}`"


def know(arms: Iterable[Any], trials: Iterable[Any], pictures: Iterable[str]) -> Known:
    """What runs hold. arms, trials: MLflow's runs, newest first; pictures: keys of the pictures of arms."""
    arms, trials = list(arms), list(trials)
    selected = [run.data.tags["selected_by"] for run in arms if "selected_by" in run.data.tags]
    searched = dict.fromkeys(name for run in trials for name in run.data.params)
    objectives = dict.fromkeys(f"best/val/{run.data.tags['metric']}" for run in trials if "metric" in run.data.tags)
    return Known(
        selected[0] if selected else Known.select,
        tuple(searched),
        tuple(objectives),
        tuple(sorted({name for run in (*arms, *trials) for name in run.data.metrics})),
        tuple(dict.fromkeys(pictures)),
    )
