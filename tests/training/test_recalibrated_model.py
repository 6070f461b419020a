"""A scaling folded into a classifier changes its probabilities as the scaling says, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
from own_models import MODELS, SIZE

from hilum.evaluation.scoring.scaling import softmax
from hilum.models.classifier import build_classifier, load_classifier, save_classifier
from hilum.models.flatten import flatten
from hilum.models.forward import predictor
from hilum.training.recalibrated_model import ADDED, fold_scaling

FILMS = np.random.default_rng(0).integers(0, 256, (6, SIZE, SIZE, 1)).astype(np.float32)
BIASES = np.array([-0.4, 0.4])


def scaled(y_prob: np.ndarray, temperature: float, biases: np.ndarray) -> np.ndarray:
    return softmax(np.log(y_prob) / temperature + biases)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_in_a_head_of_ours_the_weights_take_it(tmp_path: Path, output: str) -> None:
    options = {"blocks": 2, "filters": 4, "growth": 1.0, "kernel": 3, "pooling": "max", "batch_norm": False}
    model = build_classifier("small_cnn", SIZE, 2, None, 0.0, 0.0, np.log([0.3, 0.7]), 0, options=options, output=output)
    layers, before = len(model.layers), predictor(model)(FILMS)
    wanted = scaled(before, 0.3, BIASES)
    folded = fold_scaling(model, 0.3, BIASES)
    assert len(folded.layers) == layers
    np.testing.assert_allclose(predictor(folded)(FILMS), wanted, atol=1e-6)
    save_classifier(folded, tmp_path / "model.keras")
    np.testing.assert_allclose(predictor(load_classifier(tmp_path / "model.keras"))(FILMS), wanted, atol=1e-6)


@pytest.mark.parametrize("kind", ["softmax", "ops_softmax", "ops_sigmoid", "cast_softmax"])
def test_elsewhere_a_layer_is_added_and_twice_two(tmp_path: Path, kind: str) -> None:
    model = MODELS[kind]()
    before = predictor(model)(FILMS)
    folded = model
    for number in (1, 2):
        folded = fold_scaling(flatten(folded), 2.0, BIASES)
        save_classifier(folded, tmp_path / "model.keras")
        folded = load_classifier(tmp_path / "model.keras")
        assert sum(layer.name.startswith(ADDED) for layer in folded.layers) == number
    wanted = scaled(scaled(before, 2.0, BIASES), 2.0, BIASES)
    np.testing.assert_allclose(predictor(folded)(FILMS), wanted, atol=1e-6)
    np.testing.assert_allclose(predictor(model)(FILMS), before, atol=1e-7)
