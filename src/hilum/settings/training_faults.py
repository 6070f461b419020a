"""Settings of `train`, of arms and of folds that contradict each other, or that would have no effect."""

from collections.abc import Mapping, Sequence
from typing import Any

from hilum.settings.meaning import lay_over, trained_arms
from hilum.settings.training import AnyArm, Arm, ConvexPhase, Ensemble, GivenArm, Phase, Train


def find_stepping_faults(arms: Mapping[str, Arm]) -> list[str]:
    """Arms without the head that their phases of gradient steps need, or with a head or a `train` that no phase uses."""
    faults = []
    for name, arm in arms.items():
        stepping = any(isinstance(phase, Phase) for phase in arm.phases)
        if stepping and arm.head is None:
            faults.append(
                f"arms.{name}.head is missing; for its phases of gradient steps add "
                "`head: {dropout: 0.2, weight_decay: 1.0e-4}`"
            )
        solved = any(isinstance(phase, ConvexPhase) for phase in arm.phases)
        if solved and stepping and arm.head and (arm.head.dense or arm.head.output == "sigmoid"):
            got = "dense layers" if arm.head.dense else "output: sigmoid"
            faults.append(
                f"arms.{name}.head must be linear, with one softmax output per class and no dense layers, where a phase says "
                f"`solver: convex`, got {got}: only such a head has one best solution; remove it, or write `solver: gradient`"
            )
        stepwise = arm.train and arm.train.model_dump(exclude={"repeats", "imbalance", "balance"}, exclude_none=True)
        idle = {"head": arm.head, "train": stepwise}
        faults += [
            f"arms.{name}.{key} belongs to phases of gradient steps, got one where each phase says `solver: convex`; remove "
            "it (a recipe or set removes a key with `null`)"
            for key, value in idle.items()
            if not stepping and value
        ]
    return faults


def find_view_faults(train: Train, arms: Mapping[str, Arm]) -> list[str]:
    """Augmentation whose views would all be the film as it is, of `train` or of an arm's own; a search may draw it."""
    own = {
        f"arms.{name}.train.augment": lay_over(train, arm)["augment"]
        for name, arm in arms.items()
        if arm.train and arm.train.augment
    }
    faults = []
    for place, augment in {"train.augment": train.augment.model_dump(), **own}.items():
        views, unchanged = augment["views"], augment["unchanged"]
        if isinstance(views, int) and isinstance(unchanged, int) and 0 < views <= unchanged:
            faults.append(
                f"{place}.unchanged must be below its `views`, of which so many are the film as it is, got {unchanged} of "
                f"{views}: nothing would be augmented, which `views: 0` says"
            )
    return faults


def find_output_faults(classes: list[str], arms: Mapping[str, Arm]) -> list[str]:
    """Heads with one sigmoid for other than two classes."""
    return [
        f"arms.{name}.head.output must be softmax for {len(classes)} classes ({', '.join(classes)}), got sigmoid, which tells "
        "two apart"
        for name, arm in arms.items()
        if arm.head and arm.head.output == "sigmoid" and len(classes) != 2
    ]


def find_imbalance_faults(train: Train, classes: list[str], arms: Mapping[str, Arm]) -> list[str]:
    """Settings of `train` that name unknown classes, or that would have no effect."""
    faults = []
    named = ", ".join(classes)
    if train.prevalence and (set(train.prevalence) != set(classes) or abs(sum(train.prevalence.values()) - 1) > 1e-6):
        faults.append(
            f"train.prevalence must give every class ({named}) a share, with sum 1, got {train.prevalence}; {{}} leaves it"
        )
    faults += _decision_faults(train, classes)
    faults += _multiplier_faults(train, classes, arms)
    methods = {name: _words_of(lay_over(train, arm)["imbalance"]) for name, arm in arms.items()}
    convex = [name for name, arm in arms.items() if any(isinstance(phase, ConvexPhase) for phase in arm.phases)]
    for word in ("smote", "focal"):
        for place, solved in _by_place(arms, [name for name in convex if word in methods[name]]).items():
            faults.append(
                f"{place} {word} is not a weighting of films, which solver convex needs, in "
                f"{', '.join(solved)}; use class_weight, oversample, undersample or none, or write `solver: gradient` there"
            )
    headless = [
        name for name, arm in arms.items() if "smote" in methods[name] and all(phase.unfreeze != "head" for phase in arm.phases)
    ]
    for place, without in _by_place(arms, headless).items():
        faults.append(
            f"{place} smote synthesises films in a phase that says `unfreeze: head`, but there is none in "
            f"{', '.join(without)}; add one, or choose another {place}"
        )
    return faults


def _place_of(name: str, arm: Arm) -> str:
    """The key that decides an arm's method for unequal classes."""
    return f"arms.{name}.train.imbalance" if arm.train and arm.train.imbalance else "train.imbalance"


def _by_place(arms: Mapping[str, Arm], names: Sequence[str]) -> dict[str, list[str]]:
    """These arms by the key that decides their method for unequal classes."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_place_of(name, arms[name]), []).append(name)
    return found


def _multiplier_faults(train: Train, classes: list[str], arms: Mapping[str, Arm]) -> list[str]:
    """Multipliers of unknown classes, or that no arm that has them uses: that of `train` is each arm's without one of its own."""
    own = {name: arm.train.balance.multiplier for name, arm in arms.items() if arm.train and arm.train.balance}
    own = {name: multiplier for name, multiplier in own.items() if multiplier is not None}
    shared = [name for name in arms if name not in own]
    having = {"train.balance": (train.balance.multiplier, shared)} if train.balance.multiplier else {}
    having |= {f"arms.{name}.train.balance": (multiplier, [name]) for name, multiplier in own.items() if multiplier}
    faults = []
    for place, (multiplier, names) in having.items():
        if strange := set(multiplier) - set(classes):
            faults.append(f"{place}.multiplier must name classes ({', '.join(classes)}), got {', '.join(sorted(strange))}")
        methods = [_methods_of(train, arms[name]) for name in names]
        if arms and not any("class_weight" in words for words in methods):
            told = [_tell_methods(train, name, arms[name], words) for name, words in zip(names, methods, strict=True)]
            got = ", ".join(dict.fromkeys(told)) or "one of its own in each arm"
            faults.append(f"{place}.multiplier belongs to class_weight, got it with {got}; make it {{}}")
    return faults


def _methods_of(train: Train, arm: Arm) -> set[str]:
    """The methods for unequal classes that phases of an arm may use, that of `smote_above_head` among them."""
    laid = lay_over(train, arm)
    words = {*_words_of(laid["imbalance"])}
    above = any(phase.unfreeze != "head" for phase in arm.phases)
    return words | {*_words_of(laid["balance"]["smote_above_head"])} if "smote" in words and above else words


def _tell_methods(train: Train, name: str, arm: Arm, words: set[str]) -> str:
    """Where the methods of an arm are set, and which they are. words: of `_methods_of`."""
    laid = lay_over(train, arm)
    told = f"{_place_of(name, arm)} {' or '.join(_words_of(laid['imbalance']))}"
    if "smote" not in words:
        return told
    if all(phase.unfreeze == "head" for phase in arm.phases):
        return f"{told} and no phase above the head"
    return f"{told} and smote_above_head {' or '.join(_words_of(laid['balance']['smote_above_head']))}"


def _words_of(value: Any) -> list[str]:
    """The words that a value of `lay_over` may be: several where a search chooses one."""
    return [str(word) for word in value["choices"]] if isinstance(value, Mapping) else [str(value)]


def find_given_faults(train: Train, classes: list[str], arms: Mapping[str, GivenArm]) -> list[str]:
    """Given models of other classes than the task's, or whose prior would have to be known."""
    faults = []
    readers = {"train.prevalence": bool(train.prevalence), "train.decision balanced": train.decision == "balanced"}
    needs = " and ".join(name for name, needed in readers.items() if needed)
    for name, arm in arms.items():
        if sorted(arm.classes) != sorted(classes):
            faults.append(
                f"arms.{name}.classes must be the classes of prepare.labels ({', '.join(classes)}), each once, in the order of "
                f"the model's outputs, got {', '.join(arm.classes)}; correct it, or change prepare.labels"
            )
        if arm.threshold is not None and len(classes) != 2:
            faults.append(
                f"arms.{name}.threshold belongs to two classes, got {arm.threshold} for {len(classes)}; remove it: "
                "train.decision decides"
            )
        if needs and arm.calibration != "temperature_and_biases":
            faults.append(
                f"{needs} must know the class shares that probabilities belong to, which nothing says of the given model {name}; "
                f"write `calibration: temperature_and_biases` into arms.{name}, which fits them to the shares of the validation "
                f"films, or take {needs} back"
            )
    return faults


def find_ensemble_faults(train: Train, ensembles: Mapping[str, Ensemble], arms: Mapping[str, AnyArm]) -> list[str]:
    """Ensembles whose name is an arm's, or whose members are not two or more arms, or two or more repeats of one."""
    faults = []
    for name, ensemble in ensembles.items():
        place, members, repeated = f"ensembles.{name}", ensemble.members, ensemble.repeats_of
        if name in arms:
            faults.append(f"{place} must have a name of its own, got that of arms.{name}; rename one")
        if (members is None) == (repeated is None):
            got = "neither" if members is None else "both"
            faults.append(
                f"{place} must have either members, a list of arms, or repeats_of, an arm, got {got}; write one of them"
            )
        elif members is not None:
            faults += _member_faults(place, members, ensembles, arms)
        else:
            faults += _repeat_faults(place, str(repeated), train, ensembles, arms)
    return faults


def _member_faults(place: str, members: list[str], ensembles: Mapping[str, Ensemble], arms: Mapping[str, AnyArm]) -> list[str]:
    faults = _unknown_members(f"{place}.members", members, ensembles, arms)
    if len(set(members)) < max(len(members), 2):
        faults.append(f"{place}.members must name two arms or more, each once, got {', '.join(members) or 'none'}; name another")
    return faults


def _repeat_faults(
    place: str, arm: str, train: Train, ensembles: Mapping[str, Ensemble], arms: Mapping[str, AnyArm]
) -> list[str]:
    if faults := _unknown_members(f"{place}.repeats_of", [arm], ensembles, arms):
        return faults
    settings = arms[arm]
    if not isinstance(settings, Arm):
        return [f"{place}.repeats_of must be an arm that is trained, got {arm}, a given model; name it under members"]
    if lay_over(train, settings)["repeats"] < 2:
        return [
            f"{place}.repeats_of must be an arm with repeats, got {arm}, which is trained once; set train.repeats, or "
            f"arms.{arm}.train.repeats, to 2 or more"
        ]
    return []


def _unknown_members(place: str, members: list[str], ensembles: Mapping[str, Ensemble], arms: Mapping[str, AnyArm]) -> list[str]:
    faults = []
    for name in members:
        if name in ensembles and name not in arms:
            faults.append(f"{place} must name arms, got {name}, an ensemble; name its members in its place")
        elif name not in arms:
            faults.append(f"{place} must name arms ({', '.join(arms)}), got {name!r}")
    return faults


def _decision_faults(train: Train, classes: list[str]) -> list[str]:
    """A decision rule that does not fit the classes, or costs that would have no effect."""
    faults = []
    if train.decision != "probable" and len(classes) == 2:
        faults.append(
            f"train.decision must be probable for two classes, which train.threshold_rule decides, got {train.decision!r}; "
            "choose youden there for balanced"
        )
    if train.decision == "costs" and set(train.costs) != set(classes):
        faults.append(
            f"train.costs must give every class ({', '.join(classes)}) the cost of a film of it that is missed, got "
            f"{train.costs}; complete it"
        )
    if train.decision != "costs" and train.costs:
        faults.append(f"train.costs belongs to train.decision costs, got it with {train.decision}; make it {{}}")
    return faults


def find_fold_faults(
    folds: int, by: str, sources: Sequence[str], every: Mapping[str, AnyArm], chosen: Sequence[str], reference: str
) -> list[str]:
    """Impossible folds, or folds that do not fit the list of their arms: DVC makes a stage from a name, not from a number.

    folds, by: `split.folds` and `fold_by`. chosen: `crossvalidate.arms`. reference: `compare.reference`.
    """
    faults, arms = [], list(trained_arms(every))
    if given := [name for name in dict.fromkeys((*chosen, reference)) if name in every and name not in arms and folds]:
        faults.append(
            f"crossvalidate.arms and compare.reference must name arms that are trained while split.folds is {folds}, got "
            f"{', '.join(given)}: a given model is trained on no fold; use {', '.join(arms) or 'another arm'}, or "
            "split.folds: 0"
        )
        return faults
    if folds == 1:
        faults.append("split.folds must be 0 (none) or 2 and more, got 1")
    if folds and by == "source" and folds != len(sources):
        faults.append(
            f"split.folds must be the number of prepare.sources where split.fold_by is source, got {folds} folds "
            f"and {len(sources)} sources"
        )
    if chosen and not folds:
        faults.append(f"crossvalidate.arms must be [] while split.folds is 0, got {chosen}; set both or neither")
    elif folds and (len(set(chosen)) < len(chosen) or not {reference} <= set(chosen) <= set(arms)):
        faults.append(
            f"crossvalidate.arms must name arms ({', '.join(arms)}), each once and {reference} (compare.reference) among them, "
            f"while split.folds is {folds}, got {chosen}; for all: [{', '.join(arms)}]"
        )
    return faults
