"""References of a model's training films, stored as one file: statistics alone, no film and no name of one."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.geometry import Geometry
from hilum.data.prepared.loading import SplitFilms
from hilum.reading.features import Features
from hilum.reading.novelty import RATE, FeatureSpace, find_threshold, learn_space
from hilum.reading.oddness import UsualFilms, crop_film, flatten_films, learn_usual, tell_odd
from hilum.workspace import Workspace

FORMAT = 1  # of the file; others are computed anew
BATCH = 64

OnFilm = Callable[[int, int], None]  # films done, films in all


@dataclass(frozen=True)
class References:
    """What one film is compared with.

    threshold: distance above which a film is unlike the training films; rate: of usual films, for which it was set.
    counts: films of training and validation. unlike, odd: share of the test films that each check would name; NaN without any.
    """

    model_sha256: str
    space: FeatureSpace
    usual: UsualFilms
    threshold: float
    rate: float
    counts: tuple[int, int]
    unlike: float = float("nan")
    odd: float = float("nan")


def make_references(
    model_sha256: str,
    features: Features,
    parts: Mapping[str, SplitFilms],
    geometry: Mapping[str, Geometry],
    classes: int,
    on_film: OnFilm = lambda done, total: None,
) -> References:
    """Compute the references of a model. parts: train, val and test films, of which test may be absent; it is counted alone.

    geometry: of every film, by image_id.

    Raises:
        ValueError: fewer than two training films or no validation film.
    """
    train, val = parts["train"], parts["val"]
    if len(train.table) < 2 or not len(val.table):
        raise ValueError(f"references need two training films and a validation film, got {len(train.table)} and {len(val.table)}")
    total, done = sum(len(part.table) for part in parts.values()), 0
    vectors: dict[str, NDArray[np.float64]] = {}
    crops: dict[str, list[NDArray[np.uint8]]] = {}
    for name, part in parts.items():
        found = []
        for start in range(0, len(part.table), BATCH):
            rows = np.arange(start, min(start + BATCH, len(part.table)))
            found.append(features(as_images(part.take(rows).films)).astype(np.float64))
            done += len(rows)
            on_film(done, total)
        vectors[name] = np.concatenate(found)
        films = part.stored[part.table["row"].to_numpy(np.int64)]
        crops[name] = [crop_film(film, geometry[str(i)]) for film, i in zip(films, part.table["image_id"], strict=True)]
    space = learn_space(vectors["train"], train.labels, classes)
    usual = learn_usual(flatten_films(crops["train"]), flatten_films(crops["val"]))
    threshold = find_threshold(space.distances(vectors["val"]))
    shares = (float("nan"), float("nan"))
    if len(crops.get("test", ())):
        odd = [tell_odd(usual, crop) is not None for crop in crops["test"]]
        shares = float((space.distances(vectors["test"]) > threshold).mean()), float(np.mean(odd))
    return References(model_sha256, space, usual, threshold, RATE, (len(train.table), len(val.table)), *shares)


def references_file(workspace: Workspace, model_sha256: str) -> Path:
    """Where the references of a model are stored."""
    return workspace.cache / "references" / f"{model_sha256}.npz"


def write_references(file: Path, references: References) -> None:
    """Write the file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    usual = {f"usual_{one.name}": getattr(references.usual, one.name).astype(np.float32) for one in fields(UsualFilms)}
    space = {f"space_{one.name}": getattr(references.space, one.name).astype(np.float32) for one in fields(FeatureSpace)}
    numbers = {key: getattr(references, key) for key in ("threshold", "rate", "counts", "unlike", "odd")}
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial.npz")
    try:
        np.savez_compressed(partial, format=FORMAT, model_sha256=references.model_sha256, **numbers, **usual, **space)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def load_references(workspace: Workspace, model_sha256: str) -> References | None:
    """The stored references of a model; None where there are none, or those of another version of hilum.

    Raises:
        ValueError: the file is damaged.
    """
    file = references_file(workspace, model_sha256)
    try:
        return _read(file, file.stat().st_mtime_ns) if file.is_file() else None
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as fault:
        raise ValueError(f"references must be a file of hilum, got a damaged {file.name} ({fault}); compute them again") from None


@lru_cache(maxsize=4)
def _read(file: Path, changed: int) -> References | None:
    with np.load(file, allow_pickle=False) as stored:
        if int(stored["format"]) != FORMAT:
            return None

        def of(prefix: str, kind: type[Any]) -> Any:
            return kind(*(stored[f"{prefix}_{one.name}"].astype(np.float64) for one in fields(kind)))

        first, second = stored["counts"]
        threshold, rate, unlike, odd = (float(stored[key]) for key in ("threshold", "rate", "unlike", "odd"))
        return References(
            str(stored["model_sha256"]),
            of("space", FeatureSpace),
            of("usual", UsualFilms),
            threshold,
            rate,
            (int(first), int(second)),
            unlike,
            odd,
        )
