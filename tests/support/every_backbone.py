"""A small classifier of each row of the registry; run as a program it prints hash and names of all of them."""

import hashlib
import json
from typing import Any

import keras
from small_graphs import build

from hilum.models.backbones import BACKBONES, find_backbone
from hilum.models.classifier import _timeless, model_sha256

OPTIONS: dict[str, dict[str, Any]] = {  # of rows that have none of their own
    name: {"blocks": 3, "filters": 4, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True}
    for name, row in BACKBONES.items()
    if row.required
}


def side_of(name: str) -> int:
    """px; with more than one cell at the top."""
    smallest = find_backbone(name, OPTIONS.get(name)).smallest
    return 64 if smallest == 32 else smallest + 32


def build_row(name: str, seed: int = 1) -> keras.Model:
    return build(name, side_of(name), seed, options=OPTIONS.get(name))


def name_graph(model: keras.Model) -> str:
    """A hash of the graph without its weights."""
    return hashlib.sha256(json.dumps(_timeless(model.get_config()), sort_keys=True).encode()).hexdigest()


def describe(model: keras.Model) -> list[str]:
    """Hash and names of a model."""
    return [model_sha256(model), *(layer.name for layer in model.layers)]


if __name__ == "__main__":
    print(json.dumps({name: describe(build_row(name)) for name in BACKBONES}))
