"""Pictures of a search, as Optuna draws them, from the table of its trials, which `publish` has as well."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from hilum.pictures import encode_png, plain
from hilum.settings.meaning import is_searched, is_whole
from hilum.settings.search_space import Choices, Range
from hilum.training.searching.samplers import Spaces, distribution_of

SEED = 0  # of the forest that measures importance


@plain
def draw_search(trials: pd.DataFrame, spaces: Spaces, signs: Mapping[str, int], folder: Path) -> list[Path]:
    """Write history, importance, slice and parallel coordinates of each metric, and the front of several; returns the files.

    trials: as in trials.csv. signs: metric -> 1 where higher is better, else -1. Nothing is drawn of fewer than two complete
    trials, and no importance where all of them reached the same.
    """
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("agg")
    study = _study_of(trials, spaces, signs)
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    files: list[Path] = []
    if len(complete) < 2:
        return files
    for number, metric in enumerate(signs):
        target = _value_of(number)
        given = {"target": target, "target_name": metric} if len(signs) > 1 else {"target_name": metric}
        level = len({trial.values[number] for trial in complete}) == 1
        for name, draw in PICTURES.items():
            if name == "importance" and level:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Optuna's drawing is experimental, and its version is pinned
                drawn = draw(study, **given)
            files.append(_write(drawn, folder / f"{name}{'' if len(signs) == 1 else f'_{metric}'}.png"))
            pyplot.close("all")
    if len(signs) in (2, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            drawn = optuna.visualization.matplotlib.plot_pareto_front(study, target_names=list(signs))
        files.append(_write(drawn, folder / "pareto.png"))
        pyplot.close("all")
    return files


def log_pictures(log_folder: Callable[[Path, str], Any], trials: pd.DataFrame, spaces: Spaces, signs: Mapping[str, int]) -> None:
    """Draw a search and upload its pictures. log_folder: of an open run."""
    with TemporaryDirectory() as place:
        if draw_search(trials, spaces, signs, Path(place)):
            log_folder(Path(place), "pictures")


def measure_importance(trials: pd.DataFrame, spaces: Spaces, signs: Mapping[str, int]) -> dict[str, dict[str, float]]:
    """Metric -> value searched in every complete trial -> share of the metric's variance that it explains, the largest first.

    The shares of a metric sum to 1. Empty for fewer than two complete trials, and where all of them reached the same.
    """
    study, found = _study_of(trials, spaces, signs), dict[str, dict[str, float]]()
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    for number, metric in enumerate(signs):
        target = _value_of(number)
        measured = len({target(trial) for trial in complete}) > 1
        evaluator = FanovaImportanceEvaluator(seed=SEED)
        found[metric] = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target) if measured else {}
    return found


def _value_of(number: int) -> Callable[[optuna.trial.FrozenTrial], float]:
    """What a complete trial reached in the metric of this number."""
    return lambda trial: float(trial.values[number])


def _importance(study: optuna.Study, **given: Any) -> Any:
    return optuna.visualization.matplotlib.plot_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=SEED), **given)


PICTURES: dict[str, Callable[..., Any]] = {
    "history": lambda study, **given: optuna.visualization.matplotlib.plot_optimization_history(study, **given),
    "importance": _importance,
    "slice": lambda study, **given: optuna.visualization.matplotlib.plot_slice(study, **given),
    "parallel": lambda study, **given: optuna.visualization.matplotlib.plot_parallel_coordinate(study, **given),
}


def _write(drawn: Any, file: Path) -> Path:
    """drawn: an axis, or an array of some."""
    axis = drawn.flat[0] if hasattr(drawn, "flat") else drawn
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(axis.figure, dpi=100))
    return file


def _study_of(trials: pd.DataFrame, spaces: Spaces, signs: Mapping[str, int]) -> optuna.Study:
    """The trials of a table, each value as it is, whether higher or lower is better."""
    directions = [StudyDirection.MAXIMIZE if sign > 0 else StudyDirection.MINIMIZE for sign in signs.values()]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=directions)
    for row in trials.to_dict("records"):
        searched = searched_values(row, spaces)
        complete = row["state"] == "COMPLETE"
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                values=[row[f"val/{metric}"] for metric in signs] if complete else None,
                params=searched,
                distributions={key: distribution_of(key, spaces[key]) for key in searched},
            )
        )
    return study


def searched_values(row: Mapping[Any, Any], spaces: Spaces) -> dict[str, Any]:
    """The values of a row of trials.csv that were searched in that trial: other spaces stood at their `start`."""
    values = {key: _as_drawn(key, space, row[key]) for key, space in spaces.items()}
    return {key: values[key] for key, space in spaces.items() if is_searched(space, values)}


def fit_spaces(trials: pd.DataFrame, spaces: Spaces) -> bool:
    """Whether a table of trials is of a search of exactly these spaces: it has their values and no others, each in its space."""
    drawn = {key for key in trials.columns if key == "backbone" or key.startswith(("head.", "phases.", "train."))}
    return drawn == set(spaces) and all(_within(trials[key], space).all() for key, space in spaces.items())


def _within(values: pd.Series, space: Range | Choices) -> pd.Series:
    if isinstance(space, Choices):
        return values.astype(str).isin([str(choice) for choice in space.choices]) | values.isin(space.choices)
    return pd.to_numeric(values, errors="coerce").between(space.low, space.high)


def _as_drawn(key: str, space: Range | Choices, value: Any) -> Any:
    """A value as it was proposed: a table holds whole numbers and choices as text or floats."""
    if isinstance(space, Choices):
        return next(choice for choice in space.choices if choice == value or str(choice) == str(value))
    return int(value) if is_whole(key) else float(value)
