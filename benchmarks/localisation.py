"""Localisation of every method's maps on real films: in radiologists' pneumonia boxes (adults) and inside the lungs (children).

Run: python benchmarks/localisation.py [--pediatric FOLDER] [--nih FOLDER] [--weights FILE] [--films 20] [--seed 1]

The model: MobileNet 0.25 from ImageNet at 128 px, trained with the fine-tuned arm's phases to separate pneumonia from normal on
the pediatric films (reader `kermany`), of which a part by patient is left for the test. Explained, for pneumonia: test films of
children with pneumonia and a lung mask, against the lungs; and the films of ChestX-ray14 with a box of pneumonia (reader `nih`),
against their boxes of pneumonia. The model was trained on no adult, so the boxes measure it outside its training population.
A random map and a central bump are the references. Writes benchmarks/tables/localisation.csv. A missing folder
is reported, and its films are left out; without the pediatric films there is no model.
"""

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import keras
import numpy as np
import pandas as pd
from method_ranking import FEWER, MARKED, PROJECT, TABLES, cell, title
from ranking_task import ARM, quiet, tell

from hilum.data.annotations import FilmAnnotations, load_annotations
from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import Prepared, write_prepared
from hilum.data.prepared.examples import Examples, as_images
from hilum.data.readers.registry import READERS
from hilum.data.splits import split_by_patient
from hilum.evaluation.scoring.epochs import score_epoch
from hilum.evaluation.scoring.metrics import score
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.maps import background_films
from hilum.explain.measures.reference_maps import REFERENCES
from hilum.explain.measures.summary import summarise_measures
from hilum.explain.measures.tables import add_references, measure_maps, tune_levels
from hilum.explain.methods.registry import METHODS
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.records import Predictions
from hilum.settings.meaning import settle, spaces, trained_arm
from hilum.settings.params import Params, read_params
from hilum.training.learning.arms import Task, train_arm
from hilum.training.learning.fit import begin_training

SHARED = PROJECT.parent / "shared"
CLASSES = ["normal", "pneumonia"]
PNEUMONIA, SIZE, BACKBONE, RESAMPLES = 1, 128, "mobilenet_025", 1000
SHOWN = {  # column of the table -> its heading
    "hit_rate_box": "hit rate, box",
    "relevance_mass_box": "mass in the box",
    "average_precision_box": "average precision, box",
    "hit_rate_lungs": "hit rate, lungs",
    "relevance_mass_lungs": "mass inside the lungs",
}


def main() -> None:
    """Train, explain both sets of films, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pediatric", type=Path, default=SHARED / "data" / "pediatric-pneumonia")
    parser.add_argument("--nih", type=Path, default=SHARED / "data" / "nih-boxes")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights" / "mobilenet_2_5_224_tf_no_top.h5")
    parser.add_argument("--films", type=int, default=20, help="of each set, at most")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for needed in (asked.pediatric, asked.weights):
        if not needed.exists():
            raise SystemExit(f"films and weights must be there to train on, got {needed}, which does not exist; name another")
    params = read_params(PROJECT / "params.yaml")
    begin_training(asked.seed)
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_films(asked.pediatric, asked.nih, params, Path(folder))
        part = split_films(prepared, params, asked.seed)
        model = train(prepared, part, params, asked.weights, asked.seed, Path(folder))
        predict = predictor(model)
        tell_model(prepared, part, predict(as_images(prepared.films[part == "test"])))
        for kind, chosen in choose(prepared, part, predict(as_images(prepared.films)), asked.films).items():
            ids = prepared.manifest["image_id"].to_numpy(str)[chosen]
            annotations = [keep_pneumonia(one) for one in load_annotations(Path(folder), ids.tolist())]
            measured = explain_and_measure(model, prepared, part, chosen, annotations, params, asked.seed)
            of_kind = [name for name in measured.columns if name.endswith(f"_{kind}")]
            tables.append(measured[["image_id", "patient_id", "method", "target", *of_kind]])
    summaries = [summarise_measures(table, RESAMPLES, 0.95, asked.seed) for table in tables]
    TABLES.mkdir(exist_ok=True)
    summary = pd.concat(summaries, ignore_index=True)
    summary.round(4).to_csv(TABLES / "localisation.csv", index=False, lineterminator="\n")
    print(write_table(summary))


def prepare_films(pediatric: Path, nih: Path, params: Params, folder: Path) -> Prepared:
    """Both sets at one size, with their masks and boxes."""
    tables = {"pediatric": (pediatric, READERS["kermany"].read(pediatric))}
    if nih.is_dir():
        tables["nih"] = (nih, READERS["nih"].read(nih))
    else:
        say(f"no films with boxes: {nih} does not exist")
    prepared = build_manifest(
        tables,
        size=SIZE,
        square=params.prepare.square,
        labels={"normal": ["normal"], "pneumonia": ["pneumonia"]},
        unmatched="exclude",
        broken_share=params.prepare.broken_share,
        treatment=Treatment(params.prepare.burned_in, params.prepare.burned_in_reader, params.prepare.burned_in_left),
        workers=os.cpu_count() or 1,
        on_film=bar("films prepared"),
    )
    write_prepared(prepared, folder)
    return prepared


def split_films(prepared: Prepared, params: Params, seed: int) -> np.ndarray:
    """train, val or test of each pediatric film (N,), by patient; `nih` for the others."""
    table = prepared.manifest
    own = table[table["source"] == "pediatric"]
    splits = split_by_patient(own, params.split.validation, params.split.test, seed, prepared.linked_patients)
    return table[["image_id"]].merge(splits.table, on="image_id", how="left")["split"].fillna("nih").to_numpy(str)


def labels_of(prepared: Prepared) -> np.ndarray:
    return prepared.manifest["label"].map({name: k for k, name in enumerate(CLASSES)}).to_numpy(np.int64)


def train(prepared: Prepared, part: np.ndarray, params: Params, weights: Path, seed: int, folder: Path) -> keras.Model:
    """The fine-tuned arm at its start values."""
    rows = Examples(prepared.films, labels_of(prepared), tuple(prepared.manifest["pixel_sha256"]))
    shown, held_out = (rows.take(np.flatnonzero(part == name)) for name in ("train", "val"))
    arm = settle(trained_arm(params.arms, ARM), {key: space.start for key, space in spaces(params.arms[ARM]).items()})
    arm = arm.model_copy(update={"backbone": BACKBONE})
    task = Task(shown, held_out, CLASSES, weights, params.train, seed, folder / "features")
    return train_arm(arm, task, len(arm.phases), score_epoch(params.train.select), tell("training"), quiet)[0]


def tell_model(prepared: Prepared, part: np.ndarray, probabilities: np.ndarray) -> None:
    """The model's metrics on the children's test films."""
    truth = labels_of(prepared)[part == "test"]
    found = {name: score(name, truth, probabilities) for name in ("auroc_macro", "balanced_accuracy")}
    counts = {name: int((part == name).sum()) for name in np.unique(part)}
    print(f"films: {counts}; on the test films " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))


def choose(prepared: Prepared, part: np.ndarray, probabilities: np.ndarray, films: int) -> dict[str, np.ndarray]:
    """Kind of mark -> positions of the films to explain, one of each patient.

    lungs: test films with pneumonia and a lung mask that the model predicts correctly; box: all films with a box.
    """
    table = prepared.manifest
    said = probabilities.argmax(axis=1) == PNEUMONIA
    ill = labels_of(prepared) == PNEUMONIA
    wanted = {"lungs": (part == "test") & ill & said & (table["lung_mask"] != "").to_numpy(), "box": part == "nih"}
    found = {kind: table[mask].drop_duplicates("patient_id").index.to_numpy()[:films] for kind, mask in wanted.items()}
    for kind, rows in found.items():
        print(f"{kind}: {len(rows)} films, {int(said[rows].sum())} of them called pneumonia")
    return {kind: rows for kind, rows in found.items() if len(rows)}


def keep_pneumonia(annotations: FilmAnnotations) -> FilmAnnotations:
    """The marks of a film without the boxes of its other findings."""
    own = [i for i, finding in enumerate(annotations.findings) if finding == "Pneumonia"]
    return replace(annotations, boxes=annotations.boxes[own], findings=tuple(annotations.findings[i] for i in own))


def explain_and_measure(
    model: keras.Model,
    prepared: Prepared,
    part: np.ndarray,
    chosen: np.ndarray,
    annotations: list[FilmAnnotations],
    params: Params,
    seed: int,
) -> pd.DataFrame:
    """Every method's maps for pneumonia against every mark: one row per film and method."""
    trained = np.flatnonzero(part == "train")
    drawn = np.random.default_rng(seed).permutation(trained)[: background_films(params.explain)]
    explained = ExplainedModel(predictor(model), model, as_images(prepared.films[np.sort(drawn)]))
    images = as_images(prepared.films[chosen])
    targets = np.full(len(chosen), PNEUMONIA)
    found = {}
    for name, method in METHODS.items():
        own = getattr(params.explain, name).model_dump() | FEWER.get(name, {})
        found[name] = method.explain(explained, images, targets, own, seed, bar(f"{method.title}: films"))
    table = prepared.manifest.iloc[chosen]
    predictions = explained.predict(images)
    ids, patients = (table[name].to_numpy(str) for name in ("image_id", "patient_id"))
    said = Predictions(ids, patients, targets, predictions, predictions.argmax(axis=1), tuple(CLASSES))
    settings = params.explain.model_copy(update={"measures": MARKED})
    everything = add_references(found, targets, seed)
    return measure_maps(
        explained,
        images,
        everything,
        {},
        said,
        annotations,
        tune_levels({}, annotations),
        settings,
        seed,
        lambda done, total: None,
    ).films


def write_table(summary: pd.DataFrame) -> str:
    """A row per method, references last, in Markdown."""
    shown = {name: head for name, head in SHOWN.items() if (summary["measure"] == name).any()}
    lines = [f"| method | {' | '.join(shown.values())} |", "|---" * (1 + len(shown)) + "|"]
    for method in (*METHODS, *REFERENCES):
        own = summary[summary["method"] == method].set_index("measure")
        values = ({"v": r["value"], "v_low": r["low"], "v_high": r["high"]} for r in (own.loc[name] for name in shown))
        lines.append(f"| {' | '.join([title(method), *(cell(row, 'v') for row in values)])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
