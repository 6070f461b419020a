"""The contract of every backbone in the registry."""

import importlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pytest
from small_graphs import PRIOR, SIZE, build, draw_films, graph

from hilum.models.backbones import BACKBONES, Backbone, application, blocks_of, find_backbone
from hilum.models.classifier import (
    ENTRY,
    backbone_blocks,
    backbone_layers,
    cut,
    frozen_cut,
    last_convolution,
    legal_cuts,
    load_classifier,
    model_sha256,
    save_backbone,
    save_classifier,
    unfreeze,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*input_shape.*:UserWarning")
every_backbone = pytest.mark.parametrize("name", BACKBONES)

_DENSE = tuple(f"conv{stage}_block{i}" for stage, count in ((2, 6), (3, 12), (4, 24), (5, 16)) for i in range(1, count + 1))
_SPREAD = (0.229, 0.224, 0.225)  # standard deviation and mean of ImageNet's red, green and blue, grey levels 0-1
_TORCH = (tuple(1 / 255 / spread for spread in _SPREAD), (-0.485 / _SPREAD[0], -0.456 / _SPREAD[1], -0.406 / _SPREAD[2]))
TRIED = {  # rows of other kinds than those of the registry: scaled per channel, with layers between blocks, without a stem
    "densenet121": Backbone(
        "DenseNet121",
        {},
        _TORCH,
        r"(conv\d+_block\d+)_",
        ("stem", *_DENSE, "top"),
        between="after",
    ),
    "vgg16": Backbone("VGG16", {}, (1.0, (-103.939, -116.779, -123.68)), r"(block\d+)_", tuple(f"block{i}" for i in range(1, 6))),
}
every_kind = pytest.mark.parametrize("name", [*BACKBONES, *TRIED])
OF_OUR_OWN = [name for name, row in BACKBONES.items() if not isinstance(row.application, str)]


@pytest.fixture(autouse=True)
def _tried_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, row in TRIED.items():
        monkeypatch.setitem(BACKBONES, name, row)


def inputs_of(layer: keras.layers.Layer) -> list[str]:
    if isinstance(layer, keras.layers.InputLayer):
        return []
    return [tensor._keras_history.operation.name for tensor in keras.tree.flatten(layer.input)]


@every_kind
def test_the_graph_is_flat_and_has_grey_levels_in_and_one_probability_per_class_out(name: str) -> None:
    model = graph(name)
    assert not [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
    assert model.name == name
    assert model.input_shape == (None, SIZE, SIZE, 1)
    assert model.output_shape == (None, 3)
    answers = model(draw_films(2), training=False).numpy()
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-6)


@every_kind
def test_the_blocks_of_the_registry_are_those_of_the_graph(name: str) -> None:
    assert tuple(backbone_blocks(graph(name))) == BACKBONES[name].blocks


@every_kind
def test_every_backbone_layer_is_in_one_block_and_blocks_do_not_interleave(name: str) -> None:
    model = graph(name)
    position = {layer.name: i for i, layer in enumerate(model.layers)}
    blocks = [[position[layer] for layer in layers] for layers in backbone_blocks(model).values()]
    assert sorted(i for block in blocks for i in block) == [position[layer.name] for layer in backbone_layers(model)]
    for lower, upper in itertools.pairwise(blocks):
        assert max(lower) < min(upper)


@every_kind
def test_the_last_convolution_is_what_the_pooling_averages(name: str) -> None:
    model = graph(name)
    last = last_convolution(model)
    assert last in legal_cuts(model)
    assert len(model.get_layer(last).output.shape) == 4
    assert inputs_of(model.get_layer("pool")) == [last]


@every_kind
def test_an_untrained_head_answers_the_prior_in_class_order(name: str) -> None:
    answers = graph(name)(draw_films(4), training=False).numpy()
    np.testing.assert_allclose(answers, np.tile(PRIOR, (4, 1)), atol=0.02)
    np.testing.assert_allclose(graph(name).get_layer("logits").bias.numpy(), np.log(PRIOR), atol=1e-6)


@every_kind
def test_the_scaling_inside_the_graph_is_that_of_the_weights(name: str) -> None:
    films = draw_films(2)
    films[0, 0, :2, 0] = 0, 255
    model = graph(name)
    prefix, _ = cut(model, [layer.name for layer in model.layers if layer.name in ENTRY][-1])
    colour = np.repeat(films, 3, axis=-1)
    if name in OF_OUR_OWN:
        assert name.startswith("efficientnet_lite")
        expected = (colour - 127) / 128
    else:
        expected = importlib.import_module(application(name).__module__).preprocess_input(colour)
    np.testing.assert_allclose(prefix(films).numpy(), expected, atol=1e-6)


@every_backbone
def test_equal_arguments_build_equal_graphs_and_weights_another_seed_other_weights(name: str) -> None:
    one, again = build(name), build(name)
    assert [layer.name for layer in again.layers] == [layer.name for layer in one.layers]
    assert model_sha256(again) == model_sha256(one)
    if name == "mobilenet_025":
        assert model_sha256(build(name, seed=2)) != model_sha256(one)


@every_kind
def test_a_saved_model_comes_back_the_same_and_is_saved_as_the_same_bytes(name: str, tmp_path: Path) -> None:
    model = graph(name)
    save_classifier(model, tmp_path / "model.keras")
    back = load_classifier(tmp_path / "model.keras")
    assert model_sha256(back) == model_sha256(model)
    np.testing.assert_array_equal(back(draw_films(1), training=False), model(draw_films(1), training=False))
    save_classifier(back, tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == (tmp_path / "model.keras").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.keras", "model.keras"]


@every_backbone
def test_legal_cuts_are_the_layers_that_no_path_goes_around(name: str) -> None:
    """Oracle: walk back from the output without crossing the layer; the cut is legal if the input is not reached."""
    model = graph(name)
    below = {layer.name: inputs_of(layer) for layer in model.layers}

    def goes_around(blocked: str) -> bool:
        todo, seen = ["probabilities"], set()
        while todo:
            layer = todo.pop()
            if layer == blocked or layer in seen:
                continue
            seen.add(layer)
            todo += below[layer]
        return "grey" in seen

    assert legal_cuts(model) == [layer.name for layer in model.layers if not goes_around(layer.name)]


@every_backbone
def test_tail_of_prefix_is_the_model_exactly(name: str) -> None:
    model, films = graph(name), draw_films(2)
    expected = model(films, training=False).numpy()
    assert not np.array_equal(expected[0], expected[1])
    inside = [cut_name for cut_name in legal_cuts(model) if cut_name not in ENTRY]
    for place in (inside[len(inside) // 2], last_convolution(model), "pool"):
        prefix, tail = cut(model, place)
        np.testing.assert_array_equal(tail(prefix(films, training=False), training=False).numpy(), expected)


@every_backbone
def test_the_frozen_cut_is_the_highest_with_nothing_trainable_below_it(name: str) -> None:
    model = graph(name)
    order = [layer.name for layer in model.layers]
    for extent in ("head", *BACKBONES[name].blocks[1:]):
        trained = unfreeze(model, extent, "frozen")
        lowest = min(order.index(layer) for layer in (*trained, "dropout"))
        assert frozen_cut(model) == [place for place in legal_cuts(model) if order.index(place) < lowest][-1]
    unfreeze(model, "head", "frozen")
    assert frozen_cut(model) == "pool"


@every_backbone
def test_where_everything_is_trained_nothing_is_cached(name: str) -> None:
    for extent in ("all", "stem", len(BACKBONES[name].blocks)):
        unfreeze(graph(name), extent, "frozen")
        assert frozen_cut(graph(name)) is None, extent


@every_kind
def test_every_extent_trains_the_head_and_exactly_the_blocks_from_there_up(name: str) -> None:
    model, names = graph(name), BACKBONES[name].blocks
    blocks = backbone_blocks(model)
    for lowest, block in enumerate(names):
        trained = unfreeze(model, block, "train")
        wanted = {layer for upper in names[lowest:] for layer in blocks[upper]} | {"logits"}
        assert trained == [layer.name for layer in model.layers if layer.name in wanted and layer.weights]
        assert unfreeze(model, len(names) - lowest, "train") == trained


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
    monkeypatch.setitem(BACKBONES, "densenet121", replace(TRIED["densenet121"], between=between))
    layers = ["conv1_conv", "conv2_block6_concat", "pool2_conv", "conv3_block1_0_bn", "relu"]
    blocks = blocks_of("densenet121", layers)
    assert list(blocks) == ["stem", "conv2_block6", "conv3_block1", "top"]
    assert [len(names) for names in blocks.values()] == [1, lower, upper, 1]


@pytest.mark.parametrize("name", TRIED)
def test_every_layer_with_weights_stands_in_one_block_that_can_be_trained(name: str) -> None:
    model = graph(name)
    placed = [layer for layers in backbone_blocks(model).values() for layer in layers]
    assert len(placed) == len(set(placed))
    assert {layer.name for layer in backbone_layers(model) if layer.weights} <= set(placed)
    if name == "densenet121":
        assert {"pool2_bn", "pool2_conv"} <= set(backbone_blocks(model)["conv3_block1"])


def test_weights_saved_of_a_backbone_that_is_scaled_per_channel_are_read_again(tmp_path: Path) -> None:
    model = graph("vgg16")
    save_backbone(model, tmp_path / "vgg16.weights.h5")
    again = build("vgg16", weights=tmp_path / "vgg16.weights.h5", seed=5)
    for one, other in zip(backbone_layers(model), backbone_layers(again), strict=True):
        for weight, same in zip(one.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, same)


@every_kind
def test_a_row_scales_all_channels_or_each_of_three(name: str) -> None:
    for value in BACKBONES[name].scaling:
        assert isinstance(value, float) or (len(value) == 3 and all(isinstance(one, float) for one in value))
