"""Whether the models of given arms can be used: the limits of served files, then a trial build, remembered by their bytes."""

from collections.abc import Mapping

from hilum.code_version import made_by
from hilum.results import digest, file_sha256
from hilum.serving.model_files import check_model_file
from hilum.settings.meaning import class_names
from hilum.settings.params import Params
from hilum.settings.training import AnyArm, GivenArm
from hilum.workspace import Workspace

CODE = (
    *("models/classifier.py", "models/declared_size.py", "models/flatten.py", "models/head.py", "training/given.py"),
    *("project/given_models.py", "serving/model_config.py", "serving/model_files.py"),
)
LIBRARIES = ("keras", "tensorflow")


def given_arms(arms: Mapping[str, AnyArm]) -> dict[str, GivenArm]:
    """The arms whose model is given."""
    return {name: arm for name, arm in arms.items() if isinstance(arm, GivenArm)}


def given_faults(params: Params, workspace: Workspace, remember: bool) -> list[str]:
    """Files of given arms that are missing, are no Keras models within the limits of `predict`, or do not fit the task.

    remember: a file that passed is not built again with the same settings and code, so that TensorFlow is not loaded.
    """
    faults = []
    for name, arm in given_arms(params.arms).items():
        path = workspace.at_home(arm.model)
        if not path.is_file():
            faults.append(
                f"arms.{name}.model must be a .keras file, got {path}, which "
                + ("is a folder; name the file in it" if path.is_dir() else "does not exist; put it there, or correct the path")
            )
            continue
        order, size = class_names(params.prepare.labels), params.prepare.size
        passed = workspace.cache / "given" / digest([file_sha256(path), arm.model_dump(), order, size, made_by(CODE, LIBRARIES)])
        if passed.is_file():
            continue
        try:
            _try_build(arm, workspace, order, size)
        except ValueError as fault:
            faults.append(f"arms.{name}: {fault}")
            continue
        if remember:
            passed.parent.mkdir(parents=True, exist_ok=True)
            passed.touch()
    return faults


def _try_build(arm: GivenArm, workspace: Workspace, order: list[str], size: int) -> None:
    """Raises ValueError as the checks of a served file do, or as `build_given`."""
    path = workspace.at_home(arm.model)
    held = check_model_file(path)
    from hilum.models.declared_size import check_declared  # TensorFlow takes seconds
    from hilum.training.given import load_given

    check_declared(path, held)
    load_given(path, arm, order, size)
