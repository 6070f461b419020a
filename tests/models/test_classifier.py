"""One classifier: its files, its freezing, its cuts and its first weights."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image
from small_graphs import PRIOR, build, draw_films, graph, wake

from hilum.models.classifier import backbone_layers, cut, frozen_cut, load_classifier, model_sha256, save_classifier, unfreeze
from hilum.models.head import HEAD, MOMENTUM
from hilum.models.initial_weights import save_backbone

pytestmark = pytest.mark.filterwarnings("ignore:.*input_shape.*:UserWarning")

OTHER_PROCESS = """
import sys
from pathlib import Path
from hilum.models.classifier import load_classifier, model_sha256, save_classifier
model = load_classifier(Path(sys.argv[1]))
save_classifier(model, Path(sys.argv[2]))
print(model_sha256(model))
"""


def train_a_little(model: keras.Model, learning_rate: float = 1e-2) -> None:
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(draw_films(8, 32), np.arange(8) % 3, batch_size=4, verbose=0)


def moving_statistics(model: keras.Model) -> list[np.ndarray]:
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    return [value.numpy() for norm in norms for value in (norm.moving_mean, norm.moving_variance)]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> list[bool]:
    return [bool(np.array_equal(a, b)) for a, b in zip(one, other, strict=True)]


# files


def test_another_process_reads_the_same_model_and_writes_the_same_bytes_later(tmp_path: Path, root: Path) -> None:
    model = wake(build("mobilenet_025", 32))
    save_classifier(model, tmp_path / "here.keras")
    command = [sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "here.keras"), str(tmp_path / "there.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root / "src")
    assert done.stdout.split()[-1] == model_sha256(model)
    assert (tmp_path / "there.keras").read_bytes() == (tmp_path / "here.keras").read_bytes()


def test_equal_weights_are_equal_bytes_however_the_model_came_to_them(tmp_path: Path) -> None:
    model = build("mobilenet_025", 32)
    first, digest = model.get_weights(), model_sha256(model)
    save_classifier(model, tmp_path / "untrained.keras")
    unfreeze(model, 2, "frozen")
    train_a_little(model)  # leaves an optimizer, a dropout counter and frozen layers behind
    assert model_sha256(model) != digest
    model.set_weights(first)
    assert model_sha256(model) == digest
    save_classifier(model, tmp_path / "returned.keras")
    assert (tmp_path / "returned.keras").read_bytes() == (tmp_path / "untrained.keras").read_bytes()


def test_the_file_holds_no_date_and_no_optimizer(tmp_path: Path) -> None:
    model = build("mobilenet_025", 32)
    train_a_little(model)
    save_classifier(model, tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"202" not in archive.read("metadata.json").split(b'"date_saved"')[1].split(b",")[0]
        (tmp_path / "weights.h5").write_bytes(archive.read("model.weights.h5"))
    with h5py.File(tmp_path / "weights.h5") as stored:
        assert "optimizer" not in stored


def test_the_hash_sees_one_weight_and_the_graph() -> None:
    model = build("mobilenet_025", 32)
    digest = model_sha256(model)
    bias = model.get_layer("logits").bias
    bias.assign(np.nextafter(bias.numpy(), np.float32(9)))
    assert model_sha256(model) != digest
    other = build("mobilenet_025", 32, dropout=0.3)
    other.set_weights(build("mobilenet_025", 32).get_weights())
    assert model_sha256(other) != digest


def test_the_hash_does_not_see_what_was_frozen() -> None:
    model = graph("mobilenet_025")
    unfreeze(model, "head", "frozen")
    digest = model_sha256(model)
    unfreeze(model, "all", "frozen")
    assert model_sha256(model) == digest


def test_a_missing_or_broken_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got .*model\.keras, which does not exist; run `dvc repro`"):
        load_classifier(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"half a model")
    with pytest.raises(ValueError, match=r"must load under Keras .*model\.keras does not \(ValueError: "):
        load_classifier(tmp_path / "model.keras")


def test_the_ending_of_a_model_may_be_written_in_any_case(tmp_path: Path) -> None:
    model = build("mobilenet_025", 32)
    save_classifier(model, tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(tmp_path / "MODEL.KERAS")
    assert model_sha256(load_classifier(tmp_path / "MODEL.KERAS")) == model_sha256(model)


# building


def test_a_prior_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one value per class, got shape \(2,\) for 3 classes"):
        build("mobilenet_025", log_prior=np.log([0.5, 0.5]))


def test_weight_decay_is_a_regulariser_of_the_kernel_alone() -> None:
    model = build("mobilenet_025", 32, weight_decay=0.5)
    kernel = model.get_layer("logits").kernel.numpy()
    assert len(model.losses) == 1
    assert float(model.losses[0]) == pytest.approx(0.5 * np.square(kernel).sum(), rel=1e-5)
    assert not build("mobilenet_025", 32, weight_decay=0.0).losses


def test_a_missing_weight_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got '.*none\.h5', which does not exist"):
        build("mobilenet_025", 32, weights=tmp_path / "none.h5")


@pytest.mark.filterwarnings("ignore:Skipping")
@pytest.mark.parametrize("kind", ["text", "another backbone", "empty"])
def test_a_wrong_weight_file_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.weights.h5"
    file.write_bytes(b"not weights" if kind == "text" else b"")
    if kind == "another backbone":
        save_backbone(graph("mobilenet"), file)
    with pytest.raises(ValueError, match=r"mobilenet_025 .*got .*wrong\.weights\.h5"):
        build("mobilenet_025", 32, weights=file)


@pytest.mark.parametrize("name", ["mobilenet_025", "mobilenetv2"])
def test_a_saved_backbone_gives_its_features_to_a_new_classifier(name: str, tmp_path: Path) -> None:
    model = graph(name)
    unfreeze(model, 1, "frozen")
    save_backbone(model, tmp_path / "backbone.weights.h5")
    other = build(name, seed=5, weights=tmp_path / "backbone.weights.h5")
    films = draw_films(2)
    for old, new in zip(backbone_layers(model), backbone_layers(other), strict=True):
        assert all(same(old.get_weights(), new.get_weights())), old.name
    np.testing.assert_array_equal(cut(other, "pool")[0](films, training=False), cut(model, "pool")[0](films, training=False))
    np.testing.assert_allclose(other(films, training=False).numpy(), np.tile(PRIOR, (2, 1)), atol=0.02)


def test_weights_written_anew_under_the_same_name_are_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "backbone.weights.h5"
    found = []
    for written, seed in enumerate((1, 2)):
        save_backbone(build("mobilenet_025", 32, seed=seed), file)
        os.utime(file, ns=(written, written))
        found.append(build("mobilenet_025", 32, weights=file).get_weights())
    assert not all(same(*found))


def test_a_saved_backbone_fits_another_size(tmp_path: Path) -> None:
    save_backbone(graph("mobilenet_025"), tmp_path / "backbone.weights.h5")
    other = build("mobilenet_025", 96, weights=tmp_path / "backbone.weights.h5")
    assert all(same(other.get_layer("conv_pw_13").get_weights(), graph("mobilenet_025").get_layer("conv_pw_13").get_weights()))


@pytest.mark.parametrize(
    ("backbone", "file", "size", "plain"),
    [
        ("mobilenet_025", "mobilenet_2_5_224_tf_no_top.h5", 224, lambda **k: keras.applications.MobileNet(alpha=0.25, **k)),
        ("mobilenetv2", "mobilenetv2_1.0_224_notop_int8.weights.h5", 224, keras.applications.MobileNetV2),
    ],
)
def test_known_weights_see_a_real_film_as_the_plain_application_does(backbone, file, size, plain, shared: Path) -> None:
    path = next((shared / "data" / "pediatric-pneumonia").rglob("*.jpeg"))
    film = np.asarray(Image.open(path).convert("L").resize((size, size)), np.float32)[np.newaxis, ..., np.newaxis]
    model = build(backbone, size, weights=shared / "weights" / file)
    whole = plain(input_shape=(size, size, 3), include_top=False, weights=str(shared / "weights" / file))
    expected = whole(np.repeat(film, 3, axis=-1) / 127.5 - 1, training=False).numpy()
    features = cut(model, backbone_layers(model)[-1].name)[0](film, training=False).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(features, expected, atol=1e-4)


# freezing


def test_extents_by_name_by_number_all_and_head() -> None:
    model = graph("mobilenet_025")
    head = ["logits"]
    thirteenth = ["conv_dw_13", "conv_dw_13_bn", "conv_pw_13", "conv_pw_13_bn"]
    assert unfreeze(model, "head", "train") == head
    assert unfreeze(model, 1, "train") == thirteenth + head
    assert unfreeze(model, "block_13", "train") == thirteenth + head
    assert unfreeze(model, 1, "frozen") == ["conv_dw_13", "conv_pw_13", *head]
    everything = [layer.name for layer in model.layers if layer.weights]
    assert unfreeze(model, "all", "train") == unfreeze(model, "stem", "train") == unfreeze(model, 14, "train") == everything
    assert unfreeze(model, "all", "frozen") == [name for name in everything if not name.endswith("_bn")]


def test_a_smaller_extent_freezes_again_what_a_larger_one_had_opened() -> None:
    model = graph("mobilenet_025")
    unfreeze(model, "all", "train")
    unfreeze(model, "head", "frozen")
    assert [variable.path.split("/")[0] for variable in model.trainable_variables] == ["logits", "logits"]


@pytest.mark.parametrize("extent", ["block_14", "conv_pw_13", 0, 15, -1, ""])
def test_an_illegal_extent_is_refused_with_the_legal_ones(extent: str | int) -> None:
    message = rf"unfreeze must be head, all, 1 to 14 or one of stem, block_1, .*block_13, got {extent!r}"
    with pytest.raises(ValueError, match=message):
        unfreeze(graph("mobilenet_025"), extent, "frozen")


def test_frozen_batch_norm_keeps_its_statistics_while_its_block_trains() -> None:
    model = wake(build("mobilenet_025", 32))
    unfreeze(model, "all", "frozen")
    before = [layer.get_weights() for layer in model.layers]
    train_a_little(model)
    for layer, old in zip(model.layers, before, strict=True):
        frozen = isinstance(layer, keras.layers.BatchNormalization)
        assert all(equal == frozen for equal in same(layer.get_weights(), old)), layer.name


def test_frozen_batch_norm_runs_in_inference_mode() -> None:
    model = wake(build("mobilenet_025", 32, dropout=0.0))
    unfreeze(model, "all", "frozen")
    films = draw_films(4, 32)
    np.testing.assert_array_equal(model(films, training=True).numpy(), model(films, training=False).numpy())
    unfreeze(model, "all", "train")
    assert not np.array_equal(model(films, training=True).numpy(), model(films, training=False).numpy())


def test_trained_batch_norm_moves_in_unfrozen_blocks_only() -> None:
    model = build("mobilenet_025", 32)
    unfreeze(model, "block_12", "train")
    before = moving_statistics(model)
    train_a_little(model)
    norms = [layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    moved = {name for name, equal in zip(np.repeat(norms, 2), same(moving_statistics(model), before), strict=True) if not equal}
    assert moved == {"conv_dw_12_bn", "conv_pw_12_bn", "conv_dw_13_bn", "conv_pw_13_bn"}


def test_trained_batch_norm_gets_a_momentum_that_suits_few_steps() -> None:
    model = build("mobilenetv2", 32)
    assert model.get_layer("Conv_1_bn").momentum == 0.999
    unfreeze(model, "all", "frozen")
    assert model.get_layer("Conv_1_bn").momentum == 0.999
    unfreeze(model, "all", "train")
    assert model.get_layer("Conv_1_bn").momentum == MOMENTUM


# cuts


def test_a_cut_inside_a_residual_block_is_refused_with_the_legal_ones() -> None:
    with pytest.raises(ValueError, match=r"got 'block_15_expand'; use one of .*block_14_add, block_15_add"):
        cut(graph("mobilenetv2"), "block_15_expand")
    with pytest.raises(ValueError, match="got 'nowhere'"):
        cut(graph("mobilenetv2"), "nowhere")


def test_prefix_and_tail_share_the_layers_of_the_model() -> None:
    model = wake(build("mobilenet_025", 32))
    prefix, tail = cut(model, "conv_pw_12_relu")
    films = draw_films(2, 32)
    before = tail(prefix(films, training=False), training=False).numpy()
    model.get_layer("conv_pw_13").kernel.assign_add(np.ones(model.get_layer("conv_pw_13").kernel.shape, np.float32))
    after = tail(prefix(films, training=False), training=False).numpy()
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, model(films, training=False).numpy())


@pytest.mark.parametrize(
    ("extent", "place"),
    [("head", "pool"), (1, "conv_pw_12_relu"), ("block_10", "conv_pw_9_relu"), (13, "conv1_relu"), (14, None), ("all", None)],
)
def test_frozen_cuts_by_hand(extent: str | int, place: str | None) -> None:
    unfreeze(graph("mobilenet_025"), extent, "frozen")
    assert frozen_cut(graph("mobilenet_025")) == place


def test_the_frozen_cut_of_a_residual_block_is_the_sum_before_it() -> None:
    unfreeze(graph("mobilenetv2"), "block_15", "frozen")
    assert frozen_cut(graph("mobilenetv2")) == "block_14_add"


def test_the_names_that_other_parts_use_are_in_the_graph() -> None:
    names = [layer.name for layer in graph("mobilenet_025").layers]
    assert names[-len(HEAD) :] == list(HEAD)
    assert names[:3] == ["grey", "scale", "three_channels"]
