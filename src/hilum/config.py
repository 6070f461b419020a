"""params.yaml as checked, frozen values. No default lives here: params.yaml holds them all."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Extent = Annotated[int, Field(ge=1)] | str


class Section(BaseModel):
    """Values of one mapping of params.yaml; a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(Section):
    """A searched number in its own place: low and high inclusive, tried first at start, on a logarithmic scale if log."""

    low: float
    high: float
    log: bool = False
    start: float

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got low={self.low}, high={self.high}; a single value needs no search")
        if not self.low <= self.start <= self.high:
            raise ValueError(f"start must lie within low..high, got start={self.start} for {self.low}..{self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must have low above 0, got low={self.low}")
        return self


class Choices(Section):
    """A searched value out of a list; start is tried first."""

    choices: list[float | int | str]
    start: float | int | str

    @model_validator(mode="after")
    def _contained(self) -> "Choices":
        if len(set(self.choices)) < 2 or self.start not in self.choices:
            raise ValueError(f"choices must be two or more that include start, got {self.choices} and start={self.start}")
        return self


def _kind(value: Any) -> str:
    keys = value if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, Section) else ()
    return "range" if "low" in keys or "high" in keys else "list" if "choices" in keys else "value"


T = TypeVar("T")
Searched = Annotated[
    Annotated[T, Tag("value")] | Annotated[Range, Tag("range")] | Annotated[Choices, Tag("list")], Discriminator(_kind)
]


class Shortcut(Section):
    kind: Literal["none", "letter", "border", "texture"]
    finding: str
    strength: Annotated[float, Field(ge=0, le=1)]


class PhantomSource(Section):
    reader: Literal["phantom"]
    films: Annotated[int, Field(ge=20)]
    size: Annotated[int, Field(ge=64, le=1024)]
    seed: int
    findings: dict[str, Positive]
    shortcut: Shortcut


class KermanySource(Section):
    reader: Literal["kermany"]
    root: str
    mode: Literal["copy", "reference"] = "copy"


class FolderSource(Section):
    reader: Literal["folder"]
    root: str
    mode: Literal["copy", "reference"] = "copy"
    pattern: str = ""


Source = Annotated[PhantomSource | KermanySource | FolderSource, Field(discriminator="reader")]


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


class Split(Section):
    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]
    explain_films: Count


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


class Evaluate(Section):
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    calibration_bins: Annotated[int, Field(ge=2, le=100)]


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
        lines = [_fault(item, values) for item in error.errors()]
        raise ValueError("params.yaml does not hold:\n" + "\n".join(f"  {line}" for line in dict.fromkeys(lines))) from None


def _fault(item: Mapping[str, Any], values: Any) -> str:
    path = _written_path(item["loc"], values, item["type"] in ("missing", "extra_forbidden"))
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        legal = _legal_keys(path[:-1], values)
        near = difflib.get_close_matches(path[-1], legal, 1)
        hint = f"; did you mean {'.'.join([*path[:-1], near[0]])}?" if near else ";"
        return f"{key} is not a known key{hint} Legal here: {', '.join(legal)}"
    if item["type"] == "union_tag_not_found":
        key, item = f"{key}.reader", {**item, "type": "missing"}
    if item["type"] == "missing":
        return f"{key} is missing; add it (the repository's params.yaml shows its value)"
    message = item["msg"].removeprefix("Value error, ")
    if not key:
        return message
    return f"{key}: {message}" if "got" in message else f"{key}: {message}, got {item['input']!r}"


def _written_path(location: tuple[int | str, ...], values: Any, absent: bool) -> list[str]:
    """pydantic's location without the names of union members, which nobody wrote into params.yaml."""
    path = []
    for i, step in enumerate(location):
        inside = (isinstance(values, Mapping) and step in values) or (isinstance(values, list) and isinstance(step, int))
        if inside:
            values = values[step]
        if inside or (absent and i == len(location) - 1):
            path.append(str(step))
    return path


def _legal_keys(path: list[str], values: Any) -> list[str]:
    """The keys that the section at a place of params.yaml knows."""
    known: Any = Params
    for step in path:
        values = values[int(step)] if isinstance(values, list) else values[step]
        members = [known] if isinstance(known, type) else _members(known)
        section = next((m for m in members if isinstance(m, type) and issubclass(m, Section) and step in m.model_fields), None)
        known = section.model_fields[step].annotation if section else known
    sections = [m for m in ([known] if isinstance(known, type) else _members(known)) if issubclass(m, Section)]
    fits = [
        m for m in sections if "reader" not in m.model_fields or values.get("reader") in str(m.model_fields["reader"].annotation)
    ]
    return [name for m in fits for name in m.model_fields]


def _members(annotation: Any) -> list[type]:
    """All classes that stand anywhere inside an annotation such as dict[str, A | B]."""
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [member for argument in get_args(annotation) for member in _members(argument)]


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
