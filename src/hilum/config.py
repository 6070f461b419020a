"""params.yaml as checked, frozen values. No default lives here: params.yaml holds them all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from hilum.faults import tell_fault
from hilum.searched import Choices, Range, Searched, Section
from hilum.source_settings import Positive, Source

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]  # what an override of DVC takes as a key
Extent = Annotated[int, Field(ge=1)] | str


class Tracking(Section):
    experiment: Annotated[str, Field(min_length=1)]
    model: Name


class Acquire(Section):
    sources: Annotated[dict[Name, Source], Field(min_length=1)]


class Prepare(Section):
    sources: Annotated[list[Name], Field(min_length=1)]
    size: Annotated[int, Field(ge=32, le=1024)]
    square: Literal["pad", "stretch"]
    labels: Annotated[dict[Name, list[str]], Field(min_length=2)]
    unmatched: Literal["stop", "exclude"]
    broken_share: Share


class ConfoundingReport(Section):
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    age_groups: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)]

    @model_validator(mode="after")
    def _ascending(self) -> "ConfoundingReport":
        if sorted(set(self.age_groups)) != self.age_groups:
            raise ValueError(f"age_groups must ascend, got {self.age_groups}; write the lower bounds from young to old")
        return self


class Split(Section):
    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]
    explain_films: Count
    confounding: ConfoundingReport
    folds: Annotated[int, Field(ge=0)]
    fold_by: Literal["patient", "source"]


class Pretrain(Section):
    source: Name
    size: Annotated[int, Field(ge=32, le=1024)]
    epochs: Count
    batch_size: Count
    learning_rate: Positive
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
    brightness: Annotated[float, Field(ge=0, lt=1)]
    noise: Annotated[float, Field(ge=0, lt=1)]
    flip: bool


class Train(Section):
    batch_size: Count
    imbalance: Literal["none", "class_weight", "oversample"]
    select: str
    patience: Count
    threshold_rule: Literal["youden", "f1", "half"]
    augment: Augment


class Head(Section):
    dropout: Searched[Share]
    weight_decay: Searched[Annotated[float, Field(ge=0)]]


class Phase(Section):
    unfreeze: Extent
    epochs: Searched[Count]
    learning_rate: Searched[Positive]
    batch_norm: Literal["frozen", "train"]


class Arm(Section):
    backbone: str
    weights: str
    head: Head
    phases: Annotated[list[Phase], Field(min_length=1)]

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


class Acquisition(Section):
    ring: Annotated[float, Field(gt=0, lt=0.5)]
    bins: Annotated[int, Field(ge=2, le=256)]
    margin: Annotated[float, Field(ge=0, lt=1)]


class Evaluate(Section):
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    acquisition: Acquisition


class GradCam(Section):
    layer: str


class Lime(Section):
    samples: Annotated[int, Field(ge=10)]
    superpixels: Annotated[int, Field(ge=2)]
    features: Count
    kernel_width: Positive
    hide: Literal["mean", "film"] | Annotated[int, Field(ge=0, le=255)]


class Shap(Section):
    samples: Count
    background: Count


class Explain(Section):
    methods: Annotated[list[str], Field(min_length=1)]
    target: Literal["predicted", "true"]
    grid_films: Count
    steps: Annotated[int, Field(ge=2)]
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    gradcam: GradCam
    lime: Lime
    shap: Shap


class Compare(Section):
    reference: Name
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


class Params(Section):
    """The whole of params.yaml."""

    seed: int
    tracking: Tracking
    acquire: Acquire
    prepare: Prepare
    split: Split
    pretrain: Pretrain
    tune: Tune
    train: Train
    arms: Annotated[dict[Name, Arm], Field(min_length=1)]
    evaluate: Evaluate
    explain: Explain
    compare: Compare

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        faults = []
        if self.compare.reference not in self.arms:
            faults.append(f"compare.reference must be one of the arms {', '.join(self.arms)}, got {self.compare.reference!r}")
        for name in [*self.prepare.sources, self.pretrain.source]:
            if name not in self.acquire.sources and (name != self.pretrain.source or self.pretrains()):
                faults.append(f"a source must stand in acquire.sources ({', '.join(self.acquire.sources)}), got {name!r}")
        if self.pretrain.source in self.prepare.sources and self.pretrains():
            faults.append(
                f"pretrain.source must hold other patients than prepare.sources, got {self.pretrain.source!r} in both; "
                "give it a source of its own"
            )
        if self.split.validation + self.split.test >= 1:
            faults.append(f"split.validation + split.test must stay below 1, got {self.split.validation} + {self.split.test}")
        if self.split.folds == 1:
            faults.append("split.folds must be 0 (none) or 2 and more, got 1")
        if self.split.folds and self.split.fold_by == "source" and self.split.folds != len(self.prepare.sources):
            faults.append(
                f"split.folds must be the number of prepare.sources where split.fold_by is source, got {self.split.folds} folds "
                f"and {len(self.prepare.sources)} sources"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def pretrains(self) -> list[str]:
        """The backbones that some arm wants pretrained, sorted."""
        return sorted({arm.backbone for arm in self.arms.values() if arm.weights == "pretrained"})


def read_params(path: Path) -> Params:
    """Read and check params.yaml. Raises ValueError that lists every fault at once, with the key and the remedy."""
    if not path.is_file():
        raise ValueError(f"hilum runs where params.yaml is, got no {path}; change into the project's folder")
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"params.yaml must be YAML, got {' '.join(str(error).split())}") from None
    return check_params(values)


def check_params(values: Any) -> Params:
    """Check values as they stand in params.yaml. Raises ValueError that lists every fault at once."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = [tell_fault(item, values, Params) for item in error.errors()]
        raise ValueError("params.yaml does not hold:\n" + "\n".join(f"  {line}" for line in dict.fromkeys(lines))) from None


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
