"""Losses and optimizers, against hand computations."""

from typing import Any

import keras
import numpy as np
import pytest
from tiny_fit import Script, fit
from tiny_task import make_model, make_phase, make_settings

from hilum.settings.training import Optimizer
from hilum.training.learning.learner import layer_shares, loss_of, make_optimizer

PLAIN = {"name": "adam", "momentum": 0.9, "nesterov": False, "weight_decay": 0.0, "clip": 0.0, "layer_decay": 1.0}
KERNEL, BIAS = np.array([[1.0, -2.0], [0.5, 4.0]]), np.array([0.3, -0.7])
GRADIENTS = np.random.default_rng(0).normal(size=(5, 6))  # of five steps: those of the kernel, then those of the bias


def stepped(share: float = 1.0, rate: float = 0.1, gradients: Any = GRADIENTS, **given: Any) -> list[np.ndarray]:
    """A kernel, a bias and a further kernel of its own share after steps along these gradients."""
    variables = [keras.Variable(value) for value in (KERNEL, BIAS, KERNEL)]
    shares = [share, share, 1.0]
    optimizer = make_optimizer(Optimizer.model_validate({**PLAIN, **given}), rate, list(zip(variables, shares, strict=True)))
    optimizer.build(variables)
    for gradient in gradients:
        kernel, bias = gradient[:4].reshape(2, 2), gradient[4:]
        optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in (kernel, bias, kernel)])
    return [variable.numpy() for variable in variables]


def adam_by_hand(value: np.ndarray, gradients: np.ndarray, rate: float, decay: float) -> np.ndarray:
    first, second = np.zeros_like(value), np.zeros_like(value)
    for t, gradient in enumerate(gradients, start=1):
        value = value - rate * decay * value
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        value = value - rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-7)
    return value


def sgd_by_hand(
    value: np.ndarray, gradients: np.ndarray, rate: float, momentum: float, nesterov: bool, decay: float
) -> np.ndarray:
    speed = np.zeros_like(value)
    for gradient in gradients:
        value = value - rate * decay * value
        speed = momentum * speed - rate * gradient
        value = value + (momentum * speed - rate * gradient if nesterov else speed)
    return value


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("name", "decay"), [("adam", 0.0), ("adamw", 0.3)])
def test_adam_and_adamw_are_those_of_a_hand_computation(name: str, decay: float, share: float) -> None:
    kernel, bias, other = stepped(share, name=name, weight_decay=decay)
    of_kernel = GRADIENTS[:, :4].reshape(-1, 2, 2)
    np.testing.assert_allclose(kernel, adam_by_hand(KERNEL, of_kernel, 0.1 * share, decay), rtol=1e-4)
    np.testing.assert_allclose(bias, adam_by_hand(BIAS, GRADIENTS[:, 4:], 0.1 * share, 0.0), rtol=1e-4)
    np.testing.assert_allclose(other, adam_by_hand(KERNEL, of_kernel, 0.1, decay), rtol=1e-4)


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("momentum", "nesterov", "decay"), [(0.0, False, 0.0), (0.9, False, 0.2), (0.9, True, 0.0)])
def test_sgd_is_that_of_a_hand_computation(momentum: float, nesterov: bool, decay: float, share: float) -> None:
    kernel, bias, other = stepped(share, name="sgd", momentum=momentum, nesterov=nesterov, weight_decay=decay)
    of_kernel = GRADIENTS[:, :4].reshape(-1, 2, 2)
    np.testing.assert_allclose(kernel, sgd_by_hand(KERNEL, of_kernel, 0.1 * share, momentum, nesterov, decay), rtol=1e-4)
    np.testing.assert_allclose(bias, sgd_by_hand(BIAS, GRADIENTS[:, 4:], 0.1 * share, momentum, nesterov, 0.0), rtol=1e-4)
    np.testing.assert_allclose(other, sgd_by_hand(KERNEL, of_kernel, 0.1, momentum, nesterov, decay), rtol=1e-4)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_weight_decay_takes_its_share_off_kernels_and_leaves_biases(share: float) -> None:
    kernel, bias, other = stepped(share, rate=0.01, gradients=np.zeros((1, 6)), name="adamw", weight_decay=0.5)
    np.testing.assert_allclose(kernel, KERNEL * (1 - share * 0.01 * 0.5), rtol=1e-6)
    np.testing.assert_allclose(other, KERNEL * (1 - 0.01 * 0.5), rtol=1e-6)
    np.testing.assert_allclose(bias, BIAS, rtol=1e-6)


@pytest.mark.parametrize("share", [1.0, 0.5])
@pytest.mark.parametrize(("clip", "scale"), [(0.0, 1.0), (1.0, 0.2), (50.0, 1.0)])
def test_the_gradient_is_clipped_by_the_norm_of_all_tensors_together(clip: float, scale: float, share: float) -> None:
    gradient = np.array([[2.0, 2.0, 0.0, 0.0, 3.0, 0.0]])  # the kernel twice: sqrt(8 + 9 + 8) is 5
    kernel, bias, other = stepped(share, rate=1.0, gradients=gradient, name="sgd", momentum=0.0, clip=clip)
    np.testing.assert_allclose(KERNEL - kernel, scale * share * np.array([[2.0, 2.0], [0.0, 0.0]]), rtol=1e-5)
    np.testing.assert_allclose(BIAS - bias, scale * share * np.array([3.0, 0.0]), rtol=1e-5)
    np.testing.assert_allclose(KERNEL - other, scale * np.array([[2.0, 2.0], [0.0, 0.0]]), rtol=1e-5)


def test_by_default_the_optimizer_is_keras_own_adam() -> None:
    optimizer = make_optimizer(Optimizer.model_validate(PLAIN), 0.1, [(keras.Variable(KERNEL), 1.0)])
    assert type(optimizer) is keras.optimizers.Adam
    ours, keras_own = optimizer.get_config(), keras.optimizers.Adam(0.1).get_config()
    assert {**ours, "name": ""} == {**keras_own, "name": ""}


def test_a_layers_share_falls_block_by_block_from_the_head_down() -> None:
    shares = layer_shares(make_model(), 0.5)
    assert {shares[f"conv_pw_13{end}"] for end in ("", "_bn", "_relu")} == {0.5}
    assert {shares[f"conv_pw_12{end}"] for end in ("", "_bn", "_relu")} == {0.25}
    assert shares["logits"] == 1.0


@pytest.mark.parametrize("cached", [True, False])
def test_the_first_step_of_each_layer_is_as_long_as_its_learning_rate(cached: bool, tmp_path: Any) -> None:
    """Adam's first step has the length of the learning rate in every weight with a gradient."""
    model = make_model(dropout=0.0, weight_decay=0.0)
    before = [weight.copy() for weight in model.get_weights()]
    settings = make_settings(batch_size=24, optimizer={"layer_decay": 0.1})
    fit(model, [make_phase("all", 1, rate=1e-2)], tmp_path if cached else None, settings=settings, score=Script(1))
    longest: dict[str, float] = {}
    for weight, now, then in zip(model.weights, model.get_weights(), before, strict=True):
        layer = weight.path.split("/")[0]
        longest[layer] = max(longest.get(layer, 0.0), float(np.abs(now - then).max()))
    assert {layer: step for layer, step in longest.items() if step} == pytest.approx(
        {"logits": 1e-2, "conv_pw_13": 1e-3, "conv_pw_12": 1e-4}, rel=0.05
    )


LOGITS = np.log(np.array([[0.9, 0.06, 0.04], [0.2, 0.5, 0.3]], np.float32))
TRUE = np.eye(3)[[0, 2]]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_smoothed_labels_are_those_of_a_hand_computation(smoothing: float) -> None:
    targets = (1 - smoothing) * TRUE + smoothing / 3
    wanted = -(targets * LOGITS).sum(axis=1).mean()
    assert float(loss_of(0.0, smoothing, soft=True)(TRUE, LOGITS)) == pytest.approx(wanted, rel=1e-5)
    focal = -(targets * (1 - np.exp(LOGITS)) ** 2 * LOGITS).sum(axis=1).mean()
    assert float(loss_of(2.0, smoothing)(TRUE, LOGITS)) == pytest.approx(focal, rel=1e-4)


def test_shares_of_classes_are_labels_too_and_give_the_loss_of_indices() -> None:
    assert float(loss_of(0.0, soft=True)(TRUE, LOGITS)) == pytest.approx(float(loss_of(0.0)(np.array([0, 2]), LOGITS)))
    halves = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    wanted = (-0.5 * LOGITS[0, 0] - 0.5 * LOGITS[0, 1] - LOGITS[1, 2]) / 2
    assert float(loss_of(0.0, soft=True)(halves, LOGITS)) == pytest.approx(wanted, rel=1e-5)
