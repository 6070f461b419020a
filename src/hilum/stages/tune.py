"""tune: search one arm's spaces; one parent run per study, a nested run per trial."""

import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from hilum.code_version import made_by
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.ownership import Owner
from hilum.progress import bar, say, steps
from hilum.results import base_tags, epoch_metrics, flatten, read_json, write_json, write_table
from hilum.runs import code_tags, log_search
from hilum.settings.meaning import name_weights, spaces
from hilum.settings.params import Params, find_arm, read_params
from hilum.settings.training import Arm, Phase
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.training.learning.fit import begin_training
from hilum.training.search import Found, Watch, search, study_name
from hilum.training.task import load_task, weights_digest
from hilum.training.trial import TRIAL_CODE, TRIAL_LIBRARIES, train_trial
from hilum.workspace import Workspace, find_workspace


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = find_arm(params, arm)
    store = open_store(workspace, params.tracking)
    versions = read_json(workspace.split / "versions.json")
    folder = workspace.arm(arm, "tuning")
    shutil.rmtree(folder, ignore_errors=True)
    searched = spaces(settings) if params.tune.trials else {}
    if not searched:
        write_found(folder, Found({key: space.start for key, space in spaces(settings).items()}, *empty_tables()), params, arm)
        say(f"{arm}: nothing to search; start values are taken")
        return
    begin_training(params.train.seed)
    task = load_task(params, settings, workspace, versions)
    phases, score = searched_phases(settings), score_epoch(params.tune.metric)
    tags = {
        **base_tags("tune", versions),
        **code_tags(workspace),
        "arm": arm,
        "backbone": settings.backbone,
        "metric": params.tune.metric,
    }
    with store.start(f"tune-{arm}", tags) as parent, steps(arm, params.tune.trials) as report:
        parent.log_params({f"space.{key}": space.model_dump(exclude_defaults=True) for key, space in searched.items()})
        parent.log_params(flatten(params.tune, "tune"))
        trials = Trials(store, parent, params.tune.trials, tags, report)
        try:
            found = search(
                study_name(arm, fixed_part(params, arm, versions, workspace)),
                searched,
                params.tune,
                workspace.cache / "studies.db",
                lambda values, report: train_trial(settings, values, task, phases, score, report, bar("activations")),
                trials.watch(),
            )
        finally:
            trials.close()
        write_found(folder, found, params, arm)
        log_search(parent, folder, params, arm)
    say(f"{arm}: best {', '.join(f'{key} = {value:.4g}' for key, value in found.best.items())}")


def searched_phases(arm: Arm) -> int:
    """The number of phases that a trial trains: up to the last one with a space.

    The head's spaces belong to the first phase of gradient steps, those of `train` to all of these.
    """
    stepping = [i for i, phase in enumerate(arm.phases) if isinstance(phase, Phase)]
    places = []
    for key in spaces(arm):
        place, _, rest = key.partition(".")
        places.append({"head": stepping[0], "train": stepping[-1]}[place] if place != "phases" else int(rest.partition(".")[0]))
    return max(places, default=0) + 1


def fixed_part(params: Params, name: str, versions: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """All that decides the result of a trial of the arm of that name with given values."""
    arm, weights = params.arms[name], weights_digest(params, name, workspace)
    own = arm.train.model_dump(exclude={"repeats"}) if arm.train else {}  # a trial is not repeated
    return {
        "arm": {
            **arm.model_dump(),
            "train": own if any(value is not None for value in own.values()) else None,
            "weights": name_weights(arm.weights, weights),
            "phases": arm.model_dump()["phases"][: searched_phases(arm)],
        },
        "train": params.train.model_dump(
            exclude={"repeats", "select", "calibration", "decision", "costs", "threshold_rule", "prevalence"}
        ),
        "tune": params.tune.model_dump(exclude={"trials"}),
        "versions": versions,
        "weights": weights,
        "code": made_by(TRIAL_CODE, TRIAL_LIBRARIES),
    }


class Trials:
    """The nested runs of a search: opened, logged to and closed as the search reports."""

    def __init__(self, store: Store, parent: Run, count: int, tags: dict[str, str], report: Callable[..., None]) -> None:
        self.store, self.parent, self.count, self.tags, self.report = store, parent, count, tags, report
        self.open: AbstractContextManager[Run] | None = None
        self.run: Run | None = None

    def watch(self) -> Watch:
        return Watch(self.begin, self.epoch, self.end, self.wait)

    def begin(self, number: int, values: dict[str, Any]) -> None:
        self.open = self.store.start(
            f"trial-{number:03d}", {**self.tags, "role": "trial", "mlflow.note.content": ""}, parent=self.parent.id
        )
        self.run = self.open.__enter__()
        self.run.log_params(values)

    def epoch(self, number: int, step: int, metrics: dict[str, float]) -> None:
        if self.run:
            self.run.log_metrics({k: v for k, v in metrics.items() if k not in ("select", "phase", "epoch", "step")}, step)

    def end(self, number: int, state: str, metrics: dict[str, float]) -> None:
        if self.run and self.open:
            self.run.tag({"state": state})
            shown = {key: value for key, value in metrics.items() if key.startswith("val/")}
            self.run.log_metrics({f"best/{key}": value for key, value in shown.items()})
            self.open.__exit__(None, None, None)
            self.open = None
            values = "  ".join(f"{key} {value:.4f}" for key, value in shown.items())
            self.report(number + 1, f"trial {number + 1}/{self.count}  {state.lower()}  {values}")

    def wait(self, owner: Owner) -> None:
        say(f"{owner} searches the same study; its trials are taken over when it ends (Ctrl-C to stop waiting)")

    def close(self) -> None:
        """End a trial that was cut off."""
        if self.open:
            self.open.__exit__(*sys.exc_info())


def empty_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of a search without trials."""
    return pd.DataFrame(columns=["number", "state", "value"]), pd.DataFrame(columns=["trial", "step"])


def write_found(folder: Path, found: Found, params: Params, arm: str) -> None:
    """best.yaml, trials.csv, trial_history.csv and settings.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.yaml").write_text(yaml.safe_dump(found.best))
    write_table(folder / "trials.csv", found.trials)
    write_table(folder / "trial_history.csv", epoch_metrics(found.history).assign(trial=found.history["trial"]))
    write_json(folder / "settings.json", {"arm": arm, "params": flatten(params.tune, "tune")})
