"""Maps as files: one .npz and one .json per method, written and read."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hilum.explain.methods.registry import METHODS
from hilum.records import Attribution, Cells
from hilum.results import read_json, write_json


def save_arrays(folder: Path, found: Mapping[str, Attribution], image_ids: list[str]) -> None:
    """One .npz per method: maps, targets, numbers, regions; and one .json: a description and the parameters."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, attribution in found.items():
        arrays: dict[str, Any] = {f"number_{key}": value for key, value in attribution.numbers.items()}
        arrays |= {"image_id": np.array(image_ids), "values": attribution.values, "targets": attribution.targets}
        if attribution.regions is not None:
            arrays["regions"] = attribution.regions
        np.savez_compressed(folder / f"{name}.npz", **arrays)
        described = {
            "method": name,
            "signed": attribution.signed,
            "output": METHODS[attribution.method].output,
            "cells": asdict(attribution.cells) if attribution.cells else None,
            "parameters": dict(attribution.parameters),
        }
        write_json(folder / f"{name}.json", described)


def load_map(file: Path) -> tuple[Attribution, list[str]]:
    """The maps of one method from the .npz that `save_arrays` wrote, and their image ids."""
    described = read_json(file.with_suffix(".json"))
    with np.load(file) as stored:
        attribution = Attribution(
            stored["values"],
            file.stem,
            stored["targets"],
            described["signed"],
            described["parameters"],
            {key.removeprefix("number_"): stored[key] for key in stored.files if key.startswith("number_")},
            stored["regions"] if "regions" in stored.files else None,
            Cells(**described["cells"]) if described.get("cells") else _older_cells(described["parameters"]),
        )
        return attribution, stored["image_id"].tolist()


def _older_cells(parameters: Mapping[str, Any]) -> Cells | None:
    """The cells of maps saved by earlier versions: a layer's as [down, across], those of masks as one number."""
    cells = parameters.get("cells")
    if isinstance(cells, list):
        down, across = cells
        return Cells(down, across, parameters["layer"])
    return Cells(cells, cells) if cells else None
