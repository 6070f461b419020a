"""A run whose process was interrupted is continued under its key: no second run, and no point of a curve twice."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hilum.ownership import this_process
from hilum.tracking.store import Store

ROWS = pd.DataFrame({"step": [0, 1, 2], "train/loss": [0.1 + 0.2, 1 / 3, float("nan")], "val/auroc_macro": [0.5, 0.75, 0.8]})
TAGS = {"role": "arm", "arm": "baseline"}


def curve(store: Store, run_id: str, name: str) -> list[tuple[int, float]]:
    return sorted((point.step, point.value) for point in store.client.get_metric_history(run_id, name))


def interrupt(store: Store, fault: type[BaseException], rows: int, key: str = "k1", name: str = "baseline") -> str:
    """A run of that key that has so many rows of its curves."""
    with pytest.raises(fault), store.start(name, TAGS, key=key) as run:
        run.log_params({"seed": 1})
        run.log_history(ROWS.head(rows))
        raise fault
    return run.id


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_or_failed_run_is_continued_without_doubled_points(store: Store, fault: type[BaseException]) -> None:
    left = interrupt(store, fault, 2)
    with store.start("baseline", {**TAGS, "new": "yes"}, key="k1") as run:
        assert run.id == left and store.client.get_run(left).info.status == "RUNNING"
        run.log_params({"seed": 1})
        run.log_history(ROWS)
    ended = store.client.get_run(left)
    assert ended.info.status == "FINISHED" and ended.data.tags["new"] == "yes"
    assert "owner" not in ended.data.tags
    assert curve(store, left, "val/auroc_macro") == [(0, 0.5), (1, 0.75), (2, 0.8)]
    assert curve(store, left, "train/loss") == [(0, 0.1 + 0.2), (1, 1 / 3)]


def test_a_finished_run_is_continued_until_a_later_stage_adds_to_it(store: Store) -> None:
    """Its process was ended before DVC noted its results, so that the stage runs again."""
    with store.start("baseline", TAGS, key="k1") as first:
        first.log_history(ROWS)
    with store.start("baseline", TAGS, key="k1") as run:
        assert run.id == first.id
        run.log_history(ROWS)
    ended = store.client.get_run(first.id)
    assert ended.info.status == "FINISHED" and ended.info.run_name == "baseline" and "owner" not in ended.data.tags
    assert curve(store, first.id, "val/auroc_macro") == [(0, 0.5), (1, 0.75), (2, 0.8)]
    with store.start("baseline", TAGS, key="k2") as run:
        assert run.id != first.id
    with store.resume(first.id, "evaluation"):
        pass
    with store.start("baseline", TAGS, key="k1") as run:
        assert run.id != first.id, "its results were noted: this is another training"


def test_a_finished_run_stays_below_its_own_run_of_mlflow_run(store: Store) -> None:
    above, other = (store.client.create_run(store.experiment).info.run_id for _ in range(2))
    with replace(store, parent=above).start("tune-baseline", TAGS, key="k1") as first:
        pass
    with replace(store, parent=other).start("tune-baseline", TAGS, key="k1") as run:
        assert run.id == first.id
    assert store.client.get_run(first.id).data.tags["mlflow.parentRunId"] == above
    assert store.client.get_run(other).data.tags["reused_runs"] == first.id


def test_a_finished_run_whose_artifacts_are_elsewhere_is_not_continued(store: Store, tmp_path: Path) -> None:
    """A project that was copied without them."""
    with store.start("baseline", TAGS, key="k1") as first:
        pass
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("UPDATE runs SET artifact_uri = 'file:///elsewhere/artifacts' WHERE run_uuid = ?", (first.id,))
    with store.start("baseline", TAGS, key="k1") as run:
        assert run.id != first.id


def test_the_run_of_a_killed_process_is_continued_and_that_of_a_living_one_is_not(store: Store) -> None:
    left = interrupt(store, KeyboardInterrupt, 1)
    store.client.set_tag(left, "owner", replace(this_process(), started=this_process().started - 1).record())
    store.client.update_run(left, status="RUNNING")
    with store.start("baseline", TAGS, key="k1") as run:
        assert run.id == left
        with store.start("baseline", TAGS, key="k1") as other:
            assert other.id != left, "this process lives"


def test_another_key_is_another_run_and_the_left_one_is_closed(store: Store) -> None:
    left = interrupt(store, KeyboardInterrupt, 1)
    for key in ("k2", ""):
        with store.start("baseline", TAGS, key=key) as run:
            assert run.id != left
    assert store.client.get_run(left).info.status == "KILLED"


def test_runs_below_a_continued_one_are_continued_by_their_names(store: Store) -> None:
    ids: dict[str, str] = {}
    with pytest.raises(KeyboardInterrupt), store.start("folds", TAGS, key="k1") as parent:
        for name in ("fold-1", "fold-2"):
            with store.start(name, {"role": "fold"}, parent.id, "k1") as run:
                ids[name] = run.id
                run.log_history(ROWS.head(2))
                if name == "fold-2":
                    raise KeyboardInterrupt
    with store.start("folds", TAGS, key="k1") as again:
        assert again.id == parent.id
        for name in ("fold-1", "fold-2", "fold-3"):
            with store.start(name, {"role": "fold"}, again.id, "k1") as run:
                assert run.id == ids.get(name, run.id)
                run.log_history(ROWS)
                ids[name] = run.id
    assert len(set(ids.values())) == 3
    for run_id in ids.values():
        ended = store.client.get_run(run_id)
        assert ended.info.status == "FINISHED" and ended.data.tags["mlflow.parentRunId"] == parent.id
        assert curve(store, run_id, "val/auroc_macro") == [(0, 0.5), (1, 0.75), (2, 0.8)]
