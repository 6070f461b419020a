"""Maps of one film by one model: those of `explain`, at chosen layers; and the memory of many films."""

import gc
import json
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import keras
import numpy as np
import pytest
from empty_store import forget_environment
from PIL import Image

from hilum.app.film import open_film
from hilum.app.film_maps import MapOrder, layers_of, list_missing, make_map, order_layers, takes_layer, usable_methods, view_lime
from hilum.app.film_predictions import Predicted, predict_film, tell_prediction
from hilum.app.overlay import encode, lay_map
from hilum.app.served_models import ServedModel, open_model, tell_calibration
from hilum.app.viewing import view_film
from hilum.data.prepared.examples import as_images
from hilum.explain.methods.registry import METHODS
from hilum.settings.params import Params, read_params
from hilum.workspace import Workspace

SIZE = 32
FACTS = {"classes": ["normal", "ill"], "size": SIZE, "square": "pad", "threshold": 0.4}


def film_bytes(seed: int = 0) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 40), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def save_model(folder: Path) -> Path:
    """Three convolutions below a pooling; weights by seed."""
    layers = keras.layers
    keras.utils.set_random_seed(5)
    film = keras.Input((SIZE, SIZE, 1))
    seen = layers.Rescaling(1 / 255)(film)
    for name, filters in (("first", 4), ("second", 6), ("third", 8)):
        seen = layers.Conv2D(filters, 3, strides=2, activation="relu", padding="same", name=name)(seen)
    model = keras.Model(film, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling2D()(seen)))
    folder.mkdir()
    model.save(folder / "model.keras")
    (folder / "model.json").write_text(json.dumps(FACTS))
    return folder / "model.keras"


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> tuple[Workspace, Params]:
    quick = {"explain__lime__samples": 40, "explain__lime__superpixels": 10, "explain__lime__features": 4}
    workspace = make_project(tmp_path_factory.mktemp("maps") / "project", **quick)
    return workspace, read_params(workspace.params)


@pytest.fixture(scope="module")
def served(params: tuple[Workspace, Params]) -> ServedModel:
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        return open_model(str(save_model(params[0].root / "own")), *params)


@pytest.fixture
def predicted(served: ServedModel, params: tuple[Workspace, Params]) -> Predicted:
    return predict_film(served, open_film(film_bytes(), "film.png"), params[0])


def test_a_map_is_what_the_method_gives_for_the_prepared_film(
    served: ServedModel, predicted: Predicted, params: tuple[Workspace, Params]
) -> None:
    settings = params[1].explain
    for name in ("gradcam", "saliency", "lime"):
        found = make_map(served, predicted, MapOrder(served.address, name, 1), settings)
        images, own = as_images(predicted.film.film[np.newaxis]), getattr(settings, name).model_dump()
        same = METHODS[name].explain(served.explained, images, np.array([1]), own, settings.seed, lambda *_: None)
        assert np.array_equal(found.attribution.values, same.values) and found.seconds > 0
        assert found.geometry == predicted.film.geometry and found.attribution.sanity == ""


def test_the_last_layers_come_highest_first_and_their_maps_name_them(
    served: ServedModel, predicted: Predicted, params: tuple[Workspace, Params]
) -> None:
    assert layers_of(served) == ["third", "second", "first"]
    orders = order_layers(served, 0, 2)
    assert [one.layer for one in orders] == ["third", "second"]
    maps = [make_map(served, predicted, one, params[1].explain) for one in orders]
    assert [one.attribution.layer for one in maps] == ["third", "second"]
    assert maps[1].title == "Grad-CAM at second" and not np.array_equal(maps[0].attribution.values, maps[1].attribution.values)
    lime = MapOrder(served.address, "lime", 0)
    assert list_missing([lime, *orders], maps[:1]) == [orders[1], lime], "the quick ones first"
    assert takes_layer("gradcam") and not takes_layer("lime")


def test_a_verdict_counts_only_with_the_layer_that_was_tested(predicted: Predicted, params: tuple[Workspace, Params]) -> None:
    settings = params[1].explain
    served = replace(open_model(predicted.model, *params), verdicts={"gradcam": "passes"})
    own = make_map(served, predicted, MapOrder(served.address, "gradcam", 0), settings)
    other = make_map(served, predicted, MapOrder(served.address, "gradcam", 0, "first"), settings)
    assert (own.attribution.sanity, other.attribution.sanity) == ("passes", "")


def test_methods_that_need_mean_films_are_left_out_without_them(served: ServedModel) -> None:
    usable = usable_methods(served)
    assert {name for name, why in usable.items() if why} == {name for name, one in METHODS.items() if one.background}
    assert "mean_films.npz" in usable["shap"]


def test_limes_views_are_of_its_own_superpixels(
    served: ServedModel, predicted: Predicted, params: tuple[Workspace, Params]
) -> None:
    found = make_map(served, predicted, MapOrder(served.address, "lime", predicted.predicted), params[1].explain)
    views = view_lime(found, predicted, params[1].explain)
    assert found.attribution.regions is not None and np.array_equal(views.regions, found.attribution.regions[0])


def test_the_sentence_names_threshold_or_rule(served: ServedModel, predicted: Predicted) -> None:
    share = predicted.probabilities[1]
    said = tell_prediction(predicted, served.described)
    assert f"{share:.1%} for ill" in said and "threshold of 40.0%" in said
    assert ("reaches" in said) is ("is below" not in said) is (predicted.name == "ill") is (share >= 0.4)
    assert said.count(f"{share:.1%}") == 1, "each number once"
    assert "the most probable of 2 classes" in tell_prediction(predicted, {**served.described, "threshold": None})
    factors = {"normal": 1.0, "ill": 3.0}
    assert "times its factor" in tell_prediction(predicted, {**served.described, "threshold": None, "decision_factors": factors})


def test_a_model_of_ones_own_has_a_version_and_says_that_calibration_is_unknown(served: ServedModel) -> None:
    assert served.version == f"model.keras · weights {served.described['model_sha256'][:8]}"
    assert served.title == "model" and served.data_version == "unknown"
    assert served.calibration == tell_calibration(None) == "whether the probabilities are calibrated is not known"
    fitted = {"calibration": "temperature", "films": 40, "patients": 25}
    assert tell_calibration(fitted) == "calibrated (temperature) on 40 validation films of 25 patients"
    assert tell_calibration({**fitted, "calibration": "none"}) == "the probabilities are not calibrated"


def resident() -> int:
    """Bytes of this process in memory."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_is_bounded_over_200_films(served: ServedModel, params: tuple[Workspace, Params]) -> None:
    """What the page does for a film: open, view, predict, Grad-CAM, lay it over, encode."""

    def read(seed: int) -> None:
        film = open_film(film_bytes(seed), "film.png")
        said = predict_film(served, film, params[0])
        found = make_map(served, said, MapOrder(served.address, "gradcam", said.predicted), params[1].explain)
        encode(lay_map(view_film(film).plain, found.attribution, found.geometry, 0.8))

    held = []
    for seed in range(200):
        read(seed)
        if seed in (49, 199):
            gc.collect()
            held.append(resident())
    print(f"resident after 50 films {held[0] >> 20} MiB, after 200 films {held[1] >> 20} MiB")
    assert held[1] - held[0] < 40 * 2**20
