"""EfficientNet-Lite with its real weights: what others computed with them comes out, and it serves as every backbone does."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from small_graphs import PRIOR, build, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import convolution_steps, last_convolution
from hilum.explain.methods import gradcam
from hilum.models.backbones import BACKBONES, find_backbone
from hilum.models.classifier import (
    backbone_blocks,
    backbone_layers,
    cut,
    load_classifier,
    model_sha256,
    save_classifier,
    unfreeze,
)
from hilum.models.efficientnet_lite import build_efficientnet_lite
from hilum.models.flatten import flatten, is_flat
from hilum.models.forward import predictor
from hilum.models.initial_weights import save_backbone
from hilum.models.packaged_weights import read_packaged

PARAMETERS = {"efficientnet_lite0": 3_413_024, "efficientnet_lite1": 4_189_344, "efficientnet_lite2": 4_869_168}  # no top
every_size = pytest.mark.parametrize("name", PARAMETERS)

OTHER_PROCESS = """
import sys
from small_graphs import build
from hilum.models.classifier import model_sha256
model = build("efficientnet_lite0", 64, weights="imagenet")
print(model_sha256(model), *(layer.name for layer in model.layers))
"""


def real_films(shared: Path, reference: np.lib.npyio.NpzFile) -> np.ndarray:
    folder = shared / "data" / "pediatric-pneumonia" / "train"
    return np.stack([np.asarray(Image.open(folder / file).convert("L"), np.float32) for file in reference["files"]])[..., None]


@every_size
def test_real_films_give_what_the_weights_gave_elsewhere(name: str, shared: Path) -> None:
    """Oracle: outputs of another implementation with the same file, at 224 px; the classifier is the file's own."""
    reference = np.load(shared / "weights" / "efficientnet_lite_reference.npz")
    number, films = name[-1], real_films(shared, reference)
    assert films.shape == (3, 224, 224, 1)
    model = build(name, 224, weights="imagenet")
    top = cut(model, last_convolution(model))[0](films, training=False).numpy()
    pooled = cut(model, "pool")[0](films, training=False).numpy()
    np.testing.assert_allclose(top[0, :2, :2, :8], reference[f"top_{number}"], atol=1e-4)
    np.testing.assert_allclose(pooled, reference[f"pooled_{number}"], atol=1e-4)
    assert reference[f"pooled_{number}"].std() > 0.1
    tensors = read_packaged(find_backbone(name).imagenet)  # type: ignore[arg-type]
    logits = pooled @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    np.testing.assert_allclose(logits, reference[f"logits_{number}"], atol=3e-4)


@every_size
def test_it_has_as_many_parameters_as_published(name: str) -> None:
    assert sum(layer.count_params() for layer in backbone_layers(build(name, 32))) == PARAMETERS[name]


@every_size
def test_every_block_holds_weights_and_no_name_is_numbered_by_keras(name: str) -> None:
    model = build(name, 32)
    blocks = backbone_blocks(model)
    assert tuple(blocks) == BACKBONES[name].blocks
    for block, layers in blocks.items():
        assert any(model.get_layer(layer).weights for layer in layers), block
        assert all(layer.startswith(block) for layer in layers), block


def test_batch_norm_and_activation_are_those_of_the_weights() -> None:
    layers = backbone_layers(build("efficientnet_lite0", 32))
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    relus = [layer for layer in layers if isinstance(layer, keras.layers.ReLU)]
    assert {norm.epsilon for norm in norms} == {1e-3} and len(norms) == 49
    assert {float(relu.max_value) for relu in relus} == {6.0} and len(relus) == 33
    assert not [layer.name for layer in layers if getattr(layer, "use_bias", False)]


def test_built_twice_here_and_once_in_another_process_it_is_the_same(root: Path) -> None:
    one, two = (build("efficientnet_lite0", 64, weights="imagenet") for _ in range(2))
    path = f"import sys; sys.path[:0] = [{str(root / 'src')!r}, {str(root / 'tests' / 'support')!r}]"
    done = subprocess.run([sys.executable, "-c", path + OTHER_PROCESS], capture_output=True, text=True, check=True)
    digest, *names = done.stdout.split()
    assert digest == model_sha256(one) == model_sha256(two)
    assert names == [layer.name for layer in one.layers] == [layer.name for layer in two.layers]


def test_imagenet_weights_serve_any_size() -> None:
    small, odd = (build("efficientnet_lite0", size, weights="imagenet") for size in (32, 161))
    for one, other in zip(backbone_layers(small), backbone_layers(odd), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True)), one.name
    assert odd.get_layer(last_convolution(odd)).output.shape == (None, 6, 6, 1280)
    assert small.get_layer(last_convolution(small)).output.shape == (None, 1, 1, 1280)


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_a_step_of_training_moves_it_and_a_file_brings_it_back(batch_norm: str, tmp_path: Path) -> None:
    model = build("efficientnet_lite0", 64, weights="imagenet")
    before = model.get_layer("block_16_project").kernel.numpy(), model.get_layer("block_15_project").kernel.numpy()
    unfreeze(model, "block_16", batch_norm)
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=False)
    model.train_on_batch(draw_films(4), np.arange(4) % 3)
    assert not np.array_equal(model.get_layer("block_16_project").kernel.numpy(), before[0])
    np.testing.assert_array_equal(model.get_layer("block_15_project").kernel.numpy(), before[1])
    save_classifier(model, tmp_path / "model.keras")
    back, films = load_classifier(tmp_path / "model.keras"), draw_films(2)
    assert model_sha256(back) == model_sha256(model)
    np.testing.assert_array_equal(back(films, training=False).numpy(), model(films, training=False).numpy())


@pytest.mark.filterwarnings("ignore:Skipping")
def test_a_saved_backbone_of_it_is_read_as_the_weights_of_an_arm_and_another_size_refuses_it(tmp_path: Path) -> None:
    model = build("efficientnet_lite0", 64, weights="imagenet")
    save_backbone(model, tmp_path / "lite0.weights.h5")
    again = build("efficientnet_lite0", 32, seed=5, weights=tmp_path / "lite0.weights.h5")
    for one, other in zip(backbone_layers(model), backbone_layers(again), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True)), one.name
    with pytest.raises(ValueError, match=r"must be a file of efficientnet_lite1 without top, got .*lite0\.weights\.h5"):
        build("efficientnet_lite1", 32, weights=tmp_path / "lite0.weights.h5")


def test_grad_cam_finds_the_bright_square_by_a_head_that_reads_the_channel_which_answers_it() -> None:
    model = build("efficientnet_lite0", 128, weights="imagenet")
    film = np.full((1, 128, 128, 1), 60, np.float32)
    film[0, 64:, :64] = np.random.default_rng(0).integers(100, 256, (64, 64, 1))
    top = cut(model, last_convolution(model))[0](film, training=False).numpy()[0]  # (4, 4, 1280)
    inside, total = top[2:, :2].mean((0, 1)), top.mean((0, 1))
    channel = int(np.argmax(np.where(total > 0.2, inside / (total + 1e-6), 0)))
    kernel = np.zeros((1280, 3), np.float32)
    kernel[channel, 1] = 1
    model.get_layer("logits").set_weights([kernel, np.zeros(3, np.float32)])
    explained = ExplainedModel(predictor(model), model, np.full((1, 128, 128, 1), 60, np.float32))
    got = gradcam.explain(explained, film, np.array([1]), {"layer": "last"}, 0, lambda i, n: None).values[0]
    row, column = np.unravel_index(got.argmax(), got.shape)
    assert row >= 60 and column < 68, (row, column)
    assert got[64:, :64].sum() > 0.5 * got.sum()


def test_it_has_hilum_s_form_and_its_steps_are_those_that_layer_sheets_draw() -> None:
    model = build("efficientnet_lite0", 64, weights="imagenet")
    assert is_flat(model) and flatten(model) is model
    steps = convolution_steps(model)
    assert steps[0] == "stem_conv_relu"
    tops = ["block_16_expand_relu", "block_16_depthwise_relu", "block_16_project_bn", "top_conv_relu"]
    assert steps[-5:] == ["block_15_add", *tops]


@every_size
def test_weights_of_another_size_of_it_are_refused(name: str) -> None:
    row = find_backbone(name)
    other = find_backbone("efficientnet_lite1" if name == "efficientnet_lite0" else "efficientnet_lite0")
    with pytest.raises(ValueError, match=r"must be those of this network, got another _blocks\."):
        build_efficientnet_lite(**row.options, input_shape=(32, 32, 3), weights=other.imagenet)


@pytest.mark.parametrize(
    ("blocks", "last", "cells"), [(11, "block_11_add", 4), (9, "block_9_project_bn", 4), (12, "block_12_project_bn", 2)]
)
def test_it_ends_with_a_block_where_an_arm_says_so(blocks: int, last: str, cells: int) -> None:
    whole = build("efficientnet_lite0", 64, weights="imagenet")
    short = build("efficientnet_lite0", 64, weights="imagenet", options={"blocks": blocks})
    names = [layer.name for layer in backbone_layers(short)]
    assert list(backbone_blocks(short)) == ["stem", *(f"block_{i}" for i in range(1, blocks + 1))]
    assert names == [layer.name for layer in backbone_layers(whole)][: len(names)]
    for name in names:
        assert all(map(np.array_equal, short.get_layer(name).get_weights(), whole.get_layer(name).get_weights())), name
    assert last_convolution(short) == last
    assert short.get_layer(last_convolution(short)).output.shape[1:3] == (cells, cells)
    films = draw_films(2)
    np.testing.assert_array_equal(cut(short, last_convolution(short))[0](films), cut(whole, last_convolution(short))[0](films))


@pytest.mark.parametrize(("name", "most"), [("efficientnet_lite0", 15), ("efficientnet_lite2", 20)])
def test_more_blocks_than_lie_below_the_top_are_refused(name: str, most: int) -> None:
    find_backbone(name, {"blocks": most})
    with pytest.raises(ValueError, match=rf"options\.blocks of this network must be at most {most}, got {most + 1}"):
        find_backbone(name, {"blocks": most + 1})


def test_a_classifier_of_its_own_is_not_built() -> None:
    with pytest.raises(ValueError, match="without its classifier, got include_top=True"):
        build_efficientnet_lite(1.0, 1.0, input_shape=(32, 32, 3), include_top=True)


def test_the_untrained_head_on_real_weights_answers_the_prior() -> None:
    answers = build("efficientnet_lite0", 64, weights="imagenet")(draw_films(4), training=False).numpy()
    np.testing.assert_allclose(answers, np.tile(PRIOR, (4, 1)), atol=0.02)
