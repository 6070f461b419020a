"""The name of an interval: its own confidence level, read from where the interval was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.results import read_json


@dataclass(frozen=True)
class Levels:
    """The names of intervals, such as `95 % interval`, by what they are of.

    arms: an arm's metrics and the shortcut baselines (`evaluate`); differences: of two arms (`compare`); maps: measures
    of maps (`explain`). Where arms have several levels, each is given with its arm: `90 % interval (baseline) and ...`.
    """

    arms: str
    differences: str
    maps: str


def interval_name(confidence: float) -> str:
    """`95 % interval`. confidence: between 0 and 1."""
    return f"{100 * confidence:g} % interval"


def read_setting(folder: Path, key: str) -> Any:
    """A setting of a folder of results, from its settings.json. key: dotted, such as `evaluate.confidence`.

    Raises:
        ValueError: the folder does not hold it.
    """
    params = read_json(folder / "settings.json")["params"]
    if key not in params:
        raise ValueError(f"{folder / 'settings.json'} must hold {key}, got {', '.join(params) or 'nothing'}; run `dvc repro`")
    return params[key]


def name_intervals(folders: Mapping[str, Path], section: str) -> str:
    """The names of the intervals in the arms' folders. folders: arm -> folder; section: of params.yaml, such as `evaluate`."""
    return one_or_each({arm: interval_name(read_setting(folder, f"{section}.confidence")) for arm, folder in folders.items()})


def name_resamples(folders: Mapping[str, Path], section: str) -> str:
    """The same with what they come from: `95 % interval from 1,000 resamples of patients`."""
    keys = (f"{section}.confidence", f"{section}.bootstrap")
    return one_or_each({arm: tell_resamples(*(read_setting(folder, key) for key in keys)) for arm, folder in folders.items()})


def tell_resamples(confidence: float, resamples: int) -> str:
    """`95 % interval from 1,000 resamples of patients`."""
    return f"{interval_name(confidence)} from {resamples:,} resamples of patients"


def one_or_each(texts: Mapping[str, str]) -> str:
    """The text of all arms, once where all agree, else each with its arm in brackets."""
    return next(iter(texts.values())) if len(set(texts.values())) == 1 else " and ".join(f"{t} ({a})" for a, t in texts.items())
