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
from hilum.tracking.found_runs import FoundRun, fetch_results, look_up_run, search_arms
from hilum.workspace import Workspace

MOST = 50  # runs on one page
NEEDED = ("training/settings.json", "evaluation/metrics.json", "evaluation/predictions.csv")


@dataclass(frozen=True)
class ChosenRun:
    """One run to compare. origin: where it is from, in words; versions: of its data, as `split` wrote them, or empty."""

    name: str
    origin: str
    results: ArmResults
    versions: Mapping[str, Any]


def list_names(runs: Sequence[str]) -> list[str]:
    """The runs that a command names, also where `mlflow run -P runs="one two"` hands them over as one text, or an empty one."""
    return [name for one in runs for name in ([one] if one and Path(one).exists() else one.split())]


def choose_runs(names: Sequence[str], where: str, workspace: Workspace, into: Path) -> tuple[list[ChosenRun], list[str]]:
    """The runs that a command names or a search finds, and sentences about those that were left out.

    names: each a results folder, an arm with results in this project, or a run's id. into: folder for what is fetched.

    Raises:
        ValueError: a named run does not exist or lacks results; fewer than 2 runs, or more than MOST.
    """
    found: list[tuple[str, str, Path]] = []
    for name in names:
        folder = _folder_of(name, workspace)
        found.append((folder.name, str(folder), folder) if folder else _fetch(look_up_run(workspace, name), workspace, into))
    searched = search_arms(workspace, where, MOST) if where else []
    found += [_fetch(run, workspace, into) for run in searched]
    unique = list({folder.resolve(): (name, origin, folder) for name, origin, folder in found}.values())
    told, whole = [], []
    for name, origin, folder in unique:
        lacking = [file for file in NEEDED if not (folder / file).is_file()]
        if lacking and folder in {folder for _, _, folder in found[: len(names)]}:
            raise ValueError(f"a run must be trained and evaluated to be compared, but {origin} lacks {lacking[0]}; evaluate it")
        if lacking:
            told.append(f"{name} ({origin}): it lacks {lacking[0]}.")
        else:
            whole.append((name, origin, folder))
    if not 2 <= len(whole) <= MOST:
        raise ValueError(
            f"a comparison takes 2 to {MOST} runs, got {len(whole)}{' or more' if len(searched) > MOST else ''}"
            f"{'; without results: ' + ' '.join(told) if told else ''}; name runs, or change --where"
        )
    titles = _distinct([name for name, _, _ in whole], [origin for _, origin, _ in whole])
    runs = [_read(title, origin, folder) for title, (_, origin, folder) in zip(titles, whole, strict=True)]
    return runs, told


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


def _fetch(run: FoundRun, workspace: Workspace, into: Path) -> tuple[str, str, Path]:
    folder = fetch_results(workspace, run, into / run.run_id)
    return run.name, f"run {run.run_id[:8]} of {run.experiment}, {run.started}", folder


def _distinct(names: Sequence[str], origins: Sequence[str]) -> list[str]:
    """Names that differ: those that several runs have get the start of the run's id, or the folder above."""
    found: list[str] = []
    for name, origin in zip(names, origins, strict=True):
        above = Path(origin).resolve().parents
        more = origin.split(" ")[1] if origin.startswith("run ") else above[min(2, len(above) - 1)].name
        title = f"{name} {more}" if names.count(name) > 1 else name
        found.append(title if title not in found else f"{title} ({len(found) + 1})")
    return found


def _read(name: str, origin: str, folder: Path) -> ChosenRun:
    folders = {part: folder / part for part in FOLDERS}
    classes = read_json(folders["training"] / "settings.json")["model"]["classes"]
    versions = next((f for f in (folder / "data" / "versions.json", *_beside(folder)) if f.is_file()), None)
    return ChosenRun(name, origin, read_folders(folders, classes), read_json(versions) if versions else {})


def _beside(folder: Path) -> list[Path]:
    """Where the versions are in a project's own results/arms/<arm>."""
    above = folder.resolve().parents
    return [above[2] / "data" / "split" / "versions.json"] if len(above) > 2 else []
