"""The first opening of a store that is killed at any instant leaves none, or a whole one."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pytest
from empty_store import forget_environment, template
from killed_processes import Nursery

from hilum.tracking.new_database import make_database

KILLS = 12


def tables(database: Path) -> dict[str, list[tuple[str, ...]]]:
    """Every table with its columns and their types, and the version of the scheme."""
    with closing(sqlite3.connect(database)) as opened:
        names = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        made = {name: opened.execute(f"SELECT name, type FROM pragma_table_info('{name}')").fetchall() for name in sorted(names)}
        return {**made, "version": opened.execute("SELECT version_num FROM alembic_version").fetchall()}


def test_a_killed_first_opening_leaves_no_half_made_store(
    nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_environment(monkeypatch)
    whole, database = tables(template()), tmp_path / "mlflow.db"
    seconds = nursery.finish("open_new_store", folder=str(tmp_path))
    assert tables(database) == whole
    rng, begun = np.random.default_rng(3), 0
    for _ in range(KILLS):
        database.unlink(missing_ok=True)
        nursery.run("open_new_store", float(rng.uniform(0, seconds)), folder=str(tmp_path))
        begun += (tmp_path / "mlflow.db-new").exists()
        assert not database.exists() or tables(database) == whole
    assert begun, "some were killed while they made it"
    database.unlink(missing_ok=True)
    nursery.finish("open_new_store", folder=str(tmp_path))
    assert tables(database) == whole
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]


def test_what_an_older_kill_left_is_made_anew_and_a_store_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db-new").write_bytes(template().read_bytes()[:50_000])
    make_database(tmp_path / "mlflow.db")
    assert tables(tmp_path / "mlflow.db") == tables(template())
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    mine = client.create_experiment("mine")
    make_database(tmp_path / "mlflow.db")
    assert client.get_experiment(mine).name == "mine"


def test_processes_that_come_at_once_make_one_store(tmp_path: Path) -> None:
    threads = [threading.Thread(target=make_database, args=(tmp_path / "mlflow.db",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tables(tmp_path / "mlflow.db") == tables(template())
    assert [file.name for file in tmp_path.iterdir()] == ["mlflow.db"]
