"""Several classifiers in one graph: the mean of their logits, saved and loaded, and the members again."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_graphs import draw_films

from hilum.ensembles.graph import is_ensemble, join_members, read_logits, split_members
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.map_layers import last_convolution
from hilum.models.classifier import build_classifier, load_classifier, model_sha256, save_classifier
from hilum.models.declared_size import check_declared
from hilum.models.flatten import is_flat
from hilum.models.forward import predictor
from hilum.serving.export import export_model
from hilum.serving.model_files import check_model_file
from hilum.training.given import build_given

FILMS = draw_films(6, 32)


SMALL: dict[str, Any] = {"blocks": 3, "filters": 8, "growth": 1.5, "kernel": 3, "pooling": "max", "batch_norm": True}


def member(backbone: str, seed: int, classes: int = 3, size: int = 32, output: Any = "softmax") -> keras.Model:
    """A network whose head is no longer that of the start, so that classes differ from film to film."""
    prior, options = np.log(np.full(classes, 1 / classes)), SMALL if backbone == "small_cnn" else None
    model = build_classifier(backbone, size, classes, None, 0.2, 0.0, prior, seed, options=options, output=output)
    kernel = next(layer for layer in model.layers if layer.name in ("logits", "logit_of_second") and layer.weights).kernel
    kernel.assign(np.random.default_rng(seed).normal(0, 2, kernel.shape))
    return model


@pytest.fixture(scope="module")
def members() -> dict[str, keras.Model]:
    """Two networks of one kind, whose layers have the same names, and another."""
    return {"one": member("mobilenet_025", 1), "two": member("mobilenet_025", 2), "small-3": member("small_cnn", 3)}


def by_hand(members: dict[str, keras.Model]) -> np.ndarray:
    """The geometric mean of the members' probabilities, of sum 1."""
    mean = np.exp(np.mean([np.log(predictor(model)(FILMS)) for model in members.values()], axis=0))
    return np.asarray(mean / mean.sum(axis=1, keepdims=True))


def test_its_probabilities_are_the_mean_of_the_members_by_hand_also_after_saving_and_loading(
    members: dict[str, keras.Model], tmp_path: Path
) -> None:
    joined, wanted = join_members(members), by_hand(members)
    assert is_flat(joined) and is_ensemble(joined)
    np.testing.assert_allclose(predictor(joined)(FILMS), wanted, atol=1e-6)
    assert not np.allclose(wanted, predictor(members["one"])(FILMS), atol=0.01)
    file = tmp_path / "model.keras"
    save_classifier(joined, file)
    check_declared(file, check_model_file(file))  # what `predict` checks before it loads a file
    again = load_classifier(file)
    assert model_sha256(again) == model_sha256(joined) == model_sha256(join_members(members))
    np.testing.assert_allclose(predictor(again)(FILMS), wanted, atol=1e-6)


def test_it_comes_apart_into_the_members_with_their_own_names_and_weights(
    members: dict[str, keras.Model], tmp_path: Path
) -> None:
    save_classifier(join_members(members), tmp_path / "model.keras")
    again = load_classifier(tmp_path / "model.keras")
    for model in (again, keras.models.clone_model(again)):  # the gate permutes a clone
        model.set_weights(again.get_weights())
        found = split_members(model)
        assert list(found) == list(members)
        for name, own in found.items():
            assert own.name == members[name].name
            assert [layer.name for layer in own.layers] == [layer.name for layer in members[name].layers]
            assert last_convolution(own) == last_convolution(members[name])
            np.testing.assert_array_equal(predictor(own)(FILMS), predictor(members[name])(FILMS))
    next(layer for layer in split_members(model)["two"].layers if layer.name == "logits").bias.assign([9.0, 0.0, 0.0])
    assert predictor(model)(FILMS).argmax(axis=1).tolist() == [0] * len(FILMS), "the weights are shared"
    assert split_members(members["one"]) == {}


def test_its_head_can_be_calibrated_and_its_logits_are_the_mean_of_the_members(members: dict[str, keras.Model]) -> None:
    joined = join_members(members)
    before = read_logits(joined, FILMS)
    np.testing.assert_allclose(before, np.mean([read_logits(model, FILMS) for model in members.values()], axis=0), atol=1e-5)
    joined = join_members(members, 2.0, [1.0, 0.0, -1.0])
    assert not any(layer.weights for layer in joined.layers if "." not in layer.name), "the gate permutes the members alone"
    np.testing.assert_allclose(read_logits(joined, FILMS), before / 2 + np.array([1.0, 0.0, -1.0]), atol=1e-5)


def test_a_head_of_one_sigmoid_and_a_given_model_can_be_members() -> None:
    film = keras.Input((32, 32, 1))
    seen = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, activation="relu", name="seen.twice")(film))
    theirs = keras.Model(film, keras.layers.Dense(1, activation="sigmoid")(seen), name="their.network")
    own = {
        "one": member("mobilenet_025", 1, 2, output="sigmoid"),
        "theirs": build_given(theirs, 32, ["normal", "ill"], ["normal", "ill"]),
    }
    joined = join_members(own)
    np.testing.assert_allclose(predictor(joined)(FILMS), by_hand(own), atol=1e-6)
    assert last_convolution(split_members(joined)["theirs"]) == "seen.twice"


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["one"], "an ensemble must have 2 members or more, got one; name another"),
        (
            ["one", "large"],
            r"must take films of one size and have the same classes, got one: films \(32, 32, 1\), 3 classes; large",
        ),
        (["one", "binary"], "have the same classes, got one: .* 3 classes; binary: .* 2 classes"),
    ],
)
def test_one_member_or_members_of_other_films_or_classes_are_refused(
    members: dict[str, keras.Model], names: list[str], told: str
) -> None:
    others = {"large": lambda: member("small_cnn", 1, size=64), "binary": lambda: member("small_cnn", 1, classes=2)}
    with pytest.raises(ValueError, match=told):
        join_members({name: members[name] if name in members else others[name]() for name in names})


@pytest.mark.parametrize("form", ["litert", "onnx"])
def test_it_is_exported_with_the_same_probabilities(members: dict[str, keras.Model], form: str, tmp_path: Path) -> None:
    joined = join_members({name: members[name] for name in ("one", "small-3")})
    facts = {"classes": ["a", "b", "c"], "size": 32, "square": "pad", "threshold": None}
    assert export_model(ExplainedModel(predictor(joined), joined), facts, form, tmp_path / "out") <= 1e-4
