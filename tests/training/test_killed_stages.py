"""pretrain, train and cross-validation that are killed end in the bytes, and in the one run, of those that were not."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml
from empty_store import forget_environment, make_store
from killed_processes import Nursery
from stepping import take_steps

from hilum.results import epoch_metrics, folder_digest, read_json, read_table, write_json
from hilum.stages import acquire, check, split, tune
from hilum.tracking.logged_metrics import FILES_ONLY
from hilum.workspace import Workspace

KILLED = -9


@pytest.fixture
def project(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project whose arm takes seconds: two epochs of the head."""
    forget_environment(monkeypatch)
    values = take_steps(yaml.safe_load(own_copy.params.read_text()))
    values["split"]["folds"], values["crossvalidate"]["arms"] = 2, ["baseline"]
    values["tune"]["trials"], values["evaluate"]["bootstrap"] = 0, 20
    values["train"]["augment"]["views"] = 1
    values["arms"]["baseline"]["weights"] = "none"
    values["arms"]["baseline"]["phases"][0]["epochs"] = 2
    values["pretrain"].update(epochs=2, size=48)
    own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    split.run()
    tune.run("baseline")
    return own_copy


def run(nursery: Nursery, project: Workspace, stage: str, *deaths: tuple[str, int]) -> None:
    """Run a stage until it ends; each death kills one process, and the next one continues."""
    arguments = [] if stage in ("pretrain", "compare") else ["baseline"]
    given: dict[str, Any] = {"project": str(project.root), "stage": stage, "arguments": arguments}
    for die_at, step in deaths:
        code, _ = nursery.run("run_stage", die_at=die_at, step=step, **given)
        assert code == KILLED, nursery.log.read_text()[-4000:]
    nursery.finish("run_stage", **given)


def run_twice(nursery: Nursery, project: Workspace, stage: str, folder: Path, *deaths: tuple[str, int]) -> None:
    """Run a stage undisturbed, then in an empty store with these deaths: the same bytes, and no state is left."""
    make_store(project.home)
    run(nursery, project, stage)
    whole = folder_digest(folder)
    shutil.rmtree(folder)
    make_store(project.home)
    run(nursery, project, stage, *deaths)
    assert folder_digest(folder) == whole
    assert not [file for file in (project.cache / "trainings").rglob("*") if file.suffix not in ("", ".lock")]
    assert "continues an interrupted training after epoch" in nursery.log.read_text()


def runs_of(project: Workspace) -> list[Any]:
    client = mlflow.MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("hilum").experiment_id])
    assert {run.info.status for run in found} == {"FINISHED"}
    assert not any("owner" in run.data.tags for run in found)
    return list(found)


def check_curves(project: Workspace, run_id: str, history: pd.DataFrame) -> None:
    """Every number of the history is one point of the run, and there is no other at its step."""
    client = mlflow.MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    table = epoch_metrics(history)
    for name in set(table.columns) - {"step"}:
        if name in FILES_ONLY:
            continue
        points = [(point.step, point.value) for point in client.get_metric_history(run_id, str(name))]
        wanted = table[["step", name]].dropna()
        assert sorted(points) == sorted(zip(wanted["step"], wanted[name], strict=True)), name


def test_a_killed_train_goes_on_in_its_run(nursery: Nursery, project: Workspace) -> None:
    folder = project.arm("baseline", "training")
    run_twice(nursery, project, "train", folder, ("stored", 0), ("rename", 1), ("upload", -1), ("ended", -1))
    (found,) = runs_of(project)
    check_curves(project, found.info.run_id, read_table(folder / "history.csv"))
    assert found.data.tags["digest.model"] == read_json(folder / "settings.json")["model_sha256"]
    client = mlflow.MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    for name in found.data.metrics:
        steps = Counter(point.step for point in client.get_metric_history(found.info.run_id, name))
        assert set(steps.values()) == {1}, name
    assert len(client.search_model_versions("name = 'hilum'")) == 1


@pytest.mark.slow
def test_later_stages_that_are_killed_go_on_in_their_runs(nursery: Nursery, project: Workspace) -> None:
    """After some parts are stored, while their folder is uploaded, and after their run has ended but before the stage has.

    The files are those of a stage that was not disturbed, and no part is left.
    """
    values = yaml.safe_load(project.params.read_text())
    values["arms"] = {"baseline": values["arms"]["baseline"]}
    values["split"]["folds"], values["crossvalidate"]["arms"] = 0, []
    values["explain"].update(methods=["gradcam", "lime"], measures=["entropy"], sheets=["activations"])
    values["explain"]["lime"]["samples"] = 20
    values["explain"]["sanity"].update(films=2, seeds=1)
    values["audit"]["films"] = 20
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    make_store(project.home)
    made = {"evaluate": "evaluation", "explain": "explanations", "audit": "audit"}
    parts = {"evaluate": [("part", 3)], "explain": [("part", 3), ("part", 9)], "audit": [("part", 3)]}  # the second at the grids
    run(nursery, project, "train")
    run(nursery, project, "external")  # which has no sources
    for stage in made:
        run(nursery, project, stage)
    whole = {stage: folder_digest(project.arm("baseline", folder)) for stage, folder in made.items()}
    for folder in made.values():
        shutil.rmtree(project.arm("baseline", folder))
    make_store(project.home)
    for stage, folder in {**{one: project.arm("baseline", made[one]) for one in made}, "compare": project.comparison}.items():
        run(nursery, project, stage, *parts.get(stage, ()), ("upload", -1), ("ended", -1))
        if stage in whole:
            assert folder_digest(folder) == whole[stage]
        assert "cannot be kept" not in nursery.log.read_text()
        assert not [file for file in (project.cache / "parts").rglob("*") if file.is_file()]
        runs = {found.info.run_name: found for found in runs_of(project)}
        assert sorted(runs) == ["baseline", "comparison"][: 1 + (stage == "compare")] and len(runs_of(project)) == len(runs)
        tags = runs["comparison" if stage == "compare" else "baseline"].data.tags
        assert tags[f"digest.{folder.name}"] == folder_digest(folder)


def test_a_killed_cross_validation_goes_on_inside_its_folds(nursery: Nursery, project: Workspace) -> None:
    folder = project.arm("baseline", "crossvalidation")
    run_twice(nursery, project, "crossvalidate", folder, ("stored", 0), ("stored", 1), ("stored", 1), ("ended", -1))
    runs = {run.info.run_name: run for run in runs_of(project)}
    assert sorted(runs) == ["crossvalidate-baseline", "fold-1", "fold-2"] and len(runs_of(project)) == 3
    history = read_table(folder / "history.csv").astype({"fold": str})
    for name in ("1", "2"):
        found = runs[f"fold-{name}"]
        assert found.data.tags["mlflow.parentRunId"] == runs["crossvalidate-baseline"].info.run_id
        check_curves(project, found.info.run_id, history[history["fold"] == name])


def test_a_killed_pretrain_goes_on(nursery: Nursery, project: Workspace) -> None:
    values = yaml.safe_load(project.params.read_text())
    quiet = {"kind": "none", "finding": "nodule", "strength": 0.0}
    values["acquire"]["sources"]["others"] = {
        **{"reader": "phantom", "films": 40, "size": 64, "seed": 77, "contrast": 1.0},
        **{"findings": {"effusion": 0.5, "nodule": 0.5}, "shortcut": quiet},
    }
    values["pretrain"]["source"] = "others"
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    acquire.run(source="others")
    write_json(project.facts, {**read_json(project.facts), "pretrain": ["mobilenet_025"]})
    run_twice(nursery, project, "pretrain", project.pretrained, ("stored", 0), ("rename", 1))
