import numpy as np
import pytest
import tensorflow as tf
from small_graphs import PRIOR, build, draw_films, graph

from hilum.models.classifier import cut
from hilum.models.forward import BATCH, compile_forward, predictor


@pytest.mark.parametrize("name", ["mobilenet_025", "mobilenetv2", "efficientnet_lite0"])
def test_constants_change_answers_by_rounding_only(name: str) -> None:
    films = draw_films(3)
    expected = graph(name)(films, training=False).numpy()
    answers = compile_forward(graph(name), constants=True)(films)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["mobilenet_025", "mobilenetv2", "efficientnet_lite0"])
def test_without_constants_the_arithmetic_is_that_of_training_bit_for_bit(name: str) -> None:
    """Oracle: the prefix's activations as a training step computes them, inside a function that also takes a gradient."""
    model, films = graph(name), draw_films(5)
    place = {"mobilenet_025": "conv_pw_9_relu", "mobilenetv2": "block_12_add", "efficientnet_lite0": "block_11_add"}[name]
    prefix, tail = cut(model, place)
    prefix_frozen = [layer for layer in prefix.layers if layer.weights]
    for layer in prefix_frozen:
        layer.trainable = False

    @tf.function
    def step(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            activations = prefix(batch, training=True)
            loss = tf.reduce_sum(tail(activations, training=False)[:, 0])
        return activations, tape.gradient(loss, model.get_layer("logits").kernel.value)

    expected, _ = step(tf.constant(films))
    np.testing.assert_array_equal(compile_forward(prefix, constants=False)(films), expected.numpy())


@pytest.mark.parametrize("constants", [True, False])
def test_a_film_gets_the_same_answer_in_any_batch(constants: bool) -> None:
    films = draw_films(BATCH + 3, 32)
    forward = compile_forward(build("mobilenet_025", 32), constants)
    together = forward(films)
    assert together.shape == (BATCH + 3, 3)
    np.testing.assert_allclose(forward(films[-1:]), together[-1:], atol=1e-6)
    np.testing.assert_allclose(forward(films[:7]), together[:7], atol=1e-6)


@pytest.mark.parametrize("constants", [True, False])
def test_no_films_give_no_answers(constants: bool) -> None:
    assert compile_forward(graph("mobilenet_025"), constants)(draw_films(0)).shape == (0, 3)


def test_only_constants_forget_later_changes_of_the_weights() -> None:
    model, films = build("mobilenet_025", 32), draw_films(2, 32)
    fixed, following = compile_forward(model, constants=True), compile_forward(model, constants=False)
    before = fixed(films)
    model.get_layer("logits").bias.assign([0.0, 0.0, 9.0])
    np.testing.assert_array_equal(fixed(films), before)
    assert (following(films)[:, 2] > 0.9).all()


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 64, 64, 3), (2, 32, 32, 1), (64, 64, 1)])
@pytest.mark.parametrize("constants", [True, False])
def test_another_shape_is_refused(shape: tuple[int, ...], constants: bool) -> None:
    with pytest.raises(ValueError, match=r"a batch must have shape .*64, 64, 1.*got"):
        compile_forward(graph("mobilenet_025"), constants)(np.zeros(shape, np.float32))


def test_a_predictor_gives_probabilities_that_sum_to_one() -> None:
    answers = predictor(graph("mobilenet_025"))(draw_films(4))
    assert answers.dtype == np.float64
    np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=0, atol=1e-15)
    np.testing.assert_allclose(answers, np.tile(PRIOR, (4, 1)), atol=0.02)


def test_a_film_read_as_integers_gets_the_same_answer() -> None:
    films = draw_films(2)
    np.testing.assert_array_equal(
        predictor(graph("mobilenet_025"))(films.astype(np.uint8)), predictor(graph("mobilenet_025"))(films)
    )
