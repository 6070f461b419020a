"""A copy of the project in a folder of its own, with its numbers made small, to be run through real DVC and real MLflow."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from stepping import HEAD, NETWORK, STEPS, UPPER

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "acquire.sources.phantom.films": 150,
    "acquire.sources.phantom.size": 72,
    "acquire.sources.phantom-findings.films": 80,
    "acquire.sources.phantom-findings.size": 72,
    "prepare.size": 64,
    "split.confounding.confidence": 0.8,  # four levels, so that an interval that says another's is found
    "split.explain_films": 4,
    "split.tuning_films": 3,
    "pretrain.epochs": 1,
    "pretrain.size": 48,
    "tune.trials": 3,
    "train.patience": 3,
    "train.augment.views": 2,
    "arms.finetuned": {  # not the default's network, so that there is something to pretrain
        **NETWORK,
        "head": HEAD,
        "phases": [{**STEPS, "epochs": 3}, {**UPPER, "epochs": 2}],
    },
    "evaluate.bootstrap": 60,
    "explain.bootstrap": 60,
    "explain.confidence": 0.99,
    "explain.steps": 4,
    "explain.grid_films": 2,
    "explain.lime.samples": 40,
    "explain.lime.superpixels": 20,
    "explain.shap.samples": 6,
    "explain.shap.background": 8,
    "explain.shap_layer.background": 8,
    "explain.sanity.seeds": 2,
    "compare.bootstrap": 60,
    "compare.confidence": 0.9,
}


@dataclass(frozen=True)
class Project:
    """A project folder. store: URI of its tracking store."""

    root: Path

    @property
    def store(self) -> str:
        return f"sqlite:///{self.root / 'mlflow.db'}"

    def run(self, *command: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder, with this interpreter as `python`; its output is kept and shown if it fails."""
        done = subprocess.run(
            command, cwd=self.root, env=clean_environment(**environment), capture_output=True, text=True, timeout=1500
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(command)} ended with {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
            )
        return done

    def hilum(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "src/hilum", *arguments, check=check, **environment)

    def set(self, values: Mapping[str, Any]) -> None:
        """Put values into params.yaml by their dotted keys."""
        file = self.root / "params.yaml"
        params = yaml.safe_load(file.read_text())
        for key, value in values.items():
            *path, last = key.split(".")
            place = params
            for step in path:
                place = place[int(step)] if isinstance(place, list) else place[step]
            place[int(last) if isinstance(place, list) else last] = value
        file.write_text(yaml.safe_dump(params, sort_keys=False))


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what a tracking store or DVC would read from it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "DVC_"))}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    who = {f"GIT_{role}_{what}": f"tests@{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**kept, **who, **more}


def make_project(folder: Path, values: Mapping[str, Any] = SMALL) -> Project:
    """Copy what git would commit into an empty folder, make its numbers small and commit it there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    project = Project(folder)
    project.set(values)
    project.run("git", "init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-q", "-m", "a project")
    return project


def make_checked_project(folder: Path) -> Project:
    """A small project in which `dvc repro check` has run, dvc.lock committed."""
    made = make_project(folder, SMALL)
    made.run(sys.executable, "-m", "dvc", "repro", "-q", "check")
    made.run("git", "add", "-A")
    made.run("git", "commit", "-q", "-m", "checked")
    return made
