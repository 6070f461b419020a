"""Which saved models an ensemble of params.yaml is made of, and whether they belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hilum.records import GIVEN
from hilum.results import REPEATS, read_json, read_table
from hilum.settings.training import Ensemble
from hilum.workspace import Workspace

SAME = (  # facts of model.json that the films of all members share
    *("classes", "size", "square", "data_version", "split_version", "burned_in", "burned_in_reader", "prevalence"),
)
FILMS = ("source.", "prepare.", "split.")  # of a run's parameters, what decides the films


@dataclass(frozen=True)
class Member:
    """A saved model. name: in the ensemble; folder: with model.keras and model.json; described: the latter.

    params: of its training, as its run logs them.
    """

    name: str
    folder: Path
    described: Mapping[str, Any]
    params: Mapping[str, Any]


def find_members(ensemble: Ensemble, workspace: Workspace) -> list[Member]:
    """The members in the order of params.yaml: arms, each by the model that it serves, or all repeats of one arm.

    Raises:
        ValueError: they were trained on other films or classes than each other: some are of earlier settings.
    """
    if ensemble.repeats_of:
        top = workspace.arm(ensemble.repeats_of, "training")
        numbers = read_table(top / "repeats.csv")["repeat"]
        found = [_read(f"{ensemble.repeats_of}-repeat-{number}", top / REPEATS / str(number)) for number in numbers]
    else:
        found = [_read(name, workspace.arm(name, "training")) for name in ensemble.members or ()]
    check_together(found)
    return found


def check_together(members: Sequence[Member]) -> None:
    """Refuse members of other classes, in another order, or of other films. Raises ValueError with what differs."""
    first = members[0]
    for other in members[1:]:
        for key in SAME:
            one, two = first.described.get(key), other.described.get(key)
            if one != two:
                raise ValueError(
                    f"the members of an ensemble must have the same {key}, got {one} of {first.name} and {two} of {other.name}; "
                    "run `dvc repro`, which trains what is not up to date"
                )


def _read(name: str, folder: Path) -> Member:
    return Member(name, folder, read_json(folder / "model.json"), read_json(folder / "settings.json")["params"])


def join_priors(members: Sequence[Member]) -> dict[str, float] | None:
    """Class -> share that the mean of the members' logits assumes: the geometric mean of their priors, of sum 1.

    None where a member is a given model whose prior is not known.
    """
    priors = [member.described["prior"] for member in members]
    if any(prior is None for prior in priors):
        return None
    classes = members[0].described["classes"]
    joint = np.exp(np.mean([[np.log(prior[name]) for name in classes] for prior in priors], axis=0))
    return dict(zip(classes, (joint / joint.sum()).tolist(), strict=True))


def describe_members(members: Sequence[Member]) -> list[dict[str, Any]]:
    """What model.json says of each: name, backbone, weights, model_sha256, and the seed of a repeat."""
    return [
        {
            "name": member.name,
            "backbone": member.described["backbone"],
            "model_sha256": member.described["model_sha256"],
            **({"seed": member.described["repeat"]["seed"]} if "repeat" in member.described else {}),
        }
        for member in members
    ]


def film_params(members: Sequence[Member]) -> dict[str, Any]:
    """The parameters of the members' trainings that decide their films."""
    return {key: value for key, value in members[0].params.items() if key.startswith(FILMS)}


def first_weights(members: Sequence[Member]) -> str:
    """`imagenet, pretrained`: the first weights of the members that were trained, each kind once."""
    trained = [str(member.params["weights"]) for member in members if member.described["backbone"] != GIVEN]
    return ", ".join(dict.fromkeys(trained)) or "none"


def given_files(members: Sequence[Member]) -> list[dict[str, Any]]:
    """File and SHA-256 of each member that is a given model, of which nobody knows which films it has seen."""
    return [member.described["given"] for member in members if "given" in member.described]
