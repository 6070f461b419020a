"""Which film is held out in which fold: by patient or by source, out of the films that are not in the test part."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from hilum.data.splits import carve_validation

PREFIX = "fold "  # columns of data/split/folds.csv: `fold 1`, or `fold <source>`
HELD_OUT, VALIDATES, TRAINS, ABSENT = "held_out", "val", "train", ""  # what a film is in a fold


def draw_folds(films: pd.DataFrame, folds: int, fold_by: str, validation: float, seed: int) -> pd.DataFrame:
    """A column per fold: whether each film is held out (`held_out`), validates or trains; index as films'.

    films: columns image_id, label, source, group (kept in one part: patients who share films); no film of the test
        part. folds: how many; one per source where `fold_by` is source. validation: share of the groups that are not held out.
    By patient: every film is held out once; folds are stratified by class. By source: a fold holds out all films of a source, and
        films of other sources that belong to a group of it are in no part of that fold (empty).

    Raises:
        ValueError: another word than patient or source; too few patients of a class; one source only, or another number of folds
            than sources; a class that only the held-out source has.
    """
    if fold_by not in FOLD_BY:
        raise ValueError(f"`fold_by` must be one of {', '.join(FOLD_BY)}, got {fold_by!r}")
    ordered = films.sort_values("image_id")
    held_out = FOLD_BY[fold_by](ordered, folds, seed)
    parts, faults = {}, []
    for name, out in held_out.items():
        linked = ordered["group"].isin(ordered["group"][out]) & ~out
        drawn = carve_validation(ordered[~out & ~linked], validation, seed)
        part = ordered["group"].map(drawn).where(~linked, ABSENT).where(~out, HELD_OUT)
        faults += _find_faults(name, part, ordered["label"])
        parts[PREFIX + name] = part
    if faults:
        raise ValueError(
            "in each fold every class must have films to train on and to select by that are not held out, but "
            f"{'; '.join(faults)}; add films of more patients or sources, leave the class out under `prepare.labels`, lower "
            "`split.folds`, or set `split.fold_by` to patient"
        )
    return pd.DataFrame(parts).loc[films.index]


def fold_names(table: pd.DataFrame) -> list[str]:
    """The names of the folds in a table of folds.csv."""
    return [str(column).removeprefix(PREFIX) for column in table.columns if str(column).startswith(PREFIX)]


def rows_of_fold(table: pd.DataFrame, name: str, part: str) -> np.ndarray:
    """Positions (M,) of the films that are `train`, `val` or `held_out` in a fold."""
    return np.flatnonzero((table[PREFIX + name] == part).to_numpy())


def hold_out_patients(films: pd.DataFrame, folds: int, seed: int, setting: str) -> Mapping[str, pd.Series]:
    """Fold -> which films it holds out: each film once, all of a group together, classes in proportion; index as films'.

    films: columns label, group, in an order that decides the draw. setting: the key of params.yaml that says how many.

    Raises:
        ValueError: fewer than two folds, or fewer groups of a class than folds.
    """
    groups = films.groupby("label")["group"].nunique()
    scarce = groups[groups < folds]
    if folds < 2 or len(scarce):
        few = ", ".join(f"{label} {count}" for label, count in scarce.items()) or "no class with too few"
        raise ValueError(
            f"there must be two folds or more and a patient of every class for each, got {folds} folds and {few} (patients who "
            f"share a film count once, those of the test part do not count); lower `{setting}`"
        )
    drawing = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    held_out = {}
    for number, (_, out) in enumerate(drawing.split(films, films["label"], films["group"]), start=1):
        held_out[str(number)] = pd.Series(np.isin(np.arange(len(films)), out), films.index)
    return held_out


def _by_source(films: pd.DataFrame, folds: int, seed: int) -> Mapping[str, pd.Series]:
    sources = sorted(set(films["source"]))
    if len(sources) < 2 or folds != len(sources):
        raise ValueError(
            f"with `split.fold_by: source` there is one fold for each of two sources or more, got {folds} folds and the sources "
            f"{', '.join(sources)} (outside the test part); set `split.folds` to {len(sources)}, or `split.fold_by` to patient"
        )
    return {source: films["source"] == source for source in sources}


FOLD_BY: dict[str, Callable[[pd.DataFrame, int, int], Mapping[str, pd.Series]]] = {
    "patient": partial(hold_out_patients, setting="split.folds"),
    "source": _by_source,
}


def _find_faults(name: str, part: pd.Series, label: pd.Series) -> list[str]:
    """The classes without films to train on or to select by in a fold."""
    faults = []
    alone = sorted(set(label) - set(label[part.isin([TRAINS, VALIDATES])]))
    if alone:
        faults.append(f"fold {name} holds out every film of {', '.join(alone)}")
    for wanted in (TRAINS, VALIDATES):
        absent = sorted(set(label) - set(label[part == wanted]) - set(alone))
        if absent:
            faults.append(f"fold {name} has no film of {', '.join(absent)} that is {wanted}")
    return faults
