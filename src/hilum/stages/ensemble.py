"""ensemble: several arms, or the repeats of one, as one model in the folder of a training; calibrated and decided as one."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import SplitFilms, load_split
from hilum.ensembles.graph import NAME, join_members, read_logits
from hilum.ensembles.members import (
    Member,
    describe_members,
    film_params,
    find_members,
    first_weights,
    given_files,
    join_priors,
)
from hilum.evaluation.scoring.calibration import Calibration, calibrate, tell_calibration
from hilum.evaluation.scoring.decisions import describe_decision
from hilum.evaluation.scoring.metrics import score
from hilum.finishing.every_folder import write_calibration, write_no_epochs
from hilum.models.classifier import load_classifier, model_sha256, save_classifier
from hilum.models.forward import predictor
from hilum.progress import say
from hilum.results import base_tags, flatten, read_json, run_key, write_json, write_table
from hilum.runs import log_joined
from hilum.settings.params import Params, find_ensemble, read_params
from hilum.settings.training import Train
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace, find_workspace

OF_FILMS = ("classes", "data_version", "split_version", "size", "square", "burned_in", "burned_in_reader", "grey_bits", "scaling")


@dataclass(frozen=True)
class Joined:
    """An ensemble before it is written. prior: class -> share that its probabilities assume, None where it is not known."""

    model: Any
    members: Sequence[Member]
    val: SplitFilms
    calibration: Calibration
    prior: dict[str, float] | None


def run(arm: str) -> None:
    """Write the folder of the ensemble's training at once, then log it: an interruption before leaves what was there."""
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    ensemble = find_ensemble(params, arm)
    members = find_members(ensemble, workspace)
    joined = join(members, params.train, workspace)
    with filled_folder(workspace.arm(arm, "training"), workspace.cache) as folder:
        described = describe(arm, joined, params.train)
        save_classifier(joined.model, folder / "model.keras")
        write_json(folder / "model.json", described)
        write_settings(folder, arm, described, joined, params, read_json(workspace.split / "versions.json"))
        write_tables(folder, joined)
    log_joined(open_store(workspace, params.tracking), workspace, arm, params.tracking.model)
    say(f"{arm}: the mean of {tell_names(members)}, {tell_calibration(joined.calibration)}")


def join(members: Sequence[Member], settings: Train, workspace: Workspace) -> Joined:
    """One model of the members, calibrated by `train.calibration` on the validation films.

    Raises:
        ValueError: a setting needs the prior, which is not known of a member.
    """
    classes = list(members[0].described["classes"])
    models = {member.name: load_classifier(member.folder / "model.keras") for member in members}
    model = join_members(models)
    val = load_split(workspace.prepared, workspace.split, "val", classes)
    prior = join_priors(members)
    if prior is None and settings.decision == "balanced":
        raise ValueError(
            "train.decision balanced must know the prior of an ensemble, which is not known of a given model among its members; "
            "write `calibration: temperature_and_biases` into that arm"
        )
    shares = np.bincount(val.labels, minlength=len(classes)) / len(val.labels)  # (K,)
    assumed = shares if prior is None else np.array([prior[name] for name in classes])
    logits, patients = read_logits(model, as_images(val.examples.films)), val.table["patient_id"].to_numpy(str)
    calibration = calibrate(settings.calibration, logits, val.labels, patients, assumed, settings.seed)
    if calibration.scaling.fitted:
        model = join_members(models, calibration.scaling.temperature, calibration.scaling.biases.tolist())
    return Joined(model, members, val, calibration, prior)


def describe(arm: str, joined: Joined, settings: Train) -> dict[str, Any]:
    """What is needed to use the model, for model.json."""
    first = joined.members[0].described
    shares = joined.prior or dict.fromkeys(first["classes"], float("nan"))
    given = given_files(joined.members)
    answers = predictor(joined.model)(as_images(joined.val.examples.films))
    return {
        **{key: first[key] for key in OF_FILMS if key in first},
        "arm": arm,
        "backbone": NAME,
        "ensemble": {"members": describe_members(joined.members), "mean": "of the members' logits"},
        **({"given": given} if given else {}),
        "model_sha256": model_sha256(joined.model),
        "prevalence": first["prevalence"],
        **describe_decision(settings, shares, joined.val.labels, answers),
        "prior": joined.prior,
    }


def write_settings(
    folder: Path, arm: str, described: dict[str, Any], joined: Joined, params: Params, versions: dict[str, Any]
) -> None:
    """settings.json, as that of a training: parameters, tags with the digest of each member, and the run's key."""
    used = {"seed", "calibration", "decision", "costs", "threshold_rule", "prevalence"}
    logged = {
        "backbone": NAME,
        "members": tell_names(joined.members),
        "weights": first_weights(joined.members),
        **film_params(joined.members),
        **flatten(params.train.model_dump(include=used), "train"),
    }
    digests = {f"member.{member.name}": member.described["model_sha256"] for member in joined.members}
    tags = {**base_tags("arm", versions), "arm": arm, "backbone": NAME, **digests}
    told: dict[str, Any] = {"arm": arm, "params": logged, "origins": dict.fromkeys(logged, "params"), "model": described}
    told |= {"model_sha256": described["model_sha256"], "tags": tags, "trained": [], "cuts": [], "best_step": None}
    write_json(folder / "settings.json", {**told, "run_key": run_key(told)})


def write_tables(folder: Path, joined: Joined) -> None:
    """members.csv, a history without epochs, the calibration, and the mean films of the first member, which are those of all."""
    films, classes = as_images(joined.val.examples.films), list(joined.members[0].described["classes"])
    rows = []
    for member in joined.members:
        found = predictor(load_classifier(member.folder / "model.keras"))(films)
        known = {key: member.described[key] for key in ("backbone", "model_sha256")}
        rows.append({"member": member.name, **known, "val/log_loss": score("log_loss", joined.val.labels, found)})
    write_table(folder / "members.csv", pd.DataFrame(rows))
    write_no_epochs(folder)
    shutil.copyfile(joined.members[0].folder / "mean_films.npz", folder / "mean_films.npz")
    write_json(folder / "metrics.json", {})
    write_calibration(folder, joined.calibration, classes)


def tell_names(members: Sequence[Member]) -> str:
    """`baseline, finetuned`"""
    return ", ".join(member.name for member in members)


@contextmanager
def filled_folder(folder: Path, cache: Path) -> Iterator[Path]:
    """A folder below `.hilum` to write into, which becomes `folder` when everything is written."""
    room = cache / "ensembles"
    room.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=room) as temporary:
        written = Path(temporary) / folder.name
        written.mkdir()
        yield written
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(written, folder)  # a rename, unless `.hilum` is on another disk
