"""A name that is not there is refused before a stage, and with it TensorFlow, is loaded."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from empty_store import make_store
from own_models import save_own

from hilum.project.names import check_names
from hilum.workspace import Workspace

LOADED = """
import sys
from hilum.cli import main
status = main(sys.argv[1:])
heavy = sorted({"tensorflow", "keras", "optuna", "shap"} & set(sys.modules))
sys.exit(f"loaded {heavy}" if heavy else status)
"""


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project")
    make_store(workspace.root)
    monkeypatch.chdir(workspace.root)
    return workspace


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["tune", "--arm", "nosuch"], "--arm must be one of baseline, finetuned, got 'nosuch'"),
        (["train", "--arm", "nosuch"], "--arm must be one of baseline, finetuned, got 'nosuch'"),
        (["evaluate", "--arm", "Baseline"], "--arm must be one of baseline, finetuned, got 'Baseline'"),
        (["crossvalidate", "--arm", ""], "--arm must be one of baseline, finetuned, got ''"),
        (["explain", "--arm", "nosuch"], "--arm must be one of baseline, finetuned, got 'nosuch'"),
        (["audit", "--arm", "nosuch"], "--arm must be one of baseline, finetuned, got 'nosuch'"),
        (["acquire", "--source", "phantoms"], "--source must be one of phantom, phantom-findings, got 'phantoms'"),
        (["explain", "--image", "nosuch.png"], "--image must be a film, got nosuch.png, which does not exist"),
        (["predict", "--model", "no.keras", "--images", ".", "--out", "a.csv"], "got no.keras, which does not exist"),
        (["predict", "--model", "no.keras", "--images", "no", "--out", "a.csv"], "--images must be a folder of films, got no"),
        (["predict", "--model", "models:/hilum@champion", "--images", ".", "--out", "a.csv"], "got 'models:/hilum@champion'"),
        (["predict", "--model", "models:/hilum/3", "--images", ".", "--out", "a.csv"], "got 'models:/hilum/3'"),
        (["predict", "--model", "nosuch", "--images", ".", "--out", "a.csv"], "got 'nosuch'"),
    ],
)
def test_a_name_that_is_not_there_is_refused_before_anything_heavy_is_loaded(
    root: Path, project: Workspace, command: list[str], told: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *command],
        env={"PYTHONPATH": str(root / "src"), "PATH": ""},
        cwd=project.root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and told in done.stderr, done.stderr
    assert "loaded" not in done.stderr and "Traceback" not in done.stderr


def test_names_that_are_there_pass(project: Workspace) -> None:
    save_own(project.root, "softmax", "m.keras")
    for chosen in (
        {"arm": "baseline", "model": "models:/hilum@champion", "image": ""},
        {"source": "phantom"},
        {"model": "m.keras", "images": Path()},
        {"model": "m.keras", "images": Path(), "classes": "normal,ill", "size": "32"},
        {"arm": "", "image": "params.yaml", "model": "m.keras"},
        {"arm": "", "image": "", "model": "models:/hilum@champion"},
        {},
    ):
        check_names(chosen, "predict")
