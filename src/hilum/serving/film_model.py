"""The served model that takes films as bytes: MLflow loads it for `mlflow models serve`, where hilum is installed."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from hilum.data.decoding.covered_film import CoveredFilm
from hilum.data.decoding.limits import check_file
from hilum.explain.explained_model import Predict
from hilum.serving.model_facts import Told, gather_facts
from hilum.serving.predictions import BATCH, prepare_film, probabilities_of

FILM = "film"  # the column of a request: the content of a film's file, PNG, JPEG, DICOM or another kind, in base64


class FilmModel:
    """Films as `predict` prepares them and its predictions, under the same limits.

    predict: (N, H, W, 1) grey levels 0-255 -> (N, K) probabilities. described: the facts of model.json.
    """

    def __init__(self, predict: Predict, described: Mapping[str, Any]) -> None:
        self._predict, self._described = predict, described

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """A row for each film: predicted, p_<class>, error, remarks, model_sha256; without a prediction, error says why.

        model_input: column FILM. params: none are known. What is not there is None, which JSON has and NaN is not.
        """
        texts = list(model_input[FILM])
        rows = [row for start in range(0, len(texts), BATCH) for row in self._rows(texts[start : start + BATCH])]
        probabilities = [f"p_{name}" for name in self._described["classes"]]
        columns = ["predicted", *probabilities, "error", "remarks", "model_sha256"]
        return pd.DataFrame(rows, columns=columns, dtype=object)

    def _rows(self, texts: Sequence[Any]) -> list[list[Any]]:
        films: dict[int, CoveredFilm] = {}
        faults: dict[int, str] = {}
        for place, text in enumerate(texts):
            try:
                films[place] = prepare_film(BytesIO(read_bytes(text)), self._described)
            except ValueError as fault:
                faults[place] = str(fault)
        found, odd = probabilities_of(self._predict, self._described, films)
        nothing = (None, [None] * len(self._described["classes"]))
        rows = []
        for place in range(len(texts)):
            predicted, row = found.get(place, nothing)
            remarks = "; ".join(films[place].remarks) if place in films else ""
            error = faults.get(place) or odd.get(place)
            rows.append([predicted, *row, error, remarks, self._described["model_sha256"]])
        return rows


def read_bytes(text: Any) -> bytes:
    """The bytes that a cell of FILM holds; line breaks in base64 are ignored.

    Raises:
        ValueError: it is no base64, holds nothing, or more than a film's file may have.
    """
    if not isinstance(text, str):
        raise ValueError(f"{FILM} must be the content of a film's file in base64, got {type(text).__name__}")
    check_file(len(text) * 3 // 4)
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{FILM} must be the content of a film's file in base64, got {text[:20]!r}; use `base64 -w0`") from None
    if not content:
        raise ValueError(f"{FILM} must be the content of a film's file in base64, got nothing")
    return content


def _load_pyfunc(path: str) -> FilmModel:
    """What MLflow calls with the place of model.keras, which has model.json beside it."""
    from hilum.models.classifier import load_classifier, model_sha256
    from hilum.models.forward import predictor

    network = load_classifier(Path(path))
    return FilmModel(predictor(network), {**gather_facts(Path(path), Told()), "model_sha256": model_sha256(network)})
