"""A served model's predictions: class and probabilities of each film, or why there are none."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from hilum.data.decoding.covered_film import CoveredFilm, prepare_covered
from hilum.data.decoding.depth import GREY_BITS, tell_outside
from hilum.data.model_treatment import read_treatment
from hilum.data.prepared.examples import as_images
from hilum.evaluation.scoring.decisions import decide, factors_of
from hilum.explain.explained_model import Predict
from hilum.serving.prediction_table import Cells

BATCH = 64  # films prepared and predicted before the next are read
Key = TypeVar("Key", bound=Hashable)  # what names a film: its place or its name


def prepare_film(film: Path | BinaryIO, described: Mapping[str, Any]) -> CoveredFilm:
    """A film prepared as the model's own films, with a remark where it is outside their bit depth, and where something
    burned-in is still found.

    Raises:
        ValueError: it cannot be read.
    """
    bits = described.get("grey_bits") or GREY_BITS
    ready = prepare_covered(film, described["size"], described["square"], read_treatment(described), bits)
    told = [_tell_depth(ready.bits, described.get("grey_bits")), _tell_left(ready)]
    return replace(ready, remarks=(*ready.remarks, *filter(None, told)))


def _tell_left(ready: CoveredFilm) -> str:
    left = len(ready.left) if ready.left is not None else 0
    return f"burned-in text was covered and is still found in {left} places" if left else ""


def _tell_depth(bits: int, depths: Sequence[int] | None) -> str:
    """bits: of a 16-bit film; 0 of others. depths: of the model's own films; None: unknown."""
    if not bits or depths is None:
        return ""
    if not depths:
        return f"it has 16 bits, which none of the model's own films had, and was scaled by the {bits} that it uses"
    told = tell_outside(bits, depths)
    return f"outside the bit depth: {told}" if told else ""


def prepare_films(files: Mapping[str, Path], described: Mapping[str, Any]) -> tuple[dict[str, CoveredFilm], dict[str, str]]:
    """The films that can be read, and why the others cannot: by name."""
    films: dict[str, CoveredFilm] = {}
    faults: dict[str, str] = {}
    for name, file in files.items():
        film = prepare_or_tell(file, described)
        if isinstance(film, str):
            faults[name] = film
        else:
            films[name] = film
    return films, faults


def prepare_or_tell(file: Path, described: Mapping[str, Any]) -> CoveredFilm | str:
    """A film as `prepare_film` gives it, or why it cannot be read."""
    try:
        return prepare_film(file, described)
    except (ValueError, OSError) as fault:  # OSError: a file that was removed meanwhile, or may not be read
        return str(fault)


def predict_films(
    predict: Predict,
    described: Mapping[str, Any],
    names: Sequence[str],
    films: Mapping[str, CoveredFilm],
    faults: Mapping[str, str],
) -> dict[str, Cells]:
    """A row of the CSV for each name, in this order: a prediction, or an error.

    predict: (N, H, W, 1) grey levels 0-255 -> (N, K) probabilities. films, faults: as `prepare_films` gives them.
    """
    classes, read = list(described["classes"]), [name for name in names if name in films]
    nothing = ["" for _ in classes]
    rows = {name: [name, "", *nothing, faults.get(name, ""), described["model_sha256"]] for name in names}
    found, odd = probabilities_of(predict, described, {name: films[name] for name in read})
    for name, (predicted, row) in found.items():
        rows[name][1:-2] = [predicted, *(f"{p:.6g}" for p in row)]
    for name, fault in odd.items():
        rows[name][-2] = fault
    return rows


def probabilities_of(
    predict: Predict, described: Mapping[str, Any], films: Mapping[Key, CoveredFilm]
) -> tuple[dict[Key, tuple[str, list[float]]], dict[Key, str]]:
    """The predicted class and the probabilities of each film, and why an output is not a prediction, by name."""
    found: dict[Key, tuple[str, list[float]]] = {}
    odd: dict[Key, str] = {}
    if not films:
        return found, odd
    probabilities = predict(as_images(np.stack([film.film for film in films.values()])))
    predicted = decide(probabilities, described["threshold"], factors_of(described))
    for name, row, k in zip(films, probabilities, predicted, strict=True):
        if fault := tell_fault(row):
            odd[name] = fault
        else:
            found[name] = (described["classes"][k], row.tolist())
    return found, odd


def tell_fault(probabilities: NDArray[np.float64]) -> str:
    """Why a model's output for one film, (K,), is not a prediction; empty where it is one."""
    if np.isfinite(probabilities).all():
        return ""
    got = ", ".join(f"{p:g}" for p in probabilities)
    return (
        f"a model's probabilities must be finite numbers, got {got}; its weights are damaged, or `scaling` in its model.json is"
    )
