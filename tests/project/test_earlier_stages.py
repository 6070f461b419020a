"""A stage that is run alone says which one to run first, and no stage ends in a bare `No such file`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hilum.cli import main
from hilum.project.earlier_stages import Making, check_earlier, list_makings
from hilum.workspace import Workspace

ARMED = ("tune", "train", "fingerprint", "evaluate", "explain", "audit", "external")
VERBS = ("prepare", "split", "pretrain", *ARMED, "crossvalidate", "compare", "publish")


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project", split__folds=3, crossvalidate__arms=["baseline"])
    monkeypatch.chdir(workspace.root)
    return workspace


def arguments(verb: str) -> list[str]:
    return [verb, "--arm", "baseline"] if verb in (*ARMED, "crossvalidate") else [verb]


def options(verb: str) -> dict[str, str]:
    return {"arm": "baseline"} if verb in (*ARMED, "crossvalidate") else {}


def test_every_stage_with_earlier_ones_is_called_here(project: Workspace) -> None:
    stages = {making.stage for making in list_makings(project) if making.deps}
    assert stages | {"publish"} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_in_an_empty_project_the_first_stage_is_named(project: Workspace, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(verb)) == 1
    told = capsys.readouterr().err
    first = "phantom-findings" if verb == "pretrain" else "phantom"
    assert f"; run `hilum acquire --source {first}` first, or `dvc repro`" in told and told.count("\n") == 1


def making_of(workspace: Workspace, stage: str) -> Making:
    return next(one for one in list_makings(workspace) if one.stage == stage and one.item in ("", "baseline", "phantom"))


@pytest.mark.parametrize("lost", ["prepare", "split", "pretrain", "tune", "train", "evaluate", "explain", "audit", "external"])
def test_the_stage_whose_output_is_lost_is_named(project: Workspace, lost: str) -> None:
    """All else is there: each stage that needs it says so, and no other does."""
    for making in list_makings(project):
        for path in (*making.outs, *making.deps):
            (project.root / path).mkdir(parents=True, exist_ok=True)
    missing = making_of(project, lost)
    shutil.rmtree(project.root / missing.outs[0])
    for verb in VERBS:
        own = making_of(project, "compare" if verb == "publish" else verb)
        left_out = verb == "publish" and lost == "prepare"  # it publishes results alone
        needs = any(dep.startswith(missing.outs[0]) or missing.outs[0].startswith(f"{dep}/") for dep in own.deps)
        if needs and not left_out:
            with pytest.raises(ValueError, match=f"{verb} needs {missing.outs[0]}.*run `{missing.command}` first"):
                check_earlier(verb, options(verb))
        else:
            check_earlier(verb, options(verb))


def test_what_no_arm_asks_for_need_not_be_there(project: Workspace) -> None:
    values = yaml.safe_load(project.params.read_text())
    for arm in values["arms"].values():
        arm["weights"] = "imagenet"
    project.params.write_text(yaml.safe_dump(values))
    for path in ("data/prepared", "data/split"):
        shutil.rmtree(project.root / path, ignore_errors=True)
    for dep in making_of(project, "tune").deps:
        if dep != "data/pretrained":
            (project.root / dep).mkdir(parents=True)
    check_earlier("tune", {"arm": "baseline"})
    (project.root / "data/raw/phantom").mkdir(parents=True)
    check_earlier("prepare", {})  # the films of pretraining are none of its sources
    check_earlier("pretrain", {})  # it has nothing to do


def test_one_film_needs_no_stage(project: Workspace) -> None:
    check_earlier("explain", {"arm": "", "image": "film.png"})


def test_a_file_that_is_lost_inside_a_folder_names_the_stage_that_makes_it(
    own_copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_copy.prepared / "linked_patients.csv").unlink()
    assert main(["split"]) == 1
    told = capsys.readouterr().err
    assert "linked_patients.csv, which `hilum prepare` makes; run that again first" in told and "Errno" not in told
