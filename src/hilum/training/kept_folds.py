"""Finished folds of a cross-validation, kept until all are finished, so that an interrupted one continues with the rest.

A fold is reused only if its key (all that decides its result) and the bytes of its files are unchanged.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.code_version import made_by
from hilum.records import Predictions
from hilum.results import digest, read_table, write_table
from hilum.training.sealed_folders import find_sealed, sealed_folder
from hilum.training.task import FIT_CODE, FIT_LIBRARIES

FOLD_CODE = (  # what decides the result of a fold, and how it is stored
    *(*FIT_CODE, "data/folds.py", "results.py"),
    *("evaluation/scoring/calibration.py", "evaluation/scoring/decisions.py", "evaluation/scoring/scaling.py"),
    *("training/fold.py", "training/kept_folds.py", "training/sealed_folders.py"),
)
FOLD_LIBRARIES = (*FIT_LIBRARIES, "scipy")


@dataclass(frozen=True)
class KeptFolds:
    """The kept folds of one cross-validation. folder: one for each key."""

    folder: Path

    def save(self, name: str, predictions: Predictions, history: pd.DataFrame) -> None:
        """Store a fold's predictions and its row per epoch.

        Raises:
            OSError: the disk is full, or the folder cannot be written to; names the fold's folder.
        """
        with sealed_folder(self.folder / name) as place:
            np.savez(
                place / "answers.npz",
                image_id=predictions.image_id,
                patient_id=predictions.patient_id,
                y_true=predictions.y_true,
                y_prob=predictions.y_prob,
                y_pred=predictions.y_pred,
            )
            write_table(place / "history.csv", history)

    def load(self, name: str, classes: tuple[str, ...]) -> tuple[Predictions, pd.DataFrame] | None:
        """A kept fold; None if there is none or, with a message, if its files have changed since."""
        place = find_sealed(self.folder / name, "the fold is trained again")
        if place is None:
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


def keep_folds(cache: Path, arm: str, decides: Mapping[str, Any]) -> KeptFolds:
    """The kept folds of an arm for all that decides their result.

    Those of other settings stay: they take a few kilobytes and may belong to an experiment that runs at the same time.
    """
    return KeptFolds(cache / "folds" / arm / digest({**decides, "code": made_by(FOLD_CODE, FOLD_LIBRARIES)})[:32])
