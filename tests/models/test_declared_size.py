"""A description that asks for more memory than its file stands for is refused before a weight of it is made."""

import resource
from pathlib import Path

import keras
import numpy as np
import pytest
from own_models import MODELS, read_config, rewrite, save_own

from hilum.models.declared_size import check_declared
from hilum.serving.model_files import check_model_file

BUILT = [name for name in MODELS if name not in ("custom_layer", "lambda", "subclassed")]


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", BUILT)
def test_a_file_holds_the_weights_of_its_layers(tmp_path: Path, name: str) -> None:
    path = save_own(tmp_path, name)
    check_declared(path, check_model_file(path))


@pytest.mark.parametrize("nested", [False, True])
def test_enormous_layers_are_refused_before_they_are_made(tmp_path: Path, nested: bool) -> None:
    film = keras.Input((8, 8, 1))
    model = keras.Model(film, keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(film)))
    path = tmp_path / "model.keras"
    (keras.Sequential([keras.Input((8, 8, 1)), model]) if nested else model).save(path)
    config = read_config(path)
    rewrite(path, config=config.replace('"units": 2', '"units": 1000000000').encode())
    before = peak()
    with pytest.raises(ValueError, match=r"got layers for 65,000,000,000 numbers and 130 in .*; save the model again"):
        check_declared(path, check_model_file(path))
    keras.layers.Dense(2)(keras.Input((3,)))  # Keras makes what it has put off when the next layer is called
    with keras.StatelessScope():
        pass
    assert peak() - before < 2**28


def test_enormous_maps_are_refused(tmp_path: Path) -> None:
    path = save_own(tmp_path, "softmax")
    config = read_config(path)
    film = keras.Input((4, 4, 1))
    seen = keras.layers.GlobalAveragePooling2D()(keras.layers.UpSampling2D(20_000)(film))
    keras.Model(film, keras.layers.Dense(2, activation="softmax")(seen)).save(path)
    assert read_config(path) != config
    with pytest.raises(ValueError, match=r"at most 268,435,456 numbers for one film, got 6,400,000,000"):
        check_declared(path, check_model_file(path))


def test_layers_that_do_not_fit_together_are_refused_in_one_line(tmp_path: Path) -> None:
    path = save_own(tmp_path, "softmax")
    for old, new in (('"filters": 4', '"filters": -4'), ("Conv2D", "Conv9D"), ('"inbound_nodes"', '"outbound_nodes"')):
        rewrite(path, config=read_config(path).replace(old, new).encode())
        with pytest.raises(ValueError, match=r"must load under Keras .*model\.keras does not \(\w+: .*save it there") as refusal:
            check_declared(path, 10**6)
        assert "\n" not in str(refusal.value)
        save_own(tmp_path, "softmax")


def test_a_model_built_afterwards_has_its_weights(tmp_path: Path) -> None:
    path = save_own(tmp_path, "softmax")
    check_declared(path, check_model_file(path))
    model = keras.saving.load_model(path)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
