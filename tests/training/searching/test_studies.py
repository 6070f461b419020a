"""Studies under several processes, and in a database that is busy, full, read-only or damaged."""

import json
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_search import asked, begin_at_once, begin_search, wait_for_trials
from optuna.trial import create_trial
from sqlalchemy import Engine, event

from hilum.ownership import Owner
from hilum.training.searching import studies
from hilum.training.searching.studies import finished, open_study

PARTS = {"code": "1"}
Started = list[subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Started]:
    """Processes that a test began: none outlives it."""
    begun: Started = []
    yield begun
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> str:
    """What a process said, which must have ended well."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err[-3000:]
    return out


def found(folder: Path, out: str) -> Any:
    return json.loads((folder / out / "found.json").read_text())


def states(folder: Path, study: str) -> list[str]:
    with sqlite3.connect(folder / "studies.db") as database:
        rows = database.execute(
            "SELECT state FROM trials JOIN studies USING (study_id) WHERE study_name = ? ORDER BY number", (study,)
        )
        return [state for (state,) in rows]


def trained(folder: Path, *outs: str) -> list[Any]:
    """The values of all trials that were trained to the end, in their order."""
    return [line["values"] for out in outs for line in asked(folder, out) if line["what"] == "ended"]


def test_a_second_process_leaves_the_trial_of_the_first_alone_and_gets_the_same_result(tmp_path: Path, started: Started) -> None:
    started.append(begin_search(tmp_path, "one", 4, 0.3, "first"))
    wait_for_trials(tmp_path, "first", 2, started[0])
    started.append(begin_search(tmp_path, "one", 4, 0.3, "second"))
    told = ended(started[1])
    ended(started[0])
    assert found(tmp_path, "first") == found(tmp_path, "second")
    assert "FAIL" not in states(tmp_path, "one")
    assert not asked(tmp_path, "second"), "all four trials were the first one's"
    assert f"process {started[0].pid} on " in told and told.count("waits for") == 1


def test_two_fresh_processes_at_once_share_one_study(tmp_path: Path, started: Started) -> None:
    started += begin_at_once(tmp_path, {"first": "one", "second": "one"}, 3, 0.1)
    assert sum("waits for" in ended(process) for process in started) == 1
    assert found(tmp_path, "first") == found(tmp_path, "second")
    assert len(trained(tmp_path, "first", "second")) == len(states(tmp_path, "one")) == 3


def test_studies_of_one_fresh_database_run_side_by_side(tmp_path: Path, started: Started) -> None:
    names = ["one", "two", "three", "four"]
    started += begin_at_once(tmp_path, {name: name for name in names}, 4, 0.4)
    assert not any("waits for" in ended(process) for process in started)
    assert [len(states(tmp_path, name)) for name in names] == [4] * 4
    assert [found(tmp_path, name) for name in names] == [found(tmp_path, "one")] * 4, "one seed, whatever the others write"
    times = [[line["time"] for line in asked(tmp_path, name)] for name in names]
    assert max(min(each) for each in times) < min(max(each) for each in times), "none waited until another was done"


@pytest.mark.parametrize("begun", [1, 3])
def test_a_killed_owner_is_taken_over_and_its_trial_runs_again(begun: int, tmp_path: Path, started: Started) -> None:
    started.append(begin_search(tmp_path, "one", 4, 0.3, "first"))
    wait_for_trials(tmp_path, "first", begun, started[0])
    started.append(begin_search(tmp_path, "one", 4, 0.0, "second"))  # waits while the first one lives
    time.sleep(0.2)
    started[0].send_signal(signal.SIGKILL)
    ended(started[1])
    started.append(begin_search(tmp_path / "alone", "one", 4, 0.0, "through"))
    ended(started[2])
    assert found(tmp_path, "second") == found(tmp_path / "alone", "through")
    assert trained(tmp_path, "first", "second") == trained(tmp_path / "alone", "through")
    assert states(tmp_path, "one").count("FAIL") == 0, "a trial is stored when it has finished"
    assert "RUNNING" not in states(tmp_path, "one") and "WAITING" not in states(tmp_path, "one")


def never(owner: Owner) -> None:
    raise AssertionError(f"waits for {owner}")


def add_trials(folder: Path, count: int) -> int:
    """Store more finished trials, each at once as a search does, with a long history; returns how many there are then."""
    with open_study("one", folder / "studies.db", 1, never, PARTS, never) as study:
        for _ in range(count):
            study.add_trial(create_trial(value=0.5, user_attrs={"history": "x" * 1500}))
        return len(finished(study))


@contextmanager
def every_connection_says(pragma: str) -> Iterator[None]:
    """What SQLite itself does under this pragma: it refuses as it does on such a disk."""

    def say(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA {pragma}")

    event.listen(Engine, "connect", say)
    try:
        yield
    finally:
        event.remove(Engine, "connect", say)


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError) as caught:
        add_trials(folder, 1)
    assert str(folder / "studies.db") in str(caught.value)
    return str(caught.value)


def test_a_busy_database_is_waited_for_and_then_told_of_and_never_to_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_trials(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / "studies.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(1.0, lambda: other.execute("COMMIT"))
        timer.start()
        assert add_trials(tmp_path, 1) == 2, "held for a second: the search goes on after it"
        timer.join()
        monkeypatch.setattr(studies, "PATIENCE", 0.1)
        other.execute("BEGIN EXCLUSIVE")
        told = refusal(tmp_path)
    assert "must be free, got: database is locked" in told and "away" not in told and "delete" not in told
    assert add_trials(tmp_path, 1) == 3


def test_a_full_disk_is_told_and_the_study_goes_on_when_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # Optuna tries again after pauses
    before = add_trials(tmp_path, 2)
    with closing(sqlite3.connect(tmp_path / "studies.db")) as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
    with every_connection_says(f"max_page_count = {pages + 5}"), pytest.raises(ValueError) as caught:
        add_trials(tmp_path, 30)
    told = str(caught.value)
    assert "studies.db must have room on its disk, got: database or disk is full; free some" in told
    assert "away" not in told and "delete" not in told
    reached = states(tmp_path, "one").count("COMPLETE")
    assert before < reached < before + 30
    assert add_trials(tmp_path, 30) == reached + 30
    assert "RUNNING" not in states(tmp_path, "one")


def test_a_read_only_database_is_told(tmp_path: Path) -> None:
    add_trials(tmp_path, 1)
    with every_connection_says("query_only = 1"):
        told = refusal(tmp_path)
    assert "must be writable, and its folder, got: attempt to write a readonly database; correct the rights" in told
    assert "away" not in told and "delete" not in told


def damage(database: Path, how: str) -> None:
    if how == "no database":
        database.write_bytes(b"no database" * 500)
    elif how == "cut off":
        database.write_bytes(database.read_bytes()[:9000])
    else:
        with closing(sqlite3.connect(database)) as opened:
            opened.executescript(how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("no database", "file is not a database"),
        ("cut off", "malformed"),
        ("DROP TABLE studies; CREATE TABLE studies (name TEXT)", "no such column: studies.study_id"),
        ("UPDATE alembic_version SET version_num = 'v0.9.0.a'", "optuna storage upgrade"),
    ],
)
def test_a_database_that_holds_no_studies_is_to_be_moved_away(how: str, said: str, tmp_path: Path) -> None:
    add_trials(tmp_path, 3)
    damage(tmp_path / "studies.db", how)
    told = refusal(tmp_path)
    assert said in told and "move it away to search anew" in told


def test_a_folder_in_the_databases_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "studies.db").mkdir()
    assert "must be writable, and its folder, got: unable to open database file" in refusal(tmp_path)


def test_an_error_that_is_not_the_databases_passes(tmp_path: Path) -> None:
    with (
        pytest.raises(sqlite3.OperationalError, match="of another"),
        open_study("one", tmp_path / "studies.db", 1, never, PARTS, never),
    ):
        raise sqlite3.OperationalError("of another database")
