"""Finished repeats of an arm's training, kept until all are finished, so that an interrupted training continues with the next."""

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.code_version import made_by
from hilum.results import digest
from hilum.training.sealed_folders import find_sealed, sealed_folder
from hilum.training.task import FIT_CODE, FIT_LIBRARIES

REPEAT_CODE = (  # what decides the files of a repeat
    *(*FIT_CODE, "results.py", "stages/train.py", "training/plan.py", "training/kept_repeats.py", "training/sealed_folders.py"),
    *("finishing/every_folder.py", "finishing/model.py", "finishing/training_folder.py"),
    *("evaluation/scoring/calibration.py", "evaluation/scoring/decisions.py", "evaluation/scoring/scaling.py"),
)


@dataclass(frozen=True)
class KeptRepeats:
    """The kept repeats of one training. folder: one for each key."""

    folder: Path

    def write(self, number: int) -> AbstractContextManager[Path]:
        """The empty folder of a repeat, sealed when the block ends.

        Raises:
            OSError: the disk is full, or the folder cannot be written to; names the repeat's folder.
        """
        return sealed_folder(self.folder / str(number))

    def find(self, number: int) -> Path | None:
        """The folder of a kept repeat; None if there is none or, with a message, if its files have changed since."""
        return find_sealed(self.folder / str(number), "the repeat is trained again")

    def forget(self) -> None:
        """Delete the kept repeats once the results hold all of them: the next training is a new one."""
        shutil.rmtree(self.folder, ignore_errors=True)


def keep_repeats(cache: Path, arm: str, decides: Mapping[str, Any]) -> KeptRepeats:
    """The kept repeats of an arm for all that decides them. Those of other settings stay: another experiment may use them."""
    return KeptRepeats(cache / "repeats" / arm / digest({**decides, "code": made_by(REPEAT_CODE, FIT_LIBRARIES)})[:32])
