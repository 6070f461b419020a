"""The size that a described model would have, computed before any of its weights is made."""

import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
from keras.src.backend.common import global_state

MAX_CELLS = 2**28  # numbers in one layer's output for one film: 64 channels of 2048 x 2048


def check_declared(path: Path, held: int) -> None:
    """Refuse a `.keras` file whose layers need more weights than it holds, or more memory for a film than allowed.

    held: the number of its weights. The layers are connected without making a weight, so that a layer of 10^9 units
    costs nothing here.

    Raises:
        ValueError: they need more, or Keras cannot connect the layers.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    config.pop("compile_config", None)
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
        declared = sum(math.prod(weight.shape) for weight in getattr(model, "weights", []))
        largest = max(_cells(model), default=0)
    except Exception as fault:  # whatever Keras raises on a description: there is no list
        raise ValueError(refuse_description(path, fault)) from fault
    finally:
        global_state.set_global_attribute("uninitialized_variables", [])  # or the next model built would make these weights
    if declared > held:
        raise ValueError(
            f"the layers of a model must have their weights in its file, got layers for {declared:,} numbers and {held:,} in "
            f"{path}; save the model again by model.save('model.keras')"
        )
    if largest > MAX_CELLS:
        raise ValueError(
            f"a layer must give at most {MAX_CELLS:,} numbers for one film, got {largest:,} in {path}; serve a model of "
            "smaller films"
        )


def refuse_description(path: Path, fault: Exception) -> str:
    """Why a `.keras` file does not load, in one line, and what to do."""
    told = next((line.strip() for line in str(fault).splitlines() if line.strip()), "")[:200]
    return (
        f"a model must load under Keras {keras.__version__}, but {path} does not ({type(fault).__name__}: {told}); load it "
        "where it was made, and save it there with this version by model.save('model.keras')"
    )


def _cells(model: Any) -> Iterator[int]:
    """The size of each operation's output for one film, as a count of numbers."""
    graph = getattr(model, "_functional", None) or model
    for operation in getattr(graph, "operations", []):
        if isinstance(operation, keras.Model):
            yield from _cells(operation)
        else:
            for node in operation._inbound_nodes:
                yield from (math.prod(side for side in tensor.shape if side) for tensor in node.output_tensors)
