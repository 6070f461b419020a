"""What the training of an arm is made of, without its films: the final values, the seeds of its repeats, what its run logs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hilum.data.prepared.loading import read_grey_bits
from hilum.processors import usable_processors
from hilum.results import base_tags, file_sha256, read_json
from hilum.settings.meaning import seeds_of, settle, show_backbone, trained_arm
from hilum.settings.params import Params, read_params
from hilum.settings.training import Arm
from hilum.training.task import file_digest, logged_params, params_of, weights_digest
from hilum.workspace import Workspace, find_workspace


@dataclass(frozen=True)
class Plan:
    """What the repeats of an arm's training share.

    wanted: the arm as written; settled: without spaces. params: with the arm's own values of `train`. logged: parameters of the
    run; tags: of the run and of its folder.
    """

    arm: str
    wanted: Arm
    settled: Arm
    params: Params
    workspace: Workspace
    versions: dict[str, Any]
    logged: dict[str, Any]
    tags: dict[str, str]

    @property
    def seeds(self) -> list[int]:
        return seeds_of(self.params.train)

    @property
    def threads(self) -> int:
        """Processors for one operation, which decide the last bits; 0: all. Workers train repeats, never a single training."""
        return self.params.workers.threads if len(self.seeds) > 1 else 0

    @property
    def folder(self) -> Path:
        return self.workspace.arm(self.arm, "training")


def make_plan(arm: str) -> Plan:
    """Read what the training of an arm needs, except the films."""
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    wanted = trained_arm(params.arms, arm)
    best = yaml.safe_load((workspace.arm(arm, "tuning") / "best.yaml").read_text()) or {}
    settled = settle(wanted, best)
    params = params_of(params, settled)
    versions = read_json(workspace.split / "versions.json")
    logged = logged_params(params, settled, file_digest(params, arm, workspace))
    selected_by = {"selected_by": f"val/{params.train.select}"}
    tags = {**base_tags("arm", versions), "arm": arm, "backbone": show_backbone(settled), **selected_by}
    return Plan(arm, wanted, settled, params, workspace, versions, logged, tags)


def decides(plan: Plan) -> dict[str, Any]:
    """Everything that determines the repeats, except the code."""
    workspace = plan.workspace
    return {
        "params": plan.logged,
        "versions": plan.versions,
        "films": [file_sha256(workspace.split / f"{part}.csv") for part in ("train", "val")],
        "grey_bits": read_grey_bits(workspace.prepared),
        "weights": weights_digest(plan.params, plan.arm, workspace),
        "threads": plan.threads or usable_processors(),
    }


def title(plan: Plan, number: int) -> str:
    """`finetuned`, or `finetuned, repeat 2 of 5`."""
    return plan.arm if len(plan.seeds) == 1 else f"{plan.arm}, repeat {number} of {len(plan.seeds)}"
