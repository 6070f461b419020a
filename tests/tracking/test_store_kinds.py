"""An unknown address of a store is refused in one plain line: what it names, what is known, what to install."""

import sys

import pytest

from hilum.cli import main
from hilum.packages import PARTS
from hilum.settings.params import Tracking
from hilum.tracking.opening import open_store
from hilum.tracking.store_kinds import DRIVERS, check_kind, tell_drivers
from hilum.workspace import Workspace

SECRET = "pw-never-shown"
TOLD = {  # address -> what the line says
    f"mysql+nosuch://u:{SECRET}@h:1/d": ["'nosuch' is no driver of mysql", "mysql+pymysql (package pymysql)", "uv pip install"],
    f"sqlite+nosuch:///{SECRET}": ["'nosuch' is no driver of sqlite", "sqlite+pysqlite"],
    f"foo://u:{SECRET}@h/d": ["'foo' is not a kind of store", "sqlite:///file", "postgresql+psycopg2 (package psycopg2-binary)"],
    f"postgres://u:{SECRET}@h/d": ["'postgres' is not a kind of store", "postgresql+psycopg2"],
    f"foo+bar://u:{SECRET}@h/d": ["'foo+bar' is not a kind of store", "mssql+pyodbc"],
    f"mysql+mysqldb://u:{SECRET}@127.0.0.1:9/d": [
        "needs the package mysqlclient",
        "known are mysql+mysqldb",
    ],  # no extra: never here
    f"postgresql://u:{SECRET}@127.0.0.1:port/d": ["a number as port"],
}


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
@pytest.mark.parametrize("address", TOLD)
def test_an_address_of_no_known_store_is_told_in_one_line(
    workspace: Workspace, tracking: Tracking, variable: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, address)
    with pytest.raises(ValueError, match=variable) as refused:
        open_store(workspace, tracking)
    told = str(refused.value)
    assert "\n" not in told and all(part in told for part in TOLD[address])
    assert SECRET not in told or "sqlite" in address  # a file's name is no password


def test_a_registry_that_is_away_is_told_by_its_variable(
    workspace: Workspace, tracking: Tracking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"http://u:{SECRET}@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ValueError, match=r"the registry of models must answer.*correct MLFLOW_REGISTRY_URI") as refused:
        open_store(workspace, tracking)
    assert SECRET not in str(refused.value)


def test_no_verb_shows_a_traceback_of_it(
    workspace: Workspace, root: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        (workspace.root / name).write_bytes((root / name).read_bytes())  # type: ignore[operator]
    monkeypatch.chdir(workspace.root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "foo://h/d")
    assert main(["predict", "--model", "models:/hilum@champion", "--images", ".", "--out", "a.csv"]) == 1
    told = capfd.readouterr().err
    assert told.startswith("hilum predict: MLFLOW_TRACKING_URI must name a store") and told.count("\n") == 1


@pytest.mark.parametrize(
    "address", ["sqlite:///mlflow.db", "http://host:5000", "https://host", "file:///runs", "runs", "mysql+pymysql://h/d"]
)
def test_what_mlflow_reads_is_known(address: str) -> None:
    check_kind(address, "MLFLOW_TRACKING_URI")


@pytest.mark.parametrize("dialect", DRIVERS)
def test_every_known_driver_is_one_of_sqlalchemy_and_names_its_package(dialect: str) -> None:
    from sqlalchemy.dialects import registry

    for driver, module in DRIVERS[dialect].items():
        assert registry.load(f"{dialect}.{driver}")
        assert not module or PARTS[module][0] in tell_drivers(dialect)
    assert sys.executable not in tell_drivers(dialect)
