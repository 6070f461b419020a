"""Perturbation methods write their copies of a film into one piece of memory, however many they take."""

import tracemalloc

import numpy as np
import pytest
import yaml

from hilum.explain.explained_model import BATCH, ExplainedModel
from hilum.explain.methods.registry import METHODS

SIDE, TARGETS = 128, np.array([1])
FILM = np.random.default_rng(0).uniform(0, 255, (1, SIDE, SIDE, 1)).astype(np.float32)
FILM_BYTES = 4 * SIDE * SIDE
MORE = {  # few and many perturbed copies
    "lime": ({"samples": 300}, {"samples": 3000}),
    "shapley": ({"orders": 2}, {"orders": 20}),
    "shap_partition": ({"evaluations": 300}, {"evaluations": 3000}),
    "occlusion": ({"stride": 0.06}, {"stride": 0.02}),
    "rise": ({"samples": 300}, {"samples": 3000}),
}
KEPT = {  # what one more copy may leave in memory, as a share of a film
    "lime": 0.05,  # its row of shown superpixels, in the linear model's arrays
    "shapley": 0.05,
    "shap_partition": 0.3,  # shap keeps a mask of one byte per pixel for each rectangle that waits
    "occlusion": 0.01,
    "rise": 0.01,
}


def brightness(images):
    one = images.mean(axis=(1, 2, 3), dtype=np.float64) / 255
    return np.stack([1 - one, one], axis=1)


@pytest.fixture(scope="module")
def defaults(root):
    return yaml.safe_load((root / "params.yaml").read_text())["explain"]


def explain(method, explained, settings):
    METHODS[method].explain(explained, FILM, TARGETS, settings, 0, lambda done, total: None)


@pytest.mark.parametrize("method", MORE)
def test_no_film_stays_in_memory_for_a_sample(method, defaults):
    def measure(settings):
        asked = 0

        def counting(images):
            nonlocal asked
            asked += len(images)
            return brightness(images)

        tracemalloc.start()
        explain(method, ExplainedModel(counting), defaults[method] | settings)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most, asked

    few, many = MORE[method]
    explain(method, ExplainedModel(brightness), defaults[method] | few)  # what is imported and made once
    (little, once), (much, often) = measure(few), measure(many)
    assert often > 5 * once > 5 * BATCH
    assert (much - little) / (often - once) < KEPT[method] * FILM_BYTES


@pytest.mark.parametrize("method", [method for method in MORE if method != "shap_partition"])  # shap masks in its own memory
def test_every_call_reads_the_same_memory(method, defaults):
    places = set()

    def noting(images):
        if len(images) > 1:
            places.add(images.__array_interface__["data"][0])
        return brightness(images)

    explain(method, ExplainedModel(noting), defaults[method] | MORE[method][0])
    assert len(places) == 1
