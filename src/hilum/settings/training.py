"""What params.yaml may say of networks: how they are pretrained, searched and trained, and the arms with their spaces."""

from typing import Annotated, Literal

from pydantic import Field

from hilum.settings.search_space import Count, Name, Positive, Searched, Section, Seed, Share

Extent = Annotated[int, Field(ge=1)] | str


class Pretrain(Section):
    seed: Seed
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
    sampler_startup: Annotated[int, Field(ge=1)]
    seed: Seed


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
    """What the answers to unequal classes take; see training/imbalance.py."""

    multiplier: dict[Name, Positive]
    smote_neighbours: Count
    smote_above_head: Literal["none", "class_weight", "oversample", "undersample", "focal"]
    focal_gamma: Annotated[float, Field(ge=0, le=10)]


class Train(Section):
    seed: Seed
    batch_size: Count
    imbalance: Literal["none", "class_weight", "oversample", "undersample", "smote", "focal"]
    select: str
    patience: Count
    calibration: Literal["temperature", "temperature_and_biases", "none"]
    decision: Literal["probable", "balanced", "costs"]
    costs: dict[Name, Positive]
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
