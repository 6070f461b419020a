"""The contract of every backbone in the registry: one build of each, which all checks share."""

import importlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from every_backbone import OPTIONS, build_row, describe, name_graph, side_of
from small_graphs import PRIOR, build, draw_films, wake

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import POOLINGS, finer_convolution, last_convolution
from hilum.explain.methods import gradcam
from hilum.explain.methods.cams import compile_cut
from hilum.models.backbones import BACKBONES, Backbone, application, blocks_of, find_backbone
from hilum.models.body import ENTRY
from hilum.models.classifier import (
    backbone_blocks,
    backbone_layers,
    cut,
    frozen_cut,
    load_classifier,
    model_sha256,
    save_classifier,
    unfreeze,
)
from hilum.models.cuts import legal_cuts
from hilum.models.initial_weights import save_backbone

pytestmark = pytest.mark.filterwarnings("ignore:.*input_shape.*:UserWarning")

OF_OUR_OWN = [name for name, row in BACKBONES.items() if not isinstance(row.application, str)]
SCALED_INSIDE = {  # networks whose own function scales films: the layers that do it, from the input upwards
    "mobilenetv3_small": 1,
    "mobilenetv3_large": 1,
    "efficientnetv2_b0": 2,
    "convnext_tiny": 1,
}
GRAPHS = {  # of the rows of the first release at 32 px: models that were saved are found by them
    "mobilenet_025": "168125d53582decebafde91a9b99256c392464bff986e46bce74282ca565bf39",
    "mobilenet": "bbb774c4c5f2cb08fc44c966ad84fe9d4cd3bfe1e87794501885274cbfeb6938",
    "mobilenetv2": "2d9978f25b0832cbd53ecf4b4cffad9c126daa0886777a386330ca9c2d72ce53",
    "resnet50v2": "7966daa9f1705834a97f34e95b7cd93e98aa2944958510f913d08f30553b64ad",
    "efficientnet_lite0": "ebcce04df77adfbb86ee02d19adc1034a070d8577c01b0bd7488cd113aa634e9",
    "efficientnet_lite1": "e8682f4380365f81e1bc47738b7e96760d2b45c52855c3c7fcc3d5ab4a97c7de",
    "efficientnet_lite2": "e2d777ef099862cfb7cea9ab98d089b8cbc64cfa812bafb450949c3148fc2ef5",
}


@dataclass(frozen=True)
class Built:
    """A row's classifier on small films, its batch norm awake, and its hash and names as it was built."""

    name: str
    row: Backbone
    model: keras.Model
    films: np.ndarray
    sha256: str
    names: list[str]


@pytest.fixture(scope="module", autouse=True)
def elsewhere(root: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str] | None"]:
    """Another process that builds every row, while this one runs the checks; none where the comparison is not run."""
    if test_another_process_builds_the_same.__name__ not in {item.name for item in request.session.items}:
        yield None
        return
    path = {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root / "tests" / "support")]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "every_backbone"]
    with subprocess.Popen(command, env=os.environ | path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as other:
        yield other
        other.kill()


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    """Row -> hash and names of what was built so far."""
    return {}


@pytest.fixture(scope="module", params=BACKBONES)
def built(request: pytest.FixtureRequest, here: dict[str, list[str]]) -> Built:
    name = request.param
    model = build_row(name)
    sha256, *names = here[name] = describe(model)
    films = draw_films(2, side_of(name))
    kernel = model.get_layer("logits").kernel
    values = kernel.numpy()
    values[:, 1] = -values[:, 0]  # so that whatever the cells are, some argue for one of the two
    kernel.assign(values)
    return Built(name, find_backbone(name, OPTIONS.get(name)), wake(model), films, sha256, names)


def inputs_of(layer: keras.layers.Layer) -> list[str]:
    if isinstance(layer, keras.layers.InputLayer):
        return []
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(layer.input)]


def test_the_graph_is_flat_and_has_grey_levels_in_and_one_probability_per_class_out(built: Built) -> None:
    model, side = built.model, side_of(built.name)
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert model.name == built.name
    assert model.input_shape == (None, side, side, 1)
    assert model.output_shape == (None, 3)
    assert len(set(built.names)) == len(built.names)
    probabilities = model(built.films, training=False).numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert not np.array_equal(*probabilities), "the films differ, and so do their probabilities"
    np.testing.assert_allclose(model.get_layer("logits").bias.numpy(), np.log(PRIOR), atol=1e-6)
    np.testing.assert_allclose(probabilities, np.tile(PRIOR, (2, 1)), atol=0.05)


def test_built_again_here_it_has_the_same_names_and_hash_and_another_seed_other_weights(built: Built) -> None:
    again = build_row(built.name)
    assert [layer.name for layer in again.layers] == built.names
    assert model_sha256(again) == built.sha256
    if built.name == "mobilenet_025":
        assert model_sha256(build_row(built.name, seed=2)) != built.sha256


def test_every_block_of_the_row_is_in_the_graph_holds_weights_and_does_not_interleave(built: Built) -> None:
    model = built.model
    blocks = backbone_blocks(model)
    assert tuple(blocks) == built.row.blocks
    for block, layers in blocks.items():
        assert any(model.get_layer(layer).weights for layer in layers), block
    position = {name: i for i, name in enumerate(built.names)}
    places = [[position[layer] for layer in layers] for layers in blocks.values()]
    assert sorted(i for block in places for i in block) == [position[layer.name] for layer in backbone_layers(model)]
    for lower, upper in itertools.pairwise(places):
        assert max(lower) < min(upper)


def test_the_map_layer_of_the_row_has_cells_and_is_neither_input_nor_patches_nor_pooling(built: Built) -> None:
    model = built.model
    last = last_convolution(model)
    layer = model.get_layer(last)
    assert last in legal_cuts(model) and len(layer.output.shape) == 4
    assert not isinstance(layer, (keras.layers.InputLayer, *POOLINGS))
    above = [name for name in legal_cuts(model)[legal_cuts(model).index(last) + 1 :] if name in built.names]
    assert above[0] == "pool" or isinstance(model.get_layer(above[0]), POOLINGS), "nothing is above it but pooling"
    finer = model.get_layer(finer_convolution(model))
    assert finer.output.shape[1] > layer.output.shape[1] > 1
    assert finer.name in legal_cuts(model) and finer.name not in ENTRY


def test_grad_cam_of_a_film_has_a_cell_per_cell_of_the_map_layer(built: Built) -> None:
    explained = ExplainedModel(lambda films: built.model(films, training=False).numpy(), built.model)
    compile_cut(explained, built.model, "last", few=True)
    found = gradcam.explain(explained, built.films[[0, 0]], np.array([0, 1]), {"layer": "last"}, 0, lambda done, of: None)
    assert found.values.shape == built.films.shape[:3] and np.isfinite(found.values).all()
    assert found.cells is not None and found.cells.layer == last_convolution(built.model)
    assert found.values.any()


def test_the_scaling_inside_the_graph_is_that_of_the_weights(built: Built) -> None:
    films = built.films.copy()
    films[0, 0, :2, 0] = 0, 255
    prefix, _ = cut(built.model, [name for name in built.names if name in ENTRY][-1])
    colour = np.repeat(films, 3, axis=-1)
    if built.name in SCALED_INSIDE:
        scaling = {**built.row.options, "include_preprocessing": True, "include_top": False, "weights": None}
        plain = application(built.row)(input_shape=colour.shape[1:], **scaling)
        expected = keras.Model(plain.input, plain.layers[SCALED_INSIDE[built.name]].output)(colour).numpy()
    elif built.name.startswith("efficientnet_lite"):
        expected = (colour - 127) / 128
    elif built.name in OF_OUR_OWN:
        expected = colour / 127.5 - 1
    else:
        expected = importlib.import_module(application(built.row).__module__).preprocess_input(colour)
    np.testing.assert_allclose(prefix(films).numpy(), expected, atol=1e-5)


def test_a_saved_model_comes_back_the_same_and_is_saved_as_the_same_bytes(built: Built, tmp_path: Path) -> None:
    save_classifier(built.model, tmp_path / "model.keras")
    back = load_classifier(tmp_path / "model.keras")
    assert model_sha256(back) == model_sha256(built.model)
    film = built.films[:1]
    np.testing.assert_array_equal(back(film, training=False), built.model(film, training=False))
    save_classifier(back, tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == (tmp_path / "model.keras").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.keras", "model.keras"]


def test_legal_cuts_are_the_layers_that_no_path_goes_around(built: Built) -> None:
    """Oracle: walk back from the output without crossing the layer; the cut is legal if the input is not reached."""
    model = built.model
    below = {operation.name: inputs_of(operation) for operation in model.operations}

    def goes_around(blocked: str) -> bool:
        todo, seen = ["probabilities"], set()
        while todo:
            layer = todo.pop()
            if layer == blocked or layer in seen:
                continue
            seen.add(layer)
            todo += below[layer]
        return "grey" in seen

    assert legal_cuts(model) == [name for name in built.names if not goes_around(name)]


def test_there_is_a_cut_below_every_block_but_the_lowest(built: Built) -> None:
    """Else a phase that trains the upper blocks would run frozen ones in every epoch."""
    model, blocks = built.model, backbone_blocks(built.model)
    cuts = set(legal_cuts(model))
    ends = [[layer for layer in layers if layer in cuts] for layers in blocks.values()]
    assert [block for block, found in zip(blocks, ends, strict=True) if not found] == []


def test_tail_of_prefix_is_the_model_exactly(built: Built) -> None:
    model = built.model
    expected = model(built.films, training=False).numpy()
    inside = [name for name in legal_cuts(model) if name not in ENTRY]
    for place in (inside[len(inside) // 2], last_convolution(model)):
        prefix, tail = cut(model, place)
        np.testing.assert_array_equal(tail(prefix(built.films, training=False), training=False).numpy(), expected)


def test_the_frozen_cut_is_the_highest_with_nothing_trainable_below_it(built: Built) -> None:
    model, order = built.model, built.names
    for extent in ("head", *built.row.blocks[1:]):
        trained = unfreeze(model, extent, "frozen")
        lowest = min(order.index(layer) for layer in (*trained, "dropout"))
        assert frozen_cut(model) == [place for place in legal_cuts(model) if order.index(place) < lowest][-1]
    unfreeze(model, "head", "frozen")
    assert frozen_cut(model) == "pool"
    for everything in ("all", built.row.blocks[0], len(built.row.blocks)):
        unfreeze(model, everything, "frozen")
        assert frozen_cut(model) is None, everything


def test_every_extent_trains_the_head_and_exactly_the_blocks_from_there_up(built: Built) -> None:
    model, names = built.model, built.row.blocks
    blocks = backbone_blocks(model)
    for lowest, block in enumerate(names):
        trained = unfreeze(model, block, "train")
        wanted = {layer for upper in names[lowest:] for layer in blocks[upper]} | {"logits"}
        assert trained == [layer.name for layer in model.layers if layer.name in wanted and layer.weights]
        assert unfreeze(model, len(names) - lowest, "train") == trained


def test_the_guide_describes_the_row(built: Built, root: Path) -> None:
    line = next(line for line in (root / "docs" / "networks.md").read_text().splitlines() if line.startswith(f"| `{built.name}`"))
    _, parameters, smallest, _, maps, blocks = line.strip("| ").split(" | ")
    if not built.row.required:
        assert float(parameters) == round(sum(layer.count_params() for layer in backbone_layers(built.model)) / 1e6, 2)
        assert int(smallest) == built.row.smallest and maps == f"`{last_convolution(built.model)}`"
        assert int(blocks.split(":")[0]) == len(built.row.blocks)
        named = [name for name in blocks.replace("`", " ").replace(",", " ").split() if name in built.row.blocks]
        assert {named[0], named[-1]} == {built.row.blocks[0], built.row.blocks[-1]}


def test_a_step_changes_every_weight_that_is_trained(built: Built) -> None:
    """The last check of a row, because it changes the weights."""
    model = built.model
    unfreeze(model, "all", "train")
    model.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=model.get_layer("logits").kernel.shape))
    with tf.GradientTape() as tape:
        loss = keras.losses.sparse_categorical_crossentropy(np.array([0, 1]), model(built.films, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.apply(gradients, model.trainable_variables)
    assert all(np.isfinite(variable.numpy()).all() for variable in model.trainable_variables)
    moved = {variable.path for variable, step in zip(model.trainable_variables, gradients, strict=True) if np.any(step)}
    for block, layers in backbone_blocks(model).items():
        paths = {variable.path for layer in layers for variable in model.get_layer(layer).trainable_variables}
        assert paths & moved, block


def test_another_process_builds_the_same(elsewhere: "subprocess.Popen[str]", here: dict[str, list[str]]) -> None:
    """After the checks of every row, when that process is long done."""
    written, told = elsewhere.communicate(timeout=300)
    assert elsewhere.returncode == 0, told[-3000:]
    found = json.loads(written.splitlines()[-1])
    assert set(found) == set(BACKBONES)
    for name, described in found.items():
        assert described == (here.get(name) or describe(build_row(name))), name


@pytest.mark.parametrize("name", GRAPHS)
def test_a_row_of_earlier_models_builds_the_same_graph(name: str) -> None:
    assert name_graph(build(name, 32)) == GRAPHS[name]


def test_an_unknown_backbone_is_refused_with_the_legal_names() -> None:
    with pytest.raises(ValueError, match=r"mobilenet_025, mobilenet, mobilenetv2, .*got 'vgg'"):
        find_backbone("vgg")
    with pytest.raises(ValueError, match="'vgg'"):
        build("vgg")


def test_blocks_of_a_list_of_names_by_hand() -> None:
    layers = ["conv1", "conv_dw_1", "conv_pw_1_relu", "conv_pad_2", "conv_dw_2_bn", "conv_pw_12"]
    expected = {
        "stem": ["conv1"],
        "block_1": ["conv_dw_1", "conv_pw_1_relu"],
        "block_2": ["conv_pad_2", "conv_dw_2_bn"],
        "block_12": ["conv_pw_12"],
    }
    assert blocks_of("mobilenet", layers) == expected
    assert blocks_of("mobilenetv2", ["Conv1", "block_1_expand", "Conv_1"]) == {
        "stem": ["Conv1"],
        "block_1": ["block_1_expand"],
        "top": ["Conv_1"],
    }


@pytest.mark.parametrize(("between", "lower", "upper"), [("before", 2, 1), ("after", 1, 2)])
def test_layers_between_two_blocks_belong_to_one_of_them_by_the_row_s_rule(
    between: Literal["before", "after"], lower: int, upper: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKBONES, "densenet121", replace(BACKBONES["densenet121"], between=between))
    layers = ["conv1_conv", "conv2_block6_concat", "pool2_conv", "conv3_block1_0_bn", "relu"]
    blocks = blocks_of("densenet121", layers)
    assert list(blocks) == ["stem", "conv2_block6", "conv3_block1", "top"]
    assert [len(names) for names in blocks.values()] == [1, lower, upper, 1]


@pytest.mark.parametrize("name", ["vgg16", "convnext_tiny", "residual_cnn"])
def test_weights_saved_of_a_backbone_that_is_scaled_per_channel_nested_or_ours_are_read_again(name: str, tmp_path: Path) -> None:
    model, options = build_row(name), OPTIONS.get(name)
    save_backbone(model, tmp_path / "backbone.weights.h5", options)
    again = build(name, weights=tmp_path / "backbone.weights.h5", seed=5, options=options)
    for one, other in zip(backbone_layers(model), backbone_layers(again), strict=True):
        for weight, same in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_scales_all_channels_or_each_of_three(name: str) -> None:
    for value in BACKBONES[name].scaling:
        assert isinstance(value, float) or (len(value) == 3 and all(isinstance(one, float) for one in value))
