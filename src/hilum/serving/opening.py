"""Opening a model and the files beside it for `predict` and `explain --image`; not a verb."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.explain.sheets.registry import SHEETS
from hilum.models.classifier import load_classifier, model_sha256
from hilum.models.declared_size import check_declared
from hilum.models.flatten import check_graph, flatten, rescale
from hilum.models.forward import predictor
from hilum.progress import say
from hilum.serving.model_facts import FILE, Told, complete_facts, gather_facts
from hilum.serving.model_files import check_model_file, names_file
from hilum.settings.explain import EVERY, Explain
from hilum.settings.params import Params
from hilum.tracking.stored_models import fetch_model
from hilum.workspace import Workspace

MEANS = "mean_films.npz"


@contextmanager
def open_served(model: str, workspace: Workspace, params: Params, told: Told) -> Iterator[tuple[ExplainedModel, dict[str, Any]]]:
    """A `.keras` file, a run or a registered model, flattened; and its facts: classes, size, square, threshold, model_sha256.

    A user's own `.keras` file of any kind that `models/flatten.py` knows is opened too: model.json beside it gives classes (in
    the order of the outputs), size (pixels), square (pad or stretch), threshold (of the second of two classes; null: the most
    probable class) and, if the model does not take grey levels 0-255, scaling: [factor, offset] on them. Options complete
    or replace it. grey_bits, the depths by which its films of 16 bits were scaled, may be missing: each 16-bit film is
    then scaled by the bits that it uses.
    The background is mean_films.npz beside the model, where there is one.

    Raises:
        ValueError: the file is not a model that can be served, its facts are missing or do not fit it, or the store has none.
    """
    with tempfile.TemporaryDirectory() as temporary:
        if names_file(model):
            folder, file = Path(model).resolve().parent, Path(model)
            held = check_model_file(file)
            described = gather_facts(file, told)
        else:
            folder, facts = fetch_model(model, workspace, Path(temporary))
            file = folder / "model.keras"
            with _named(file, model):
                held = check_model_file(file)
            described = complete_facts(facts, told, Path(model))
        with _named(file, model):
            check_declared(file, held)
            network = load_classifier(file)
            check_graph(network)
        check_description(described, network.output_shape[-1])
        described = {**described, "model_sha256": model_sha256(network)}  # not that of another model in the same folder
        if isinstance(described.get("scaling"), list):
            network = rescale(network, *described["scaling"])
        network = flatten(network)
        if list(network.input_shape[1:3]) != [described["size"]] * 2:
            shape = " x ".join(map(str, network.input_shape[1:3]))
            raise ValueError(f"{FILE} and --size must say the size of the model's films, {shape}, got {described['size']}")
        background = None
        if (folder / MEANS).is_file():
            with np.load(folder / MEANS) as stored:
                background = stored["films"].astype(np.float32)
        yield ExplainedModel(predictor(network), network, background), described


@contextmanager
def _named(file: Path, model: str) -> Iterator[None]:
    """Report errors under the address that the user gave, not under the path of the temporary copy."""
    try:
        yield
    except ValueError as fault:
        raise ValueError(str(fault).replace(str(file), model)) from fault


def check_description(described: Mapping[str, Any], outputs: int) -> None:
    """Refuse facts whose number of classes is not that of the model's outputs."""
    classes = max(outputs, 2)  # one sigmoid is for two
    if len(described["classes"]) != classes:
        got = ", ".join(described["classes"])
        raise ValueError(
            f"{FILE} and --classes must name {classes} classes, as the model has, got {got}; "
            "name each, in the order of the outputs" + (" (the one that the sigmoid is for second)" if outputs == 1 else "")
        )


def choose_methods(
    option: str, asked: str, explained: ExplainedModel, settings: Explain, sheets: bool = True
) -> tuple[list[str], list[str]]:
    """The methods and sheets named by a text: `all`, or names separated by commas.

    `all` leaves out what the model lacks a background for, and reports it. sheets: whether sheets may be requested.
    Raises: ValueError naming the legal words, or the file that a named method would need.
    """
    legal = [*METHODS, *SHEETS] if sheets else list(METHODS)
    names = check_names(option, asked, legal)
    reading = {name for name, method in METHODS.items() if method.background}
    reading |= {name for name, sheet in SHEETS.items() if sheet.background(settings)}
    needing = [name for name in names if name in reading] if explained.background is None else []
    if needing and asked.strip() != EVERY:
        raise ValueError(
            f"--model must have {MEANS} beside it for {', '.join(needing)}, got none; name the folder that `train` wrote"
        )
    if needing:
        say(f"left out, because no {MEANS} is beside the model: {', '.join(needing)}")
    kept = [name for name in names if name not in needing]
    return [name for name in kept if name in METHODS], [name for name in kept if name in SHEETS]


def check_names(option: str, asked: str, legal: Sequence[str]) -> list[str]:
    """The names in a text, `all` being every one. Raises ValueError naming the legal words."""
    if asked.strip() == EVERY:
        return list(legal)
    names = [name.strip() for name in asked.split(",") if name.strip()]
    unknown = [name for name in names if name not in legal]
    if unknown:
        raise ValueError(f"{option} takes {EVERY} or names out of {', '.join(legal)}, got {', '.join(unknown)}")
    return names
