"""Folders of results: their settings, digest and metrics. The files' content links DVC with MLflow."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel

from hilum.cells import guard_cell, read_cell
from hilum.records import FORMER, Predictions

REPEATS = "repeats"  # folder of an arm's training, and of its evaluation, with one entry per repeat
REPEATED = ("auroc_macro", "balanced_accuracy", "accuracy", "f1_macro", "log_loss")  # metrics of repeats that runs show
NOTES = {  # description on a run's page
    "arm": "One model under one set of settings. Look at `evaluation/` for metrics and curves, `explanations/panels/` for maps.",
    "tune": "A search: its trials are nested below, `tuning/` holds their table and the best values.",
    "crossvalidation": "One arm trained and evaluated on every fold, nested below; `crossvalidation/` pools the predictions.",
    "comparison": "Every arm against the reference: `comparison/comparison.html`.",
}


def write_json(path: Path, values: Any) -> None:
    """Sorted, indented, the same bytes for equal values; NaN becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(values))


def as_json(values: Any) -> str:
    """What `write_json` writes."""
    return json.dumps(_plain(values), indent=1, sort_keys=True, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Raises ValueError if the file is missing: the stage that writes it has not run."""
    if not path.is_file():
        raise ValueError(f"{path} must be there before this stage runs; run `dvc repro`")
    return json.loads(path.read_text())


def read_metrics(path: Path) -> dict[str, Any]:
    """The metrics of a file by their current names, also if it was written under earlier names.

    Raises: as `read_json`.
    """
    renamed = {former: name for name, former in FORMER.items() if name.endswith("/")}
    return {
        next((name + key.removeprefix(former) for former, name in renamed.items() if key.startswith(former)), key): value
        for key, value in read_json(path).items()
    }


def guard_table(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its texts as they are written into a CSV; numbers and missing values stay."""
    return _map_texts(table, guard_cell)


def read_cells(table: pd.DataFrame) -> pd.DataFrame:
    """A table as it was before `guard_table`."""
    return _map_texts(table, read_cell)


def _map_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    texts = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    changed = {name: [change(cell) if isinstance(cell, str) else cell for cell in table[name]] for name in texts}
    new = {name: pd.Series(cells, table.index) for name, cells in changed.items() if cells != list(table[name])}
    return table.assign(**new)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """CSV with numbers in full precision; a missing number is `nan`, so that an empty cell stays an empty text.

    Spreadsheets read no text of it as a formula (`cells`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    guard_table(table).to_csv(path, index=False, lineterminator="\n", na_rep="nan")


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV of `write_table`; text stays text and an empty cell is an empty string in text columns."""
    if not path.is_file():
        raise ValueError(f"{path} must be there before this stage runs; run `dvc repro`")
    text = {"image_id": str, "patient_id": str, "sha256": str}
    return read_cells(pd.read_csv(path, dtype=text, keep_default_na=False, na_values=["nan"]))


def digest(values: Any) -> str:
    """Hash of a JSON-ready value."""
    return hashlib.sha256(json.dumps(_plain(values), sort_keys=True).encode()).hexdigest()


def run_key(settings: Mapping[str, Any]) -> str:
    """The identity of a training: arm, model, model.json with the versions, and every parameter that led to the model.

    settings: of the folder `training`.
    """
    return digest({key: settings[key] for key in ("arm", "model_sha256", "model", "params")})[:32]


def folder_digest(folder: Path) -> str:
    """Hash over the relative paths and bytes of all files below a folder."""
    hasher = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".gitignore"):
        hasher.update(file.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return hasher.hexdigest()


def table_of(predictions: Predictions, split: str) -> pd.DataFrame:
    """One row per film: image_id, patient_id, split, label, predicted, p_<class> for each class in class order."""
    names = np.array(predictions.classes)
    table = pd.DataFrame({"image_id": predictions.image_id, "patient_id": predictions.patient_id, "split": split})
    table["label"], table["predicted"] = names[predictions.y_true], names[predictions.y_pred]
    for k, name in enumerate(predictions.classes):
        table[f"p_{name}"] = predictions.y_prob[:, k]
    return table


def has_predictions_of(file: Path, model: Mapping[str, Any]) -> bool:
    """Whether the predictions in a file follow from a model's classes and threshold; also true if there is no file.

    model: of model.json.
    """
    if not file.is_file():
        return True
    table, classes, threshold = read_table(file), np.array(model["classes"]), model["threshold"]
    columns = [f"p_{name}" for name in classes]
    if not set(columns) <= set(table):
        return False
    predictions = table[columns].to_numpy(np.float64)
    # the rule of evaluation.scoring.decisions, which this module must not import
    predicted = predictions.argmax(axis=1) if threshold is None else (predictions[:, 1] >= threshold).astype(int)
    return bool((classes[predicted] == table["predicted"]).all())


def read_predictions(path: Path, split: str, classes: tuple[str, ...]) -> Predictions:
    """The predictions of one split from a table of `table_of`."""
    table = read_table(path)
    rows = table[table["split"].isin([split, FORMER.get(split, split)])]
    index = {name: k for k, name in enumerate(classes)}
    return Predictions(
        rows["image_id"].to_numpy(str),
        rows["patient_id"].to_numpy(str),
        rows["label"].map(index).to_numpy().astype(np.int64),
        rows[[f"p_{name}" for name in classes]].to_numpy(np.float64),
        rows["predicted"].map(index).to_numpy().astype(np.int64),
        classes,
    )


def pick_films(predictions: Predictions, image_ids: Sequence[str]) -> Predictions:
    """The rows of these films, in this order, paired by name."""
    place = {image_id: row for row, image_id in enumerate(predictions.image_id)}
    return pick_rows(predictions, np.array([place[image_id] for image_id in image_ids], int))


def pick_rows(predictions: Predictions, rows: NDArray[np.int64]) -> Predictions:
    """The rows at these places, in this order."""
    return Predictions(
        predictions.image_id[rows],
        predictions.patient_id[rows],
        predictions.y_true[rows],
        predictions.y_prob[rows],
        predictions.y_pred[rows],
        predictions.classes,
    )


def pool_predictions(parts: Sequence[Predictions]) -> Predictions:
    """The predictions on several sets of films as one, in their order. All parts share one class order."""
    return Predictions(
        np.concatenate([part.image_id for part in parts]),
        np.concatenate([part.patient_id for part in parts]),
        np.concatenate([part.y_true for part in parts]),
        np.concatenate([part.y_prob for part in parts]),
        np.concatenate([part.y_pred for part in parts]),
        parts[0].classes,
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def epoch_metrics(history: pd.DataFrame) -> pd.DataFrame:
    """The columns of a history that are logged as metrics."""
    return history.drop(columns=["phase", "epoch", "trial", "state", "fold"], errors="ignore")


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one mapping with dotted keys: {"phases.1.epochs": 10}."""
    if isinstance(values, BaseModel):
        values = values.model_dump()
    if isinstance(values, Mapping):
        items = [(str(key), value) for key, value in values.items()]
    elif isinstance(values, list | tuple) and any(isinstance(item, Mapping | list | BaseModel) for item in values):
        items = [(str(i), value) for i, value in enumerate(values)]
    else:
        return {prefix: values}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def base_tags(role: str, versions: Mapping[str, Any]) -> dict[str, str]:
    """Tags of every run, whether a stage opens it or `publish` makes it from files."""
    return {
        "role": role,
        "data_version": versions["data_version"],
        "split_version": versions["split_version"],
        "mlflow.note.content": NOTES[role],
    }
