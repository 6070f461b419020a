"""The sections of params.yaml for networks: pretraining, training, and the arms with their spaces."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from hilum.settings.schema import kind_of_phase
from hilum.settings.search_space import Chosen, Count, Name, Positive, Searched, Section, Seed, Share, TwoNumbers

Extent = Annotated[int, Field(ge=1)] | str
SOLVERS = ("gradient", "convex")  # of a phase
Amount = Annotated[float, Field(ge=0)]
LayerDecay = Annotated[float, Field(gt=0, le=1)]
PlateauFactor = Annotated[float, Field(gt=0, lt=1)]
OptimizerName = Literal["adam", "adamw", "sgd"]
Repeats = Annotated[int, Field(ge=1, le=100)]
Imbalance = Literal["none", "class_weight", "oversample", "undersample", "smote", "focal"]
AboveHead = Literal["none", "class_weight", "oversample", "undersample", "focal"]  # which SMOTE leaves to another method
Views = Annotated[int, Field(ge=0, le=64)]
Degrees = Annotated[float, Field(ge=0, le=30)]
Shift = Annotated[float, Field(ge=0, le=0.3)]
Half = Annotated[float, Field(ge=0, le=0.5)]
Gamma = Annotated[float, Field(ge=0, le=10)]


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


class Augment(Section):
    views: Views
    unchanged: Views
    rotate: Degrees
    shift: Shift
    zoom: Half
    gamma: Share
    contrast: Share
    brightness: Share
    noise: Share
    erase: Half
    flip: bool


class Balance(Section):
    """Settings of the methods for unequal classes; see training/learning/imbalance.py."""

    multiplier: dict[Name, Positive]
    smote_neighbours: Count
    smote_above_head: AboveHead
    focal_gamma: Gamma


class Optimizer(Section):
    """How gradients become steps; see training/learning/learner.py."""

    name: OptimizerName
    momentum: Share
    nesterov: bool
    weight_decay: Amount
    clip: Amount
    layer_decay: LayerDecay

    @model_validator(mode="after")
    def _read(self) -> "Optimizer":
        if self.weight_decay and self.name == "adam":
            raise ValueError(
                f"weight_decay belongs to adamw and sgd, got {self.weight_decay} with adam, which would not read it; write "
                "name: adamw, or weight_decay: 0.0 (a penalty in the loss, on the head alone, is head.weight_decay of an arm)"
            )
        if self.nesterov and self.name == "sgd" and not self.momentum:
            raise ValueError("nesterov must go with a momentum above 0, got momentum 0.0; raise it, or write nesterov: false")
        return self


class Schedule(Section):
    """How the learning rate of a phase rises and falls; see training/learning/schedules.py."""

    warmup: Amount
    plateau_factor: PlateauFactor
    plateau_patience: Count


class Train(Section):
    seed: Seed
    repeats: Repeats
    batch_size: Count
    imbalance: Imbalance
    select: str
    patience: Count
    calibration: Literal["temperature", "temperature_and_biases", "none"]
    decision: Literal["probable", "balanced", "costs"]
    costs: dict[Name, Positive]
    threshold_rule: Literal["youden", "f1", "half"]
    balance: Balance
    prevalence: dict[Name, Annotated[float, Field(gt=0, lt=1)]]
    augment: Augment
    optimizer: Optimizer
    schedule: Schedule
    label_smoothing: Share
    mixup: Amount
    averaging: Share


class ArmOptimizer(Section):
    """An arm's own values in place of `train.optimizer`."""

    name: OptimizerName | None = None
    momentum: Searched[Share] | None = None
    nesterov: bool | None = None
    weight_decay: Searched[Amount] | None = None
    clip: Searched[Amount] | None = None
    layer_decay: Searched[LayerDecay] | None = None


class ArmSchedule(Section):
    """An arm's own values in place of `train.schedule`."""

    warmup: Searched[Amount] | None = None
    plateau_factor: Searched[PlateauFactor] | None = None
    plateau_patience: Count | None = None


class ArmAugment(Section):
    """An arm's own values in place of `train.augment`."""

    views: Searched[Views] | None = None
    unchanged: Searched[Views] | None = None
    rotate: Searched[Degrees] | None = None
    shift: Searched[Shift] | None = None
    zoom: Searched[Half] | None = None
    gamma: Searched[Share] | None = None
    contrast: Searched[Share] | None = None
    brightness: Searched[Share] | None = None
    noise: Searched[Share] | None = None
    erase: Searched[Half] | None = None
    flip: Chosen[bool] | None = None


class ArmBalance(Section):
    """An arm's own values in place of `train.balance`."""

    multiplier: dict[Name, Positive] | None = None
    smote_neighbours: Searched[Count] | None = None
    smote_above_head: Chosen[AboveHead] | None = None
    focal_gamma: Searched[Gamma] | None = None


class ArmTrain(Section):
    """An arm's own values in place of `train`; a missing key is taken from `train`."""

    repeats: Repeats | None = None
    batch_size: Count | None = None
    imbalance: Chosen[Imbalance] | None = None
    patience: Count | None = None
    balance: ArmBalance | None = None
    augment: ArmAugment | None = None
    optimizer: ArmOptimizer | None = None
    schedule: ArmSchedule | None = None
    label_smoothing: Searched[Share] | None = None
    mixup: Searched[Amount] | None = None
    averaging: Searched[Share] | None = None


class Dense(Section):
    """A dense layer of a head; what is left out it does not have. weight_decay: a penalty in the loss on its kernel."""

    units: Searched[Count]
    activation: Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "linear"]
    batch_norm: bool | None = None
    dropout: Searched[Share] | None = None
    weight_decay: Searched[Amount] | None = None


class Head(Section):
    """What is above the backbone; left out: average pooling, no dense layers, softmax. See models/head.py."""

    pooling: Literal["average", "max", "both"] | None = None
    dense: list[Dense] | None = None
    output: Literal["softmax", "sigmoid"] | None = None
    dropout: Searched[Share]
    weight_decay: Searched[Annotated[float, Field(ge=0)]]


class Options(Section):
    """What of a backbone an arm chooses; each backbone takes some of them: see models/backbones.py."""

    alpha: Annotated[float, Field(ge=0.1, le=2)] | None = None
    blocks: Annotated[int, Field(ge=1)] | None = None
    filters: Annotated[int, Field(ge=1, le=1024)] | None = None
    growth: Annotated[float, Field(ge=0.25, le=4)] | None = None
    kernel: Annotated[int, Field(ge=1, le=15)] | None = None
    pooling: Literal["max", "average", "stride"] | None = None
    batch_norm: bool | None = None
    layer: str | None = None
    scaling: TwoNumbers | None = None


def known_solver(word: Any) -> Any:
    """The word, if it names a solver. Raises ValueError with the legal names."""
    if word not in SOLVERS:
        raise ValueError(f"a solver must be one of {', '.join(SOLVERS)}, got {word!r}; a phase that names none takes gradient")
    return word


def head_alone(extent: Any) -> Any:
    """The extent, if it is the head. Raises ValueError for any other, which cannot be solved."""
    if extent != "head":
        raise ValueError(
            f"solver convex solves the head on a frozen backbone and trains no more, so it goes with `unfreeze: head`, got "
            f"{extent!r}; write `unfreeze: head`, or `solver: gradient` with its epochs and learning_rate"
        )
    return extent


class Phase(Section):
    """A phase that is trained by gradient steps."""

    unfreeze: Extent
    solver: Annotated[Literal["gradient"], BeforeValidator(known_solver)] = "gradient"
    epochs: Searched[Count]
    learning_rate: Searched[Positive]
    decay: Literal["none", "cosine", "plateau"]
    batch_norm: Literal["auto", "frozen", "train"]


class ConvexPhase(Section):
    """A phase that solves the head to convergence; see learning/convex.py. penalty: a number, or auto: the best on validation."""

    unfreeze: Annotated[Literal["head"], BeforeValidator(head_alone)]
    solver: Literal["convex"]
    penalty: Literal["auto"] | Positive

    @model_validator(mode="before")
    @classmethod
    def _takes_no_steps(cls, values: Any) -> Any:
        idle = [key for key in Phase.model_fields if key not in cls.model_fields and key in values]
        if idle:
            raise ValueError(
                f"solver convex takes no steps, so a phase of it has the keys {', '.join(cls.model_fields)} alone, got "
                f"{', '.join(idle)}; remove what is too much, or write `solver: gradient`"
            )
        return values


AnyPhase = Annotated[Annotated[Phase, Tag("gradient")] | Annotated[ConvexPhase, Tag("convex")], Discriminator(kind_of_phase)]


class Arm(Section):
    """backbone: a name, or choices. options: of the backbone, if it takes some. head: settings for phases of gradient steps.

    train: the arm's own values in place of `train`.
    """

    backbone: Chosen[str]
    options: Options | None = None
    weights: str
    head: Head | None = None
    phases: Annotated[list[AnyPhase], Field(min_length=1)]
    train: ArmTrain | None = None


class GivenArm(Section):
    """A finished model of the user's own, of which nothing is trained; what is left out it does not have.

    model: path of a `.keras` file. classes: of its outputs, in their order; of one sigmoid the class that it is for second.
    scaling: factor and offset on grey levels 0-255 that its input expects. size: pixels, of an input without a fixed size.
    threshold: two classes: of the second, or the rule that finds it on validation; left out: 0.5.
    calibration: fitted on validation and folded into the logits; left out: none.
    """

    model: Annotated[str, Field(min_length=1)]
    classes: Annotated[list[Name], Field(min_length=2)]
    scaling: TwoNumbers | None = None
    size: Annotated[int, Field(ge=8, le=2048)] | None = None
    threshold: Annotated[float, Field(ge=0, le=1)] | Literal["youden", "f1", "half"] | None = None
    calibration: Literal["temperature", "temperature_and_biases", "none"] | None = None


AnyArm = Arm | GivenArm


class Ensemble(Section):
    """Several models as one: members, names of arms, or repeats_of, an arm whose repeats they are; one of the two."""

    members: list[Name] | None = None
    repeats_of: Name | None = None
