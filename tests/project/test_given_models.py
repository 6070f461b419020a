"""Models of given arms: what cannot be used is refused by `check`, with the arm's name and a remedy; what can is tried once."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from own_models import rewrite, save_own

from hilum.project.given_models import given_faults
from hilum.results import file_sha256
from hilum.settings.params import read_params
from hilum.stages import check
from hilum.workspace import Workspace

Make = Callable[..., Workspace]
LABELS = {"normal": ["normal"], "ill": ["bacterial", "viral"]}
THEIRS = {"model": "theirs.keras", "classes": ["normal", "ill"]}


def make(root: Path, make_project: Make, labels: Any = LABELS, **keys: Any) -> Workspace:
    workspace = make_project(root, prepare__labels=labels, prepare__size=32)
    values = yaml.safe_load(workspace.params.read_text())
    values["arms"] = {"theirs": {**THEIRS, **keys}}
    values["compare"]["reference"] = "theirs"
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    return workspace


def faults(workspace: Workspace, remember: bool = False) -> list[str]:
    return given_faults(read_params(workspace.params), workspace, remember)


@pytest.mark.parametrize("name", ["softmax", "ops_sigmoid", "cast_softmax"])
def test_a_users_model_passes_and_is_not_built_again(name: str, tmp_path: Path, make_project: Make) -> None:
    workspace = make(tmp_path, make_project)
    save_own(tmp_path, name, "theirs.keras")
    assert faults(workspace) == [] and not (workspace.cache / "given").exists(), "a dry run writes nothing"
    assert faults(workspace, remember=True) == []
    again = "import sys; from pathlib import Path; from hilum.stages import check; check.run(); assert 'keras' not in sys.modules"
    if name == "softmax":
        subprocess.run([sys.executable, "-c", again], cwd=tmp_path, check=True)
        facts = check.gather_facts(read_params(workspace.params), workspace, workspace.hashes)
        assert facts["weights"] == {"theirs": file_sha256(tmp_path / "theirs.keras")}
        rewrite(tmp_path / "theirs.keras", config=b"{}")
        assert "arms.theirs: config.json of a .keras file must describe a model" in faults(workspace)[0]


@pytest.mark.parametrize(
    ("name", "keys", "told"),
    [
        ("", {}, "arms.theirs.model must be a .keras file, got {file}, which does not exist; put it there, or correct the path"),
        ("folder", {}, "arms.theirs.model must be a .keras file, got {file}, which is a folder; name the file in it"),
        ("text", {}, "arms.theirs: a model must be a whole .keras file, got {file}, which is truncated or damaged"),
        ("custom_layer", {}, "arms.theirs: a model must be made of Keras' own layers and functions, got Mine"),
        ("lambda", {}, "arms.theirs: a model must be made of Keras' own layers and functions, got Lambda"),
        ("logits", {}, "arms.theirs: a classifier must end in softmax or in one sigmoid, got Dense with activation linear"),
        ("fourteen_sigmoids", {}, "arms.theirs: classes must name 14 classes, as the model has 14 outputs, got normal, ill;"),
        ("softmax", {"size": 64}, "arms.theirs: size must be that of the model's films, 32, got 64; correct it, or leave it out"),
        ("two_outputs", {}, "arms.theirs: a model must take one film and give one vector of classes, got inputs"),
    ],
)
def test_what_cannot_be_used_is_refused(
    name: str, keys: dict[str, Any], told: str, tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, file = make(tmp_path, make_project, **keys), tmp_path.resolve() / "theirs.keras"
    if name == "folder":
        file.mkdir()
    elif name == "text":
        file.write_text("no model")
    elif name:
        save_own(tmp_path, name, "theirs.keras")
    (found,) = faults(workspace, remember=True)
    assert found.startswith(told.format(file=file))
    if not name:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ValueError, match=r"params\.yaml is not valid:\n  arms\.theirs\.model must be a \.keras file"):
            check.run()


def test_a_model_of_other_classes_than_the_tasks_is_refused(tmp_path: Path, make_project: Make) -> None:
    three = {"normal": ["normal"], "bacterial": ["bacterial"], "viral": ["viral"]}
    workspace = make(tmp_path, make_project, three, classes=["normal", "bacterial", "viral"])
    save_own(tmp_path, "softmax", "theirs.keras")
    (found,) = faults(workspace)
    assert found == (
        "arms.theirs: classes must name 2 classes, as the model has 2 outputs, got normal, bacterial, viral; a given model must "
        "have been trained for the classes of the task"
    )
