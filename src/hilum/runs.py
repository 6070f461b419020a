"""The run that a folder of results belongs to, and what is logged from it, for stages and for `publish`."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from hilum.commit import find_commit
from hilum.results import (
    REPEATS,
    epoch_metrics,
    file_sha256,
    folder_digest,
    has_predictions_of,
    read_json,
    read_table,
    run_key,
)
from hilum.settings.meaning import spaces
from hilum.settings.params import Params
from hilum.settings.tune import list_metrics
from hilum.tracking.kept_parts import keep_parts
from hilum.tracking.logged_metrics import logged
from hilum.tracking.open_run import Run
from hilum.tracking.repeat_runs import log_measured_repeats, log_repeats
from hilum.tracking.run_notes import MAPS, arm_note, comparison_note, headline, sanity_verdicts, search_note
from hilum.tracking.run_tags import read_tag
from hilum.tracking.stage_keys import digests_read, stage_key
from hilum.tracking.store import BROKEN_OFF, INPUTS, Store
from hilum.tracking.views import CONFUSION
from hilum.workspace import Workspace

MEASURED = ("evaluation", "explanations", "audit", "external")  # an arm's folders after its training, in the stages' order
NARROW = 880  # pixels, of a picture in a description
INTERRUPTIONS = ("KILLED", "FAILED")
LED = ("training", "crossvalidation", "comparison")  # folders whose settings are parameters of a run; those of others measure it


def code_tags(workspace: Workspace) -> dict[str, str]:
    """The commit of the running code, and whether files differ from it: for the run of a stage.

    They are in no file of results, which would otherwise differ from commit to commit; `publish`, which cannot know them, leaves
    them out.
    """
    commit = find_commit(workspace)
    return {"mlflow.source.git.commit": commit.id, "git_dirty": str(commit.changed).lower()} if commit.id else {}


def log_results(run: Run, folder: Path, name: str) -> None:
    """Log one results folder: files as artifacts, parameters, metrics and key pictures; its digest as a tag."""
    settings = read_json(folder / "settings.json")
    if name in LED:
        run.log_params(settings.get("params", {}))
    run.log_folder(folder, name)
    run.log_measured(measured_rows(folder, name, settings.get("params", {})))
    for key, picture in key_pictures(folder):
        run.log_image(np.asarray(Image.open(picture).convert("RGB")), key=key)
    sanity = {"sanity": told} if (told := sanity_verdicts(folder)) else {}
    run.tag({**settings.get("tags", {}), **sanity, f"digest.{name}": folder_digest(folder)})
    describe(run, folder, name)


def measured_rows(folder: Path, name: str, params: Mapping[str, Any]) -> pd.DataFrame:
    """The metrics of a results folder that MLflow gets, with the step of each.

    Those of the saved model on validation films are one step behind its last epoch, whose curves have the same names: what
    MLflow shows as the run's value is that of its last step.
    """
    file, history = folder / "metrics.json", folder.parent / "training" / "history.csv"
    if not file.is_file():
        return pd.DataFrame({"step": [0]})
    found = read_json(file)
    if name != "evaluation" or not history.is_file():
        return pd.DataFrame([{"step": 0.0, **logged(found, name, params.get("explain.methods", ()))}])
    epochs = read_table(history)
    curves: dict[str, float] = {str(key): found[key] for key in epochs if found.get(key) is not None}
    values = {**logged(found, name), **curves}
    last = {key: value for key, value in values.items() if key.startswith("val/")}
    rest = {key: value for key, value in values.items() if key not in last}
    behind = int(epochs["step"].max()) + 1 if len(epochs) else 0  # a given model has none
    return pd.DataFrame([{"step": 0, **rest}, {"step": behind, **last}])


def key_pictures(folder: Path) -> list[tuple[str, Path]]:
    """Pictures that `mlflow ui` shows beside those of other runs: (key, file)."""
    pictures = [(picture.stem, picture) for picture in sorted((folder / "keys").glob("*.png"))]
    matrix = folder / "test_confusion.png"
    return [*pictures, (CONFUSION, matrix)] if matrix.is_file() else pictures


def describe(run: Run, folder: Path, name: str) -> None:
    """The description of the run on its page, and of its registered version, with all that it holds by now."""
    tags = run.tags()
    if name in MEASURED:
        if name == "explanations":  # which the notes of later folders show too
            log_panel(run, folder.parent / "explanations")
        run.describe(arm_note(folder.parent, run.id, tags))
        if name == "evaluation":
            run.describe_version(f"{folder.parent.name}. {headline(folder)}.")
    elif name == "comparison":
        run.describe(comparison_note(folder, run.id, tags, run.experiment() or ""))


def log_panel(run: Run, explanations: Path) -> None:
    """The first panel for the run's description, at most NARROW pixels wide."""
    panels = sorted((explanations / "panels").glob("*.png"))
    if panels:
        with tempfile.TemporaryDirectory() as folder:
            picture = Image.open(panels[0]).convert("RGB")
            picture.thumbnail((NARROW, picture.height))
            picture.save(Path(folder) / PurePosixPath(MAPS).name)
            run.log_file(Path(folder) / PurePosixPath(MAPS).name, str(PurePosixPath(MAPS).parent))


def training_tags(settings: Mapping[str, Any]) -> dict[str, str]:
    """The tags of a run about its saved model."""
    sources = dict.fromkeys(key.split(".")[1] for key in settings["params"] if key.startswith("source."))
    data = " and ".join(sources) or "data"
    version = str(settings["model"].get("data_version", ""))[:8]
    digests = {"run_key": run_key(settings), "model_sha256": settings["model_sha256"]}
    return {**settings["tags"], "data": f"{data} {version}", **digests}


def log_training(store: Store, run: Run, workspace: Workspace, arm: str, model_name: str) -> None:
    """Log configuration, data, search and training of an arm's model, and the model itself; register it once."""
    settings = read_json(workspace.arm(arm, "training") / "settings.json")
    run.tag(training_tags(settings))
    run.log_dict(settings["params"], "config/params.json")
    run.log_dict(settings["origins"], "config/origins.json")
    for part in ("train", "val"):
        log_films(run, workspace, part)
    names = ("proof.json", "versions.json", "report.html", "findings.csv", "sources.csv", "confounding.csv", "contingency.csv")
    for name in names:
        run.log_file(workspace.split / name, "data")
    with store.contact.while_answered():
        known = store.model_of(model_name, run_key(settings))
        if known is None:
            register(run, workspace, arm, model_name, settings)
        elif known:
            run.use_model(known)
    if workspace.arm(arm, "tuning").is_dir():  # an ensemble has none
        log_results(run, workspace.arm(arm, "tuning"), "tuning")
    log_results(run, workspace.arm(arm, "training"), "training")


def log_joined(store: Store, workspace: Workspace, arm: str, model_name: str) -> None:
    """The run of an ensemble from the folder of its training, unless the store has one of this very folder.

    The folder is made again whenever any arm is trained anew, mostly byte for byte as it was: its run has the later folders.
    """
    folder = workspace.arm(arm, "training")
    settings = read_json(folder / "settings.json")
    held = {"role": "arm", "run_key": run_key(settings), "digest.training": folder_digest(folder)}
    for known in store.find(held):
        if known.info.status == "FINISHED" and store.keeps(known):
            store.link(known.info.run_id)
            return
    with store.start(arm, {**settings["tags"], **code_tags(workspace)}, key=run_key(settings)) as run:
        run.log_params(settings["params"])
        log_training(store, run, workspace, arm, model_name)


def log_films(run: Run, workspace: Workspace, part: str) -> None:
    """Log the films of one split as an input of the run, with the hash of the list."""
    file = workspace.split / f"{part}.csv"
    run.log_data(read_table(file)[["image_id", "patient_id", "label"]], f"films-{part}", part, file_sha256(file)[:12])


def register(run: Run, workspace: Workspace, arm: str, model_name: str, settings: Mapping[str, Any]) -> None:
    """Log the Keras model with the facts of model.json, and once more as one that takes the bytes of films; register both."""
    from hilum.models.classifier import load_classifier
    from hilum.models.forward import predictor

    model = load_classifier(workspace.arm(arm, "training") / "model.keras")
    means = workspace.arm(arm, "training") / "mean_films.npz"
    with np.load(means) as stored:
        example = stored["films"][:1].astype(np.float32)
    metadata = {**settings["model"], "run_key": run_key(settings), "arm": arm}
    version = run.log_model(model, example, predictor(model)(example), metadata, means, model_name)
    run.tag({"registered_version": version})
    run.log_film_model(workspace.arm(arm, "training") / "model.keras", settings["model"], metadata, model_name)


@contextmanager
def arm_run(
    store: Store, workspace: Workspace, arm: str, name: str, model_name: str, decides: Mapping[str, Any]
) -> Iterator[Run]:
    """The run that a further folder of an arm belongs to: the newest of this training, unless it already holds this folder.

    Otherwise a new run is opened, with what led to the model and the folders of earlier stages that fit this training. The run
    opens before its stage writes, when the folder's content is unknown, so a stage joins the run of an earlier output only if
    all that decides both is equal; equal folders may be in two runs, and `publish`, which has the folders, adds no third. What
    was interrupted is continued in its run, and so is what had ended before DVC noted it.

    decides: settings of the stage and content of files that no earlier stage wrote; `stage_keys.READ` names the other files.
    """
    settings = read_json(workspace.arm(arm, "training") / "settings.json")
    store.close_left({"role": "arm", "arm": arm})
    before = measured_before(workspace, arm, name, settings)
    read = digests_read(workspace.root, name)
    folders = [workspace.arm(arm, "training") / REPEATS, *(workspace.arm(arm, one) for one in before)]
    key = stage_key([run_key(settings), name, dict(decides), read], folders)
    found = find_arm_run(store, settings, name, key)
    with keep_parts(workspace.cache / "parts", f"{name}/{arm}", key) as parts:
        if found is not None:
            store.link(found.info.run_id)
            with store.resume(found.info.run_id, name, key) as run:
                yield replace(run, keep=parts.keep)
            return
        with store.start(arm, settings["tags"], key=key, finished=False) as run:
            log_history(run, workspace, arm)
            log_training(store, run, workspace, arm, model_name)
            log_repeats(store, run, workspace, arm)
            log_measured(store, run, workspace, arm, before)
            yield replace(run, keep=parts.keep)


def measured_before(workspace: Workspace, arm: str, name: str, training: Mapping[str, Any]) -> list[str]:
    """The folders of the stages before `name` that were made from this model."""
    return [one for one in MEASURED[: MEASURED.index(name)] if fits(workspace.arm(arm, one), training)]


def log_measured(store: Store, run: Run, workspace: Workspace, arm: str, folders: Iterable[str]) -> None:
    """Log folders of MEASURED, the evaluation with the test films and with the metrics of nested repeats."""
    for name in folders:
        if name == "evaluation":
            log_films(run, workspace, "test")
            log_measured_repeats(store, run, workspace.arm(arm, name))
        log_results(run, workspace.arm(arm, name), name)


def find_arm_run(store: Store, settings: Mapping[str, Any], name: str, key: str = "") -> Any:
    """The newest finished run with the key of this training, if its artifacts are here and lack this folder; else None.

    A run that has this folder, or an interrupted upload of it, is taken only if that had this key: else it may be of other
    settings.
    """
    runs = [run for run in store.find({"run_key": run_key(settings)}) if run.info.status not in INTERRUPTIONS]
    if not runs or not store.keeps(runs[0]):
        return None
    tags = runs[0].data.tags
    has = {f"digest.{name}", f"{BROKEN_OFF}{name}"} & {*tags}
    return runs[0] if not has or (key and read_tag(tags, INPUTS) == key) else None


def fits(folder: Path, training: Mapping[str, Any]) -> bool:
    """Whether a folder of MEASURED was made from this training, threshold and settings included, by its stored key.

    training: settings of the folder `training`. Earlier versions stored no key: a folder without one does not
    belong to a training that has one, which is newer. If neither has one, arm and weights decide, and the threshold of the
    predictions in the evaluation next to the folder.
    """
    file = folder / "settings.json"
    if not file.is_file():
        return False
    told = read_json(file)
    if "run_key" in told:
        return bool(told["run_key"] == run_key(training))
    if "run_key" in training or told["model_sha256"] != training["model_sha256"] or told.get("arm") != training["arm"]:
        return False
    return has_predictions_of(folder.parent / "evaluation" / "predictions.csv", training["model"])


def log_history(run: Run, workspace: Workspace, arm: str) -> None:
    """Per-epoch metrics from the file, for a run that did not see the training."""
    run.log_history(epoch_metrics(read_table(workspace.arm(arm, "training") / "history.csv")))


def log_search(parent: Run, folder: Path, params: Params, arm: str) -> None:
    """Log the parent run of a search from its folder."""
    searched = spaces(params.arms[arm])
    parent.log_params({f"space.{key}": space.model_dump(exclude_defaults=True) for key, space in searched.items()})
    told = read_json(folder / "settings.json")["params"]  # of the search: params.yaml may have another metric now
    parent.log_params(told)
    parent.log_folder(folder, "tuning")
    best = yaml.safe_load((folder / "best.yaml").read_text())
    parent.log_params({f"best.{key}": value for key, value in best.items()})
    complete = read_table(folder / "trials.csv").query("state == 'COMPLETE'")
    # Tables of earlier versions do not mark the best trial; their higher value was always better.
    best = complete["best"] if "best" in complete else complete["value"] == complete["value"].max()
    metrics = list_metrics(told["tune.metric"])
    parent.log_metrics({f"val/{name}": complete.loc[best.astype(bool), f"val/{name}"].iloc[0] for name in metrics})
    parent.tag({"digest.tuning": folder_digest(folder)})
    parent.describe(search_note(folder, parent.tags()))


def fold_metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of one fold's run, from its row of folds.csv."""
    return {f"out_of_fold/{key}": float(value) for key, value in row.items() if key != "fold"}
