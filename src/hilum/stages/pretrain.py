"""pretrain: train weights for each backbone that an arm wants `pretrained`, on films and findings of another source."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import Prepared, tell_decoded
from hilum.data.prepared.examples import Examples
from hilum.data.prepared.loading import load_films, read_manifest
from hilum.data.quality.alike.leaks import FilmSet, find_leaks
from hilum.data.quality.still_burned_in import stop_where_left
from hilum.data.readers.raw_films import read_source
from hilum.data.readers.registry import READERS
from hilum.data.splits import split_by_patient
from hilum.evaluation.scoring.epochs import epoch_line, score_epoch, tell_epoch
from hilum.models.initial_weights import save_backbone
from hilum.progress import bar, say, steps
from hilum.records import JOINT
from hilum.results import read_json, write_json, write_table
from hilum.settings.meaning import backbone_options, name_network
from hilum.settings.params import Params, read_params
from hilum.settings.training import Arm, Head, Optimizer, Phase, Schedule, Train
from hilum.training.kept_trainings import KeptTrainings, keep_trainings
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import begin_training
from hilum.training.task import find_network
from hilum.workspace import Workspace, find_workspace


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    folder = workspace.pretrained
    shutil.rmtree(folder, ignore_errors=True)
    backbones = read_json(workspace.facts)["pretrain"]  # `check` wrote the backbones that the arms ask for
    if not backbones:
        write_json(folder / "summary.json", {})
        say("no arm wants pretrained weights: nothing to do")
        return
    begin_training(params.pretrain.seed, params.pretrain.threads)
    train, val, classes, left_out = load_rows(params, workspace)
    write_table(folder / "left_out.csv", left_out)
    summary = {}
    with keep_trainings(workspace.cache, "pretrain") as trainings:
        for name in backbones:
            summary[name] = pretrain_backbone(find_network(params, name), train, val, classes, params, folder, trainings)
        write_json(folder / "summary.json", summary)


def load_rows(params: Params, workspace: Workspace) -> tuple[Examples, Examples, list[str], pd.DataFrame]:
    """The source's films, split by patient; a class for each of its findings; and the films left out because the task has them.

    Films of several findings or none are left out, and so are those that are in any part of the task: weights trained on a test
    film would inflate its result.
    """
    name = params.pretrain.source
    root, table = read_source(name, params, workspace)
    single = (table["finding"] != "") & ~table["finding"].str.contains(JOINT, regex=False)
    if not single.all():
        say(f"{name}: {(~single).sum()} films of several findings or none are not pretrained on")
    treatment = Treatment(params.prepare.burned_in, params.prepare.burned_in_reader, params.prepare.burned_in_left)
    prepared = build_manifest(
        {name: (root, table[single])},
        size=params.pretrain.size,
        square=params.prepare.square,
        labels={finding: [finding] for finding in sorted(set(table["finding"][single]))},
        unmatched="stop",
        broken_share=params.prepare.broken_share,
        treatment=treatment,
        workers=2,
        on_film=bar(f"{name}: films prepared"),
        cache=workspace.decoded_films,
        on_deep=bar(f"{name}: films of 16 bits measured"),
    )
    say(tell_decoded(prepared))
    stop_where_left(prepared.still_burned_in, treatment)
    left_out = find_task_films(prepared, params, workspace)
    kept = np.flatnonzero(~prepared.manifest["image_id"].isin(left_out["image_id"]))
    manifest = prepared.manifest.iloc[kept].reset_index(drop=True)
    classes = sorted(set(manifest["label"]))
    if len(classes) < 2:
        raise ValueError(
            f"pretrain.source must hold films of two findings or more that the task does not show, got {len(classes)} after "
            f"{len(left_out)} of {len(prepared.manifest)} films were left out; name another source"
        )
    splits = split_by_patient(manifest, params.pretrain.validation, 0.01, params.pretrain.seed, prepared.linked_patients)
    # By name: films of patients on both sides of an official split are in no part. They are used for training, not validation.
    validates = (manifest["image_id"].map(splits.table.set_index("image_id")["split"]) == "val").to_numpy()
    rows = Examples(
        prepared.films[kept],
        manifest["label"].map({label: k for k, label in enumerate(classes)}).to_numpy(np.int64),
        tuple(manifest["pixel_sha256"]),
    )
    return rows.take(np.flatnonzero(~validates)), rows.take(np.flatnonzero(validates)), classes, left_out


def find_task_films(prepared: Prepared, params: Params, workspace: Workspace) -> pd.DataFrame:
    """The films of the source that the task has as well, and those of their patients; reported, and listed in left_out.csv."""
    reader = params.acquire.sources[params.pretrain.source].reader
    alike = [name for name in params.prepare.sources if params.acquire.sources[name].reader == reader]
    same = alike if READERS[reader].published else []
    left_out = find_leaks(
        FilmSet(prepared.films, prepared.manifest),
        FilmSet(load_films(workspace.prepared), read_manifest(workspace.prepared / "manifest.csv")),
        params.prepare.square,
        params.prepare.near_duplicates == "group",
        same,
        workers=os.cpu_count() or 1,
    )
    if len(left_out):
        first = left_out.iloc[0]
        say(
            f"{params.pretrain.source}: {len(left_out)} films stay out, because the task has them or their patients, "
            f"such as {first['image_id']}: {first['detail']} (data/pretrained/left_out.csv)"
        )
    return left_out


def pretrain_backbone(
    wanted: Arm, train: Examples, val: Examples, classes: list[str], params: Params, folder: Path, kept: KeptTrainings | None
) -> dict[str, object]:
    """Train all of an arm's backbone from random weights and save it without its head; returns classes, films and best epoch.

    kept: where an interrupted training is continued from; None keeps nothing.
    """
    settings, backbone = params.pretrain, name_network(wanted)
    phase = Phase(
        unfreeze="all",
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        decay=settings.decay,
        batch_norm="train",
    )
    arm = Arm(
        backbone=wanted.backbone,
        options=wanted.options,
        weights="none",
        head=Head(dropout=0.1, weight_decay=1e-4),
        phases=[phase],
    )
    recipe = training_of(params)
    task = Task(train, val, classes, None, recipe, params.pretrain.seed, cache=None)

    films = [(rows.keys, rows.labels, rows.films.shape) for rows in (train, val)]
    decides = {"params": [arm.model_dump(), recipe.model_dump()], "films": [classes, films]}
    before = kept.keep(backbone, decides) if kept else None
    with steps(backbone, settings.epochs) as report:

        def on_epoch(step: int, metrics: dict[str, float]) -> None:
            report(step + 1, epoch_line(metrics, "auroc_macro"))

        model, fitted = train_arm(arm, task, 1, score_epoch("auroc_macro"), on_epoch, bar(f"{backbone}: films"), before)
    folder.mkdir(parents=True, exist_ok=True)
    save_backbone(model, folder / f"{backbone}.weights.h5", backbone_options(wanted))
    write_table(folder / f"{backbone}_history.csv", fitted.history)
    rows: Any = fitted.history.to_dict("records")
    best: dict[str, float] = next(row for row in rows if row["step"] == fitted.best_step)
    say(f"{backbone}: kept {tell_epoch(best)}, val/auroc_macro {best['val/auroc_macro']:.4f}")
    return {
        "classes": classes,
        "films": len(train.keys),
        "best_epoch": fitted.best_step,
        "val/auroc_macro": best["val/auroc_macro"],
    }


def training_of(params: Params) -> Train:
    """How a backbone is pretrained: Adam alone, all films alike, the settings of `pretrain`, and the augmentation of `train`."""
    settings = params.pretrain
    return Train(
        seed=settings.seed,
        repeats=1,
        batch_size=settings.batch_size,
        imbalance="none",
        select="auroc_macro",
        patience=settings.epochs,
        calibration="none",  # the head is not saved
        decision="probable",
        costs={},
        threshold_rule="half",
        balance=params.train.balance,  # not read by imbalance `none`
        prevalence={},
        augment=params.train.augment,
        optimizer=Optimizer(name="adam", momentum=0.9, nesterov=False, weight_decay=0.0, clip=0.0, layer_decay=1.0),
        schedule=Schedule(warmup=0.0, plateau_factor=0.5, plateau_patience=1),
        label_smoothing=0.0,
        mixup=0.0,
        averaging=0.0,
    )
