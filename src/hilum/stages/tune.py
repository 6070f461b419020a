"""tune: search one arm's spaces; one parent run per study, a nested run per trial."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from hilum.code_version import made_by
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.evaluation.scoring.metrics import sign_of
from hilum.ownership import Owner
from hilum.processors import usable_processors
from hilum.progress import bar, say, steps
from hilum.results import base_tags, digest, epoch_metrics, file_sha256, flatten, read_json, write_json, write_table
from hilum.runs import code_tags, log_search
from hilum.settings.meaning import name_weights, show_backbone, spaces, trained_arm
from hilum.settings.params import Params, find_arm, read_params
from hilum.settings.search_space import Choices, Range
from hilum.settings.training import Arm, GivenArm, Phase
from hilum.settings.tune import Tune
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.store import Store
from hilum.training.learning.fit import begin_training
from hilum.training.searching.pictures import log_pictures
from hilum.training.searching.pruning import Ask, Outcome, Values, run_trial
from hilum.training.searching.search import Found, Watch, search, study_name, study_parts
from hilum.training.task import weights_digest
from hilum.training.trial import TRIAL_CODE, TRIAL_LIBRARIES, train_parts
from hilum.training.trial_films import make_tasks
from hilum.training.workers.executors import EXECUTORS
from hilum.workspace import Workspace, find_workspace

DECIDE_NOTHING = {"executor", "workers", "dask"}  # of `tune`: who runs the trials


@dataclass(frozen=True)
class Shared:
    """What all trials of a search share; a worker gets it once, and reads films and code from the project's folder."""

    params: Params
    arm: str
    workspace: Workspace
    versions: dict[str, Any]


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings, tune = find_arm(params, arm), params.tune
    store = open_store(workspace, params.tracking)
    versions = read_json(workspace.split / "versions.json")
    folder = workspace.arm(arm, "tuning")
    shutil.rmtree(folder, ignore_errors=True)
    searched = spaces(settings) if tune.trials else {}
    if not searched:
        write_found(folder, Found({key: space.start for key, space in spaces(settings).items()}, *empty_tables()), params, arm)
        given = isinstance(settings, GivenArm)
        say(f"{arm}: a given model, nothing to search" if given else f"{arm}: nothing to search; start values are taken")
        return
    tags = {
        **base_tags("tune", versions),
        **code_tags(workspace),
        "arm": arm,
        "backbone": show_backbone(trained_arm(params.arms, arm)),
        "metric": ", ".join(tune.metrics),
    }
    decides = fixed_part(params, arm, versions, workspace)
    tell_search(arm, searched, tune)
    key = digest([study_name(arm, decides), *decided_by(tune).items()])
    with store.start(f"tune-{arm}", tags, key=key) as parent, steps(arm, tune.trials, whole=True) as report:
        parent.log_params({f"space.{key}": space.model_dump(exclude_defaults=True) for key, space in searched.items()})
        parent.log_params(flatten(decided_by(tune), "tune"))
        watch = Trials(store, parent, tune.trials, tags, report).watch()
        found = search_arm(Shared(params, arm, workspace, versions), decides, watch)
        write_found(folder, found, params, arm)
        log_search(parent, folder, params, arm)
        log_pictures(parent.log_folder, found.trials, searched, sign_metrics(tune))
        from hilum.pages.search import log_page  # after the trials: workers need not have the pages' code

        log_page(parent.log_folder, arm, found.trials, searched, sign_metrics(tune), workspace.cache)
    say(f"{arm}: best {', '.join(f'{key} = {tell_value(value)}' for key, value in found.best.items())}")


def search_arm(shared: Shared, decides: Mapping[str, Any], watch: Watch) -> Found:
    """Run the trials of an arm's study, or take those that it has. decides: from `fixed_part`."""
    params, arm, tune = shared.params, shared.arm, shared.params.tune
    with EXECUTORS[tune.executor](prepare_trials, shared, tune.workers, tune.dask) as run_batch:
        return search(
            *(study_name(arm, decides), spaces(params.arms[arm]), tune, sign_metrics(tune)),
            *(shared.workspace.cache / "studies.db", run_batch, watch, study_parts(decides)),
        )


def sign_metrics(tune: Tune) -> dict[str, int]:
    """Metric that is searched by -> 1 where higher is better, else -1."""
    return {metric: sign_of(metric) for metric in tune.metrics}


def prepare_trials(shared: Shared) -> Callable[[Ask], Outcome]:
    """What runs one trial in a worker, after its films are read."""
    params, tune = shared.params, shared.params.tune
    begin_training(params.train.seed, tune.threads)
    arm = trained_arm(params.arms, shared.arm)
    tasks = make_tasks(params, arm, shared.workspace, shared.versions)
    phases, score = searched_phases(arm), score_epoch(*tune.metrics)

    def work(ask: Ask) -> Outcome:
        return run_trial(
            ask, tune, lambda values, report: train_parts(arm, values, tasks, phases, score, report, bar("activations"))
        )

    return work


def tell_search(arm: str, searched: dict[str, Range | Choices], tune: Tune) -> None:
    """Print what is searched, before the first trial."""
    say(
        f"{arm}: searches by {', '.join(tune.metrics)} with {tune.sampler}, up to {tune.trials} trials in batches of {tune.batch}"
    )
    width = max(map(len, searched))
    for key, space in searched.items():
        say(f"  {key:{width}}  {tell_space(space)}")


def tell_space(space: Range | Choices) -> str:
    """`0.0001 to 0.01, logarithmic, start 0.001`."""
    if isinstance(space, Choices):
        told = f"one of {', '.join(map(tell_value, space.choices))}"
    else:
        told = f"{space.low:g} to {space.high:g}" + (f" in steps of {space.step:g}" if space.step else "")
        told += ", logarithmic" if space.log else ""
    conditions = [f"{key} is {' or '.join(map(tell_value, wanted))}" for key, wanted in space.when.items()]
    return f"{told}, start {tell_value(space.start)}" + (f"; only while {' and '.join(conditions)}" if conditions else "")


def tell_value(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def decided_by(tune: Tune) -> dict[str, Any]:
    """The settings of a search that decide its results."""
    return tune.model_dump(exclude=DECIDE_NOTHING)


def searched_phases(arm: Arm) -> int:
    """The number of phases that a trial trains: up to the last one with a space.

    The head's spaces belong to the first phase of gradient steps, those of `train` to all of these; the backbone and the method
    for unequal classes to every phase.
    """
    stepping = [i for i, phase in enumerate(arm.phases) if isinstance(phase, Phase)]
    places = []
    for key in spaces(arm):
        place, number, *_ = [*key.split("."), ""]
        if place == "phases":
            places.append(int(number))
        elif place == "backbone" or number in ("imbalance", "balance"):
            places.append(len(arm.phases) - 1)
        else:
            places.append(stepping[0] if place == "head" else stepping[-1])
    return max(places, default=0) + 1


def fixed_part(params: Params, name: str, versions: dict[str, Any], workspace: Workspace) -> dict[str, Any]:
    """All that decides the result of a trial of the arm of that name with given values."""
    arm, weights = trained_arm(params.arms, name), weights_digest(params, name, workspace)
    own = arm.train.model_dump(exclude={"repeats"}) if arm.train else {}  # a trial is not repeated
    linked = {"linked_patients": file_sha256(workspace.prepared / "linked_patients.csv")} if params.tune.folds else {}
    return {
        "arm or its spaces": {
            **arm.model_dump(),
            "train": own if any(value is not None for value in own.values()) else None,
            "weights": name_weights(arm.weights, weights),
            "phases": arm.model_dump()["phases"][: searched_phases(arm)],
        },
        "settings of train": params.train.model_dump(
            exclude={"repeats", "select", "calibration", "decision", "costs", "threshold_rule", "prevalence"}
        ),
        "settings of tune": params.tune.model_dump(exclude={"trials", "minutes", *DECIDE_NOTHING}),
        "threads": params.tune.threads or usable_processors(),
        "films or split": {**versions, **linked},
        "first weights": weights,
        "code or libraries": made_by(TRIAL_CODE, TRIAL_LIBRARIES),
    }


class Trials:
    """The nested runs of a search: one for each trial, written when it has finished.

    In a continued parent a run that an interrupted call finished stays as it is, and one that it began is completed.
    """

    def __init__(self, store: Store, parent: Run, count: int, tags: dict[str, str], report: Callable[..., None]) -> None:
        self.store, self.parent, self.count, self.tags, self.report = store, parent, count, tags, report
        below = store.find({"mlflow.parentRunId": parent.id})
        self.begun = {run.info.run_name.partition(",")[0] for run in below}
        self.finished = {run.info.run_name for run in below if run.info.status == "FINISHED"}

    def watch(self) -> Watch:
        return Watch(self.ended, tell_owner, lambda other: say(f"a new study: that before was of other {other}"))

    def ended(self, number: int, values: Values, outcome: Outcome) -> None:
        name = f"trial-{number:03d}"
        shown = {key: value for key, value in outcome.metrics.items() if key.startswith("val/")}
        if name not in self.finished:
            tags = {**self.tags, "role": "trial", "mlflow.note.content": "", "state": outcome.state}
            with self.store.start(name, tags, self.parent.id, name if name in self.begun else "") as run:
                run.log_params(values)
                run.log_history(epoch_metrics(pd.DataFrame(outcome.history).drop(columns="select")))
                run.log_metrics({f"best/{key}": value for key, value in shown.items()})
        told = "  ".join(f"{key} {value:.4f}" for key, value in shown.items())
        self.report(number + 1, f"trial {number + 1}/{self.count}  {outcome.state.lower()}  {told}")


def tell_owner(owner: Owner) -> None:
    say(f"{owner} searches the same study; its trials are taken over when it ends (Ctrl-C to stop waiting)")


def empty_tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of a search without trials."""
    return pd.DataFrame(columns=["number", "state", "value"]), pd.DataFrame(columns=["trial", "step"])


def write_found(folder: Path, found: Found, params: Params, arm: str) -> None:
    """best.yaml, trials.csv, trial_history.csv and settings.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "best.yaml").write_text(yaml.safe_dump(found.best))
    write_table(folder / "trials.csv", found.trials)
    write_table(folder / "trial_history.csv", epoch_metrics(found.history).assign(trial=found.history["trial"]))
    write_json(folder / "settings.json", {"arm": arm, "params": flatten(decided_by(params.tune), "tune")})
