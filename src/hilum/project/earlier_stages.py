"""What a stage needs from earlier ones according to dvc.yaml, and which of them to run first where it is missing."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from hilum.settings.meaning import pretrained_backbones
from hilum.settings.params import Params, read_params
from hilum.settings.yaml_text import read_yaml
from hilum.workspace import Workspace, find_workspace

OPTIONS = {"acquire": "source"}  # option for a stage's item on the command line, where it is not an arm
OF_ENSEMBLES = "-ensembles"  # ending of a stage's name in dvc.yaml: the same verb as for arms, and the same text
RESULTS = "publish"  # not a stage: it publishes what stages made of splits and arms, the comparison included
PUBLISHED = ("data/split", "results/arms", "results/comparison")


@dataclass(frozen=True)
class Making:
    """One call of a stage and its outputs. item: of its `foreach`, empty without one; outs: paths below the project."""

    stage: str
    item: str
    outs: tuple[str, ...]
    deps: tuple[str, ...]

    @property
    def command(self) -> str:
        option = OPTIONS.get(self.stage, "arm")
        return f"hilum {self.stage}" + (f" --{option} {self.item}" if self.item else "")


def check_earlier(verb: str, chosen: Mapping[str, Any]) -> None:
    """Refuse to run a stage whose earlier stages have not run or failed.

    chosen: the options of the command by their names.

    Raises:
        ValueError: with what is missing, and which stage to run first.
    """
    if verb in ("evaluate", "explain") and not chosen.get("arm"):
        return  # any model on any films
    if verb == "compare" and (any(chosen.get("runs", [])) or chosen.get("where")):
        return  # runs of any day, whose results are complete or refused
    workspace = find_workspace(Path.cwd())
    makings = list_makings(workspace)
    made_here = Making(RESULTS, "", (), PUBLISHED)
    asked = [one for one in (*makings, made_here) if one.stage == verb and one.item == chosen.get("arm", one.item)]
    params = read_params(workspace.params)
    for out, maker in _find_needs(asked[0], makings, params) if asked else []:
        if not (workspace.root / out).exists():
            first = _find_first(maker, makings, workspace, params, frozenset({maker.command}))
            raise ValueError(
                f"{verb} needs {out}, which `{maker.command}` makes and which is missing; run `{first.command}` first, or "
                "`dvc repro`, which runs every stage in its order"
            )


def tell_absent(file: Path) -> str:
    """Which stage makes a missing file; empty where none does."""
    workspace = find_workspace(Path.cwd())
    for maker in list_makings(workspace):
        if any(workspace.root.joinpath(file).is_relative_to(workspace.root / out) for out in maker.outs):
            return f"there is no {file}, which `{maker.command}` makes; run that again first, or `dvc repro`"
    return ""


def _find_first(one: Making, makings: list[Making], workspace: Workspace, params: Params, seen: frozenset[str]) -> Making:
    """The call to start with, so that this one can run: itself, or the first that lacks nothing."""
    for out, maker in _find_needs(one, makings, params):
        if maker.command not in seen and not (workspace.root / out).exists():
            return _find_first(maker, makings, workspace, params, seen | {maker.command})
    return one


def _find_needs(one: Making, makings: list[Making], params: Params) -> Iterator[tuple[str, Making]]:
    """Paths that must exist, each with the call that makes it."""
    if one.stage == "pretrain" and not pretrained_backbones(params.arms):
        return  # it reads nothing and makes an empty folder
    for dep in one.deps:
        for maker in makings:
            if maker.stage == "pretrain" and not pretrained_backbones(params.arms):
                continue  # it makes an empty folder
            if one.stage == "external" and maker.stage == "acquire" and not pretrained_backbones(params.arms):
                continue  # it compares films with those of pretraining
            if one.stage == "prepare" and maker.item not in params.prepare.sources:
                continue  # it reads no other source
            for out in maker.outs:
                if PurePosixPath(dep).is_relative_to(out):
                    yield dep, maker
                elif PurePosixPath(out).is_relative_to(dep):
                    yield out, maker


def list_makings(workspace: Workspace) -> list[Making]:
    """Every call of a stage in dvc.yaml, in the order of that file, with params.yaml's values in its paths."""
    values = read_yaml(workspace.params.read_text())
    stages = yaml.load((workspace.root / "dvc.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["stages"]
    found = []
    for name, stage in stages.items():
        body = stage.get("do", stage)
        for item in _look_up(stage["foreach"][2:-1], values) if "foreach" in stage else [""]:
            outs, deps = (
                tuple(_fill(path, str(item), values) for path in body.get(key, []) if isinstance(path, str))
                for key in ("outs", "deps")
            )
            found.append(Making(verb_of(name), str(item), outs, tuple(dep for dep in deps if not dep.startswith("src/"))))
    return found


def verb_of(stage: str) -> str:
    """The verb of a stage of dvc.yaml: `evaluate` of `evaluate-ensembles`."""
    return stage.removesuffix(OF_ENSEMBLES)


def _fill(path: str, item: str, values: Any) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda found: item if found[1] in ("key", "item") else str(_look_up(found[1], values)), path)


def _look_up(key: str, values: Any) -> Any:
    for part in key.split("."):
        values = values[part]
    return values
