"""Whether an arm's own training settings fit those of `train`, and the arm's phases."""

from typing import Any

from pydantic import ValidationError

from hilum.settings.meaning import settle, spaces, train_of
from hilum.settings.search_space import Choices, Range
from hilum.settings.training import Arm, Phase, Train


def learning_faults(name: str, arm: Arm, train: Train) -> list[str]:
    """Settings that cannot be trained with, for any value of a search; each with rule, evidence and remedy."""
    faults: dict[str, None] = {}
    for values in _edge_values(arm):
        settled = settle(arm, values)
        try:
            merged = train_of(train, settled)
        except ValidationError as refused:
            for fault in refused.errors():
                place = ".".join(["arms", name, "train", *map(str, fault["loc"])])
                faults[f"{place}: {fault['msg'].removeprefix('Value error, ')}"] = None
            continue
        for i, phase in enumerate(settled.phases):
            if isinstance(phase, Phase):  # a solved phase takes no steps
                faults |= dict.fromkeys(_phase_faults(name, i, phase, merged))
    return list(faults)


def _edge_values(arm: Arm) -> list[dict[str, Any]]:
    """Every space at its start; then each in turn at its ends, the others at their starts."""
    found = spaces(arm)
    starts = {key: space.start for key, space in found.items()}
    edges = [
        (key, edge)
        for key, space in found.items()
        for edge in (space.choices if isinstance(space, Choices) else [space.low, space.high] if isinstance(space, Range) else [])
    ]
    return [starts, *({**starts, key: edge} for key, edge in edges)]


def _phase_faults(name: str, number: int, phase: Phase, train: Train) -> list[str]:
    """Faults where a phase ends before its schedule of learning rates does."""
    place, schedule, faults = f"arms.{name}.phases.{number}", train.schedule, []
    if schedule.warmup > int(phase.epochs):  # type: ignore[arg-type]
        faults.append(
            f"schedule.warmup must be over when a phase ends, got {schedule.warmup:g} epochs for {place} of {phase.epochs}; "
            f"lower it under train or arms.{name}.train, or give the phase more epochs"
        )
    if phase.decay == "plateau" and schedule.plateau_patience >= train.patience:
        faults.append(
            f"schedule.plateau_patience must be below patience where a phase says decay: plateau, as {place} does, got "
            f"{schedule.plateau_patience} and {train.patience}: the phase would end before its rate falls; lower the one or "
            "raise the other"
        )
    return faults
