"""train: one arm with its final values; the run opens first and receives every epoch during training.

With `train.repeats` above 1 the arm is trained once per seed, as nested runs, and its model is the repeat of median log loss.
A given model is loaded instead, and calibrated if its arm says so.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split, read_grey_bits
from hilum.evaluation.scoring.calibration import tell_calibration
from hilum.evaluation.scoring.epochs import score_epoch, tell_epoch, watch_epochs
from hilum.evaluation.scoring.metrics import score
from hilum.finishing.every_folder import write_calibration, write_no_epochs
from hilum.finishing.model import adjust_given, describe_model, finish_model
from hilum.finishing.training_folder import REPEAT_LOSS, serve_median, tell_balance, write_means, write_training
from hilum.models.classifier import save_classifier
from hilum.models.forward import predictor
from hilum.progress import bar, say, steps, tell_time_left
from hilum.records import GIVEN
from hilum.results import (
    REPEATS,
    base_tags,
    digest,
    epoch_metrics,
    file_sha256,
    folder_digest,
    read_json,
    read_table,
    run_key,
    write_json,
)
from hilum.runs import code_tags, log_history, log_training
from hilum.settings.params import Params, find_arm, read_params
from hilum.settings.training import GivenArm
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.tracking.repeat_runs import log_repeat, repeat_tags
from hilum.tracking.store import Store
from hilum.tracking.tensorboard import name_curves, with_curves
from hilum.training.given import load_given
from hilum.training.kept_repeats import KeptRepeats, keep_repeats
from hilum.training.kept_trainings import keep_trainings
from hilum.training.learning.arms import Task, count_steps, train_arm
from hilum.training.learning.fit import Fitted, begin_training, find_kept
from hilum.training.learning.kept_state import KeptState
from hilum.training.plan import Plan, decides, make_plan, title
from hilum.training.task import given_params, load_task, origins, weights_digest
from hilum.training.workers.executors import EXECUTORS
from hilum.workspace import Workspace, find_workspace


@dataclass(frozen=True)
class _Trained:
    """A model after its training. task: what it was trained on, with its seed."""

    model: Any
    fitted: Fitted
    task: Task


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    if isinstance(given := find_arm(params, arm), GivenArm):
        take_given(arm, given, params, workspace)
        return
    plan = make_plan(arm)
    store = open_store(plan.workspace, plan.params.tracking)
    begin_training(plan.seeds[0], plan.threads)  # states of interrupted trainings are kept by the threads
    kept = keep_repeats(plan.workspace.cache, arm, decides(plan)) if plan.params.train.repeats > 1 else None
    with keep_trainings(plan.workspace.cache, "train") as trainings:
        waited = bool(kept and trainings.hold(arm, kept.folder.name, kept.forget))  # then the finished run is the other one's
        before = None if kept else trainings.keep(arm, decides(plan))
        made_of = kept.folder.name if kept else before and before.key
        key = digest([made_of, folder_digest(plan.workspace.arm(arm, "tuning"))])
        with store.start(arm, {**plan.tags, **code_tags(plan.workspace)}, key=key, finished=not waited) as opened:
            opened.log_params(plan.logged)
            if kept:
                train_repeats(plan, kept, store, opened, key)
                log_history(opened, plan.workspace, arm)
            else:
                trained = train_model(plan, 1, opened, before)
                shutil.rmtree(plan.folder, ignore_errors=True)
                plan.folder.mkdir(parents=True)
                write_model(plan.folder, plan, 1, trained)
            log_training(store, opened, plan.workspace, arm, plan.params.tracking.model)


def train_repeats(plan: Plan, kept: KeptRepeats, store: Store, parent: Run, key: str) -> None:
    """Train the arm with each of its seeds as a nested run, and serve the repeat of median log loss on validation.

    Finished repeats of an earlier training are taken as they are. key: of the run, under which those below are continued.
    """
    count, begun, made = len(plan.seeds), time.monotonic(), 0
    earlier = {number for number in range(1, count + 1) if kept.find(number)}
    for number in repeats_by_workers(plan, kept, earlier) if plan.params.workers.executor != "serial" else range(1, count + 1):
        seed = plan.seeds[number - 1]
        tags = {**repeat_tags(plan.tags, number, seed), **code_tags(plan.workspace)}
        with store.start(f"repeat-{number}", tags, parent.id, key) as run:
            place = kept.folder / str(number)
            if kept.find(number) or not keep_repeat(plan, kept, number, run):
                if number in earlier:
                    say(f"{title(plan, number)}: taken from an earlier training")
                    run.tag({"continued": "from an earlier training"})
                log_epochs(plan, number, run, read_table(place / "history.csv"))
            if number not in earlier:
                made += 1
                told = tell_time_left(time.monotonic() - begun, made, count - len(earlier))
                say(f"{title(plan, number)}: {told}")
            log_repeat(run, place)
    shutil.rmtree(plan.folder, ignore_errors=True)
    for number in range(1, count + 1):
        shutil.copytree(kept.folder / str(number), plan.folder / REPEATS / str(number))
    say(f"{plan.arm}: {serve_median(plan.folder, plan.seeds)}")


def repeats_by_workers(plan: Plan, kept: KeptRepeats, earlier: Collection[int]) -> Iterator[int]:
    """The numbers of all repeats, the finished ones first, then those that workers train, as they finish them."""
    yield from sorted(earlier)
    workers = plan.params.workers
    missing = {number: number for number in range(1, len(plan.seeds) + 1) if number not in earlier}
    say(f"{plan.arm}: {len(missing)} repeats by up to {workers.count} workers ({workers.executor})")
    with EXECUTORS[workers.executor](prepare_repeats, (plan, kept), workers.count, plan.params.tune.dask) as run_jobs:
        for number, _ in run_jobs(missing):
            yield number


def prepare_repeats(shared: tuple[Plan, KeptRepeats]) -> Callable[[int], bool]:
    """What trains one repeat in a worker, and keeps it."""
    plan, kept = shared
    begin_training(plan.seeds[0], plan.threads)
    return lambda number: keep_repeat(plan, kept, number, None)


def keep_repeat(plan: Plan, kept: KeptRepeats, number: int, run: Run | None) -> bool:
    """Train a repeat, or continue an interrupted training of it, and keep its files. run: where each epoch is logged.

    False where it was waited for: a worker whose stage had ended has kept it.
    """
    seed = plan.seeds[number - 1]
    with keep_trainings(plan.workspace.cache, f"train/{plan.arm}", of_parts=True) as trainings:
        before = trainings.keep(f"repeat-{number}", {**decides(plan), "seed": seed})
        if kept.find(number):
            return False
        say(f"{title(plan, number)}: trained with seed {seed}")
        trained = train_model(plan, number, run, before)
        with kept.write(number) as place:
            write_model(place, plan, number, trained)
    return True


def log_epochs(plan: Plan, number: int, run: Run, history: pd.DataFrame) -> None:
    """Write the epochs of a finished repeat into its run, and into its curves for TensorBoard."""
    run.log_history(epoch_metrics(history))
    curves = folder_of_curves(plan, number, run) if plan.params.tracking.tensorboard else None
    with with_curves(lambda *_: None, curves, history):
        pass


def train_model(plan: Plan, number: int, run: Run | None, before: KeptState | None) -> _Trained:
    """Train the arm with the seed of a repeat, counted from 1; each epoch goes into the run. Nothing but its state is written.

    run: None in a worker, whose epochs are logged when the repeat has ended. before: where an interrupted training is continued
    from.
    """
    seed, select = plan.seeds[number - 1], plan.params.train.select
    begin_training(seed)
    task = replace(load_task(plan.params, plan.settled, plan.workspace, plan.versions), seed=seed)

    counts = count_steps(plan.settled.phases)
    on_film = bar(f"{title(plan, number)}: activations")
    if before and run:
        run.log_history(epoch_metrics(before.history))
    curves = folder_of_curves(plan, number, run) if plan.params.tracking.tensorboard and run else None
    with (
        steps(title(plan, number), sum(counts)) as report,
        with_curves(run.log_metrics if run else lambda *_: None, curves, before.history if before else None) as log,
    ):
        on_epoch = watch_epochs(log, report, counts, select)
        model, fitted = train_arm(plan.settled, task, len(counts), score_epoch(select), on_epoch, on_film, before)
    return _Trained(model, fitted, task)


def folder_of_curves(plan: Plan, number: int, run: Run) -> Path:
    """Where TensorBoard finds the curves of this training: `<arm>/<run>`, or `<arm>/repeat-2/<run>`."""
    arm = plan.workspace.curves / plan.arm
    return (arm if len(plan.seeds) == 1 else arm / f"repeat-{number}") / name_curves(run.id)


def write_model(folder: Path, plan: Plan, number: int, trained: _Trained) -> None:
    """Calibrate a trained model and write it with all that is known about it. number: of the repeat, counted from 1."""
    model, fitted, task = trained.model, trained.fitted, trained.task
    classes, select = plan.versions["classes"], plan.params.train.select
    kept = find_kept(fitted, select)
    calibration, prior = finish_model(model, fitted, task, plan.workspace)
    save_classifier(model, folder / "model.keras")
    own: dict[str, Any] = {
        "arm": plan.arm,
        "backbone": plan.logged["backbone"],
        "grey_bits": read_grey_bits(plan.workspace.prepared),
    }
    if len(plan.seeds) > 1:
        own["repeat"] = {"number": number, "of": len(plan.seeds), "seed": task.seed}
    described = {**own, **describe_model(model, task, plan.versions, prior)}
    write_json(folder / "model.json", described)
    settings = {
        "arm": plan.arm,
        "params": plan.logged,
        "origins": origins(plan.logged, plan.wanted),
        "model": described,
        "model_sha256": described["model_sha256"],
        "tags": plan.tags,
        "trained": fitted.trained,
        "cuts": fitted.cuts,
        "best_step": fitted.best_step,
    }
    write_json(folder / "settings.json", {**settings, "run_key": run_key(settings)})
    write_training(folder, fitted, task.train, classes)
    write_calibration(folder, calibration, classes)
    if len(plan.seeds) > 1:
        loss = score("log_loss", task.val.labels, predictor(model)(as_images(task.val.films)))
        write_json(folder / "metrics.json", {**read_json(folder / "metrics.json"), REPEAT_LOSS: loss})
    told = title(plan, number)
    say(f"{told}: {tell_balance(fitted, task.train.labels, classes)}")
    say(f"{told}: kept {tell_epoch(kept)}, val/{select} {kept[f'val/{select}']:.4f}")
    say(f"{told}: {tell_calibration(calibration)}")


def take_given(arm: str, given: GivenArm, params: Params, workspace: Workspace) -> None:
    """Load a given model instead of training one, and write the folder of a training, with a history without epochs."""
    versions, sha256 = read_json(workspace.split / "versions.json"), weights_digest(params, arm, workspace)
    begin_training(params.train.seed)
    store, folder = open_store(workspace, params.tracking), workspace.arm(arm, "training")
    tags = {**base_tags("arm", versions), "arm": arm, "backbone": GIVEN}
    logged = given_params(params, given, sha256)
    with store.start(arm, {**tags, **code_tags(workspace)}) as opened:
        opened.log_params(logged)
        with examined_copy(workspace.at_home(given.model), sha256) as file:
            model = load_given(file, given, versions["classes"], versions["size"])
        train, val = (load_split(workspace.prepared, workspace.split, part, versions["classes"]) for part in ("train", "val"))
        rule = given.threshold if isinstance(given.threshold, str) else "half"
        settings = params.train.model_copy(update={"calibration": given.calibration or "none", "threshold_rule": rule})
        task = Task(train.examples, val.examples, versions["classes"], None, settings, settings.seed, None)
        calibration, adjusted = adjust_given(arm, model, task, workspace, versions)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_classifier(model, folder / "model.keras")
        own = {"arm": arm, "backbone": GIVEN, "grey_bits": read_grey_bits(workspace.prepared)}
        described = {**own, **adjusted, "given": {"file": PurePath(given.model).name, "sha256": sha256}}
        if isinstance(given.threshold, float):
            described |= {"threshold": given.threshold, "threshold_rule": "given"}
        write_json(folder / "model.json", described)
        told: dict[str, Any] = {"arm": arm, "params": logged, "origins": origins(logged, given), "model": described, "tags": tags}
        told |= {"model_sha256": described["model_sha256"], "trained": [], "cuts": [], "best_step": None}
        write_json(folder / "settings.json", {**told, "run_key": run_key(told)})
        write_no_epochs(folder)
        write_means(folder, train.examples, versions["classes"])
        write_json(folder / "metrics.json", {})
        write_calibration(folder, calibration, versions["classes"])
        log_training(store, opened, workspace, arm, params.tracking.model)
    fitted = tell_calibration(calibration) if given.calibration else "not calibrated: its arm asks for none"
    say(f"{arm}: the given model {logged['model']}, {fitted}; it is not known which films it was trained on")


@contextmanager
def examined_copy(path: Path, sha256: str) -> Iterator[Path]:
    """A copy of a given model's file, if it has the bytes that `check` examined. Raises ValueError otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.keras"
        if path.is_file():
            shutil.copyfile(path, copy)
        if not copy.is_file() or file_sha256(copy) != sha256:
            raise ValueError(
                f"a given model must be the file that `hilum check` examined (sha256 {sha256[:16]}), but {path} has "
                "changed since or is gone; run `dvc repro`, which examines it again"
            )
        yield copy
