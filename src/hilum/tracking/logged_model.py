"""Writing a model into a store: as Keras has it, and as one that takes the bytes of films; logged with a run, and registered."""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.tracking.run_tags import DIGESTS, stored

VERSIONS = "mlflow.modelVersions"  # MLflow's tag of a logged model: the registered versions that *Models* links to
REGISTERED = (
    "One version per training of an arm, or per recalibration for a site. `@champion` is what `predict` and the app serve; "
    "`@<arm>` is an arm's newest, `@<arm>-<site>` that for a site."
)

FILMS = "-films"  # behind the name of the registered model: that of the one that takes the bytes of films
OF_SITE = {"site": "site", "parent": "parent_sha256", "films": "films"}  # tag of a recalibrated model -> key of its record
LOADER = "hilum.serving.film_model"  # what MLflow loads that one with
FILMS_NEED = ("keras", "tensorflow", "numpy", "pandas", "opencv-python-headless", "pillow", "pydicom", "scipy")
REGISTERED_FILMS = (
    "The same models, for films as PNG, JPEG or DICOM: `film` is the content of a file in base64, which hilum decodes under its "
    "limits and prepares as its own films. Served where hilum is installed."
)


def log_model(
    client: Any,
    run_id: str,
    model: Any,
    example: NDArray[np.float32],
    probabilities: NDArray[np.float64],
    metadata: Mapping[str, Any],
    beside: Path,
    name: str,
) -> str:
    """Log a Keras model with a run, with signature, input example and metadata, and register it as `name`; returns the version.

    beside: a file stored with the model.
    """
    import keras
    import mlflow.keras
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import infer_signature

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        place.mkdir()  # mlflow.keras 3.17 writes the example before it makes the folder
        import tensorflow

        needs = [f"keras=={keras.__version__}", f"tensorflow=={tensorflow.__version__}", f"numpy=={np.__version__}"]
        signature = infer_signature(example, probabilities.astype(np.float32))
        mlflow.keras.save_model(
            model, str(place), input_example=example, signature=signature, pip_requirements=needs, metadata=dict(metadata)
        )
        shutil.copy(beside, place / beside.name)
        model_id = _log_folder(
            *(client, run_id, place),
            name=model_name(metadata["arm"]),
            params={key: str(metadata[key]) for key in ("backbone", "size") if key in metadata},
            model_type="classifier",
        )
    client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
    return _register(client, run_id, model_id, metadata, name)


def log_film_model(client: Any, run_id: str, file: Path, facts: Mapping[str, Any], metadata: Mapping[str, Any], name: str) -> str:
    """Log a model file once more, behind hilum's decoder, and register it as `name` + FILMS; returns the version.

    facts: of model.json. It is no output of the run: a run has one model, that its metrics are linked to.
    """
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    columns = [("string", "predicted"), *(("double", f"p_{name}") for name in facts["classes"])]
    columns += [("string", key) for key in ("error", "remarks", "model_sha256")]
    signature = ModelSignature(
        Schema([ColSpec("string", "film")]), Schema([ColSpec(kind, key, required=False) for kind, key in columns])
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        mlflow.pyfunc.save_model(
            str(place),
            loader_module=LOADER,
            data_path=str(file),
            pip_requirements=[f"{package}=={version(package)}" for package in FILMS_NEED],
            metadata=dict(metadata),
        )
        (place / "data" / "model.json").write_text(json.dumps(dict(facts)))
        model_id = _log_folder(client, run_id, place, signature, name="films")
    return _register(client, run_id, model_id, metadata, f"{name}{FILMS}", REGISTERED_FILMS)


def _log_folder(client: Any, run_id: str, place: Path, signature: Any = None, **named: Any) -> str:
    """Log a folder that MLflow saved a model in with a run; returns the logged model's id.

    signature: where the folder has none yet, as `save_model` warns of one without an example. named: of `create_logged_model`.
    """
    from mlflow.models import Model

    logged = client.create_logged_model(client.get_run(run_id).info.experiment_id, source_run_id=run_id, **named)
    description = Model.load(str(place))
    if signature is not None:
        description.signature = signature
    description.run_id, description.model_id = run_id, logged.model_id
    description.artifact_path = logged.artifact_location
    description.save(str(place / "MLmodel"))
    client.log_model_artifacts(logged.model_id, str(place))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def model_name(arm: str) -> str:
    """The name of an arm's logged model in *Models*: MLflow takes no / : . % and quotes there."""
    return re.sub(r"[/:.%\"']", "_", arm)


def _register(
    client: Any, run_id: str, model_id: str, metadata: Mapping[str, Any], name: str, description: str = REGISTERED
) -> str:
    """Register a logged model as a version of `name`, with tags, a description and the alias of its arm; returns the version."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        tags=version_tags(metadata),
        description=f"{metadata['arm']}, not evaluated yet.",
    )
    versions = [{"name": name, "version": str(made.version)}]
    client.set_logged_model_tags(model_id, {VERSIONS: json.dumps(versions)})
    if is_alias(metadata["arm"]):
        client.set_registered_model_alias(name, metadata["arm"], made.version)
    return str(made.version)


def version_tags(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Tags of a registered version: arm, network, classes, the site it was recalibrated for; digests behind their prefix."""
    read = {key: str(metadata[key]) for key in ("arm", "backbone") if key in metadata}
    classes = {"classes": ", ".join(metadata["classes"])} if "classes" in metadata else {}
    of_site = metadata.get("recalibrated", {})
    site = {key: str(of_site[name]) for key, name in OF_SITE.items() if name in of_site}
    return stored({**read, **classes, **site, **{key: metadata[key] for key in DIGESTS if key in metadata}})


def is_alias(arm: str) -> bool:
    """Whether an arm's newest version can be `models:/<name>@<arm>`: MLflow keeps some names, and a person moves the champion."""
    return re.fullmatch(r"[\w-]+", arm) is not None and re.fullmatch(r"(?i)latest|champion|v\d+", arm) is None
