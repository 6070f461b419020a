"""A model's prediction for one film, in words, as `predict` gives it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hilum.app.film import OpenFilm, prepare
from hilum.app.served_models import ServedModel
from hilum.data.decoding.covered_film import CoveredFilm
from hilum.evaluation.scoring.decisions import factors_of
from hilum.explain.drawing.panels import tell_rule
from hilum.reading.unlike import describe_oddness
from hilum.serving.predictions import probabilities_of
from hilum.workspace import Workspace


@dataclass(frozen=True)
class Predicted:
    """A prediction.

    film: as the model saw it. probabilities: (K,) in class order. predicted: index of the class. seconds: with the preparation of
    the film. warnings: sentences on a film that is odd, or unlike the films that the model was trained on.
    """

    model: str
    film: CoveredFilm
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]
    predicted: int
    seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The predicted class."""
        return self.classes[self.predicted]


def predict_film(served: ServedModel, film: OpenFilm, workspace: Workspace) -> Predicted:
    """The prediction of one model for one film. workspace: whose references of training films it is compared with.

    Raises:
        ValueError: the film cannot be prepared, or the model's output is no prediction.
    """
    begun = time.perf_counter()
    ready = prepare(film, served.described)
    found, odd = probabilities_of(served.explained.predict, served.described, {"film": ready})
    if odd:
        raise ValueError(odd["film"])
    name, probabilities = found["film"]
    classes = tuple(served.described["classes"])
    seconds = time.perf_counter() - begun
    warnings = describe_oddness(ready.film, ready.geometry, served.explained, served.described, workspace)
    return Predicted(served.address, ready, classes, tuple(probabilities), classes.index(name), seconds, tuple(warnings))


def tell_prediction(predicted: Predicted, described: Mapping[str, Any]) -> str:
    """One sentence: the probability of the predicted class, and the rule that decided."""
    threshold, factors = described["threshold"], factors_of(described)
    share = f"{predicted.probabilities[predicted.predicted]:.1%}"
    if threshold is not None:
        of_second = predicted.probabilities[1]
        if predicted.predicted == 1:
            return f"Probability {share} for {predicted.name}, which reaches the threshold of {threshold:.1%}."
        return f"Probability {share}: {of_second:.1%} for {predicted.classes[1]} is below the threshold of {threshold:.1%}."
    if factors is None or np.ptp(factors) == 0:
        return f"Probability {share}, the most probable of {len(predicted.classes)} classes."
    return f"Probability {share}; {tell_rule(predicted.classes, threshold, factors)}."
