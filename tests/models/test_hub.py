"""Backbones of KerasHub, from small random presets on the disk: a convolutional one and a DINOv2."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
from every_backbone import describe
from hub_presets import PATCH, REGISTERS, WIDTH, write_preset
from small_graphs import PRIOR, draw_films, wake

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import last_convolution
from hilum.explain.methods import gradcam
from hilum.models.backbones import IMAGENET, find_backbone
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
from hilum.models.cuts import legal_cuts
from hilum.models.hub import hash_preset

SIDE = 4 * PATCH  # px
BLOCKS = {
    "resnet": ("stem", "stack0_block0", "stack1_block0"),
    "dinov2": ("stem", "block_1", "block_2", "top"),
}
MAPS = {"resnet": ("stack1_block0_out", (7, 7, 64)), "dinov2": ("cells", (4, 4, WIDTH))}
BUILD = """
import json, sys
from every_backbone import describe
from test_hub import build
print(json.dumps({folder: describe(build(f"hub:{folder}")) for folder in sys.argv[1:]}))
"""


def build(backbone: str, weights: str | None = "preset", seed: int = 1) -> keras.Model:
    return build_classifier(backbone, SIDE, 3, weights, 0.0, 0.0, np.log(PRIOR), seed)


@dataclass(frozen=True)
class Preset:
    """A preset on the disk and the classifier on it, as it was built."""

    kind: str
    folder: Path
    model: keras.Model
    described: list[str]

    @property
    def backbone(self) -> str:
        return f"hub:{self.folder}"

    def source(self) -> keras.Model:
        """KerasHub's own network with these weights."""
        return keras_hub.models.Backbone.from_preset(str(self.folder), image_shape=(SIDE, SIDE, 3))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("presets")
    for kind in BLOCKS:
        write_preset(kind, place / kind)
    return {kind: place / kind for kind in BLOCKS}


@pytest.fixture(scope="module", autouse=True)
def elsewhere(folders: dict[str, Path], root: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that builds on both presets, while this one runs the checks."""
    paths = [str(root / place) for place in ("src", "tests/support", "tests/models")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", BUILD, *map(str, folders.values())]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        yield other
        other.kill()


@pytest.fixture(scope="module", params=BLOCKS)
def preset(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Preset:
    folder = folders[request.param]
    model = build(f"hub:{folder}")
    described = describe(model)
    return Preset(request.param, folder, wake(model), described)


def test_the_graph_is_flat_in_blocks_that_hold_weights(preset: Preset) -> None:
    model = preset.model
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert model.input_shape == (None, SIDE, SIDE, 1) and model.output_shape == (None, 3)
    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}, "a saved model needs no KerasHub"
    blocks = backbone_blocks(model)
    assert tuple(blocks) == BLOCKS[preset.kind] == find_backbone(preset.backbone).blocks
    assert all(any(model.get_layer(name).weights for name in names) for names in blocks.values())
    assert sum(map(len, blocks.values())) == len(backbone_layers(model))


def test_features_are_those_of_keras_hub_on_a_film_scaled_as_imagenet(preset: Preset) -> None:
    """Of a DINOv2 without the class token and registers: those of the patches, in their grid."""
    model, films = build(preset.backbone), draw_films(2, SIDE)
    factor, offset = (np.array(numbers) for numbers in IMAGENET)
    source = preset.source()
    given = np.repeat(films, 3, axis=-1) * factor + offset
    given = given.astype(np.float32)
    expected = np.asarray(source({"images": given} if preset.kind == "dinov2" else given, training=False))
    if preset.kind == "dinov2":
        expected = expected[:, 1 + REGISTERS :].reshape(2, SIDE // PATCH, SIDE // PATCH, WIDTH)
    name, shape = MAPS[preset.kind]
    prefix, _ = cut(model, name)
    found = prefix(films, training=False).numpy()
    assert found.shape[1:] == shape
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.ptp(found[0], axis=(0, 1)).max() > 0.01, "cells differ"


def test_built_again_here_it_has_the_same_names_and_hash(preset: Preset) -> None:
    assert describe(build(preset.backbone)) == preset.described


def test_random_weights_follow_the_seed(preset: Preset) -> None:
    first, again, other = (model_sha256(build(preset.backbone, None, seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert first != preset.described[0]


def test_grad_cam_shows_the_cells_of_the_last_layer(preset: Preset) -> None:
    films = draw_films(2, SIDE)
    model = preset.model
    name, (height, width, _) = MAPS[preset.kind]
    assert last_convolution(model) == name and name in legal_cuts(model)
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape))
    explained = ExplainedModel(lambda given: model(given, training=False).numpy(), model)
    found = gradcam.explain(explained, films[[0, 0]], np.array([0, 1]), {"layer": "last"}, 0, lambda done, of: None)
    assert found.cells is not None and found.cells.layer == name
    assert (found.cells.down, found.cells.across) == (height, width)
    assert np.isfinite(found.values).all() and found.values.any()


def test_it_is_cut_below_each_block_and_freezes_what_is_below(preset: Preset) -> None:
    model, films = preset.model, draw_films(2, SIDE)
    expected = model(films, training=False).numpy()
    order = [layer.name for layer in model.layers]
    blocks = backbone_blocks(model)
    for extent in ("head", *BLOCKS[preset.kind][1:]):
        trained = unfreeze(model, extent, "frozen")
        place = frozen_cut(model)
        assert place is not None and place not in ENTRY
        assert order.index(place) < min(order.index(name) for name in trained)
        prefix, tail = cut(model, place)
        np.testing.assert_array_equal(tail(prefix(films, training=False), training=False).numpy(), expected)
        if extent != "head":
            norms = {layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}
            wanted = {name for name in blocks[extent] if model.get_layer(name).weights} - norms
            assert wanted <= set(trained)
    assert unfreeze(model, "all", "train") and frozen_cut(model) is None


def test_a_step_trains_it_and_the_saved_model_is_the_trained_one(preset: Preset, tmp_path: Path) -> None:
    model, films = build(preset.backbone), draw_films(2, SIDE)
    before = model_sha256(model)
    unfreeze(model, "all", "train")
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", jit_compile=False)
    kernel = model.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(1).normal(size=kernel.shape))
    weights = {weight.path: weight.numpy() for weight in model.trainable_weights}
    model.train_on_batch(films, np.array([0, 1]))
    still = [path for path, value in weights.items() if np.array_equal(value, model_weight(model, path))]
    assert [path for path in still if not path.endswith("/key/bias")] == [], "all but what softmax cancels"
    assert model_sha256(model) != before
    save_classifier(model, tmp_path / "model.keras")
    back = load_classifier(tmp_path / "model.keras")
    assert model_sha256(back) == model_sha256(model)
    np.testing.assert_array_equal(back(films, training=False), model(films, training=False))


def model_weight(model: keras.Model, path: str) -> np.ndarray:
    return next(weight.numpy() for weight in model.weights if weight.path == path)


def test_the_scaling_that_keras_hub_wrote_with_a_preset_is_inside_the_graph_and_in_the_hash(
    preset: Preset, tmp_path: Path
) -> None:
    shutil.copytree(preset.folder, tmp_path / "scaled")
    kind = keras_hub.layers.DINOV2ImageConverter if preset.kind == "dinov2" else keras_hub.layers.ResNetImageConverter
    kind(image_size=(SIDE, SIDE), scale=[0.01, 0.02, 0.03], offset=[-1.0, -2.0, -3.0]).save_to_preset(str(tmp_path / "scaled"))
    scaled = f"hub:{tmp_path / 'scaled'}"
    assert hash_preset(scaled) != hash_preset(preset.backbone) == hash_preset(preset.backbone)
    assert find_backbone(preset.backbone).scaling == IMAGENET
    films = draw_films(2, SIDE)
    prefix, _ = cut(build(scaled), "scale")
    np.testing.assert_allclose(prefix(films).numpy(), films * [0.01, 0.02, 0.03] - [1.0, 2.0, 3.0], atol=1e-4)


def test_another_process_builds_the_same(elsewhere: "subprocess.Popen[str]", folders: dict[str, Path]) -> None:
    written, told = elsewhere.communicate(timeout=400)
    assert elsewhere.returncode == 0, told[-2000:]
    here = {str(folder): describe(build(f"hub:{folder}")) for folder in folders.values()}
    assert json.loads(written.splitlines()[-1]) == here


def test_films_that_are_not_cut_into_whole_patches_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"a multiple of 14 px, its patches, got 64; set prepare.size to 56 or 70"):
        build_classifier(f"hub:{folders['dinov2']}", 64, 3, None, 0.0, 0.0, np.log(PRIOR), 1)


def test_what_is_no_preset_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a preset must be a name of KerasHub's or a folder, got .*gone, which does not exist"):
        find_backbone(f"hub:{tmp_path / 'gone'}")
    with pytest.raises(ValueError, match=r"a preset must hold config.json, got none in"):
        find_backbone(f"hub:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps({"class_name": "GemmaBackbone", "config": {}}))
    with pytest.raises(ValueError, match=r"one of ResNetBackbone, DINOV2Backbone, got GemmaBackbone"):
        find_backbone(f"hub:{tmp_path}")
    with pytest.raises(ValueError, match=r"no_such_preset is loaded by KerasHub, which failed: .*write `backbone: hub:<fol"):
        find_backbone("hub:no_such_preset")
