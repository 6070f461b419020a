"""The layer that maps show: of a row by name, of other models above a convolution; never input, patches or pooling."""

import keras
import numpy as np
import pytest

from hilum.explain.map_layers import finer_convolution, last_convolution
from hilum.models.flatten import flatten

L = keras.layers


def end(film: keras.KerasTensor, cells: keras.KerasTensor) -> keras.Model:
    return flatten(keras.Model(film, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(cells))))


def test_a_pooling_at_the_end_is_passed_over() -> None:
    film = keras.Input((32, 32, 1))
    cells = L.MaxPooling2D(2, name="rough")(L.Conv2D(4, 3, activation="relu", name="seen")(film))
    model = end(film, L.AveragePooling2D(2, name="rougher")(cells))
    assert last_convolution(model) == "seen"
    assert finer_convolution(model) == "seen"


def test_patches_that_nothing_has_mixed_are_refused_and_tokens_laid_out_again_are_taken() -> None:
    film = keras.Input((32, 32, 1))
    patches = L.Conv2D(8, 8, strides=8, name="patches")(film)
    tokens = L.Reshape((16, 8))(patches)
    mixed = L.MultiHeadAttention(2, 4)(tokens, tokens)
    model = flatten(keras.Model(film, L.Dense(2, activation="softmax")(L.GlobalAveragePooling1D()(mixed))))
    with pytest.raises(ValueError, match="input, patch embedding and pooling show no finding; use methods without layers"):
        last_convolution(model)
    assert last_convolution(end(film, L.Reshape((4, 4, 8), name="laid_out")(mixed))) == "laid_out"


def test_two_networks_averaged_in_one_graph_have_no_layer_in_common_but_the_input() -> None:
    film = keras.Input((32, 32, 1))
    halves = [
        L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(film))) for _ in range(2)
    ]
    both = L.Average()(halves)
    kept = L.Softmax()(L.Dense(2, kernel_initializer="identity")(both))
    with pytest.raises(ValueError, match=r"which every path through the model crosses, got none"):
        last_convolution(flatten(keras.Model(film, kept)))


def test_a_film_that_is_only_scaled_has_no_map_layer() -> None:
    film = keras.Input((32, 32, 1))
    with pytest.raises(ValueError, match="got none"):
        last_convolution(end(film, L.Rescaling(1 / 255)(film)))


def test_a_model_with_the_name_of_a_row_but_other_layers_is_read_as_any_other() -> None:
    film = keras.Input((32, 32, 1))
    cells = L.Conv2D(4, 3, name="seen")(film)
    model = keras.Model(film, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(cells)), name="vgg16")
    assert last_convolution(flatten(model)) == "seen"
    assert flatten(model)(np.zeros((1, 32, 32, 1)), training=False).shape == (1, 2)
