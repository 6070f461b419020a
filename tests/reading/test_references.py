from pathlib import Path

import keras
import numpy as np
import pytest
from prepared_phantom import CLASSES, PARTS, SIZE, make_project

from hilum.data.prepared.geometry import fit_square
from hilum.data.prepared.loading import load_films, load_geometry, load_split
from hilum.explain.explained_model import ExplainedModel
from hilum.models.backbones import BACKBONES
from hilum.models.classifier import model_sha256
from hilum.models.forward import predictor
from hilum.reading.features import make_features, middle_layer
from hilum.reading.references import (
    References,
    load_references,
    make_references,
    references_file,
    write_references,
)
from hilum.reading.unlike import NO_REFERENCES, describe_oddness
from hilum.workspace import Workspace

GEOMETRY = fit_square(SIZE, SIZE, SIZE, "pad")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, keras.Model, Path]:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def references(project: tuple[Workspace, keras.Model, Path]) -> References:
    workspace, network, _ = project
    parts = {name: load_split(workspace.prepared, workspace.split, name, CLASSES) for name in PARTS}
    done: list[tuple[int, int]] = []
    geometry = load_geometry(workspace.prepared)
    found = make_references(
        model_sha256(network), make_features(network), parts, geometry, 3, lambda so_far, total: done.append((so_far, total))
    )
    assert done[-1] == (200, 200)
    return found


def test_few_of_the_films_like_those_of_training_are_named(references: References) -> None:
    assert references.counts == (100, 60) and references.rate == 0.05
    assert references.unlike <= 0.15 and references.odd <= 0.05  # of 40 films, 5 % expected


def test_the_file_gives_the_same_references_and_holds_no_film(
    project: tuple[Workspace, keras.Model, Path], references: References
) -> None:
    workspace, network, _ = project
    file = references_file(workspace, references.model_sha256)
    write_references(file, references)
    found = load_references(workspace, references.model_sha256)
    assert found is not None and found.threshold == references.threshold and found.counts == references.counts
    films = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 1)).astype(np.float32)
    seen = make_features(network)(films)
    assert found.space.distances(seen) == pytest.approx(references.space.distances(seen), rel=1e-3)
    with np.load(file, allow_pickle=False) as stored:
        assert not [key for key in stored if "phantom" in str(stored[key])]
        arrays = {key: stored[key] for key in stored if key.startswith(("usual", "space"))}
    thumbnails = np.stack([film[::8, ::8].ravel() for film in load_films(workspace.prepared)])
    assert all(len(array) < len(thumbnails) or array.shape[0] == array.shape[-1] or array.ndim == 1 for array in arrays.values())
    assert load_references(workspace, "another") is None
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_the_app_says(project: tuple[Workspace, keras.Model, Path], references: References, tmp_path: Path) -> None:
    workspace, network, _ = project
    write_references(references_file(workspace, references.model_sha256), references)
    explained = ExplainedModel(predictor(network), network)
    described = {"model_sha256": references.model_sha256}
    usual = load_films(workspace.prepared)[170]

    def say(film: np.ndarray, place: Workspace = workspace) -> list[str]:
        return describe_oddness(film.astype(np.uint8), GEOMETRY, explained, described, place)

    assert say(usual) == []
    turned = say(np.rot90(usual, 2))
    assert turned[0].startswith("This film seems rotated by 180 degrees")
    noise = say(np.random.default_rng(1).integers(0, 256, (SIZE, SIZE)))
    assert noise[0].startswith("This may be no chest film") and "unlike the training films" in noise[1] and "5%" in noise[1]
    nowhere = Workspace(tmp_path, tmp_path)
    assert [line.startswith(NO_REFERENCES) for line in say(usual, nowhere)] == [True]
    blank = say(np.full((SIZE, SIZE), 80), nowhere)
    assert blank[0].startswith("This film is blank") and blank[1].startswith(NO_REFERENCES)


def test_a_damaged_file_is_said_and_stops_nothing(project: tuple[Workspace, keras.Model, Path], tmp_path: Path) -> None:
    _, network, _ = project
    workspace = Workspace(tmp_path, tmp_path)
    file = references_file(workspace, "m")
    file.parent.mkdir(parents=True)
    np.savez(tmp_path / "other.npz", a=1)
    for content in (b"", b"no archive", (tmp_path / "other.npz").read_bytes()):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="compute them again"):
            load_references(workspace, "m")
        film = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), np.uint8)
        (said,) = describe_oddness(film, GEOMETRY, ExplainedModel(predictor(network), network), {"model_sha256": "m"}, workspace)
        assert "compute them again" in said


def test_too_few_films_are_refused(project: tuple[Workspace, keras.Model, Path]) -> None:
    workspace, network, _ = project
    parts = {name: load_split(workspace.prepared, workspace.split, name, CLASSES) for name in ("train", "val")}
    parts["val"] = type(parts["val"])(parts["val"].table.iloc[:0], parts["val"].labels[:0], parts["val"].stored)
    with pytest.raises(ValueError, match="validation film"):
        make_references("x", make_features(network), parts, load_geometry(workspace.prepared), 3)


def test_features_are_the_channels_of_the_middle_averaged_over_cells(project: tuple[Workspace, keras.Model, Path]) -> None:
    _, network, _ = project
    films = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 1)).astype(np.float32)
    name = middle_layer(network)
    cells = keras.Model(network.input, network.get_layer(name).output)(films).numpy()
    assert make_features(network)(films) == pytest.approx(cells.mean(axis=(1, 2)), rel=1e-3, abs=1e-4)
    assert BACKBONES and "conv" in name


def test_a_model_without_cells_is_refused() -> None:
    film = keras.Input((8, 8, 1))
    model = keras.Model(film, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(film)))
    with pytest.raises(ValueError, match="layer with cells"):
        make_features(model)
