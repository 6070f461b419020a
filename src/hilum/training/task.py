"""What the training of an arm needs: films, initial weights, settings, and the parameters that a run logs."""

from typing import Any

from hilum.data.prepared.examples import Examples
from hilum.data.prepared.loading import load_split
from hilum.results import file_sha256, flatten, read_json
from hilum.settings.meaning import is_absolute, lay_over, name_backbone, name_network, name_weights, spaces, train_of
from hilum.settings.params import Params
from hilum.settings.sources import PLACE
from hilum.settings.training import Arm
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
    return next(arm for arm in params.arms.values() if name_network(arm) == name)


def params_of(params: Params, arm: Arm) -> Params:
    """The parameters for an arm without spaces, with the arm's own values of `train`."""
    return params.model_copy(update={"train": train_of(params.train, arm)})


def load_task(params: Params, arm: Arm, workspace: Workspace, versions: dict[str, Any]) -> Task:
    """The arm's films and settings. The test films are not read."""
    classes = versions["classes"]
    train, val = (load_split(workspace.prepared, workspace.split, part, classes).examples for part in ("train", "val"))
    return make_task(train, val, arm, params, workspace, versions)


def weights_digest(params: Params, name: str, workspace: Workspace) -> str:
    """The hash of the initial weights of the arm of that name; `none`, and `imagenet` of Keras, are given as these words."""
    arm = params.arms[name]
    if arm.weights == "pretrained":
        return file_sha256(workspace.pretrained / f"{name_network(arm)}.weights.h5")
    return str(read_json(workspace.facts)["weights"][name])


def file_digest(params: Params, name: str, workspace: Workspace) -> str:
    """The hash of an arm's weights if they are a file on this machine alone, whose path is not logged; else empty."""
    return weights_digest(params, name, workspace) if is_absolute(params.arms[name].weights) else ""


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
    sources = {name: params.acquire.sources[name].model_dump(exclude=PLACE) for name in params.prepare.sources}
    return {
        **flatten(arm.model_dump(exclude={"train"}, exclude_none=True)),
        "backbone": name_backbone(arm.backbone),
        "weights": name_weights(arm.weights, weights_sha256),
        **flatten(sources, "source"),
        **flatten(
            params.prepare.model_dump(include={"size", "square", "burned_in", "burned_in_reader", "labels", "labels_by_source"}),
            "prepare",
        ),
        **flatten(params.split.model_dump(exclude={"explain_films", "tuning_films", "confounding", "folds", "fold_by"}), "split"),
        **{key: value for key, value in flatten(train, "train").items() if key != "train.repeats" or value > 1},
        **(flatten(params.pretrain, "pretrain") if arm.weights == "pretrained" else {}),
    }


def origins(logged: dict[str, Any], wanted: Arm) -> dict[str, str]:
    """For each logged value, whether it is from params.yaml or from the search."""
    return {key: "search" if key in spaces(wanted) else "params" for key in logged}
