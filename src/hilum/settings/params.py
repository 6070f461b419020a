"""params.yaml as checked, frozen values. No defaults here: params.yaml holds them all."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator

from hilum.settings.errors import tell_faults
from hilum.settings.explain import PREDICTED, TRUE, Explain
from hilum.settings.meaning import EXCLUDED, check_spaces, class_names, pretrained_backbones, trained_arms
from hilum.settings.schema import kind_of_arm
from hilum.settings.search_space import Count, Name, Section, Seed, Share
from hilum.settings.sources import ExternalSource, Source
from hilum.settings.training import AnyArm, Arm, Ensemble, GivenArm, Pretrain, Train
from hilum.settings.training_faults import (
    find_ensemble_faults,
    find_fold_faults,
    find_given_faults,
    find_imbalance_faults,
    find_output_faults,
    find_stepping_faults,
    find_view_faults,
)
from hilum.settings.tune import Tune, Workers
from hilum.settings.yaml_text import read_yaml


class Tracking(Section):
    experiment: Annotated[str, Field(min_length=1)]
    model: Name
    tensorboard: bool


class Acquire(Section):
    sources: Annotated[dict[Name, Source], Field(min_length=1)]


class Prepare(Section):
    sources: Annotated[list[Name], Field(min_length=1)]
    size: Annotated[int, Field(ge=32, le=1024)]
    square: Literal["pad", "stretch"]
    labels: dict[Name, list[str]]
    labels_by_source: dict[Name, dict[Name, list[str]]]
    unmatched: Literal["stop", "exclude"]
    unused_rules: Literal["stop", "tell"]
    broken_share: Share
    near_duplicates: Literal["group", "none"]
    burned_in: Literal["keep", "inpaint"]
    burned_in_reader: Literal["letters", "text", "ocr"]
    burned_in_left: Literal["keep", "exclude", "stop"]
    group_share: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _ruled(self) -> "Prepare":
        faults, classes = [], class_names(self.labels)
        if len(classes) < 2:
            faults.append(f"prepare.labels must hold two classes or more, got {', '.join(classes) or 'none'}; name another")
        for source, rules in self.labels_by_source.items():
            if source not in self.sources:
                faults.append(f"prepare.labels_by_source must be of prepare.sources ({', '.join(self.sources)}), got {source!r}")
            if strange := [name for name in rules if name not in (*classes, EXCLUDED)]:
                faults.append(
                    f"prepare.labels_by_source.{source} must hold classes of prepare.labels ({', '.join(classes)}) or "
                    f"{EXCLUDED}, got {', '.join(strange)}"
                )
        for name in classes:
            said = [self.labels[name], *(rules.get(name, []) for rules in self.labels_by_source.values())]
            if not any(said):
                faults.append(f"prepare.labels.{name} must name a finding, or a source of prepare.labels_by_source must")
        for place, rules in (
            ("", self.labels),
            *((f"_by_source.{source}", own) for source, own in self.labels_by_source.items()),
        ):
            faults += [
                f"prepare.labels{place}.{name} must name findings, got an empty one: no finding is not a class; leave such "
                f'films out with `{EXCLUDED}: [""]`'
                for name, said in rules.items()
                if name != EXCLUDED and not all(re.search(r"\w", rule) for rule in said)
            ]
        if set(self.sources) <= set(self.labels_by_source) and any(self.labels.values()):
            faults.append(
                "prepare.labels must only name the classes (`name: []`) where every source has rules of its own, got rules that "
                "no source uses; empty them"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


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
    seed: Seed
    validation: Annotated[float, Field(gt=0, lt=1)]
    test: Annotated[float, Field(gt=0, lt=1)]
    explain_films: Count
    tuning_films: Annotated[int, Field(ge=0)]
    confounding: ConfoundingReport
    folds: Annotated[int, Field(ge=0)]
    fold_by: Literal["patient", "source"]


class Acquisition(Section):
    ring: Annotated[float, Field(gt=0, lt=0.5)]
    bins: Annotated[int, Field(ge=2, le=256)]
    margin: Annotated[float, Field(ge=0, lt=1)]


class Evaluate(Section):
    seed: Seed
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    acquisition: Acquisition


class Rectangle(Section):
    top: Annotated[float, Field(ge=0, le=0.5)]
    bottom: Annotated[float, Field(ge=0.5, le=1)]
    left: Annotated[float, Field(ge=0, le=0.5)]
    right: Annotated[float, Field(ge=0.5, le=1)]

    @model_validator(mode="after")
    def _leaves_something(self) -> "Rectangle":
        if (self.bottom - self.top) * (self.right - self.left) > 0.95:
            raise ValueError("audit.lungs must leave at least a twentieth of the film around it; make the rectangle smaller")
        if self.bottom == self.top or self.right == self.left:
            raise ValueError("audit.lungs must have an area; move its edges apart")
        return self


class Crossvalidate(Section):
    arms: list[Name]


class Audit(Section):
    seed: Seed
    films: Annotated[int, Field(ge=20)]
    lungs: Rectangle


class External(Section):
    sources: dict[Name, ExternalSource]


class Compare(Section):
    seed: Seed
    reference: Name
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]


OneArm = Annotated[
    Annotated[Arm, AfterValidator(check_spaces), Tag("trained")] | Annotated[GivenArm, Tag("given")], Discriminator(kind_of_arm)
]


class Params(Section):
    """The whole of params.yaml."""

    tracking: Tracking
    acquire: Acquire
    prepare: Prepare
    split: Split
    pretrain: Pretrain
    tune: Tune
    workers: Workers
    train: Train
    arms: Annotated[dict[Name, OneArm], Field(min_length=1)]
    ensembles: dict[Name, Ensemble]
    evaluate: Evaluate
    crossvalidate: Crossvalidate
    explain: Explain
    audit: Audit
    external: External
    compare: Compare

    @property
    def compared(self) -> list[str]:
        """The names of all models that are evaluated and compared: arms, then ensembles."""
        return [*self.arms, *self.ensembles]

    @model_validator(mode="after")
    def _consistent(self) -> "Params":
        faults, classes = [], class_names(self.prepare.labels)
        if self.compare.reference not in self.arms:
            faults.append(f"compare.reference must be one of the arms {', '.join(self.arms)}, got {self.compare.reference!r}")
        for name in [*self.prepare.sources, self.pretrain.source]:
            if name not in self.acquire.sources and (name != self.pretrain.source or pretrained_backbones(self.arms)):
                faults.append(f"a source must be in acquire.sources ({', '.join(self.acquire.sources)}), got {name!r}")
        if self.pretrain.source in self.prepare.sources and pretrained_backbones(self.arms):
            faults.append(
                f"pretrain.source must hold other patients than prepare.sources, got {self.pretrain.source!r} in both; "
                "give it a source of its own"
            )
        if self.split.validation + self.split.test >= 1:
            faults.append(f"split.validation + split.test must stay below 1, got {self.split.validation} + {self.split.test}")
        if self.explain.target not in (PREDICTED, TRUE, *classes):
            faults.append(
                f"explain.target must be {PREDICTED}, {TRUE} or a class of prepare.labels ({', '.join(classes)}), "
                f"got {self.explain.target!r}"
            )
        trained, given = trained_arms(self.arms), {n: arm for n, arm in self.arms.items() if isinstance(arm, GivenArm)}
        faults += find_stepping_faults(trained)
        faults += find_view_faults(self.train, trained)
        faults += find_output_faults(classes, trained)
        faults += find_imbalance_faults(self.train, classes, trained)
        faults += find_given_faults(self.train, classes, given)
        faults += find_ensemble_faults(self.train, self.ensembles, self.arms)
        faults += _external_faults(self.external, classes, [*self.acquire.sources])
        folds, by = self.split.folds, self.split.fold_by
        faults += find_fold_faults(folds, by, self.prepare.sources, self.arms, self.crossvalidate.arms, self.compare.reference)
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _external_faults(external: External, classes: list[str], own: list[str]) -> list[str]:
    """Sources whose name is taken, or whose rules are not for classes of the task."""
    faults = [
        f"external.sources.{name} must have a name of its own, got that of acquire.sources.{name}; rename one"
        for name in external.sources
        if name in own
    ]
    for name, source in external.sources.items():
        if strange := [one for one in source.labels if one not in (*classes, EXCLUDED)]:
            faults.append(
                f"external.sources.{name}.labels must hold classes of prepare.labels ({', '.join(classes)}) or {EXCLUDED}, got "
                f"{', '.join(strange)}"
            )
        if source.labels and not any(source.labels.get(one) for one in classes):
            faults.append(
                f"external.sources.{name}.labels must name a finding of a class, got none; leave it out to use prepare.labels"
            )
    return faults


def read_params(path: Path) -> Params:
    """Read and check params.yaml. Raises ValueError that lists every fault at once, with the key and the remedy."""
    if not path.is_file():
        raise ValueError(f"hilum runs where params.yaml is, got no {path}; change into the project's folder")
    try:
        values = read_yaml(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"params.yaml must be YAML, got {' '.join(str(error).split())}") from None
    return check_params(values)


def check_params(values: Any) -> Params:
    """Check values as written in params.yaml. Raises ValueError that lists every fault at once."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = tell_faults(error.errors(), values, Params)
        raise ValueError("params.yaml is not valid:\n" + "\n".join(f"  {line}" for line in dict.fromkeys(lines))) from None


def find_arm(params: Params, arm: str) -> AnyArm:
    """The arm's settings. Raises ValueError naming the arms there are."""
    if arm not in params.arms:
        raise ValueError(f"--arm must be one of {', '.join(params.arms)}, got {arm!r}")
    return params.arms[arm]


def find_ensemble(params: Params, name: str) -> Ensemble:
    """The ensemble's settings. Raises ValueError naming the ensembles there are."""
    if name not in params.ensembles:
        raise ValueError(f"--arm must be an ensemble, {', '.join(params.ensembles) or 'of which there is none'}, got {name!r}")
    return params.ensembles[name]


def check_compared(params: Params, name: str) -> None:
    """Refuse a name that is neither an arm nor an ensemble. Raises ValueError naming those there are."""
    if name not in params.compared:
        raise ValueError(f"--arm must be one of {', '.join(params.compared)}, got {name!r}")
