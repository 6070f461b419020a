import keras
import numpy as np
import pytest
from two_squares import AGAINST, FOR, SIZE, draw_films, explained_of

from hilum.explain.sheets.channels import activations_at, filters_of
from hilum.models.classifier import build_classifier

FILMS = draw_films(2, seed=3)


@pytest.fixture(scope="module")
def network():
    return build_classifier("mobilenet_025", SIZE, 3, None, 0.2, 0.0, np.log(np.full(3, 1 / 3)), seed=4)


def test_the_activation_of_a_known_layer_is_its_arithmetic():
    (found,), _ = activations_at(explained_of(1.0).model, FILMS, ["means"], 5)
    window = FOR.astype(float) - AGAINST
    blocks = (FILMS[0, ..., 0] / 255 * window).reshape(12, 4, 12, 4).mean(axis=(1, 3))
    assert (found.layer, found.numbers.tolist(), found.total, found.silent) == ("means", [0], 1, 0)
    np.testing.assert_allclose(found.values[0], blocks, rtol=1e-4, atol=1e-6)


def test_the_channels_that_vary_most_come_first_and_silent_ones_are_counted(network):
    for i, film in enumerate(activations_at(network, FILMS, ["conv1_relu", "conv_pw_13_relu"], 4)):
        for name, found in zip(("conv1_relu", "conv_pw_13_relu"), film, strict=True):
            whole = np.asarray(keras.Model(network.input, network.get_layer(name).output)(FILMS, training=False))[i]
            spread = whole.std(axis=(0, 1))
            assert np.all(np.diff(spread[found.numbers]) <= 0)
            assert spread[found.numbers].min() >= np.sort(spread)[-4]
            assert np.array_equal(found.values[2], whole[..., found.numbers[2]])
            assert found.silent == sum(not whole[..., k].any() for k in range(whole.shape[-1]))


def test_kernels_of_the_film_s_copies_are_added_up(network):
    (found,) = filters_of(network, ["first"], 3)
    kernel = np.asarray(network.get_layer("conv1").kernel)  # (3, 3, 3, 8)
    assert found.layer == "conv1"
    assert found.values.shape == (3, 3, 3)
    np.testing.assert_allclose(found.values[0], kernel.sum(axis=2)[..., found.numbers[0]], rtol=1e-6)
    norms = np.sqrt((kernel**2).sum(axis=(0, 1, 2)))
    assert found.numbers[0] == norms.argmax()


def test_depthwise_and_pointwise_kernels_have_their_own_forms(network):
    depthwise, pointwise = filters_of(network, ["conv_dw_2", "conv_pw_2"], 5)
    own = np.asarray(network.get_layer("conv_dw_2").weights[0])  # (3, 3, C, 1)
    assert depthwise.total == own.shape[2]
    assert np.array_equal(depthwise.values[1], own[..., depthwise.numbers[1], 0])
    kernel = np.asarray(network.get_layer("conv_pw_2").kernel)  # (1, 1, I, O)
    assert pointwise.values.shape == (5, 1, kernel.shape[2])
    assert np.array_equal(pointwise.values[0, 0], kernel[0, 0, :, pointwise.numbers[0]])


def test_of_many_inputs_the_kernel_of_the_largest_norm_is_shown():
    kernel = np.zeros((3, 3, 5, 2), np.float32)
    kernel[..., 3, 0], kernel[..., 1, 0], kernel[..., 2, 1] = 2.0, 1.0, 0.5
    film = keras.Input((8, 8, 5))
    layer = keras.layers.Conv2D(2, 3, name="five")
    model = keras.Model(film, layer(film))
    layer.set_weights([kernel, np.zeros(2)])
    (found,) = filters_of(model, ["last"], 2)
    assert found.numbers.tolist() == [0, 1]
    assert found.inputs.tolist() == [3, 2]
    assert np.array_equal(found.values, np.stack([np.full((3, 3), 2.0), np.full((3, 3), 0.5)]))


def test_a_layer_without_kernels_is_refused_with_those_that_have_some(network):
    with pytest.raises(
        ValueError, match=r"explain\.filters\.layers must be first, last or convolutions, got pool; use conv1, conv_dw"
    ):
        filters_of(network, ["pool"], 3)
