"""Small networks of our own: every option changes the graph as it says."""

from typing import Any

import keras
import pytest
from every_backbone import OPTIONS

from hilum.models.backbones import find_backbone
from hilum.models.body import plain_network
from hilum.models.small_cnn import build_small_cnn


def network(name: str = "small_cnn", size: int = 32, **changes: Any) -> keras.Model:
    return plain_network(name, {**OPTIONS[name], **changes}, size)


def convolutions(model: keras.Model) -> list[tuple[int, int, int]]:
    """(filters, side of the kernel, stride) of each."""
    found = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return [(layer.filters, layer.kernel_size[0], layer.strides[0]) for layer in found]


def test_filters_grow_by_a_factor_from_block_to_block() -> None:
    assert convolutions(network()) == [(4, 3, 1), (8, 3, 1), (16, 3, 1)]
    assert convolutions(network(filters=6, growth=1.5, kernel=5, blocks=2)) == [(6, 5, 1), (9, 5, 1)]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
def test_each_block_halves_the_cells_whatever_the_pooling(name: str, pooling: str) -> None:
    model = network(name, 40, pooling=pooling)
    assert model.output.shape[1:3] == (5, 5)
    kinds = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}
    pools = [layer for layer in model.layers if layer.name.endswith("_pool")]
    assert [type(layer) for layer in pools] == ([kinds[pooling]] * 3 if pooling in kinds else [])


def test_a_residual_block_concatenates_its_input_to_the_output_of_two_convolutions() -> None:
    model = network("residual_cnn", blocks=2)
    assert convolutions(model) == [(4, 3, 1), (4, 3, 1), (8, 3, 1), (8, 3, 1)]
    joined = model.get_layer("block_2_concatenate")
    assert [tensor._keras_history.operation.name for tensor in joined.input] == ["block_1_pool", "block_2_second_relu"]
    assert joined.output.shape[-1] == 3 + 4 + 8


def test_batch_norm_takes_the_place_of_biases() -> None:
    for batch_norm in (True, False):
        model = network(batch_norm=batch_norm)
        assert any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers) == batch_norm
        assert model.get_layer("block_1_conv").use_bias != batch_norm


def test_six_blocks_need_films_of_64_px() -> None:
    assert find_backbone("small_cnn", {**OPTIONS["small_cnn"], "blocks": 6}).smallest == 64
    with pytest.raises(ValueError, match="small_cnn must have a side of 64 px or more, got 32; raise"):
        network(blocks=6)


def test_options_that_a_network_lacks_or_does_not_take_are_refused_with_the_legal_ones() -> None:
    with pytest.raises(ValueError, match="must hold blocks, filters, growth, kernel, pooling, batch_norm, got none for growth"):
        find_backbone("small_cnn", {key: value for key, value in OPTIONS["small_cnn"].items() if key != "growth"})
    with pytest.raises(ValueError, match="options of mobilenet must be those that it takes, got blocks; use alpha"):
        find_backbone("mobilenet", {"blocks": 3})
    with pytest.raises(ValueError, match="got alpha; remove `options`"):
        find_backbone("vgg16", {"alpha": 1.0})


def test_a_classifier_is_not_built() -> None:
    with pytest.raises(ValueError, match="got include_top=True; leave it out"):
        build_small_cnn(False, 2, 4, 2.0, 3, "max", True, input_shape=(32, 32, 3), include_top=True)
