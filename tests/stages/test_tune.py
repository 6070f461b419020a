"""tune: a number of trials means the first so many, and what has been trained is not trained again."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from empty_store import forget_environment, make_store
from killed_processes import Nursery
from stepping import take_steps

from hilum.ownership import this_process
from hilum.project.publication import publish_search
from hilum.results import folder_digest, read_json
from hilum.settings.params import Params, check_params, read_params
from hilum.settings.training import ArmTrain
from hilum.stages import check, tune
from hilum.tracking.opening import open_store
from hilum.training.searching.search import study_name
from hilum.workspace import Workspace

VERSIONS = {"data": "a", "split": "b"}


def change(workspace: Workspace, **tune_settings: Any) -> Params:
    values = take_steps(yaml.safe_load(workspace.params.read_text()))
    values["tune"].update({"metric": "log_loss", **tune_settings})
    values["train"]["augment"]["views"] = 0
    values["arms"]["baseline"]["weights"] = "none"
    values["arms"]["baseline"]["phases"][0]["epochs"] = 1
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    return check_params(values)


def tuned(workspace: Workspace, trials: int) -> tuple[str, pd.DataFrame]:
    change(workspace, trials=trials)
    check.run()
    tune.run("baseline")
    folder = workspace.arm("baseline", "tuning")
    assert set(pd.read_csv(folder / "trial_history.csv")["trial"]) == set(range(trials))
    return folder_digest(folder), pd.read_csv(folder / "trials.csv")


def nested_runs(workspace: Workspace) -> list[int]:
    """How many trials each search shows in the tracking store, in the order in which the searches ran."""
    with sqlite3.connect(workspace.home / "mlflow.db") as store:
        rows = store.execute(
            "SELECT COUNT(*) FROM tags JOIN runs ON runs.run_uuid = tags.value WHERE tags.key = 'mlflow.parentRunId' "
            "GROUP BY runs.run_uuid ORDER BY runs.start_time"
        )
        return [count for (count,) in rows]


def test_another_number_of_trials_trains_what_is_missing_and_shows_the_first_so_many(
    own_copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[dict[str, Any]] = []
    train_parts = tune.train_parts

    def counted(arm: Any, values: dict[str, Any], *rest: Any) -> dict[str, float]:
        trained.append(values)
        return train_parts(arm, values, *rest)

    monkeypatch.setattr(tune, "train_parts", counted)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    first, two = tuned(own_copy, 2)
    _, four = tuned(own_copy, 4)
    assert len(trained) == 4, "two trials were kept, two are new"
    pd.testing.assert_frame_equal(two.drop(columns="best"), four[:2].drop(columns="best"))  # which trial is best may change
    again, _ = tuned(own_copy, 2)
    assert len(trained) == 4
    assert again == first, "best.yaml, trials.csv, trial_history.csv and settings.json, byte for byte"
    assert nested_runs(own_copy) == [2, 4], "the search of two trials was there"


def test_a_search_is_published_with_its_trials_and_pictures(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_environment(monkeypatch)
    tuned(own_copy, 2)
    (logged,) = (own_copy.home / "mlruns").rglob("pictures/search.html")
    page = logged.read_bytes()
    assert b"Search of baseline" in page
    shutil.rmtree(own_copy.home / "mlruns")
    make_store(own_copy.home)
    params = read_params(own_copy.params)
    store = open_store(own_copy, params.tracking)
    assert publish_search(store, own_copy, params, "baseline", read_json(own_copy.split / "versions.json")) == 1
    assert nested_runs(own_copy) == [2]
    assert list((own_copy.home / "mlruns").rglob("pictures/history.png"))
    (published,) = (own_copy.home / "mlruns").rglob("pictures/search.html")
    assert published.read_bytes() == page


@pytest.mark.parametrize(
    ("key", "value", "same"),
    [
        *(("trials", 9, True), ("minutes", 5, True), ("sampler_startup", 2, False), ("seed", 8, False), ("batch", 2, False)),
        *(("threads", 63, False), ("repeats", 2, False), ("folds", 2, False), ("sampler", "random", False)),
    ],
)
def test_what_decides_a_trial_names_the_study(key: str, value: int, same: bool, own_copy: Workspace) -> None:
    names = []
    for settings in ({}, {key: value}):
        params = change(own_copy, **settings)
        check.run()
        names.append(study_name("baseline", tune.fixed_part(params, "baseline", VERSIONS, own_copy)))
    assert (names[0] == names[1]) == same


def test_what_happens_after_the_fit_leaves_a_study_as_it_is(own_copy: Workspace) -> None:
    """Trials are judged uncalibrated, by no rule of decision, and trained once."""
    params = change(own_copy)
    check.run()
    costs = {"normal": 1.0, "bacterial": 2.0, "viral": 3.0}
    after = {"calibration": "none", "decision": "costs", "costs": costs, "select": "brier", "repeats": 4}
    train = params.train.model_copy(update=after)
    repeated = {**params.arms, "baseline": params.arms["baseline"].model_copy(update={"train": ArmTrain(repeats=3)})}
    names = {
        study_name("baseline", tune.fixed_part(one, "baseline", VERSIONS, own_copy))
        for one in (params, params.model_copy(update={"train": train}), params.model_copy(update={"arms": repeated}))
    }
    assert len(names) == 1


def test_a_search_that_waits_says_for_whom(capsys: pytest.CaptureFixture[str]) -> None:
    owner = this_process()
    tune.tell_owner(owner)
    said = capsys.readouterr().out
    assert f"process {owner.pid} on {owner.host} since {owner.since} searches the same study" in said


def searched_by(workspace: Workspace, nursery: Nursery, **settings: Any) -> str:
    """The digest of what a search in a process of its own leaves, with a study of its own."""
    shutil.rmtree(workspace.cache / "studies", ignore_errors=True)
    (workspace.cache / "studies.db").unlink(missing_ok=True)
    make_store(workspace.home)
    change(workspace, **{"trials": 6, "batch": 4, "threads": 1, **settings})
    check.run()
    nursery.finish("run_stage", project=str(workspace.root), stage="tune", arguments=["baseline"])
    assert nested_runs(workspace) == [6]
    return folder_digest(workspace.arm("baseline", "tuning"))


def test_one_two_and_four_workers_give_the_same_trials_and_values(
    own_copy: Workspace, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real trainings, with the pruner and a batch that two calls of N share, byte for byte."""
    forget_environment(monkeypatch)
    alone = searched_by(own_copy, nursery)
    trials = pd.read_csv(own_copy.arm("baseline", "tuning") / "trials.csv")
    assert trials["val/log_loss"].nunique() == 6, "the values decide"
    for workers in (1, 2, 4):
        assert searched_by(own_copy, nursery, executor="processes", workers=workers) == alone, workers


@pytest.mark.slow
def test_workers_of_dask_give_the_same_trials_and_values(
    own_copy: Workspace, nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_environment(monkeypatch)
    alone = searched_by(own_copy, nursery)
    assert searched_by(own_copy, nursery, executor="dask", workers=2) == alone


def test_a_trial_trains_past_a_solved_head_to_the_first_phase_that_reads_the_heads_spaces(own_copy: Workspace) -> None:
    values = take_steps(yaml.safe_load(own_copy.params.read_text()))
    arm = values["arms"]["finetuned"]
    assert tune.searched_phases(check_params(values).arms["finetuned"]) == 1
    arm["phases"][0] = {"unfreeze": "head", "solver": "convex", "penalty": "auto"}
    assert tune.searched_phases(check_params(values).arms["finetuned"]) == 2


@pytest.mark.parametrize(
    ("space", "phases"), [("head", 1), ("phases", 1), ("train", 2)], ids=["head", "first phase", "train, which all phases read"]
)
def test_a_trial_trains_as_far_as_its_spaces_reach(space: str, phases: int, root: Path) -> None:
    values = take_steps(yaml.safe_load((root / "params.yaml").read_text()))
    arm = values["arms"]["finetuned"]
    rate = arm["phases"][0]["learning_rate"]
    arm["head"]["dropout"], arm["phases"][0]["learning_rate"] = 0.2, 0.001
    if space == "head":
        arm["head"]["dropout"] = {"low": 0.0, "high": 0.5, "start": 0.2}
    elif space == "phases":
        arm["phases"][0]["learning_rate"] = rate
    else:
        arm["train"] = {"averaging": {"choices": [0.0, 0.99], "start": 0.0}}
    assert tune.searched_phases(check_params(values).arms["finetuned"]) == phases
    arm["phases"].append({"unfreeze": "head", "solver": "convex", "penalty": "auto"})  # which reads no space
    assert tune.searched_phases(check_params(values).arms["finetuned"]) == phases
