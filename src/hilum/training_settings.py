"""What params.yaml may say of networks: how they are pretrained, searched and trained, and the arms with their spaces."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from hilum.searched import Choices, Count, Name, Positive, Range, Searched, Section, Share

Extent = Annotated[int, Field(ge=1)] | str


class Pretrain(Section):
    source: Name
    size: Annotated[int, Field(ge=32, le=1024)]
    epochs: Count
    batch_size: Count
    learning_rate: Positive
    decay: Literal["none", "cosine"]
    threads: Annotated[int, Field(ge=0)]
    validation: Annotated[float, Field(gt=0, lt=1)]


class Tune(Section):
    trials: Annotated[int, Field(ge=0)]
    metric: str
    startup_trials: Annotated[int, Field(ge=1)]
    seed: int


class Augment(Section):
    views: Annotated[int, Field(ge=0, le=64)]
    rotate: Annotated[float, Field(ge=0, le=30)]
    shift: Annotated[float, Field(ge=0, le=0.3)]
    zoom: Annotated[float, Field(ge=0, le=0.5)]
    gamma: Annotated[float, Field(ge=0, lt=1)]
    contrast: Annotated[float, Field(ge=0, lt=1)]
    brightness: Annotated[float, Field(ge=0, lt=1)]
    noise: Annotated[float, Field(ge=0, lt=1)]
    flip: bool


class Balance(Section):
    """What the answers to unequal classes take; see data/imbalance.py."""

    multiplier: dict[Name, Positive]
    smote_neighbours: Count
    smote_above_head: Literal["none", "class_weight", "oversample", "undersample", "focal"]
    focal_gamma: Annotated[float, Field(ge=0, le=10)]


class Train(Section):
    batch_size: Count
    imbalance: Literal["none", "class_weight", "oversample", "undersample", "smote", "focal"]
    select: str
    patience: Count
    threshold_rule: Literal["youden", "f1", "half"]
    balance: Balance
    prevalence: dict[Name, Annotated[float, Field(gt=0, lt=1)]]
    augment: Augment


class Head(Section):
    dropout: Searched[Share]
    weight_decay: Searched[Annotated[float, Field(ge=0)]]


class Phase(Section):
    unfreeze: Extent
    epochs: Searched[Count]
    learning_rate: Searched[Positive]
    decay: Literal["none", "cosine"]
    batch_norm: Literal["auto", "frozen", "train"]


class Arm(Section):
    backbone: str
    weights: str
    head: Head
    phases: Annotated[list[Phase], Field(min_length=1)]

    def settled_phases(self) -> list[Phase]:
        """The phases with `batch_norm: auto` made plain: random weights need trained statistics, others keep theirs."""
        plain = "train" if self.weights == "none" else "frozen"
        return [phase.model_copy(update={"batch_norm": plain}) if phase.batch_norm == "auto" else phase for phase in self.phases]

    @model_validator(mode="after")
    def _searchable(self) -> "Arm":
        """Every value that a space can give must be legal in its place: told here, not by a trial."""
        starts = {key: space.start for key, space in spaces(self).items()}
        for key, space in spaces(self).items():
            for edge in space.choices if isinstance(space, Choices) else (space.low, space.high):
                try:
                    settle(self, {**starts, key: edge})
                except ValidationError as error:
                    fault = error.errors()[0]
                    place = ".".join(str(step) for step in fault["loc"]).removesuffix(".value")
                    raise ValueError(
                        f"{place} must be legal anywhere in its space, got {fault['input']}: {fault['msg']}"
                    ) from None
        return self


def spaces(arm: Arm) -> dict[str, Range | Choices]:
    """The searched values of an arm, dotted key -> space, in the order in which they stand."""
    found: dict[str, Range | Choices] = {}
    for key in Head.model_fields:
        found |= {f"head.{key}": getattr(arm.head, key)}
    for i, phase in enumerate(arm.phases):
        found |= {f"phases.{i}.{key}": getattr(phase, key) for key in Phase.model_fields}
    return {key: value for key, value in found.items() if isinstance(value, Range | Choices)}


def settle(arm: Arm, best: Mapping[str, Any]) -> Arm:
    """Put found values in the place of an arm's spaces.

    Raises:
        ValueError: best does not hold exactly the arm's spaces.
    """
    if set(best) != set(spaces(arm)):
        raise ValueError(f"best values must stand for {sorted(spaces(arm))}, got {sorted(best)}; run `dvc repro` to search again")
    values = arm.model_dump()
    for key, value in best.items():
        *path, last = key.split(".")
        place: Any = values
        for step in path:
            place = place[int(step)] if isinstance(place, list) else place[step]
        place[last] = value
    return Arm.model_validate(values)
