"""No setting of `explain` is without effect: each of a method changes its maps, and every other one is read somewhere."""

import ast
import functools
from collections.abc import Iterator

import keras
import numpy as np
import pytest
from architecture import PACKAGE
from two_squares import SETTINGS, SIZE, draw_films

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.models.forward import predictor
from hilum.settings.explain import Explain, MethodSettings, SheetSettings
from hilum.settings.search_space import Section

FILMS, TARGETS = draw_films(2, seed=1), np.array([1, 0])
OTHER = {  # method -> setting -> another value than SETTINGS has
    "gradcam": {"layer": "conv0"},
    "gradcam_plus_plus": {"layer": "conv0"},
    "layercam": {"layer": "conv0"},
    "scorecam": {"layer": "conv0", "max_N": 2},
    "saliency": {},
    "smoothgrad": {"samples": 5, "noise": 0.2},
    "integrated_gradients": {"baselines": ["black"], "steps": 9},
    "shap": {"samples": 41, "background": 2, "smoothing": 0.3},
    "shap_layer": {"layer": "conv1", "samples": 41, "background": 2, "smoothing": 0.3},
    "xrai": {"baselines": ["black"], "steps": 9, "dilation": 0.05},
    "lime": {
        "samples": 150,
        "superpixels": 9,
        "compactness": 0.9,
        "sigma": 4.0,
        "features": 2,
        "selection": "none",
        "kernel_width": 1.0,
        "hide": 0,
    },
    "shapley": {"orders": 4, "superpixels": 9, "compactness": 0.9, "sigma": 4.0, "baseline": "black"},
    "shap_partition": {"evaluations": 30, "baseline": "black"},
    "occlusion": {"patch": 1 / 6, "stride": 1 / 6, "baseline": "black"},
    "rise": {"samples": 500, "cells": 4, "shown": 0.3, "baseline": "black"},
}


@functools.cache
def network() -> ExplainedModel:
    """Two convolutions of random weights, whose maps no two settings share by chance; five background films."""
    keras.utils.set_random_seed(3)
    grey = keras.Input((SIZE, SIZE, 1), name="grey")
    tensor = keras.layers.Rescaling(1 / 127.5, -1.0, name="scale")(grey)
    for i, filters in enumerate((6, 8)):
        tensor = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu", name=f"conv{i}")(tensor)
    logits = keras.layers.Dense(3, name="logits")(keras.layers.Flatten(name="flat")(tensor))
    model = keras.Model(grey, keras.layers.Activation("softmax", dtype="float32", name="probabilities")(logits), name="random")
    return ExplainedModel(
        predictor(model), model, np.random.default_rng(9).uniform(0, 200, (5, SIZE, SIZE, 1)).astype(np.float32)
    )


@pytest.mark.parametrize(("name", "field"), [(name, field) for name in METHODS for field in METHODS[name].settings.model_fields])
def test_every_setting_of_a_method_changes_its_maps(name: str, field: str) -> None:
    explain = METHODS[name].explain
    one = explain(network(), FILMS, TARGETS, SETTINGS[name], 3, lambda done, total: None)
    changed = {**SETTINGS[name], field: OTHER[name][field]}
    assert METHODS[name].settings.model_validate(changed), "a value that params.yaml may hold"
    other = explain(network(), FILMS, TARGETS, changed, 3, lambda done, total: None)
    assert one.values.any() and other.values.any()
    assert one.values.tobytes() != other.values.tobytes()


def sections(kind: type[Section]) -> Iterator[type[Section]]:
    yield kind
    for field in kind.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from sections(field.annotation)


def reads_of(section: type[Section], places: set[str], tree: ast.AST) -> set[str]:
    """Fields of a section that a file reads.

    As an attribute of an argument of that class, of `.<place>` or of what `.<place>` was assigned to; sheets get theirs as a
    mapping, so a key of `settings` counts there.
    """
    holders = {
        argument.arg
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for argument in function.args.args
        if isinstance(argument.annotation, ast.Name) and argument.annotation.id == section.__name__
    }
    holders |= {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and node.value.attr in places
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            holder = node.value
            named = holder.id in holders if isinstance(holder, ast.Name) else getattr(holder, "attr", "") in places
            found |= {node.attr} if named else set()
        elif isinstance(node, ast.Subscript) and issubclass(section, SheetSettings) and ast.unparse(node.value) == "settings":
            found |= {str(getattr(node.slice, "value", ""))}
    return found


OTHERS = [kind for kind in dict.fromkeys(sections(Explain)) if not issubclass(kind, MethodSettings)]


@pytest.mark.parametrize("section", OTHERS, ids=lambda kind: kind.__name__)
def test_every_other_setting_is_read(section: type[Section]) -> None:
    places = {name for name, field in Explain.model_fields.items() if field.annotation is section}
    if section is Explain:
        places = {"explain", "settings"}
    room = PACKAGE / "explain" / "sheets" if issubclass(section, SheetSettings) else PACKAGE
    trees = [ast.parse(path.read_text()) for path in room.rglob("*.py") if "settings" not in path.parts]
    read = set().union(*(reads_of(section, places, tree) for tree in trees))
    asked_by_name = {*METHODS, "profile"} if section is Explain else set()  # `profile` only says what the others hold
    assert set(section.model_fields) - asked_by_name <= read
