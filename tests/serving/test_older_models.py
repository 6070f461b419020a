"""Models, runs and results of an earlier commit, made by its own code, are served as it served them and show their verdicts."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from hilum.explain.sanity.verdicts import NO_EVIDENCE
from hilum.serving.model_facts import Told
from hilum.serving.opening import open_served
from hilum.serving.verdicts import read_verdicts
from hilum.settings.params import read_params
from hilum.stages import predict
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

OLDER = (
    "a3b15a88ad62752c5f09fc52b85d96bcdb77daf3"  # the last commit before files, keys and classes took the names that they have now
)
MADE_BY = Path(__file__).resolve().parents[1] / "support" / "older_project.py"


@pytest.fixture(scope="module")
def older(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with what the code of that commit left in it."""
    known = subprocess.run(["git", "cat-file", "-e", OLDER], cwd=root, capture_output=True)
    if known.returncode:
        pytest.skip(f"commit {OLDER} is not here: a clone without history, or no clone")
    folder = tmp_path_factory.mktemp("older")
    archive = folder / "tree.tar"
    subprocess.run(["git", "archive", "--output", str(archive), OLDER], cwd=root, check=True)
    with tarfile.open(archive) as tree:
        tree.extractall(folder, filter="data")
    own = {"PYTHONPATH": str(folder / "src")}
    own |= {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "PYTHONPATH", "HILUM"))}
    done = subprocess.run([sys.executable, str(MADE_BY)], cwd=folder, env=own, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture
def today(older: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """That folder under the settings of today."""
    shutil.copy(root / "params.yaml", older)
    monkeypatch.chdir(older)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{older / 'mlflow.db'}")
    return Workspace(older, older)


def names_of_model(workspace: Workspace) -> dict[str, str]:
    store = open_store(workspace, read_params(workspace.params).tracking)
    return {
        "file": str(workspace.arm("baseline", "training") / "model.keras"),
        "run": store.find({"arm": "baseline"})[0].info.run_id,
        "registered": "models:/hilum/1",
    }


@pytest.mark.parametrize("name", ["file", "run", "registered"])
def test_an_older_model_predicts_the_same_bytes_and_shows_its_verdicts(
    name: str, older: Path, today: Workspace, tmp_path: Path
) -> None:
    model = names_of_model(today)[name]
    predict.run(model, older / "films", tmp_path / "now.csv", "")
    assert (tmp_path / "now.csv").read_bytes() == (older / "predictions.csv").read_bytes()
    assert len(set((older / "predictions.csv").read_text().splitlines()[1:])) == 10, "every film has numbers of its own"
    params = read_params(today.params)
    with open_served(model, today, params, Told()) as (explained, described):
        found = read_verdicts(model, described, explained.background, params.explain, today, params.tracking)
    assert found == {"gradcam": NO_EVIDENCE}
