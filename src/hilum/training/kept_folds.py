"""Finished folds of a cross-validation, kept until all are finished, so that an interrupted one continues with the rest.

They are stored below `.hilum`, because DVC removes the outputs of a stage before it runs the stage again. A fold is reused only
if its key (all that decides its result) and the bytes of its files are unchanged.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.code_version import made_by
from hilum.progress import say
from hilum.records import Predictions
from hilum.results import digest, folder_digest, read_json, read_table, write_json, write_table
from hilum.training.learning.sealed_arrays import name_file
from hilum.training.task import FIT_CODE, FIT_LIBRARIES

FOLD_CODE = (  # what decides the result of a fold, and how it is stored
    *(*FIT_CODE, "data/folds.py", "results.py"),
    *("evaluation/scoring/calibration.py", "evaluation/scoring/decisions.py", "evaluation/scoring/scaling.py"),
    *("training/fold.py", "training/kept_folds.py"),
)
FOLD_LIBRARIES = (*FIT_LIBRARIES, "scipy")
KEPT = "kept.json"  # next to a fold's folder, written last: the digest of that folder


@dataclass(frozen=True)
class KeptFolds:
    """The kept folds of one cross-validation. folder: one for each key."""

    folder: Path

    def save(self, name: str, predictions: Predictions, history: pd.DataFrame) -> None:
        """Store a fold's predictions and its row per epoch.

        Raises:
            OSError: the disk is full, or the folder cannot be written to; names the fold's folder.
        """
        place = self.folder / name
        with name_file(place):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            np.savez(
                place / "answers.npz",
                image_id=predictions.image_id,
                patient_id=predictions.patient_id,
                y_true=predictions.y_true,
                y_prob=predictions.y_prob,
                y_pred=predictions.y_pred,
            )
            write_table(place / "history.csv", history)
            written = place.with_suffix(".writing")
            write_json(written, {KEPT: folder_digest(place)})
            written.replace(self._seal(name))

    def load(self, name: str, classes: tuple[str, ...]) -> tuple[Predictions, pd.DataFrame] | None:
        """A kept fold; None if there is none or, with a message, if its files have changed since."""
        place = self.folder / name
        if not self._seal(name).is_file():
            return None
        if not self._is_whole(name):
            say(f"{place} is damaged: its files are not those that were written; the fold is trained again")
            return None
        with np.load(place / "answers.npz") as stored:
            predictions = Predictions(
                stored["image_id"], stored["patient_id"], stored["y_true"], stored["y_prob"], stored["y_pred"], classes
            )
        history = read_table(place / "history.csv").astype({"fold": str})
        return predictions, history

    def forget(self) -> None:
        """Delete the kept folds once the results hold all of them: the next cross-validation trains anew."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _is_whole(self, name: str) -> bool:
        try:
            return read_json(self._seal(name)) == {KEPT: folder_digest(self.folder / name)}
        except (ValueError, OSError):  # no JSON, or not readable
            return False

    def _seal(self, name: str) -> Path:
        return self.folder / f"{name}.{KEPT}"


def keep_folds(cache: Path, arm: str, decides: Mapping[str, Any]) -> KeptFolds:
    """The kept folds of an arm for all that decides their result.

    Those of other settings stay: they take a few kilobytes and may belong to an experiment that runs at the same time.
    """
    return KeptFolds(cache / "folds" / arm / digest({**decides, "code": made_by(FOLD_CODE, FOLD_LIBRARIES)})[:32])
