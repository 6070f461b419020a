"""The task of `method_ranking.py`: the embedded data set, models trained on it, and models trained on permuted labels.

Everything is made by the project's own stages and functions in a separate folder, and existing results are reused.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.annotations import FilmAnnotations, load_annotations
from hilum.data.prepared.examples import Examples, as_images
from hilum.data.prepared.loading import SplitFilms, load_split
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.evaluation.scoring.metrics import score
from hilum.models.classifier import load_classifier, save_classifier
from hilum.models.forward import predictor
from hilum.progress import say
from hilum.records import Images, Predictions
from hilum.settings.meaning import name_network, settle, spaces, trained_arm
from hilum.settings.params import Params, read_params
from hilum.settings.training import Arm, Head
from hilum.stages.acquire import run as acquire
from hilum.stages.check import run as check
from hilum.stages.prepare import run as prepare
from hilum.stages.pretrain import load_rows, pretrain_backbone
from hilum.stages.split import run as split
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import OnEpoch
from hilum.workspace import Workspace

ARM = "finetuned"
PRETRAIN_SEED = 1
PERMUTED_EPOCHS = 40  # enough to memorise the label of each film


@dataclass(frozen=True)
class Chosen:
    """The films to explain: diseased test films with a lesion mask, one per patient, that every model predicts correctly.

    images: (N, H, W, 1) float32 grey levels 0-255; table: columns image_id, patient_id, label; annotations: of the films.
    """

    images: Images
    table: pd.DataFrame
    targets: NDArray[np.int64]
    annotations: list[FilmAnnotations]


def make_films(project: Path, work: Path) -> tuple[Workspace, Params, list[str]]:
    """Draw, prepare and split the films by the project's `params.yaml`; the classes in their order."""
    workspace = Workspace(work, work)
    if not (workspace.split / "versions.json").is_file():
        work.mkdir(parents=True, exist_ok=True)
        for name in ("params.yaml", "dvc.yaml"):
            shutil.copyfile(project / name, work / name)
        before = Path.cwd()
        os.chdir(work)  # a stage finds its project from the current folder
        try:
            check()
            params = read_params(workspace.params)
            for source in (*params.prepare.sources, params.pretrain.source):
                acquire(source)
            prepare()
            split()
        finally:
            os.chdir(before)
    params = read_params(workspace.params)
    return workspace, params, list(params.prepare.labels)


def train_honestly(workspace: Workspace, params: Params, classes: list[str], seed: int) -> keras.Model:
    """The default fine-tuned arm at its start values, from the one pretrained backbone."""
    folder = workspace.root / "models" / f"seed{seed}"
    file = folder / "true_labels.keras"
    if not file.is_file():
        arm = start_values(params)
        weights = pretrain(workspace, params, arm)
        train, val = (load_split(workspace.prepared, workspace.split, name, classes).examples for name in ("train", "val"))
        task = Task(train, val, classes, weights, params.train, seed, workspace.cache / "features")
        model, _ = train_arm(arm, task, len(arm.phases), score_epoch(params.train.select), tell(f"seed {seed}"), quiet)
        folder.mkdir(parents=True, exist_ok=True)
        save_classifier(model, file)
    return load_classifier(file)


def train_on_permuted(workspace: Workspace, params: Params, classes: list[str], seed: int) -> keras.Model:
    """The same network from the same pretrained weights, the same blocks trained on permuted labels until memorised.

    Labels are permuted among the training films, so each class keeps its share. No film is augmented, nothing is regularised, and
    the epoch that fits the training films best is kept: the question is what maps show of a model that fits its films but has
    learnt nothing of the findings.
    Source: Adebayo et al. 2018, arXiv 1810.03292, section 4.
    """
    folder = workspace.root / "models" / f"seed{seed}"
    file = folder / "permuted_labels.keras"
    if not file.is_file():
        arm = start_values(params)
        weights = pretrain(workspace, params, arm)
        train = permuted(load_split(workspace.prepared, workspace.split, "train", classes), seed)
        longer = arm.phases[-1].model_copy(update={"epochs": PERMUTED_EPOCHS})
        plainly = Head(dropout=0.0, weight_decay=0.0)
        arm = arm.model_copy(update={"head": plainly, "phases": [longer]})
        plain = params.train.augment.model_copy(update={"views": 0})
        settings = params.train.model_copy(update={"augment": plain, "select": "balanced_accuracy", "patience": PERMUTED_EPOCHS})
        task = Task(train, train, classes, weights, settings, seed, workspace.cache / "features")
        model, _ = train_arm(arm, task, 1, score_epoch(settings.select), tell(f"seed {seed}, permuted labels"), quiet)
        folder.mkdir(parents=True, exist_ok=True)
        save_classifier(model, file)
    return load_classifier(file)


def permuted(films: SplitFilms, seed: int) -> Examples:
    """The films with permuted labels."""
    rows = films.examples
    return Examples(rows.films, np.random.default_rng(seed).permutation(rows.labels), rows.keys)


def start_values(params: Params) -> Arm:
    """The arm with each searched value at its start."""
    arm = trained_arm(params.arms, ARM)
    return settle(arm, {key: space.start for key, space in spaces(arm).items()})


def pretrain(workspace: Workspace, params: Params, arm: Arm) -> Path:
    """The arm's backbone's weights from the source data set, the same for every model here."""
    file = workspace.pretrained / f"{name_network(arm)}.weights.h5"
    if not file.is_file():
        seeded = params.model_copy(update={"pretrain": params.pretrain.model_copy(update={"seed": PRETRAIN_SEED})})
        train, val, classes, _ = load_rows(seeded, workspace)
        pretrain_backbone(arm, train, val, classes, seeded, workspace.pretrained, None)
    return file


def describe_fit(
    workspace: Workspace, classes: list[str], seed: int, honest: keras.Model, learnt: keras.Model
) -> dict[str, float]:
    """Performance of both models of a seed: on test films, and on the films and labels they were trained on."""
    train, test = (load_split(workspace.prepared, workspace.split, name, classes) for name in ("train", "test"))
    fits = {"true": (honest, train.examples.labels), "permuted": (learnt, permuted(train, seed).labels)}
    row: dict[str, float] = {"seed": seed}
    for name, (model, labels) in fits.items():
        predict = predictor(model)
        row[f"train_accuracy_{name}"] = score("accuracy", labels, predict(as_images(train.examples.films)))
        row[f"test_auroc_{name}"] = score("auroc_macro", test.examples.labels, predict(as_images(test.examples.films)))
    return row


def choose_films(workspace: Workspace, classes: list[str], models: list[keras.Model], films: int) -> Chosen:
    """Films of each diseased class in equal numbers, the first of each patient with a lesion mask that all predict correctly.

    Raises: ValueError if there are fewer than requested.
    """
    test = load_split(workspace.prepared, workspace.split, "test", classes)
    images, truth = as_images(test.examples.films), test.examples.labels
    right = np.all([predictor(model)(images).argmax(axis=1) == truth for model in models], axis=0)
    annotations = load_annotations(workspace.prepared, list(test.table["image_id"]))
    annotated = np.array(["lesion" in one.kinds for one in annotations])
    first = test.table.assign(row=np.arange(len(test.table)))[right & annotated].drop_duplicates("patient_id")
    diseased = [name for name in classes if (first["label"] == name).any()]
    each = films // len(diseased)
    few = first["label"].value_counts()
    if int(few.min()) < each:
        raise ValueError(f"--films must be at most {len(diseased) * int(few.min())} here, got {films}; ask for fewer films")
    rows = first.groupby("label", sort=False).head(each)["row"].to_numpy()
    # Classes alternate, so that the first few films, all that costly measures use, hold both equally.
    rows = np.concatenate([rows[truth[rows] == k][:, None] for k in np.unique(truth[rows])], axis=1).ravel()
    table = test.table.iloc[rows][["image_id", "patient_id", "label"]].reset_index(drop=True)
    return Chosen(images[rows], table, truth[rows], [annotations[row] for row in rows])


def predictions_on(model: keras.Model, chosen: Chosen, classes: list[str]) -> Predictions:
    """A model's predictions for the chosen films."""
    probabilities = predictor(model)(chosen.images)
    ids, patients = (chosen.table[name].to_numpy(str) for name in ("image_id", "patient_id"))
    return Predictions(ids, patients, chosen.targets, probabilities, probabilities.argmax(axis=1), tuple(classes))


def quiet(done: int, total: int) -> None:
    """No progress bar."""


def tell(who: str) -> OnEpoch:
    """Print a line every ten epochs."""

    def on_epoch(step: int, metrics: dict[str, float]) -> None:
        if step % 10 == 9:
            say(f"{who}: epoch {step + 1}, loss {metrics['train/loss']:.3f}, select {metrics['select']:.3f}")

    return on_epoch
