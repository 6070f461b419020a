"""The parts of a comparison page that the stage and a comparison of chosen runs share: tables, charts and the film room."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.evaluation.shortcut_baselines import MEASURED
from hilum.evaluation.simultaneous import compare_at_once
from hilum.evaluation.statistics import Draws, Interval
from hilum.explain.measures.reference_maps import REFERENCES
from hilum.explain.methods.registry import METHODS
from hilum.explain.shown_films import ShownFilms
from hilum.pages.arm_results import ArmResults
from hilum.pages.chart_script import ChartPart
from hilum.pages.charts import ChartRuns, draw_charts
from hilum.pages.film_room import RoomRun, render_room
from hilum.pages.headline import HEADLINE, ShortcutBaselineRow, interval_of, shortcut_baseline_rows
from hilum.pages.levels import Levels
from hilum.pages.repeats import read_repeats
from hilum.results import pick_films, read_table


def explanation_table(arms: Mapping[str, ArmResults]) -> pd.DataFrame:
    """Every measure of every method and arm, beside those of a random map and a map of the centre."""
    columns = ["arm", "method", "measure", "value", "low", "high", "films", "chance_random", "chance_centre"]
    tables = []
    for name, arm in explained_arms(arms).items():
        table = read_table(arm.folder["explanations"] / "summary.csv")
        known = table.set_index(["method", "measure"])["value"]
        rows = table[table["method"].isin(METHODS)].assign(arm=name)
        for reference in REFERENCES:
            rows[f"chance_{reference}"] = [known.get((reference, measure)) for measure in rows["measure"]]
        tables.append(rows)
    if not tables:
        return pd.DataFrame(columns=columns)
    table = pd.concat(tables, ignore_index=True)[columns]
    return table.astype(dict.fromkeys(columns[3:], float))


def explained_arms(arms: Mapping[str, ArmResults]) -> dict[str, ArmResults]:
    """Those that have explanations."""
    return {name: arm for name, arm in arms.items() if (arm.folder["explanations"] / "summary.csv").is_file()}


def compare_shortcut_baselines(arms: Mapping[str, ArmResults]) -> list[ShortcutBaselineRow]:
    """How far each arm is above the shortcut baselines."""
    own = {name: interval_of(arm.metrics, f"test/{MEASURED}") for name, arm in arms.items()}
    return shortcut_baseline_rows({name: arm.metrics for name, arm in arms.items()}, own)


def validation_of(arms: Mapping[str, ArmResults], select: str) -> dict[str, float]:
    """arm -> its validation metric, NaN where undefined."""
    return {name: interval_of(arm.metrics, f"val/{select}").value for name, arm in arms.items()}


def compare_all(draws: Mapping[str, Draws], confidence: float) -> pd.DataFrame:
    """Every arm against every other in the key metrics, with simultaneous intervals."""
    return compare_at_once(draws, list(draws), HEADLINE, confidence)


def make_charts(
    arms: Mapping[str, ArmResults],
    simultaneous: pd.DataFrame,
    reference: str,
    select: str,
    levels: Levels,
    names: Mapping[str, Mapping[str, str]] | None = None,
) -> list[ChartPart]:
    """The charts of these arms, with the metrics that the tables show. names: arm -> its own name of a film -> that of `test`."""
    runs = ChartRuns(
        intervals={name: read_intervals(arm) for name, arm in arms.items()},
        predictions={name: arm.test for name, arm in arms.items()},
        differences=simultaneous,
        metrics=HEADLINE,
        reference=reference,
        validation=validation_of(arms, select),
        select=select,
        repeats=measure_trainings(arms, names or {}),
    )
    together = f"simultaneous {levels.differences}s" if len(arms) > 2 else levels.differences
    return draw_charts(runs, levels.arms, together)


def measure_trainings(
    arms: Mapping[str, ArmResults], names: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, list[float]]]:
    """arm -> key metric -> its value of each training on the films of the comparison; arms trained once are left out."""
    found: dict[str, dict[str, list[float]]] = {}
    for name, arm in arms.items():
        repeats = read_repeats(arm.folder["evaluation"], arm.test.classes)
        if repeats:
            own = {shared: film for film, shared in names.get(name, {}).items()}
            films = [own.get(image_id, image_id) for image_id in arm.test.image_id.tolist()]
            values = [evaluate_all(pick_films(one, films)) for one in repeats.test]
            found[name] = {metric: [one[metric] for one in values] for metric in HEADLINE}
    return found


def read_intervals(arm: ArmResults) -> dict[str, Interval]:
    """Flat name -> interval on test films, from an arm's metrics."""
    names = [key.removeprefix("test/") for key in arm.metrics if key.startswith("test/") and not key.endswith((".low", ".high"))]
    return {name: interval_of(arm.metrics, f"test/{name}") for name in names}


def make_room(
    arms: Mapping[str, ArmResults], reference: str, shown: Mapping[str, ShownFilms | None], films: bool
) -> tuple[Markup, list[str]]:
    """The film room, and sentences about explained films and maps that it does not show.

    shown: arm -> the films that it explained. films: whether pictures of films are shown.
    """
    squares = {name: arm.settings["model"].get("square", "") for name, arm in arms.items()}
    first = next((squares[name] for name, arm in arms.items() if arm.maps), "")
    other = [name for name, arm in arms.items() if arm.maps and squares[name] != first]
    runs = [
        RoomRun(name, arm.test, {} if name in other else arm.maps, arm.explained, None if name in other else shown[name])
        for name, arm in arms.items()
    ]
    told = [f"The maps of {', '.join(other)} in the film room: their films were made square in another way ({first} is shown)."]
    unshared = {image_id for run in runs if run.maps for image_id in run.explained} - set(arms[reference].test.image_id.tolist())
    told = told if other else []
    told += [f"{len(unshared)} explained films, which not every run tested."] if unshared else []
    return render_room(runs, reference, films), told


def class_thresholds(folder: Path, classes: list[str]) -> np.ndarray:
    """(K,) one-against-the-rest thresholds of an arm, as its evaluation wrote them; NaN where there is none."""
    file = folder / "test_classes.csv"
    if not file.is_file():
        return np.full(len(classes), np.nan)
    return read_table(file).set_index("class")["threshold"].reindex(classes).to_numpy(np.float64)
