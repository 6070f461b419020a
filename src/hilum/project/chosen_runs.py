"""Runs of any day for one comparison: found in the store or in folders, read, and brought to the test films that they share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hilum.data.prepared.loading import load_films, read_manifest
from hilum.evaluation.shared_films import RunFilms, SharedFilms, share_films
from hilum.explain.shown_films import ShownFilms, find_shown_films, load_shown_films
from hilum.pages.arm_results import FOLDERS, ArmResults, read_folders
from hilum.results import read_json, read_table
from hilum.tracking.found_runs import START_OF_ID, WHOLE_ID, FoundRun, fetch_results, look_up_run, search_arms
from hilum.workspace import Workspace

MOST = 50  # runs on one page
NEEDED = ("training/settings.json", "evaluation/metrics.json", "evaluation/predictions.csv")


@dataclass(frozen=True)
class ChosenRun:
    """One run to compare.

    origin: where it is from, in words; versions: of its data, as `split` wrote them, or empty; called: its names in a command.
    """

    name: str
    origin: str
    results: ArmResults
    versions: Mapping[str, Any]
    called: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a run's results are. called: by what name, id or path a command may mean it; note: why they may be lacking."""

    name: str
    origin: str
    folder: Path
    called: tuple[str, ...]
    note: str = ""


def list_names(runs: Sequence[str]) -> list[str]:
    """The runs that a command names, also where `mlflow run -P runs="one two"` hands them over as one text, or an empty one."""
    return [name for one in runs for name in ([one] if one and Path(one).exists() else one.split())]


def choose_runs(
    names: Sequence[str], where: str, workspace: Workspace, into: Path, reference: str = ""
) -> tuple[list[ChosenRun], list[str]]:
    """The runs that a command names or a search finds, the reference first, and sentences about those that were left out.

    names: each a results folder, an arm with results in this project, or a run's id, start of its id or name. into: folder for
    what is fetched. reference: one of them, called likewise; empty: the first.

    Raises:
        ValueError: a named run does not exist or lacks results; fewer than 2 runs, or more than MOST; the reference is none.
    """
    searched = search_arms(workspace, where, MOST) if where else []
    asked = max(len(set(names)), len(searched))
    if asked > MOST:  # before anything is fetched
        _check_count(asked, (), more=len(searched) > MOST)
    found = [_find(name, workspace, into) for name in names]
    found += [_fetch(run, "", workspace, into) for run in searched]
    told: list[str] = []
    unique: dict[Path, Place] = {}
    for place in found:
        known = unique.get(place.folder.resolve())
        unique[place.folder.resolve()] = replace(known, called=(*known.called, *place.called)) if known else place
    if len(unique) < len(found):
        told.append(f"{len(found) - len(unique)} of the runs, named more than once, counted once.")
    whole = []
    for place in unique.values():
        lacking = [file for file in NEEDED if not (place.folder / file).is_file()]
        if not lacking:
            whole.append(place)
        elif place.called[0]:
            raise ValueError(
                f"a run must be trained and evaluated to be compared, but {place.origin}{place.note} lacks {lacking[0]}; "
                "evaluate it, or leave it out"
            )
        else:
            told.append(f"{place.name} ({place.origin}{place.note}): it lacks {lacking[0]}.")
    _check_count(len(whole), told)
    titles = _distinct([place.name for place in whole], [place.origin for place in whole])
    runs = [_read(title, place) for title, place in zip(titles, whole, strict=True)]
    return _reference_first(runs, reference), told


def _check_count(count: int, told: Sequence[str], more: bool = False) -> None:
    if not 2 <= count <= MOST:
        raise ValueError(
            f"a comparison takes 2 to {MOST} runs, got {count}{' or more' if more else ''}"
            f"{'; left out: ' + ' '.join(told) if told else ''}; name runs, or change --where"
        )


def _reference_first(runs: list[ChosenRun], reference: str) -> list[ChosenRun]:
    """The runs with the one that is called so first. Raises ValueError: it is none or several of them."""
    if not reference:
        return runs
    wanted = reference.removeprefix("runs:/").strip("/")
    meant = [run for run in runs if run.name == reference]
    meant = meant or [run for run in runs if {wanted, reference} & set(run.called)]
    if not meant and START_OF_ID.fullmatch(wanted):
        meant = [run for run in runs if any(WHOLE_ID.fullmatch(one) and one.startswith(wanted) for one in run.called)]
    if len(meant) != 1:
        raise ValueError(
            f"--reference must be one of the compared runs {', '.join(run.name for run in runs)}, got {reference!r}"
            f"{', which is several of them' if meant else ''}; use one of these names"
        )
    return [*meant, *(run for run in runs if run is not meant[0])]


def bring_together(runs: Sequence[ChosenRun]) -> SharedFilms:
    """The predictions of all runs on the test films that they share. Raises: as `share_films`."""
    tested = {}
    for run in runs:
        folder = run.results.folder["evaluation"]
        table = read_table(folder / "predictions.csv")
        films = read_table(folder / "films.csv") if (folder / "films.csv").is_file() else None
        validation = table["image_id"][table["split"] == "val"].tolist()
        version = str(run.results.settings["model"]["data_version"])
        tested[run.name] = RunFilms(run.results.test, validation, version, films)
    return share_films(tested)


def rename_films(run: ChosenRun, shared: SharedFilms, metrics: dict[str, float | None]) -> ArmResults:
    """A run's results on the shared films, with these metrics; explained films get their shared names."""
    names = shared.names[run.name]
    explained = [names.get(image_id, image_id) for image_id in run.results.explained]
    return replace(run.results, test=shared.predictions[run.name], explained=explained, metrics=metrics)


def find_films(arm: ArmResults, workspace: Workspace, names: Mapping[str, str]) -> ShownFilms | None:
    """The explained films that a run stored, else those of this project if it holds the same data; None where there are none.

    names: the run's own name of a film -> the name in the comparison.
    """
    stored = load_shown_films(arm.folder["explanations"])
    if stored is None and arm.explained and _holds_same_data(arm, workspace):
        known = {image_id: row for row, image_id in enumerate(read_manifest(workspace.prepared / "manifest.csv")["image_id"])}
        back = {shared: own for own, shared in names.items()}
        own = [back.get(image_id, image_id) for image_id in arm.explained]
        rows = np.array([known[image_id] for image_id in own if image_id in known], int)
        stored = find_shown_films(workspace.prepared, load_films(workspace.prepared)[rows], [i for i in own if i in known])
    return stored and replace(stored, image_id=[names.get(image_id, image_id) for image_id in stored.image_id])


def _holds_same_data(arm: ArmResults, workspace: Workspace) -> bool:
    file = workspace.split / "versions.json"
    return file.is_file() and read_json(file)["data_version"] == arm.settings["model"]["data_version"]


def _folder_of(name: str, workspace: Workspace) -> Path | None:
    for folder in (Path(name).expanduser(), workspace.root / "results" / "arms" / name):
        if (folder / "training").is_dir():
            return folder
    return None


def _find(name: str, workspace: Workspace, into: Path) -> Place:
    if folder := _folder_of(name, workspace):
        return Place(folder.name, str(folder), folder, (name, folder.name))
    return _fetch(look_up_run(workspace, name), name, workspace, into)


def _fetch(run: FoundRun, asked: str, workspace: Workspace, into: Path) -> Place:
    """asked: what a command called it, empty if a search found it."""
    folder = fetch_results(workspace, run, into / run.run_id)
    origin = f"run {run.run_id[:8]} of {run.experiment}, {run.started}"
    state = {"FINISHED": "", "RUNNING": ", which has not finished,"}.get(run.status, f", which is {run.status},")
    kind = "" if run.role == "arm" else f", a run of {run.role}," if run.role else ", which hilum did not write,"
    return Place(run.name, origin, folder, (asked, run.run_id, run.name), kind or state)


def _distinct(names: Sequence[str], origins: Sequence[str]) -> list[str]:
    """Names that differ: those that several runs have get the start of the run's id, or the folder above."""
    found: list[str] = []
    for name, origin in zip(names, origins, strict=True):
        above = Path(origin).resolve().parents
        more = origin.split(" ")[1] if origin.startswith("run ") else above[min(2, len(above) - 1)].name
        title = f"{name} {more}" if names.count(name) > 1 else name
        found.append(title if title not in found else f"{title} ({len(found) + 1})")
    return found


def _read(title: str, place: Place) -> ChosenRun:
    folders = {part: place.folder / part for part in FOLDERS}
    classes = read_json(folders["training"] / "settings.json")["model"]["classes"]
    versions = next((f for f in (place.folder / "data" / "versions.json", *_beside(place.folder)) if f.is_file()), None)
    known = read_json(versions) if versions else {}
    return ChosenRun(title, place.origin, read_folders(folders, classes), known, tuple(filter(None, place.called)))


def _beside(folder: Path) -> list[Path]:
    """Where the versions are in a project's own results/arms/<arm>."""
    above = folder.resolve().parents
    return [above[2] / "data" / "split" / "versions.json"] if len(above) > 2 else []
