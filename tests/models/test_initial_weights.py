"""Initial weights: what cannot be fetched or does not fit is refused, with the address or the first layer and the way out."""

from pathlib import Path

import h5py
import pytest
from every_backbone import OPTIONS
from keras.src.backend import config
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group
from small_graphs import build

from hilum.models.body import plain_network
from hilum.models.initial_weights import save_backbone

SMALL = OPTIONS["small_cnn"]


def test_imagenet_weights_that_cannot_be_fetched_are_told_with_the_address_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from keras.src.applications import mobilenet

    monkeypatch.setattr(mobilenet, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))
    with pytest.raises(ValueError) as refused:
        build("mobilenet", 32, weights="imagenet", options={"alpha": 0.5})
    told = str(refused.value)
    assert told.startswith("ImageNet weights of mobilenet are downloaded by Keras, which failed: ")
    assert "http://127.0.0.1:9/mobilenet_5_0_224_tf_no_top.h5" in told
    assert "write its path as the arm's weights, or choose pretrained or none" in told


def test_imagenet_weights_of_an_alpha_that_nobody_trained_are_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"of mobilenet .*alpha can be one of.*0\.25.*choose pretrained or none"):
        build("mobilenet", 32, weights="imagenet", options={"alpha": 0.4})


def test_a_network_of_our_own_has_no_imagenet_weights() -> None:
    with pytest.raises(ValueError, match="no ImageNet weights of small_cnn, got weights imagenet; choose none, pretrained or a"):
        build("small_cnn", 32, weights="imagenet", options=SMALL)


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.filterwarnings("ignore:.*HDF5.*", "ignore:Skipping")
def test_the_first_layer_that_a_file_does_not_fit_is_named(older: bool, tmp_path: Path) -> None:
    wider = plain_network("small_cnn", {**SMALL, "growth": 3.0}, 32)
    file = tmp_path / ("wider.h5" if older else "wider.weights.h5")
    if older:
        with h5py.File(file, "w") as opened:
            save_weights_to_hdf5_group(opened, wider)
    else:
        wider.save_weights(file)
    with pytest.raises(ValueError) as refused:
        build("small_cnn", 32, weights=file, options=SMALL)
    assert str(refused.value) == (
        f"weights must be a file of small_cnn without top, got {file}: layer block_2_conv takes weights (3, 3, 4, 8), and the "
        "file has (3, 3, 4, 12)"
    )


def test_a_file_with_fewer_layers_is_told_by_the_first_one_that_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "shallow.weights.h5"
    plain_network("small_cnn", {**SMALL, "blocks": 2}, 32).save_weights(file)
    with pytest.raises(ValueError, match=r"layer block_3_conv takes weights \(3, 3, 8, 16\), and the file has none"):
        build("small_cnn", 32, weights=file, options=SMALL)


def test_weights_fit_an_arm_of_the_same_options_alone(tmp_path: Path) -> None:
    file = tmp_path / "half.weights.h5"
    save_backbone(build("mobilenet", 32, options={"alpha": 0.5}), file, {"alpha": 0.5})
    build("mobilenet", 64, weights=file, options={"alpha": 0.5})
    with pytest.raises(ValueError, match=r"mobilenet without top, got .*: layer conv1 takes weights \(3, 3, 3, 8\), and"):
        build("mobilenet", 32, weights=file, options={"alpha": 0.25})
