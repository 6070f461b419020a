"""The audit's rule on phantoms, of which it has seen none: small networks whose truth is known, on films with a planted mark.

    python benchmarks/audit_study.py                      # reports the stored table benchmarks/audit_study.csv
    python benchmarks/audit_study.py --work FOLDER        # trains and audits, half an hour on two cores

Every network is trained on phantom films of 64 pixels whose mark hardly goes with the class (strength 0 to 0.05) or does (0.6 to
1), and its logits are divided by the temperature that `train.calibration` fits, on films that it did not learn from. Its truth
is its behaviour on 2,000 fresh films. One honest and one shortcut network make a pair, audited on the same films, marked as in
the training of the second one. Results are kept in --work: an interrupted study goes on. `--networks 4` makes it small.
"""

import argparse
import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from audit_scores import answers_on_surroundings, effect_of_surroundings, fit_of, score

SIZE = 64
EPOCHS, BATCH, RATE = 15, 50, 2e-3
TRAINING_POOL, FRESH, AUDIT_POOL = 3000, 2000, 2000
HONEST, SHORTCUT, LEAST = 3.0, 10.0, 65.0  # points of balanced accuracy
AROUND = 600  # other films, marked as the audited ones, that the effect of all surroundings is measured on
VALIDATION = 300  # films that a temperature is fitted on
TABLE = Path(__file__).with_suffix(".csv")
KINDS = ("letter", "border", "texture")
SMALL, DEFAULT = "small", "default"
PARTS = {SMALL: 3, DEFAULT: 4}  # the part of the seeds' numbers; `default` is that of audit_default.py


@dataclass(frozen=True)
class Task:
    part: str
    kind: str
    number: int
    strength: float
    seed: int

    @property
    def name(self) -> str:
        return f"{self.part}-{self.kind}-{self.number:03d}"


def tasks(networks: int) -> list[Task]:
    """This many trainings per kind of mark, each with a seed of its own; half near strength 0 and half from 0.6 to 1."""
    half = networks // 2
    strengths = np.append(np.linspace(0, 0.05, half), np.linspace(0.6, 1, networks - half)).tolist()
    first = 100_000 * PARTS[SMALL]
    return [
        Task(SMALL, kind, i, strength, first + 10_000 * place + i)
        for place, kind in enumerate(KINDS)
        for i, strength in enumerate(strengths)
    ]


def draw_pool(films: int, kinds: tuple[str, ...], seed: int, size: int = SIZE, contrast: float = 1.0) -> dict[str, np.ndarray]:
    """Films of both classes: `class`, `patient`, `lungs`, `none` (unmarked) and one array per kind of mark, same chests."""
    from hilum.data.phantom.phantom import draw_films
    from hilum.data.phantom.population import draw_population

    population = draw_population(
        np.random.default_rng(seed),
        films=films,
        findings={"normal": 0.5, "bacterial": 0.5},
        shortcut_finding="bacterial",
        shortcut_strength=0.0,
    )
    pool = {"class": (population["finding"] == "bacterial").to_numpy(np.int64), "patient": population["patient_id"].to_numpy(str)}
    chunks = [population.iloc[i : i + 4] for i in range(0, films, 4)]
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        for kind in ("none", *kinds):
            drawn = list(
                workers.map(
                    lambda rows, k=kind: draw_films(
                        rows.assign(has_shortcut=k != "none"), size=size, shortcut_kind=k, contrast=contrast
                    ),
                    chunks,
                )
            )
            pool[kind] = np.concatenate([part.films for part in drawn])
            if kind == "none":
                pool["lungs"] = np.concatenate([part.lung_masks for part in drawn])
    return pool


def write_pools(work: Path, part: str, size: int = SIZE, contrast: float = 1.0) -> None:
    """Films of patients that no other part or purpose uses."""
    for q, (purpose, films) in enumerate({"train": TRAINING_POOL, "fresh": FRESH, "audit": AUDIT_POOL}.items()):
        folder = work / "films" / f"{part}-{purpose}"
        if not (folder / "done").exists():
            folder.mkdir(parents=True, exist_ok=True)
            for name, values in draw_pool(films, KINDS, 1000 * PARTS[part] + q, size, contrast).items():
                np.save(folder / f"{name}.npy", values)
            (folder / "done").touch()


@cache
def pool(work: Path, part: str, purpose: str) -> dict[str, np.ndarray]:
    return {file.stem: np.load(file, mmap_mode="r") for file in (work / "films" / f"{part}-{purpose}").glob("*.npy")}


def mark_films(
    films: dict[str, np.ndarray], rows: np.ndarray, kind: str, strength: float, rng: np.random.Generator
) -> np.ndarray:
    """The films of these rows; the mark agrees with the class in (1 + strength) / 2 of them."""
    labels = films["class"][rows]
    has_shortcut = np.where(rng.random(len(rows)) < (1 + strength) / 2, labels, 1 - labels).astype(bool)
    return np.where(has_shortcut[:, None, None], films[kind][rows], films["none"][rows])


@cache
def machine() -> Any:
    """One compiled network whose weights every training resets."""
    import keras
    import tensorflow as tf

    def build() -> keras.Model:
        grey = keras.Input((SIZE, SIZE, 1), name="grey")
        x = keras.layers.Rescaling(1 / 127.5, -1.0)(grey)
        for filters, stride in ((16, 2), (24, 2), (32, 1), (48, 2), (64, 1)):
            x = keras.layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.9)(x))
        x = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(x))
        return keras.Model(grey, keras.layers.Activation("softmax", name="probabilities")(x))

    model = build()
    logits = keras.Model(model.input, model.get_layer("logits").output)
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=False)
    def step(films: Any, labels: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits(films, training=True)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True))

    forward = tf.function(
        lambda films: model(films, training=False), input_signature=[tf.TensorSpec([None, SIZE, SIZE, 1])], jit_compile=False
    )

    def predict(images: np.ndarray) -> np.ndarray:
        parts = [forward(tf.constant(images[i : i + 250])).numpy() for i in range(0, len(images), 250)]
        return np.concatenate(parts).astype(np.float64)

    return build, model, optimizer, step, predict


def train(work: Path, task: Task) -> None:
    """Train the network for one task, and measure its truth; both are written under `work`."""
    import keras

    target = work / "models" / f"{task.name}.json"
    if target.exists():
        return
    build, model, optimizer, step, predict = machine()
    films = pool(work, task.part, "train")
    rng = np.random.default_rng(task.seed)
    rows = np.sort(rng.choice(TRAINING_POOL, 1000, replace=False))
    images, labels = mark_films(films, rows, task.kind, task.strength, rng)[..., None], films["class"][rows]
    keras.utils.set_random_seed(task.seed)
    model.set_weights(build().get_weights())
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    steps = EPOCHS * (len(rows) // BATCH)
    done = 0
    for _ in range(EPOCHS):
        order = rng.permutation(len(rows))
        for i in range(0, len(rows) - BATCH + 1, BATCH):
            optimizer.learning_rate.assign(RATE * 0.5 * (1 + np.cos(np.pi * done / steps)))
            batch = order[i : i + BATCH]
            step(images[batch].astype(np.float32), labels[batch])
            done += 1
    fitted = {"temperature": calibrate(model, predict, films, rows, task, rng)}
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target.with_suffix(".npz"), *model.get_weights())
    target.write_text(json.dumps({**asdict(task), **fitted, **truth(predict, pool(work, task.part, "fresh"), task.kind)}))


def calibrate(
    model: Any, predict: Any, films: dict[str, np.ndarray], rows: np.ndarray, task: Task, rng: np.random.Generator
) -> float:
    """Divide the logits by the temperature of least log loss on films that are not among the trained `rows`; returns it."""
    from hilum.evaluation.scoring.calibration import find_scaling
    from hilum.training.learning.arms import scale_logits

    held_out = np.sort(rng.choice(np.setdiff1d(np.arange(TRAINING_POOL), rows), VALIDATION, replace=False))
    images = mark_films(films, held_out, task.kind, task.strength, rng)[..., None].astype(np.float32)
    logs = np.log(np.clip(predict(images), 1e-12, 1))  # logits but for a constant per film
    found = find_scaling("temperature", logs, np.asarray(films["class"][held_out]), np.array([0.5, 0.5]))
    scale_logits(model, found.temperature, found.biases)
    return float(found.temperature)


def truth(predict: Any, films: dict[str, np.ndarray], kind: str) -> dict[str, Any]:
    """Behaviour on fresh films, in points of balanced accuracy: gap, and on unmarked films."""
    labels = np.asarray(films["class"])
    without, having = (predict(films[name][..., None].astype(np.float32)).argmax(axis=1) for name in ("none", kind))
    aligned = np.where(labels == 1, having, without)

    def balanced(told: np.ndarray) -> float:
        return 100 * float(np.mean([(told[labels == k] == k).mean() for k in (0, 1)]))

    by_chance = (balanced(having) + balanced(without)) / 2  # the mark on every other film of each class
    gap, unmarked = balanced(aligned) - by_chance, balanced(without)
    if gap > SHORTCUT:
        said = "shortcut"
    elif gap < HONEST:
        said = "honest" if unmarked >= LEAST else "weak"
    else:
        said = "grey"
    return {"gap": gap, "unmarked": unmarked, "truth": said}


def film_sets(table: pd.DataFrame) -> Iterator[tuple[str, float, int, str]]:
    """Pairs of one honest and one shortcut model of a kind; their films carry the mark as in the shortcut model's training."""
    for kind, rows in table.groupby("kind", sort=True):
        rng = np.random.default_rng([PARTS[SMALL], len(str(kind))])
        honest, shortcut = (rng.permutation(rows.index[rows["truth"] == said].to_numpy()) for said in ("honest", "shortcut"))
        for a, b in zip(honest, shortcut, strict=False):
            seed = int(rng.integers(2**31))
            for row in (a, b):
                yield str(rows.loc[row, "name"]), float(rows.loc[b, "strength"]), seed, str(kind)


def audit(work: Path, job: tuple[str, float, int, str], films: int) -> None:
    """Audit one model on its film set, knowing neither its truth nor the mark."""
    from hilum.audit.auditee import Auditee
    from hilum.audit.evidence import Surroundings, measure
    from hilum.audit.regions import regions_of_masks
    from hilum.audit.rule import PROBING
    from hilum.explain.explained_model import ExplainedModel
    from hilum.explain.methods import gradcam

    name, strength, seed, kind = job
    target = work / "audits" / f"{name}.npz"
    if target.exists():
        return
    _, model, _, _, predict = machine()
    with np.load(work / "models" / f"{name}.npz") as stored:
        model.set_weights([stored[key] for key in stored.files])
    source = pool(work, name.split("-")[0], "audit")
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(AUDIT_POOL, films, replace=False))
    shown = mark_films(source, rows, kind, strength, rng)
    explained = ExplainedModel(predict, model)

    def heat(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        return gradcam.explain(explained, images, targets, {"layer": "last"}, 0, lambda done, total: None).values

    auditee = Auditee(predict, lambda p: p.argmax(axis=1), gradient_of_machine(), heat)
    regions = regions_of_masks(source["lungs"][rows])
    surroundings = Surroundings(np.full(films, "phantom"), {"phantom": regions}, np.asarray(source["patient"][rows], str))
    found = measure(auditee, shown, source["class"][rows], surroundings, PROBING, seed)
    fresh = pool(work, name.split("-")[0], "fresh")
    keep_audit(target, found, truth_of_surroundings(auditee, fresh, kind, strength, regions, rng))


def keep_audit(file: Path, found: Any, truth: float) -> None:
    """Write what `measure` found, and the truth on the surroundings."""
    numbers = {**found.numbers, "truth_class_points": truth}
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, names=list(numbers), numbers=list(numbers.values()), blame=found.blame, blamed=found.blamed)


def truth_of_surroundings(
    auditee: Any, fresh: dict[str, np.ndarray], kind: str, strength: float, regions: Any, rng: np.random.Generator
) -> float:
    """What all surroundings add where they go with the class, in points, on fresh films that are marked as the audited ones."""
    some = np.sort(rng.choice(FRESH, AROUND, replace=False))
    shown = mark_films(fresh, some, kind, strength, rng)
    return effect_of_surroundings(
        auditee, shown, np.asarray(fresh["class"][some]), np.asarray(fresh["patient"][some], str), regions, rng
    )


@cache
def gradient_of_machine() -> Any:
    from hilum.audit.auditee import odds_gradient

    return odds_gradient(machine()[1])


def use_one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def settle(work: Path, done: str, jobs: list[Any], workers: int, *further: Any) -> None:
    """Run `train` or `audit` on every job, several processes at a time."""
    from hilum.progress import bar

    show = bar("models trained" if done == "train" else "models audited")
    with multiprocessing.get_context("spawn").Pool(workers, use_one_thread) as pool_of:
        calls = [pool_of.apply_async(globals()[done], (work, job, *further)) for job in jobs]
        for i, call in enumerate(calls):
            call.get()
            show(i + 1, len(jobs))


def truths(work: Path, todo: Sequence[Task]) -> pd.DataFrame:
    return pd.DataFrame([json.loads((work / "models" / f"{task.name}.json").read_text()) for task in todo]).assign(
        name=[task.name for task in todo]
    )


def measured(work: Path, table: pd.DataFrame, size: int = SIZE) -> pd.DataFrame:
    """One row per audited model: its truth, the numbers that the audit measured, and how well the blamed region fits."""
    from hilum.data.phantom.exposure import shortcut_place

    rows = []
    for row in table.to_dict("records"):
        file = work / "audits" / f"{row['name']}.npz"
        if file.exists():
            with np.load(file) as stored:
                numbers = dict(zip(stored["names"].tolist(), stored["numbers"].tolist(), strict=True))
                rows.append({**row, **numbers, **fit_of(stored["blamed"], shortcut_place(str(row["kind"]), size))})
    return pd.DataFrame(rows).drop(columns="name")


def rates(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rates of the rule; honest networks are those without a mark."""
    return score(table, table["truth"].map({"shortcut": "mark", "honest": "none"}).fillna("between").to_numpy(str), by)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="films, models and audits are kept here; without it the table is reported")
    parser.add_argument("--networks", type=int, default=40, help="trainings per kind of mark")
    parser.add_argument("--films", type=int, default=240, help="films that an audit sees")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--table", type=Path, default=TABLE, help="path of the table of audited models")
    asked = parser.parse_args()
    if asked.work:
        write_pools(asked.work, SMALL)
        todo = tasks(asked.networks)
        settle(asked.work, "train", todo, asked.workers)
        table = truths(asked.work, todo)
        print(table.groupby(["kind", "truth"]).size().unstack(fill_value=0).to_markdown())
        settle(asked.work, "audit", list(film_sets(table)), asked.workers, asked.films)
        measured(asked.work, table).round(4).to_csv(asked.table, index=False)
    table = pd.read_csv(asked.table)
    print(f"{rates(table, 'kind').to_markdown()}\n\n{answers_on_surroundings(table).to_markdown()}")


if __name__ == "__main__":
    main()
