"""Runs of different days on the films that they share: those that every run tested and none learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hilum.evaluation.scoring.checks import check_predictions
from hilum.records import Predictions
from hilum.results import pick_rows

LEARNED = ("train", "val")  # parts whose films trained, tuned or calibrated a model


@dataclass(frozen=True)
class RunFilms:
    """What one run predicted, and which films it learned from.

    test: its own test films. validation: the names of its validation films. data_version: of the prepared films.
    films: columns image_id, patient_id, part, sha256 of the raw file; None in results of earlier versions.
    """

    test: Predictions
    validation: Sequence[str]
    data_version: str
    films: pd.DataFrame | None


@dataclass(frozen=True)
class SharedFilms:
    """predictions: run -> predictions on the shared films, all in the order, names and patients of the first run.

    names: run -> its own name of a film -> the name in `predictions`. left_out: sentences for a reader.
    """

    predictions: dict[str, Predictions]
    names: dict[str, dict[str, str]]
    left_out: list[str]


def share_films(runs: Mapping[str, RunFilms]) -> SharedFilms:
    """Every run's predictions on the test films that all runs share and none trained, tuned or calibrated on.

    A film is recognised by the bytes of its raw file; in runs that do not list them, by its name among runs of one data version.
    Films of a patient that any run learned from are left out too, and films that runs give different true classes.

    Raises:
        ValueError: runs whose classes differ, or that share no such film.
    """
    classes = _same_classes(runs)
    keys = _film_keys(runs)
    own = {name: dict(zip(keys[name].test, range(len(run.test.image_id)), strict=True)) for name, run in runs.items()}
    first = next(iter(runs))
    shared = [key for key in own[first] if all(key in known for known in own.values())]
    if not shared:
        raise ValueError(_tell_nothing_shared(own))
    learned = set().union(*(one.learned for one in keys.values()))
    patients = {str(p) for name, run in runs.items() for p in _patients_learned(run, keys[name].learned)}
    tested = runs[first].test
    clean = [k for k in shared if k not in learned and str(tested.patient_id[own[first][k]]) not in patients]
    ordered = {name: reorder_classes(run.test, classes) for name, run in runs.items()}
    labels = np.array([[ordered[name].y_true[own[name][key]] for key in clean] for name in runs])  # (runs, films)
    agreed = [key for key, column in zip(clean, labels.T, strict=True) if (column == column[0]).all()] if clean else []
    if not agreed:
        raise ValueError(
            f"runs must share test films that none of them learned from, got {len(shared)} shared ones: a run learned from "
            f"{len(shared) - len(clean)}, and {len(clean)} have different true classes; compare runs of one split"
        )
    rows = {name: np.array([own[name][key] for key in agreed]) for name in runs}
    common = pick_rows(ordered[first], rows[first])
    predictions = {
        name: replace(common, y_prob=pick_rows(ordered[name], r).y_prob, y_pred=pick_rows(ordered[name], r).y_pred)
        for name, r in rows.items()
    }
    names = {
        name: dict(zip(runs[name].test.image_id[r].tolist(), common.image_id.tolist(), strict=True)) for name, r in rows.items()
    }
    told = _tell_left_out(runs, own, len(shared), len(clean), len(agreed))
    return SharedFilms(predictions, names, told)


@dataclass(frozen=True)
class _Keys:
    test: list[str]
    learned: set[str]


def _film_keys(runs: Mapping[str, RunFilms]) -> dict[str, _Keys]:
    """What identifies each film: the hash of its bytes where any run of its data version lists it, else version and name."""
    hashes: dict[tuple[str, str], str] = {}
    for run in runs.values():
        if run.films is not None:
            hashes |= {
                (run.data_version, str(i)): str(h) for i, h in zip(run.films["image_id"], run.films["sha256"], strict=True)
            }

    def key(run: RunFilms, image_id: str) -> str:
        return hashes.get((run.data_version, image_id), f"{run.data_version} {image_id}")

    found = {}
    for name, run in runs.items():
        learned = set(map(str, run.validation))
        if run.films is not None:
            learned |= set(run.films["image_id"][run.films["part"].isin(LEARNED)].astype(str))
        found[name] = _Keys([key(run, str(one)) for one in run.test.image_id], {key(run, one) for one in learned})
    return found


def _patients_learned(run: RunFilms, learned: set[str]) -> list[str]:
    if run.films is None:
        return []
    return list(run.films["patient_id"][run.films["part"].isin(LEARNED)].astype(str))


def _same_classes(runs: Mapping[str, RunFilms]) -> tuple[str, ...]:
    first, *others = runs
    classes = runs[first].test.classes
    for name in others:
        if set(runs[name].test.classes) != set(classes):
            raise ValueError(
                f"runs must have the same classes, got {', '.join(classes)} in {first} and "
                f"{', '.join(runs[name].test.classes)} in {name}; leave one of them out"
            )
    return classes


def reorder_classes(predictions: Predictions, classes: tuple[str, ...]) -> Predictions:
    """The same predictions with the classes in this order."""
    check_predictions(predictions)
    if predictions.classes == classes:
        return predictions
    columns = np.array([predictions.classes.index(name) for name in classes])
    place = np.argsort(columns)  # old index -> new index
    return replace(
        predictions,
        y_true=place[predictions.y_true],
        y_pred=place[predictions.y_pred],
        y_prob=predictions.y_prob[:, columns],
        classes=classes,
    )


def _tell_left_out(
    runs: Mapping[str, RunFilms], own: Mapping[str, dict[str, int]], shared: int, clean: int, kept: int
) -> list[str]:
    more = {name: len(known) - shared for name, known in own.items() if len(known) > shared}
    told = [f"{count} test films of {name}, which not every run tested." for name, count in more.items()]
    if shared > clean:
        told.append(f"{shared - clean} shared films that a run trained, tuned or calibrated on, or of a patient it learned from.")
    if clean > kept:
        told.append(f"{clean - kept} shared films to which runs give different true classes.")
    unlisted = [name for name, run in runs.items() if run.films is None]
    if unlisted:
        told.append(
            f"The training films of {', '.join(unlisted)} are not listed, as in results of earlier versions: that no run is "
            "tested on them rests on its own split."
        )
    return told


def _tell_nothing_shared(own: Mapping[str, dict[str, int]]) -> str:
    first, *others = own
    counts = ", ".join(f"{name} shares {len(set(own[first]) & set(own[name]))}" for name in others)
    return (
        f"runs must share test films, but of the {len(own[first])} of {first}: {counts}; compare runs of one data set. Runs of "
        "earlier versions on other data list no hashes of their films: evaluate them again"
    )
