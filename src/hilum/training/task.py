"""What the training of an arm needs: films, initial weights, settings, and the parameters that a run logs."""

from typing import Any

from hilum.data.prepared.examples import Examples
from hilum.data.prepared.loading import load_split
from hilum.records import GIVEN
from hilum.results import file_sha256, flatten, read_json
from hilum.settings.meaning import (
    is_absolute,
    lay_over,
    list_networks,
    name_file,
    name_network,
    name_weights,
    show_backbone,
    spaces,
    train_of,
    trained_arm,
    trained_arms,
)
from hilum.settings.params import Params
from hilum.settings.sources import UNTRAINED
from hilum.settings.training import AnyArm, Arm, GivenArm
from hilum.training.learning.arms import Task, weights_of
from hilum.training.learning.features import FEATURE_CODE, FEATURE_LIBRARIES
from hilum.workspace import Workspace

FIT_CODE = (  # what decides the outcome of a training on films of a split, and its score after each epoch
    *(*FEATURE_CODE, "data/prepared/loading.py", "settings/meaning.py"),
    *("evaluation/scoring/checks.py", "evaluation/scoring/epochs.py", "evaluation/scoring/metrics.py"),
    "training/task.py",
    *(f"training/learning/{name}.py" for name in ("arms", "averaging", "convex", "feed", "fit", "imbalance")),
    *(f"training/learning/{name}.py" for name in ("kept_state", "learner", "mixup", "schedules", "state")),
)
FIT_LIBRARIES = (*FEATURE_LIBRARIES, "imbalanced-learn", "pandas", "scikit-learn", "scipy", "threadpoolctl")


def find_network(params: Params, name: str) -> Arm:
    """An arm whose network has that name, which says all that is read of it: backbone and options."""
    networks = [one for arm in trained_arms(params.arms).values() for one in list_networks(arm)]
    return next(one for one in networks if name_network(one) == name)


def params_of(params: Params, arm: Arm) -> Params:
    """The parameters for an arm without spaces, with the arm's own values of `train`."""
    return params.model_copy(update={"train": train_of(params.train, arm)})


def load_task(params: Params, arm: Arm, workspace: Workspace, versions: dict[str, Any]) -> Task:
    """The arm's films and settings. The test films are not read."""
    classes = versions["classes"]
    train, val = (load_split(workspace.prepared, workspace.split, part, classes).examples for part in ("train", "val"))
    return make_task(train, val, arm, params, workspace, versions)


def weights_digest(params: Params, name: str, workspace: Workspace) -> str:
    """The hash of the initial weights of the arm of that name; `none`, and `imagenet` of Keras, are given as these words.

    Of a given model, the hash of its file; of several backbones, all of them.
    """
    arm = params.arms[name]
    if isinstance(arm, Arm) and arm.weights == "pretrained":
        files = [workspace.pretrained / f"{name_network(one)}.weights.h5" for one in list_networks(arm)]
        return " ".join(file_sha256(file) for file in files)
    return str(read_json(workspace.facts)["weights"][name])


def file_digest(params: Params, name: str, workspace: Workspace) -> str:
    """The hash of an arm's weights if they are a file on this machine alone, whose path is not logged; else empty."""
    return weights_digest(params, name, workspace) if is_absolute(trained_arm(params.arms, name).weights) else ""


def make_task(train: Examples, val: Examples, arm: Arm, params: Params, workspace: Workspace, versions: dict[str, Any]) -> Task:
    """What the training of an arm on these films needs."""
    return Task(
        train,
        val,
        versions["classes"],
        weights_of(arm, workspace.pretrained, workspace.at_home),
        params.train,
        params.train.seed,
        workspace.cache / "features",
    )


def logged_params(params: Params, arm: Arm, weights_sha256: str = "") -> dict[str, Any]:
    """Every parameter that decided the model; the arm's own without its name as prefix, so that arms share columns.

    The folders of films and initial weights on this machine are left out, and `train.repeats` where it is 1, as in results of
    earlier versions. weights_sha256: from `file_digest`.
    """
    train = lay_over(params.train, arm)
    return {
        **flatten(arm.model_dump(exclude={"train"}, exclude_none=True)),
        "backbone": show_backbone(arm),
        "weights": name_weights(arm.weights, weights_sha256),
        **_film_params(params),
        **{key: value for key, value in flatten(train, "train").items() if key != "train.repeats" or value > 1},
        **(flatten(params.pretrain, "pretrain") if arm.weights == "pretrained" else {}),
    }


def given_params(params: Params, arm: GivenArm, sha256: str) -> dict[str, Any]:
    """What decided a given model: the arm's keys, its file by name and hash, and the films. sha256: of the file."""
    used = {"seed", "calibration", "prevalence", *(("decision", "costs") if len(arm.classes) > 2 else ())}
    settings = params.train.model_dump(include=used) | {"calibration": arm.calibration or "none"}
    return {
        "backbone": GIVEN,
        **flatten(arm.model_dump(exclude={"calibration"}, exclude_none=True)),
        "model": name_file(arm.model, sha256),
        **_film_params(params),
        **flatten(settings, "train"),
    }


def _film_params(params: Params) -> dict[str, Any]:
    """What decides the films and their parts."""
    sources = {name: params.acquire.sources[name].model_dump(exclude=UNTRAINED) for name in params.prepare.sources}
    shown = {"size", "square", "burned_in", "burned_in_reader", "labels", "labels_by_source"}
    return {
        **flatten(sources, "source"),
        **flatten(params.prepare.model_dump(include=shown), "prepare"),
        **flatten(params.split.model_dump(exclude={"explain_films", "tuning_films", "confounding", "folds", "fold_by"}), "split"),
    }


def origins(logged: dict[str, Any], wanted: AnyArm) -> dict[str, str]:
    """For each logged value, whether it is from params.yaml or from the search."""
    return {key: "search" if key in spaces(wanted) else "params" for key in logged}
