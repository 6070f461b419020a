"""Models of every kind as one flat graph."""

import keras
import numpy as np
import pytest
from small_graphs import build, draw_films, wake

from hilum.explain.map_layers import last_convolution
from hilum.models.classifier import cut
from hilum.models.cuts import legal_cuts
from hilum.models.flatten import flatten, is_flat, renew

L = keras.layers
FILMS = draw_films(3, 32)


def backbone(channels: int = 3, policy: str = "float32") -> keras.Model:
    """A residual block, so that not every layer is a cut."""
    film = keras.Input((32, 32, channels))
    low = L.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="conv", dtype=policy)(film)
    high = L.Conv2D(4, 3, padding="same", activation="relu", name="conv_2", dtype=policy)(low)
    norm = L.BatchNormalization(name="norm", dtype=policy)(high)
    return keras.Model(film, L.Add(name="add", dtype=policy)([low, norm]), name="backbone")


def nested(end: list[keras.layers.Layer], policy: str = "float32") -> keras.Model:
    film = keras.Input((32, 32, 3))
    tensor = backbone(policy=policy)(film / 127.5 - 1.0, training=False)
    tensor = L.Conv2D(5, 3, name="conv", dtype=policy)(tensor)  # the backbone has a layer of this name too
    tensor = L.GlobalAveragePooling2D(dtype=policy)(tensor)
    for layer in end:
        tensor = layer(tensor)
    return keras.Model(film, tensor, name="own")


def three(films: np.ndarray) -> np.ndarray:
    return np.repeat(films, 3, axis=-1)


ENDS = {
    "softmax of keras.ops": lambda: [L.Dense(3), keras.ops.softmax],
    "float32 above half precision": lambda: [L.Dense(3, activation="softmax"), L.Activation("linear", dtype="float32")],
    "dropout and nothing above": lambda: [L.Dense(3, activation="softmax"), L.Dropout(0.5), L.Identity()],
    "softmax inside the last layer": lambda: [L.Dense(3, activation="softmax")],
    "softmax as an activation": lambda: [L.Dense(3), L.Activation("softmax")],
    "softmax as a layer": lambda: [L.Dense(3), L.Softmax()],
    "dropout before": lambda: [L.Dropout(0.5), L.Dense(3, activation="softmax", name="logits")],
}


@pytest.mark.parametrize("end", ENDS)
def test_a_nested_model_gives_the_same_probabilities_flat(end: str) -> None:
    model = nested(ENDS[end]())
    flat = flatten(model)
    assert is_flat(flat)
    assert flat.input_shape == (None, 32, 32, 1)
    np.testing.assert_allclose(flat(FILMS).numpy(), model(three(FILMS)).numpy(), atol=1e-6)
    logits = keras.Model(flat.input, flat.get_layer("logits").output)(FILMS)
    np.testing.assert_allclose(keras.ops.softmax(logits), flat(FILMS), atol=1e-6)


@pytest.mark.parametrize("end", [[L.Dense(1, activation="sigmoid")], [L.Dense(1), keras.ops.sigmoid]], ids=["layer", "ops"])
def test_one_sigmoid_becomes_two_classes_with_log_odds_as_logits(end: list[keras.layers.Layer]) -> None:
    model = nested(end)
    flat = flatten(model)
    one = model(three(FILMS)).numpy()
    np.testing.assert_allclose(flat(FILMS).numpy(), np.hstack([1 - one, one]), atol=1e-6)
    logits = keras.Model(flat.input, flat.get_layer("logits").output)(FILMS).numpy()
    np.testing.assert_allclose(logits[:, 1], np.log(one / (1 - one))[:, 0], atol=1e-4)
    np.testing.assert_array_equal(logits[:, 0], -logits[:, 1])


def test_weights_are_shared_not_copied() -> None:
    model = nested([L.Dense(3, activation="softmax")])
    flat = flatten(model)
    before = flat(FILMS).numpy()
    kernel = model.get_layer("backbone").get_layer("conv").kernel
    kernel.assign_add(np.ones(kernel.shape, np.float32))
    assert not np.allclose(flat(FILMS).numpy(), before)
    np.testing.assert_allclose(flat(FILMS).numpy(), model(three(FILMS)).numpy(), atol=1e-6)
    owned = {id(weight) for weight in model.weights}
    assert {id(weight) for weight in flat.weights} == owned


def test_the_model_that_came_is_not_touched() -> None:
    model = nested([L.Dense(3, activation="softmax")])

    def facts() -> list[tuple[object, ...]]:
        layers = [*model.layers, *model.get_layer("backbone").layers]
        return [(one.name, one.get_config(), len(one._inbound_nodes), len(one._outbound_nodes)) for one in layers]

    before, answers = facts(), model(three(FILMS)).numpy()
    flat = flatten(model, float32=True)
    cut(flat, last_convolution(flat))
    assert facts() == before
    np.testing.assert_array_equal(model(three(FILMS)).numpy(), answers)


def test_cuts_of_a_flattened_graph() -> None:
    flat = flatten(nested([L.Dense(3, activation="softmax")]))
    assert "add" in legal_cuts(flat)
    assert "conv_2" not in legal_cuts(flat), "a path goes around it"
    assert len({layer.name for layer in flat.layers}) == len(flat.layers)
    prefix, tail = cut(flat, "add")
    np.testing.assert_allclose(tail(prefix(FILMS)), flat(FILMS), atol=1e-6)
    assert flat.get_layer(last_convolution(flat)).output.shape[1:] == (14, 14, 5)


def test_a_pooling_that_keeps_its_axes_is_not_the_last_convolution() -> None:
    film = keras.Input((32, 32, 1))
    pooled = L.GlobalAveragePooling2D(keepdims=True)(L.Conv2D(4, 3, name="eyes")(film))
    flat = L.Flatten()(L.Conv2D(3, 1, name="verdict")(pooled))
    assert last_convolution(flatten(keras.Model(film, L.Softmax()(flat)))) == "eyes"


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_keeps_its_arithmetic_or_is_computed_in_float32(policy: str) -> None:
    model = nested([L.Dense(3, activation="softmax", dtype=policy)], policy)
    own, full = flatten(model), flatten(model, float32=True)
    short = policy.removeprefix("mixed_")
    assert own.get_layer("add").compute_dtype == short
    assert {layer.compute_dtype for layer in full.layers} == {"float32"}
    np.testing.assert_allclose(own(FILMS), keras.ops.cast(model(three(FILMS)), "float32"), atol=5e-3)
    np.testing.assert_allclose(full(FILMS), own(FILMS), atol=5e-2)
    plain = nested([L.Dense(3, activation="softmax")])
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(full(FILMS), plain(three(FILMS)), atol=1e-6)


def test_a_layer_used_twice_stays_one() -> None:
    film = keras.Input((32, 32, 1))
    shared = L.Conv2D(1, 3, padding="same", name="shared")
    pooled = L.GlobalAveragePooling2D()(shared(shared(film)))
    model = keras.Model(film, L.Dense(2, activation="softmax")(pooled))
    flat = flatten(model)
    assert [layer.name for layer in flat.layers].count("shared") == 1
    np.testing.assert_allclose(flat(FILMS), model(FILMS), atol=1e-6)


def test_hilum_s_own_model_comes_as_it_is() -> None:
    model = wake(build("mobilenet_025", 32))
    assert flatten(model) is model
    assert flatten(model, float32=True) is model


def test_a_layer_named_logits_below_a_dense_softmax_is_not_taken_for_the_logits() -> None:
    film = keras.Input((32, 32, 1))
    seen = L.Dense(4, name="logits")(L.GlobalAveragePooling2D()(film))
    model = keras.Model(film, L.Dense(3, activation="softmax", name="probabilities")(seen))
    flat = flatten(model)
    logits = keras.Model(flat.input, flat.get_layer("logits").output)(FILMS)
    np.testing.assert_allclose(keras.ops.softmax(logits), model(FILMS), atol=1e-6)


def test_a_renewed_tail_answers_with_its_own_tensors() -> None:
    model = wake(build("mobilenet_025", 32))
    prefix, tail = cut(model, "conv_pw_11_relu")
    own = renew(tail)
    logits = keras.Model(own.input, own.get_layer("logits").output)
    expected = keras.Model(model.input, model.get_layer("logits").output)(FILMS)
    np.testing.assert_allclose(logits(prefix(FILMS, training=False)), expected, atol=1e-5)


def two_inputs() -> keras.Model:
    films = [keras.Input((32, 32, 1)), keras.Input((32, 32, 1))]
    return keras.Model(films, L.Dense(2, activation="softmax")(L.Flatten()(L.Add()(films))))


def two_outputs() -> keras.Model:
    film, seen = (model := backbone()).input, L.GlobalAveragePooling2D()(model.output)
    return keras.Model(film, [L.Dense(2, activation="softmax")(seen), L.Dense(1)(seen)])


def softmax_below() -> keras.Model:
    return nested([L.Dense(3, activation="softmax", name="said"), L.Dense(2)])


def named_as_hilum_s() -> keras.Model:
    film = keras.Input((32, 32, 1))
    seen = L.Dense(4, name="logits")(L.GlobalAveragePooling2D()(film))
    return keras.Model(film, L.Activation("sigmoid", name="probabilities")(seen))


class Subclassed(keras.Model):
    def call(self, films: object) -> object:
        return films


def of_size(shape: tuple[int | None, ...]) -> keras.Model:
    film = keras.Input(shape)
    return keras.Model(film, L.Dense(2, activation="softmax")(L.GlobalAveragePooling2D()(film)))


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (lambda: nested([L.Dense(3)]), "softmax or in one sigmoid, got Dense with activation linear"),
        (lambda: nested([L.Dense(4, activation="sigmoid")]), "got 4 sigmoids"),
        (lambda: nested([L.Dense(3)]), r"if it gives logits, end it by keras\.Model\(model\.input, keras\.layers\.Softmax\(\)\("),
        (
            lambda: nested([L.Dense(1)]),
            r"if it gives logits, .*keras\.layers\.Activation\(\"sigmoid\"\)\(model\.output\)",
        ),
        (lambda: nested([L.Dense(4), keras.ops.sigmoid]), "got 4 sigmoids: each is for a finding of its own"),
        (lambda: nested([L.Dense(1, activation="softmax")]), "a softmax over one output, which is 1 for every film"),
        (lambda: nested([L.Dense(3), lambda seen: keras.ops.softmax(seen, axis=0)]), "got Softmax; "),
        (softmax_below, r"above the softmax said; end the model at that one: .*model\.get_layer\('said'\)\.output\)"),
        (two_inputs, "one film and give one vector"),
        (two_outputs, r"outputs \[\(None, 2\), \(None, 1\)\]; serve the one with the classes alone"),
        (named_as_hilum_s, "got 4 sigmoids"),
        (Subclassed, "functional or a Sequential one, got Subclassed"),
        (lambda: keras.Sequential([L.Flatten(), L.Dense(2, activation="softmax")]), "never built"),
        (lambda: of_size((None, None, 1)), "of a fixed size"),
        (lambda: of_size((32, 32, 4)), r"1 or 3\) of a fixed size, got \(32, 32, 4\)"),
        (lambda: nested([L.Dense(3, activation="softmax", dtype="bfloat16")]), "stored in float32, got bfloat16"),
    ],
)
def test_what_cannot_be_flattened_is_refused_with_its_reason(model, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        flatten(model())
