"""What an interval is called: its own confidence level, read from where the interval was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.results import read_json


@dataclass(frozen=True)
class Levels:
    """What intervals are called, such as `95 % interval`, by what they are of.

    arms: an arm's metrics, and of classifiers that see no lung (`evaluate`); differences: of two arms (`compare`); maps: measures
    of maps (`explain`). Where arms were made at several levels, each stands with its arm: `90 % interval (baseline) and ...`.
    """

    arms: str
    differences: str
    maps: str


def interval_name(confidence: float) -> str:
    """`95 % interval`. confidence: between 0 and 1."""
    return f"{100 * confidence:g} % interval"


def read_setting(folder: Path, key: str) -> Any:
    """What a folder of results was made with, by its settings.json. key: dotted, such as `evaluate.confidence`.

    Raises:
        ValueError: the folder does not say.
    """
    told = read_json(folder / "settings.json")["params"]
    if key not in told:
        raise ValueError(f"{folder / 'settings.json'} must say {key}, but says {', '.join(told) or 'nothing'}; run `dvc repro`")
    return told[key]


def name_intervals(folders: Mapping[str, Path], section: str) -> str:
    """What the intervals in the arms' folders are called. folders: arm -> folder; section: of params.yaml, such as `evaluate`."""
    return one_or_each({arm: interval_name(read_setting(folder, f"{section}.confidence")) for arm, folder in folders.items()})


def name_resamples(folders: Mapping[str, Path], section: str) -> str:
    """The same with what they come from: `95 % interval from 1,000 resamples of patients`."""
    keys = (f"{section}.confidence", f"{section}.bootstrap")
    return one_or_each({arm: tell_resamples(*(read_setting(folder, key) for key in keys)) for arm, folder in folders.items()})


def tell_resamples(confidence: float, resamples: int) -> str:
    """`95 % interval from 1,000 resamples of patients`."""
    return f"{interval_name(confidence)} from {resamples:,} resamples of patients"


def one_or_each(told: Mapping[str, str]) -> str:
    """What is told of every arm, once where all agree, else each with its arm in brackets."""
    return next(iter(told.values())) if len(set(told.values())) == 1 else " and ".join(f"{t} ({arm})" for arm, t in told.items())
