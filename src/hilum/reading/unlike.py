"""What to warn of before a prediction for one film is read: a film unlike those of training, or an odd one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.geometry import Geometry
from hilum.explain.explained_model import ExplainedModel
from hilum.reading.features import make_features
from hilum.reading.oddness import Oddness, crop_film, tell_blank, tell_odd
from hilum.reading.references import References, load_references
from hilum.workspace import Workspace

NO_REFERENCES = "No references of this model's training films are stored"  # how that sentence begins
SEEMS = {"blank": "This film is blank", "unlike the others": "This may be no chest film"}


def describe_oddness(
    film: NDArray[np.uint8],
    geometry: Geometry,
    explained: ExplainedModel,
    described: Mapping[str, Any],
    workspace: Workspace,
) -> list[str]:
    """Sentences to show above a prediction; none where nothing is to be said.

    film: (S, S) as it is prepared for the model. described: facts of the model. Without references, which
    `hilum reading --references` computes, only a blank film is recognised, and a sentence that begins with NO_REFERENCES says so.
    """
    crop = crop_film(film, geometry)
    try:
        references = load_references(workspace, described["model_sha256"])
    except ValueError as fault:
        return [*_tell(tell_blank(crop)), f"Whether this film is unlike the training films is unknown: {fault}."]
    if references is None:
        missing = (
            f"{NO_REFERENCES}, so whether this film is unlike them is unknown; `hilum reading --references MODEL` computes them."
        )
        return [*_tell(tell_blank(crop)), missing]
    return [*_tell(tell_odd(references.usual, crop)), *_tell_far(film, explained, references)]


def _tell(odd: Oddness | None) -> list[str]:
    return [f"{SEEMS.get(odd.reason, f'This film seems {odd.reason}')}: {odd.detail}."] if odd else []


def _tell_far(film: NDArray[np.uint8], explained: ExplainedModel, references: References) -> list[str]:
    model = explained.model
    if model is None:
        return []
    features = explained.once("features", lambda: make_features(model))
    distance = float(references.space.distances(features(as_images(film[np.newaxis])))[0])
    if distance <= references.threshold:
        return []
    usual = f"{references.threshold:.3g}, which at most {references.rate:.0%} of films like those of validation exceed"
    return [f"This film is unlike the training films: its distance from them is {distance:.3g}, above {usual}."]
