"""Rules that derive from settings what decides results: of the files of settings, stages declare this one alone."""

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import ValidationError

from hilum.settings.search_space import Choices, Range, Section
from hilum.settings.training import SOLVERS, AnyArm, Arm, ConvexPhase, Phase, Train

WHOLE = ("epochs", "units", "views", "smote_neighbours")  # last words of keys of spaces whose values are whole numbers
EXCLUDED = "excluded"  # in `prepare.labels`, instead of a class: findings to leave out


def class_names(labels: Mapping[str, Sequence[str]]) -> list[str]:
    """The classes of `prepare.labels`, in their order."""
    return [name for name in labels if name != EXCLUDED]


def trained_arms(arms: Mapping[str, AnyArm]) -> dict[str, Arm]:
    """The arms that hilum trains: all but given models."""
    return {name: arm for name, arm in arms.items() if isinstance(arm, Arm)}


def trained_arm(arms: Mapping[str, AnyArm], name: str) -> Arm:
    """The arm of this name. Raises ValueError: it is a given model."""
    arm = arms[name]
    if not isinstance(arm, Arm):
        raise ValueError(
            f"{name} is a given model, of which nothing is trained: it is neither searched nor cross-validated; name one of "
            f"{', '.join(trained_arms(arms)) or 'no other: no arm is trained'}"
        )
    return arm


def list_networks(arm: Arm) -> list[Arm]:
    """The arm with each backbone that it may have: several where a search chooses one."""
    chosen = arm.backbone.choices if isinstance(arm.backbone, Choices) else [arm.backbone]
    return [arm.model_copy(update={"backbone": str(one)}) for one in chosen]


def backbone_of(arm: Arm) -> str:
    """The backbone of an arm that has one. Raises ValueError: a search chooses it."""
    if isinstance(arm.backbone, Choices):
        raise ValueError(f"a network must have one backbone, got the choices {', '.join(map(str, arm.backbone.choices))}")
    return arm.backbone


def pretrained_backbones(arms: Mapping[str, AnyArm]) -> list[str]:
    """The backbones that some arm wants pretrained, sorted; with options by the name of `name_network`."""
    wanted = [arm for arm in trained_arms(arms).values() if arm.weights == "pretrained"]
    return sorted({name_network(one) for arm in wanted for one in list_networks(arm)})


def backbone_options(arm: Arm) -> dict[str, Any]:
    """The options of the backbone that an arm sets."""
    return arm.options.model_dump(exclude_none=True) if arm.options else {}


def name_network(arm: Arm) -> str:
    """The backbone's name, with the options that the arm sets: arms of the same name can share initial weights."""
    set_here = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in backbone_options(arm).items()
    ]
    return "-".join([backbone_of(arm), *set_here])


def show_backbone(arm: Arm) -> str:
    """The name of an arm's backbone in results; of several that a search chooses from, all of them."""
    return " or ".join(name_backbone(backbone_of(one)) for one in list_networks(arm))


def name_backbone(backbone: str) -> str:
    """The name of an arm's backbone in results: of a preset in an absolute folder, or an absolute file, only the last part."""
    if is_absolute(backbone):
        return PurePosixPath(backbone.replace(chr(92), "/")).name
    kind, _, place = backbone.partition(":")
    return f"{kind}:{PurePosixPath(place.replace(chr(92), '/')).name}" if place and is_absolute(place) else backbone


def is_absolute(path: str) -> bool:
    """Whether a path does not depend on the project's folder: it is valid on one machine or in one home only."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute() or path.startswith("~")


def name_weights(weights: str, digest: str) -> str:
    """The name of an arm's initial weights in results: of an absolute path, which decides nothing, only file name and hash.

    digest: of the file; empty if it is not known.
    """
    if not is_absolute(weights):
        return weights
    return name_file(weights, digest)


def name_file(path: str, digest: str) -> str:
    """`their.keras (sha256 0123456789abcdef)`: a file without its folder. digest: of its bytes; empty if it is not known."""
    name = PurePosixPath(path.replace("\\", "/") if PureWindowsPath(path).is_absolute() else path).name
    return f"{name} (sha256 {digest[:16]})" if digest else name


def plain_phases(arm: Arm) -> list[Phase | ConvexPhase]:
    """The phases with `batch_norm: auto` resolved: random weights need trained statistics, others keep theirs."""
    plain = {"batch_norm": "train" if arm.weights == "none" else "frozen"}
    auto = [isinstance(phase, Phase) and phase.batch_norm == "auto" for phase in arm.phases]
    return [phase.model_copy(update=plain) if made else phase for phase, made in zip(arm.phases, auto, strict=True)]


def spaces(arm: AnyArm) -> dict[str, Range | Choices]:
    """The searched values of an arm, dotted key -> space, in their order in params.yaml; of a given model none."""
    if not isinstance(arm, Arm):
        return {}
    found = {"backbone": arm.backbone} | _inside("head", arm.head)
    for i, phase in enumerate(arm.phases):
        found |= _inside(f"phases.{i}", phase)
    found |= _inside("train", arm.train)
    return {key: value for key, value in found.items() if isinstance(value, Range | Choices)}


def is_whole(key: str) -> bool:
    """Whether the values of a space are whole numbers."""
    return key.rpartition(".")[2] in WHOLE


def is_searched(space: Range | Choices, values: Mapping[str, Any]) -> bool:
    """Whether a space is searched while the spaces that are drawn before it have these values."""
    return all(key in values and values[key] in wanted for key, wanted in space.when.items())


def draw_order(searched: Mapping[str, Range | Choices]) -> list[str]:
    """The keys of an arm's spaces, each after those that its `when` names; otherwise in their own order."""
    order: list[str] = []
    while len(order) < len(searched):
        ready = [key for key, space in searched.items() if key not in order and set(space.when) <= set(order)]
        if not ready:
            circle = ", ".join(key for key in searched if key not in order)
            raise ValueError(f"`when` of a space must not lead back to itself, got a circle in {circle}; remove one `when`")
        order += ready
    return order


def _inside(place: str, value: Any) -> dict[str, Any]:
    """Dotted key -> value of a section, and of the sections and lists in it; a space is a value."""
    if isinstance(value, list):
        inside = {f"{place}.{i}": item for i, item in enumerate(value)}
    elif not isinstance(value, Section) or isinstance(value, Range | Choices):
        return {place: value}
    else:
        inside = {f"{place}.{key}": getattr(value, key) for key in type(value).model_fields}
    return {key: found for below, item in inside.items() for key, found in _inside(below, item).items()}


def lay_over(train: Train, arm: Arm) -> dict[str, Any]:
    """The values of `train`, replaced by the arm's own where it has some; its spaces are kept as spaces."""
    named = arm.train.model_dump(exclude_none=True) if arm.train else {}
    return {
        key: {**value, **named[key]} if isinstance(value, dict) and key in named else named.get(key, value)
        for key, value in train.model_dump().items()
    }


def train_of(train: Train, arm: Arm) -> Train:
    """`train` for an arm, with the arm's own values.

    arm: without spaces, from `settle`.

    Raises:
        ValueError: the arm's values do not fit the rest of `train`.
    """
    return Train.model_validate(lay_over(train, arm)) if arm.train else train


def seeds_of(train: Train) -> list[int]:
    """The seed of each repeat of a training: `train.seed` and those that follow it."""
    return [train.seed + number for number in range(train.repeats)]


def ignores_seed(arm: Arm) -> bool:
    """Whether every seed gives the arm the same model: heads are solved, on a backbone whose weights are not random."""
    return arm.weights != "none" and all(isinstance(phase, ConvexPhase) for phase in arm.phases)


def settle(arm: Arm, best: Mapping[str, Any]) -> Arm:
    """Replace an arm's spaces by the values found.

    Raises:
        ValueError: the keys of best are not exactly the arm's spaces.
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
    return type(arm).model_validate(values)


def check_spaces(arm: Arm) -> Arm:
    """The arm, if every value of its spaces is legal in its place: checked before the search, not by a trial.

    Raises:
        ValueError: a value is not legal, or `when` names what is no list of choices or none of its values.
    """
    _check_conditions(spaces(arm))
    starts = {key: space.start for key, space in spaces(arm).items()}
    for key, space in spaces(arm).items():
        for edge in space.choices if isinstance(space, Choices) else (space.low, space.high):
            try:
                settle(arm, {**starts, key: edge})
            except ValidationError as error:
                fault = error.errors()[0]
                place = ".".join(str(step) for step in fault["loc"] if step not in ("value", *SOLVERS))
                raise ValueError(f"{place} must be legal anywhere in its space, got {fault['input']}: {fault['msg']}") from None
    return arm


def _check_conditions(searched: Mapping[str, Range | Choices]) -> None:
    lists = {key: space.choices for key, space in searched.items() if isinstance(space, Choices)}
    for key, space in searched.items():
        for other, wanted in space.when.items():
            if other not in lists:
                raise ValueError(
                    f"`when` of {key} must name a space with choices ({', '.join(lists) or 'there is none'}), got {other!r}"
                )
            if not wanted or (strange := [value for value in wanted if value not in lists[other]]):
                got = strange if wanted else wanted
                raise ValueError(f"`when` of {key} must list choices of {other} ({', '.join(map(str, lists[other]))}), got {got}")
    draw_order(searched)
