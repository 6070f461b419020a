"""`hilum app`: what it refuses before anything is opened."""

import subprocess
import sys
from pathlib import Path

import pytest

from hilum.cli import main
from hilum.packages import tell_missing
from hilum.stages import app
from hilum.workspace import Workspace
from project import ROOT, clean_environment

WITHOUT = """
import sys
sys.modules["streamlit"] = None
from hilum.cli import main
sys.exit(main(["app"]))
"""


def test_films_must_be_a_folder(own_copy: Workspace) -> None:
    with pytest.raises(ValueError, match="--films must be a folder of films, got nowhere"):
        app.run(films="nowhere")


def test_a_second_model_needs_a_first(own_copy: Workspace) -> None:
    with pytest.raises(ValueError, match="--beside must have a --model"):
        app.run(beside="models:/hilum/1")


def test_another_address_is_refused_on_the_command_line(own_copy: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", "--address", "0.0.0.0"]) == 1
    assert "add --let-others-in if that is meant" in capsys.readouterr().err


def test_without_streamlit_it_names_the_extra(own_copy: Workspace) -> None:
    environment = clean_environment(PYTHONPATH=str(ROOT / "src"))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=own_copy.root, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1] == f"hilum app: {tell_missing('streamlit')}"
    assert "extra app" in done.stderr


def test_make_app_is_hilum_app(root: Path) -> None:
    text = (root / "Makefile").read_text()
    assert "\tpython src/hilum app\n" in text and "app" in text.split(".PHONY:")[1].splitlines()[0].split()
