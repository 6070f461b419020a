"""A user's `.keras` file as a backbone, from small random files on the disk: flat, nested, and without a head."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
from every_backbone import describe
from own_backbones import SIDE, write_own
from small_graphs import PRIOR, draw_films, wake

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import last_convolution
from hilum.explain.methods import gradcam
from hilum.models.backbones import find_backbone
from hilum.models.body import ENTRY
from hilum.models.classifier import (
    backbone_blocks,
    backbone_layers,
    build_classifier,
    cut,
    frozen_cut,
    load_classifier,
    model_sha256,
    save_classifier,
    unfreeze,
)

KINDS = ("flat", "nested", "headless")
BLOCKS = ("first", "pool", "deep", "top-wide")
BUILD = """
import json, sys
from every_backbone import describe
from test_own_backbone import build
print(json.dumps({path: describe(build(path)) for path in sys.argv[1:]}))
"""


def build(path: str | Path, weights: str | None = "preset", seed: int = 1, size: int = SIDE, **options: object) -> keras.Model:
    return build_classifier(str(path), size, 3, weights, 0.0, 0.0, np.log(PRIOR), seed, options=options)


@dataclass(frozen=True)
class Own:
    """A file on the disk and the classifier on it, as it was built."""

    kind: str
    path: Path
    model: keras.Model
    described: list[str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("own")
    for kind in KINDS:
        write_own(kind, place / f"{kind}.keras")
    return {kind: place / f"{kind}.keras" for kind in KINDS}


@pytest.fixture(scope="module", autouse=True)
def elsewhere(files: dict[str, Path], root: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that builds on these files, while this one runs the checks."""
    paths = [str(root / place) for place in ("src", "tests/support", "tests/models")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", BUILD, *map(str, files.values())]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        yield other
        other.kill()


@pytest.fixture(scope="module", params=KINDS)
def own(request: pytest.FixtureRequest, files: dict[str, Path]) -> Own:
    model = build(files[request.param])
    described = describe(model)
    return Own(request.param, files[request.param], wake(model), described)


def test_the_graph_is_flat_in_blocks_of_the_file_s_layers_that_hold_weights(own: Own) -> None:
    model = own.model
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert model.input_shape == (None, SIDE, SIDE, 1) and model.output_shape == (None, 3)
    blocks = backbone_blocks(model)
    assert tuple(blocks) == BLOCKS == find_backbone(str(own.path)).blocks
    assert all(any(model.get_layer(name).weights for name in names) for names in blocks.values())
    assert sum(map(len, blocks.values())) == len(backbone_layers(model))
    assert any("zero_padding" in name for name in blocks["first"]) and "first--logits" in blocks["first"]
    kinds = {type(layer).__name__ for layer in backbone_layers(model)}
    assert not kinds & {"SpatialDropout2D", "Dropout", "RandomFlip", "Flatten", "Dense"}


def test_features_are_those_of_the_file_s_own_network(own: Own) -> None:
    films = draw_films(2, SIDE)
    source = keras.saving.load_model(own.path)
    given = films if own.kind == "headless" else np.repeat(films, 3, axis=-1)
    if own.kind == "nested":
        expected = source.get_layer("trunk")(given / 255, training=False)
    else:
        expected = keras.Model(source.input, source.get_layer("last").output)(given, training=False)
    prefix, _ = cut(build(own.path), last_convolution(own.model))
    np.testing.assert_allclose(prefix(films, training=False).numpy(), np.asarray(expected), rtol=1e-4, atol=1e-4)


def test_built_again_here_it_has_the_same_names_and_hash(own: Own) -> None:
    assert describe(build(own.path)) == own.described


def test_random_weights_follow_the_seed(own: Own) -> None:
    first, again, other = (model_sha256(build(own.path, None, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert first != own.described[0]


def test_grad_cam_shows_the_last_cells_of_the_file(own: Own) -> None:
    model, films = own.model, draw_films(2, SIDE)
    name = last_convolution(model)
    assert name == "top-wide--last" if own.kind != "flat" else name.startswith("top-wide--")
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape))
    explained = ExplainedModel(lambda given: model(given, training=False).numpy(), model)
    found = gradcam.explain(explained, films[[0, 0]], np.array([0, 1]), {"layer": "last"}, 0, lambda done, of: None)
    assert found.cells is not None and (found.cells.down, found.cells.across) == (12, 12)
    assert np.isfinite(found.values).all() and found.values.any()


def test_it_is_cut_below_each_block_and_freezes_what_is_below(own: Own) -> None:
    model, films = own.model, draw_films(2, SIDE)
    expected = model(films, training=False).numpy()
    order = [layer.name for layer in model.layers]
    for extent in ("head", *BLOCKS[1:], 2):
        trained = unfreeze(model, extent, "frozen")
        place = frozen_cut(model)
        assert place is not None and place not in ENTRY
        assert order.index(place) < min(order.index(name) for name in trained)
        prefix, tail = cut(model, place)
        np.testing.assert_array_equal(tail(prefix(films, training=False), training=False).numpy(), expected)
    assert {name.split("--")[0] for name in trained} == {"deep", "top-wide", "logits"}
    assert unfreeze(model, "all", "train") and frozen_cut(model) is None


def test_a_step_trains_it_and_the_saved_model_is_the_trained_one_without_the_file(own: Own, tmp_path: Path) -> None:
    model, films = build(own.path), draw_films(2, SIDE)
    unfreeze(model, "all", "train")
    model.compile(keras.optimizers.SGD(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape))
    before = {weight.path: weight.numpy() for weight in model.trainable_weights}
    model.train_on_batch(films, np.array([0, 1]))
    after = {weight.path: weight.numpy() for weight in model.trainable_weights}
    assert not [path for path, value in before.items() if np.array_equal(value, after[path])]
    save_classifier(model, tmp_path / "model.keras")
    back = load_classifier(tmp_path / "model.keras")
    assert model_sha256(back) == model_sha256(model) and tuple(backbone_blocks(back)) == BLOCKS
    np.testing.assert_array_equal(back(films, training=False), model(films, training=False))


def test_another_process_builds_the_same(elsewhere: "subprocess.Popen[str]", files: dict[str, Path]) -> None:
    written, told = elsewhere.communicate(timeout=400)
    assert elsewhere.returncode == 0, told[-2000:]
    assert json.loads(written.splitlines()[-1]) == {str(path): describe(build(path)) for path in files.values()}


def test_an_option_names_the_layer_where_it_ends_and_another_the_scaling(files: dict[str, Path]) -> None:
    path = str(files["nested"])
    row = find_backbone(path, {"layer": "deep", "scaling": [0.5, -2.0]})
    assert row.blocks == BLOCKS[:3] and row.scaling == (0.5, -2.0)
    model = build(path, layer="deep", scaling=[0.5, -2.0])
    assert tuple(backbone_blocks(model)) == BLOCKS[:3]
    films = draw_films(2, SIDE)
    prefix, _ = cut(model, "scale")
    np.testing.assert_allclose(prefix(films).numpy(), films * 0.5 - 2.0, rtol=1e-6)
    with pytest.raises(ValueError, match=r"options.layer must be a layer of .*got 'lst'; choose one of first, .*, last$"):
        find_backbone(path, {"layer": "lst"})


def test_convolutions_take_films_of_another_size(files: dict[str, Path]) -> None:
    model = build(files["flat"], size=64)
    assert model.input_shape == (None, 64, 64, 1)
    for one, other in zip(backbone_layers(model), backbone_layers(build(files["flat"])), strict=True):
        for weight, same in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, same)


def save(path: Path, film: object, end: object) -> str:
    keras.Model(film, end).save(path)
    return str(path)


def test_what_is_no_backbone_is_refused(tmp_path: Path) -> None:
    layers = keras.layers
    with pytest.raises(ValueError, match=r"a backbone .keras must be a file of your own, got .*gone.keras, which does not exist"):
        find_backbone(str(tmp_path / "gone.keras"))
    film = keras.Input((SIDE, SIDE, 3))
    flat = layers.Dense(2)(layers.Flatten()(film))
    with pytest.raises(ValueError, match=r"must hold a layer with cells, above a convolution, that every path .*one trunk"):
        find_backbone(save(tmp_path / "dense.keras", film, flat))
    stem = layers.Conv2D(4, 3, name="stem")(film)
    arms = [layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3, name=name)(stem)) for name in ("left", "right")]
    divided = save(tmp_path / "divided.keras", film, layers.Dense(2)(layers.Concatenate()(arms)))
    with pytest.raises(ValueError, match=r"which goes on above stem with .*\{layer: stem\}"):
        find_backbone(divided)
    assert find_backbone(divided, {"layer": "stem"}).blocks == ("stem",)
    patches = layers.Reshape((-1, 8))(layers.Conv2D(8, 8, strides=8, name="patches")(film))
    tokens = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(patches, patches))
    with pytest.raises(ValueError, match=r"which goes on above patches with"):
        find_backbone(save(tmp_path / "tokens.keras", film, layers.GlobalAveragePooling1D()(tokens)))
    oblong = keras.Input((32, SIDE, 3))
    with pytest.raises(ValueError, match=r"whose input is \(32, 48, 3\); films are square"):
        find_backbone(save(tmp_path / "oblong.keras", oblong, layers.Conv2D(4, 3)(oblong)))


def test_layers_that_do_not_take_films_of_prepare_size_are_refused_with_their_own(tmp_path: Path) -> None:
    film = keras.Input((SIDE, SIDE, 3))
    rows = keras.layers.Reshape((SIDE // 2, 2, SIDE * 3))(film)
    fixed = save(tmp_path / "fixed.keras", film, keras.layers.Conv2D(4, 2, padding="same")(rows))
    with pytest.raises(
        ValueError, match=r"must take films of prepare.size, got 64 px .*own are of 48 px .*set prepare.size to 48"
    ):
        build(fixed, size=64)
