"""A stage that is killed at any point of the end of its run, and called again, has one run: nothing twice, nothing half."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import fake_results as fake
import pandas as pd
import pytest
import yaml
from mortal_store import Dead, make_mortal

from hilum import runs
from hilum.results import folder_digest, run_key
from hilum.runs import arm_run, log_results
from hilum.tracking.open_run import Run
from hilum.tracking.stage_keys import READ, stage_key
from hilum.tracking.store import Store
from hilum.workspace import Workspace

SETTINGS = fake.training_settings("baseline")
MOST = 60  # more writes than any end has


def train(store: Store, workspace: Workspace) -> None:
    """The run that a training leaves."""
    fake.write_results(workspace, ["baseline"])
    with store.start("baseline", {**SETTINGS["tags"], "run_key": run_key(SETTINGS)}, key="training"):
        pass


def train_and_evaluate(store: Store, workspace: Workspace) -> None:
    """The run of the training holds an evaluation under other settings, so that the next one has a run of its own."""
    train(store, workspace)
    with arm_run(store, workspace, "baseline", "evaluation", "hilum", {"evaluate.bootstrap": 7}) as run:
        log_results(run, workspace.arm("baseline", "evaluation"), "evaluation")


def evaluate(store: Store, workspace: Workspace) -> AbstractContextManager[Run]:
    return arm_run(store, workspace, "baseline", "evaluation", "hilum", {"evaluate.bootstrap": 8})


def explain(store: Store, workspace: Workspace) -> AbstractContextManager[Run]:
    return arm_run(store, workspace, "baseline", "explanations", "hilum", {"explain.seed": 1})


def compare(store: Store, workspace: Workspace) -> AbstractContextManager[Run]:
    return store.start("comparison", {"role": "comparison"}, key=stage_key("arms"))


# what went before, the stage, its folder, and how many runs there are when it is whole
Stage = tuple[
    Callable[[Store, Workspace], None], Callable[[Store, Workspace], AbstractContextManager[Run]], Callable[[Workspace], Any], int
]
STAGES: dict[str, Stage] = {
    "evaluation": (train, evaluate, lambda w: w.arm("baseline", "evaluation"), 1),
    "evaluation in its own run": (train_and_evaluate, evaluate, lambda w: w.arm("baseline", "evaluation"), 2),
    "explanations": (train_and_evaluate, explain, lambda w: w.arm("baseline", "explanations"), 1),
    "comparison": (train, compare, lambda w: w.comparison, 2),
}


@contextmanager
def ending(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Whether a stage has come to the last part of its run: its folder is uploaded, its tags are not."""
    reached: list[bool] = []
    upload = Run.log_measured

    def measured(run: Run, rows: pd.DataFrame) -> Any:
        reached.append(True)
        return upload(run, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "log_measured", measured)
        yield lambda: bool(reached)


def run_stage(store: Store, workspace: Workspace, name: str) -> None:
    _, opened, folder, _ = STAGES[name]
    with opened(store, workspace) as run:
        run.log_metrics({"probe": 0.25})
        log_results(run, folder(workspace), "comparison" if name == "comparison" else folder(workspace).name)


def begin_anew(store: Store, workspace: Workspace) -> None:
    for run in store.client.search_runs([store.experiment]):
        store.client.delete_run(run.info.run_id)
    for folder in ("results", "data"):
        shutil.rmtree(workspace.root / folder, ignore_errors=True)


def check_runs(store: Store, expected: int, when: str) -> None:
    found = store.client.search_runs([store.experiment])
    assert len(found) == expected, when
    for run in found:
        assert run.info.status == "FINISHED" and "," not in run.info.run_name, when
        assert not [tag for tag in run.data.tags if tag in ("owner", "adding", "moving") or tag.startswith("broken_off")], when
        for metric in run.data.metrics:
            points = [(point.step, point.value) for point in store.client.get_metric_history(run.info.run_id, metric)]
            assert len(points) == len(set(points)), f"{when}: {metric}"


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow) if "its own" in name else name for name in STAGES])
def test_a_stage_killed_after_any_write_of_its_runs_end_has_one_run(
    name: str, store: Store, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "register", lambda run, *rest: run.tag({"registered_version": "1"}))
    before, _, folder, expected = STAGES[name]
    deaths = 0
    while deaths < MOST:
        deaths += 1
        begin_anew(store, workspace)
        before(store, workspace)
        with ending(monkeypatch) as counts, monkeypatch.context() as patch:
            mortal = make_mortal(store, deaths, counts, patch)
            try:
                run_stage(mortal, workspace, name)
                break
            except Dead:
                killed_in = mortal.client.writes
        run_stage(store, workspace, name)
        check_runs(store, expected, f"killed after {killed_in}")
        (newest, *_) = store.client.search_runs([store.experiment], order_by=["attributes.start_time DESC"])
        kind = "comparison" if name == "comparison" else folder(workspace).name
        assert newest.data.tags[f"digest.{kind}"] == folder_digest(folder(workspace))
    assert 4 < deaths < MOST
    print(f"{name}: killed after each of {deaths - 1} writes")


IN_TRAINING = {  # below data, with their content in the key of the training: by `data_version`, or by `split_version`
    *("data/prepared/films.npy", "data/prepared/manifest.csv"),
    *(f"data/split/{name}" for name in ("train.csv", "val.csv", "test.csv", "versions.json")),
}


@pytest.mark.parametrize(("stage", "name"), [("evaluate", "evaluation"), ("explain", "explanations"), ("audit", "audit")])
def test_every_file_of_data_that_a_stage_declares_is_in_its_key(stage: str, name: str) -> None:
    declared = yaml.safe_load((Path(__file__).resolve().parents[2] / "dvc.yaml").read_text())["stages"][stage]["do"]["deps"]
    of_data = {one for one in declared if one.startswith("data/")}
    assert of_data and of_data - IN_TRAINING == set(READ[name])
