"""Names in a command are checked before its stage is loaded: the packages of a stage take seconds."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from hilum.project.clone import check_full_path
from hilum.serving.model_facts import Told, gather_facts
from hilum.serving.model_files import check_model_file, names_file
from hilum.settings.params import check_compared, find_arm, find_ensemble, read_params
from hilum.tracking.stored_models import find_model
from hilum.workspace import Workspace, find_workspace

OF_ARMS = ("tune", "train", "fingerprint", "crossvalidate")  # verbs of arms alone; of ensembles alone is `ensemble`
NAMING = ("arm", "source", "model")  # options that name something in params.yaml or in the store


def check_names(chosen: Mapping[str, Any], verb: str) -> None:
    """Refuse an arm, a source, a model, a film or a folder that does not exist, and a model's file that cannot be served.

    chosen: the options of a command by their names. verb: of that command.

    Raises:
        ValueError: there is none of that name; with the legal ones.
    """
    if not any(name in chosen for name in NAMING):
        return
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    if chosen.get("arm") or ("arm" in chosen and not {"image", "data"} & set(chosen)):
        check = find_arm if verb in OF_ARMS else find_ensemble if verb == "ensemble" else check_compared
        check(params, chosen["arm"])
        return  # its own model, not the one that `--model` names by default
    if "source" in chosen and chosen["source"] not in params.acquire.sources:
        raise ValueError(f"--source must be one of {', '.join(params.acquire.sources)}, got {chosen['source']!r}")
    _check_places(chosen, workspace)
    _check_films(chosen)
    if chosen.get("model") and chosen.get("image", "one"):
        told = Told(**{field.name: chosen.get(field.name, "") for field in fields(Told)})
        _check_model(chosen["model"], told, workspace)


def _check_places(chosen: Mapping[str, Any], workspace: Workspace) -> None:
    for name in ("images", "image", "out"):
        if chosen.get(name):
            check_full_path(workspace.root, f"--{name}", str(chosen[name]))
    if chosen.get("data") and Path(chosen["data"]).exists():  # else the name of a recipe
        check_full_path(workspace.root, "--data", chosen["data"])
    if chosen.get("model") and names_file(chosen["model"]):
        check_full_path(workspace.root, "--model", chosen["model"])


def _check_films(chosen: Mapping[str, Any]) -> None:
    if "images" in chosen and not Path(chosen["images"]).is_dir():
        raise ValueError(f"--images must be a folder of films, got {chosen['images']}, which is none")
    if chosen.get("image") and not Path(chosen["image"]).is_file():
        raise ValueError(f"--image must be a film, got {chosen['image']}, which does not exist")


def _check_model(model: str, told: Told, workspace: Workspace) -> None:
    if names_file(model):
        check_model_file(Path(model))
        gather_facts(Path(model), told)
        return
    find_model(model, workspace)
