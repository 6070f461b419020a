"""How often the reading room warns of films like those of training, and how many odd ones it finds.

python benchmarks/unlike_films.py PROJECT MODEL [--odd FOLDER ...] [--films 200]

PROJECT: a project with data/prepared and data/split of the model's training. MODEL: its .keras file, with model.json beside it.
Odd films are made from the test films (turned, inverted), drawn (blank, lateral, a photograph of scikit-image) or read from
folders. Prints a line per kind: share with a warning by the distance in feature space, by the checks for odd films, by either.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.geometry import Geometry, fit_film, fit_square
from hilum.data.prepared.loading import load_geometry, load_split
from hilum.data.quality.trunk import draw_projections
from hilum.explain.explained_model import ExplainedModel
from hilum.models.classifier import load_classifier
from hilum.models.flatten import flatten
from hilum.models.forward import predictor
from hilum.project.readings import compute_references
from hilum.reading.features import make_features
from hilum.reading.oddness import crop_film, tell_odd
from hilum.reading.references import References
from hilum.results import read_json
from hilum.serving.predictions import prepare_or_tell
from hilum.workspace import Workspace

PHOTOGRAPHS = ("camera", "cat", "coffee", "astronaut", "rocket", "chelsea", "page", "clock", "coins", "moon")
Shown = tuple[NDArray[np.uint8], Geometry]


def list_odd(test: list[Shown], size: int, square: str) -> dict[str, list[Shown]]:
    """Films of each odd kind, prepared."""
    whole = [crop_film(*one) for one in test]

    def again(films: list[NDArray[np.uint8]]) -> list[Shown]:
        return [(fit_film(film, size, square), fit_square(film.shape[1], film.shape[0], size, square)) for film in films]

    rng = np.random.default_rng(0)
    drawn = (255 * draw_projections(7, 50, lateral=True)).astype(np.uint8)
    return {
        "upside down": again([np.ascontiguousarray(np.rot90(film, 2)) for film in whole]),
        "rotated by 90 degrees": again([np.ascontiguousarray(np.rot90(film)) for film in whole]),
        "inverted": again([255 - film for film in whole]),
        "mirrored": again([np.ascontiguousarray(film[:, ::-1]) for film in whole]),
        "lateral, drawn": again(list(drawn)),
        "blank": again([np.full((300, 300), level, np.uint8) for level in (0, 60, 128, 255)]),
        "noise": again([rng.integers(0, 256, (300, 300)).astype(np.uint8) for _ in range(10)]),
        "photograph": again([np.asarray(Image.fromarray(getattr(data, name)()).convert("L")) for name in PHOTOGRAPHS]),
    }


def measure(references: References, features: NDArray[np.float32], shown: list[Shown]) -> tuple[float, float, float]:
    """Shares with a warning: by the distance, by the checks, by either."""
    far = references.space.distances(features) > references.threshold
    odd = np.array([tell_odd(references.usual, crop_film(*one)) is not None for one in shown])
    return float(far.mean()), float(odd.mean()), float((far | odd).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--odd", type=Path, nargs="*", default=[], help="folders of other films")
    parser.add_argument("--films", type=int, default=200, help="test films that are turned and inverted, at most (200)")
    asked = parser.parse_args()
    workspace = Workspace(asked.project.resolve(), asked.project.resolve())
    described: Mapping[str, object] = read_json(asked.model.with_name("model.json"))
    network = flatten(load_classifier(asked.model))
    references = compute_references(ExplainedModel(predictor(network), network), dict(described), workspace)
    features = make_features(network)
    geometry = load_geometry(workspace.prepared)
    test = load_split(workspace.prepared, workspace.split, "test", list(described["classes"]))  # type: ignore[call-overload]
    films = test.examples.films
    shown = [(film, geometry[str(name)]) for film, name in zip(films, test.table["image_id"], strict=True)]
    size, square = int(str(described["size"])), str(described["square"])
    kinds = {"test films": shown, **list_odd(shown[: asked.films], size, square)}
    for folder in asked.odd:
        files = sorted(path for path in folder.rglob("*") if path.is_file())[: asked.films]
        ready = [one for path in files if not isinstance(one := prepare_or_tell(path, dict(described)), str)]
        kinds[str(folder)[-30:]] = [(one.film, one.geometry) for one in ready]
    print(f"references: {references.counts[0]} training films, threshold from {references.counts[1]} validation films")
    print(f"{'kind':30} {'films':>6} {'distance':>9} {'odd':>6} {'either':>7}")
    for kind, some in kinds.items():
        found = measure(references, features(as_images(np.stack([film for film, _ in some]))), some)
        print(f"{kind:30} {len(some):6} {found[0]:9.1%} {found[1]:6.1%} {found[2]:7.1%}")


if __name__ == "__main__":
    main()
