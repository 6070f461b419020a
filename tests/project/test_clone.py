"""A project that MLflow fetched for one run, and a clone whose history was cut off: nothing that was computed is lost."""

import subprocess
import tempfile
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow.projects.utils import _fetch_project

from hilum.project.clone import check_full_path, check_store_place, complete_history, fetched_from, is_fetched
from hilum.stages.experiment import call_dvc, fetch_results
from hilum.workspace import Workspace
from project import clean_environment, make_project

ADDRESS = "https://hilum.example/hilum.git"  # of no server: git is told to read a folder instead


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, env=clean_environment()
    )
    return done.stdout


def serve(project: Path, bare: Path) -> dict[str, str]:
    """A bare repository of a project; returns the variables with which git finds it at ADDRESS."""
    git(project, "clone", "-q", "--bare", str(project), str(bare))
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{bare.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A DVC project of one stage and two commits."""
    folder = tmp_path / "small"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    subprocess.run(["dvc", "init", "-q"], cwd=folder, check=True, env=clean_environment())
    stage = {"cmd": "mkdir -p results data/split && cp params.yaml results/out && cp params.yaml data/split/out"}
    stage |= {"params": ["a"], "outs": ["results", "data/split"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"one": stage}}))
    (folder / ".gitignore").write_text("/results\n/data\n")
    for value in (1, 2):
        (folder / "params.yaml").write_text(f"a: {value}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"a is {value}")
    return folder


def test_an_experiment_in_what_mlflow_fetches_is_not_lost(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow fetches one commit alone, and DVC silently drops an experiment of this clone."""
    for key, value in {**clean_environment(), **serve(small, tmp_path / "bare.git")}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = Path(_fetch_project(ADDRESS))
    assert git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
    complete_history(root)
    assert git(root, "rev-list", "--count", "HEAD").strip() == "2"
    workspace = Workspace(root, root)
    call_dvc(["exp", "run", "--temp", "-n", "other", "-S", "a=3"], workspace)
    got = fetch_results("other", {"a": 3}, workspace, tmp_path / "got")
    assert (got.root / "results" / "out").read_text() == "a: 3\n"


def test_results_that_cannot_be_fetched_are_told_with_the_reason_of_dvc(
    small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"`dvc get \.` ended with status"):
        fetch_results("nosuch", {"a": 3}, Workspace(small, small), tmp_path / "got")
    assert "unknown Git revision 'nosuch'" in capfd.readouterr().err


def test_a_history_that_cannot_be_completed_is_told_before_anything_runs(small: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--depth", "1", small.as_uri(), "shallow")
    git(tmp_path / "shallow", "remote", "set-url", "origin", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"needs the project's whole history, .*--unshallow` .* ended with: .*nowhere"):
        complete_history(tmp_path / "shallow")


def test_a_whole_clone_is_left_alone(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    complete_history(small)
    complete_history(tmp_path)  # no repository at all
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("place", "store", "fetched"),
    [
        ("tmpab12_xyz", "sqlite:////elsewhere/mlflow.db", True),
        ("tmpab12_xyz/part", "http://localhost:5000", True),
        ("tmpab12_xyz", "", False),  # not by `mlflow run`
        ("tmpab12_xyz", "sqlite:///{root}/mlflow.db", False),  # typed there: a person's own folder
        ("hilum", "sqlite:////elsewhere/mlflow.db", False),
        ("tmp.ab12_xyz", "sqlite:////elsewhere/mlflow.db", False),
    ],
)
def test_only_a_folder_that_mlflow_made_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, store: str, fetched: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = tmp_path.resolve() / place
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.format(root=root))
    assert is_fetched(root) is fetched
    if fetched:
        with pytest.raises(ValueError, match=r"--out must be a full path .* got a\.csv, .* write \$PWD/a\.csv"):
            check_full_path(root, "--out", "a.csv")
    else:
        check_full_path(root, "--out", "a.csv")
    check_full_path(root, "--out", "/films/a.csv")


def test_a_copy_says_its_address_and_commit(small: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", small.as_uri(), "copy")
    git(tmp_path / "copy", "remote", "set-url", "origin", "https://anna:secret@host/hilum.git")
    assert fetched_from(tmp_path / "copy") == ("https://anna:***@host/hilum.git", git(small, "rev-parse", "HEAD").strip())
    assert fetched_from(tmp_path / "nowhere") == ("", "")


def test_a_store_inside_the_copy_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    root = tmp_path.resolve() / "tmpab12_xyz"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    with pytest.raises(ValueError, match=r"must hold a full path .* write sqlite:///\$PWD/runs\.db"):
        check_store_place(root)
    check_store_place(tmp_path / "hilum")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////elsewhere/runs.db")
    check_store_place(root)


def test_what_a_run_from_an_address_would_write_into_a_copy_is_refused(tmp_path: Path) -> None:
    made = make_project(tmp_path / "project")
    caller = tmp_path / "caller"
    (caller / "films").mkdir(parents=True)
    door = ("mlflow", "run", ADDRESS, "--env-manager", "local", "--experiment-name", "hilum", "-e", "predict")
    done = subprocess.run(
        [*door, "-P", f"images={caller / 'films'}", "-P", "out=answers.csv"],
        cwd=caller,
        env=clean_environment(TMPDIR=str(tmp_path), **serve(made.root, tmp_path / "bare.git")),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert "hilum predict: --out must be a full path where MLflow fetches the project for one run, got answers.csv" in done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{caller / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("hilum").experiment_id])
    assert [run.info.status for run in runs] == ["FAILED"], "the run stands where the command was typed"
