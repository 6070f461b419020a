"""The study of the audit on real films of children: networks whose reliance on a planted mark is known by their behaviour.

    python benchmarks/audit_real.py --root FILMS --work FOLDER   # trains and audits what is missing, hours on two cores
    python benchmarks/audit_real.py                              # reports the stored table benchmarks/audit_real.csv

FILMS is a folder for the reader `kermany`, with lung outlines in lung_masks/. Two questions (normal against pneumonia, bacterial
against viral), two backbones with ImageNet weights (MobileNet 0.25, EfficientNet-Lite0), a solved head, the blocks at the top
trained, or the whole network, on few and on many films. For half of the networks a mark of `planted_marks.py` goes with a
class, for half it does not. The rule is frozen on some kinds of marks, seeds and patients, and scored on others. Everything is
kept in --work: an interrupted study continues, and networks so far are in the table.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
from audit_scores import answers_on_surroundings, effect_of_surroundings, fit_of, score
from numpy.typing import NDArray
from planted_marks import FREEZE, SCORE, Mark, draw_mark, plant

from hilum.progress import bar

QUESTIONS = {
    "pneumonia": ({"normal"}, {"pneumonia/bacterial", "pneumonia/viral"}),
    "virus": ({"pneumonia/bacterial"}, {"pneumonia/viral"}),
}
BACKBONES = {"mobilenet_025": (96, {}, "conv_pw_10_relu"), "efficientnet_lite0": (96, {"blocks": 11}, "block_8_add")}
PARTS = {"freeze": (FREEZE, 48, 36), "score": (SCORE, 84, 66)}  # kinds, networks with the mark by class, and at random
FURTHER = {"freeze": 0, "score": 60}  # further networks with the mark by class: of the first, many hardly take to it
SHARES = {"train": 0.45, "truth": 0.30, "audit": 0.25}  # of a part's patients
FILMS = 240  # of an audit
AROUND = 300  # films on which the effect of the surroundings is measured again
BATCH = 32
PENALTIES = 10.0 ** np.arange(-4, 1)  # C of a solved head
SPLIT_SEED = 21
HONEST, SHORTCUT, LEAST = 3.0, 10.0, 55.0  # points of balanced accuracy
FEATURES = ("mark_odds", "detail_odds")
MOBILENET = "HILUM_MOBILENET"  # names the file of weights
TABLE = Path(__file__).with_name("audit_real.csv")


@dataclass(frozen=True)
class Task:
    """One network. strength, shown: how far the mark goes with its class in the trained and in the audited films, 0 to 1.

    trained: head, top or all. films: trained on. masks: whether the audit has lung outlines. marked: the mark's class.
    """

    part: str
    number: int
    seed: int
    question: str
    backbone: str
    trained: str
    films: int
    epochs: int
    kind: str
    strength: float
    shown: float
    marked: int
    masks: bool

    @property
    def name(self) -> str:
        return f"{self.part}-{self.number:03d}"


def plan() -> list[Task]:
    """All networks, of both parts and both kinds by turns, so that the first ones are a small study; FURTHER come last."""
    found: list[tuple[float, Task]] = []
    for part, (_, planted, random) in PARTS.items():
        found += [(i / planted, draw_task(part, i, True)) for i in range(planted)]
        found += [(i / random, draw_task(part, planted + i, False)) for i in range(random)]
        found += [(1 + i, draw_task(part, 1000 + i, True)) for i in range(FURTHER[part])]
    return [task for _, task in sorted(found, key=lambda pair: pair[0])]


def draw_task(part: str, number: int, by_class: bool) -> Task:
    """A network drawn at random; by_class: whether its mark goes with a class."""
    kinds, place = PARTS[part][0], list(PARTS).index(part)
    rng = np.random.default_rng([SPLIT_SEED, place, number])
    backbone = ("mobilenet_025", "efficientnet_lite0")[int(rng.random() < 0.2)]
    trained = ("head", "top", "all")[rng.choice(3, p=[0.45, 0.4, 0.15] if backbone == "mobilenet_025" else [0.5, 0.5, 0.0])]
    strength = float(rng.uniform(0.55, 1.0)) if by_class else 0.0
    return Task(
        part=part,
        number=number,
        seed=1_000_000 * (place + 1) + 1000 * number,
        question=("pneumonia", "virus")[int(rng.random() < 0.6)],
        backbone=backbone,
        trained=trained,
        films=int(rng.choice({"head": [250, 450, 800], "top": [250, 450, 800], "all": [450]}[trained])),
        epochs=int(rng.choice([4, 6])),
        kind=kinds[number % len(kinds)],
        strength=strength,
        shown=strength if by_class else float(rng.choice([0.0, rng.uniform(0.55, 1.0)])),
        marked=int(rng.integers(2)),
        masks=bool(rng.random() < 0.5),
    )


def write_films(root: Path, work: Path) -> None:
    """Every film at both sizes, its lung outline where there is one, its finding, and its patient's part and purpose."""
    from PIL import Image

    from hilum.data.readers.registry import READERS

    if (work / "films" / "done").exists():
        return
    (work / "films").mkdir(parents=True, exist_ok=True)
    table = READERS["kermany"].read(root).sort_values("path").reset_index(drop=True)
    table = table.assign(path=[str(root / path) for path in table["path"]])
    for size in {size for size, _, _ in BACKBONES.values()}:
        films = np.stack([_read(Path(path), size, Image.Resampling.BILINEAR) for path in table["path"]])
        masks = [root / "lung_masks" / f"{Path(path).stem}.png" for path in table["path"]]
        outlines = np.stack(
            [_read(mask, size, Image.Resampling.BOX) > 127 if mask.exists() else np.zeros((size, size), bool) for mask in masks]
        )
        np.save(work / "films" / f"films-{size}.npy", films)
        np.save(work / "films" / f"lungs-{size}.npy", outlines)
    patients = table["patient_id"].to_numpy(str)
    names = np.unique(patients)
    drawn = dict(zip(names.tolist(), np.random.default_rng(SPLIT_SEED).random(len(names)).tolist(), strict=True))
    at = np.array([drawn[patient] for patient in patients.tolist()])
    part = np.where(at < 0.5, "freeze", "score")
    edges = np.cumsum(list(SHARES.values()))
    purpose = np.array(list(SHARES))[np.minimum(np.searchsorted(edges, (2 * at) % 1.0), len(SHARES) - 1)]
    np.savez(work / "films" / "table.npz", finding=table["finding"].to_numpy(str), patient=patients, part=part, purpose=purpose)
    (work / "films" / "done").touch()


def _read(path: Path, size: int, resampling: Any) -> NDArray[np.uint8]:
    from PIL import Image

    with Image.open(path) as film:
        return np.asarray(film.convert("L").resize((size, size), resampling))


@cache
def stored(work: Path) -> dict[str, NDArray[Any]]:
    with np.load(work / "films" / "table.npz") as table:
        found = {name: table[name] for name in table.files}
    for size, _, _ in BACKBONES.values():
        for what in ("films", "lungs"):
            found[f"{what}-{size}"] = np.load(work / "films" / f"{what}-{size}.npy", mmap_mode="r")
    return found


def rows_of(work: Path, task: Task, purpose: str) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Rows of the films of a task's part and purpose, and their classes."""
    held = stored(work)
    sides = [np.isin(held["finding"], list(side)) for side in QUESTIONS[task.question]]
    rows = np.flatnonzero((held["part"] == task.part) & (held["purpose"] == purpose) & (sides[0] | sides[1]))
    return rows, sides[1][rows].astype(np.int64)


def choose(labels: NDArray[np.int64], films: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """At most so many films, half of each class where there are enough."""
    order = rng.permutation(len(labels))
    least = min(films // 2, int(np.bincount(labels).min()))
    picked = [order[labels[order] == k] for k in (0, 1)]
    few = int(np.argmin([len(side) for side in picked]))
    sides = {few: picked[few][:least], 1 - few: picked[1 - few][: films - least]}
    return np.sort(np.concatenate([sides[0], sides[1]]))


def mark_of(task: Task) -> Mark:
    return draw_mark(task.kind, BACKBONES[task.backbone][0], task.seed)


def mark_films(
    films: NDArray[np.uint8], labels: NDArray[np.int64], task: Task, strength: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The mark agrees with the class in (1 + strength) / 2 of the films."""
    own = labels == task.marked
    return plant(films, np.where(rng.random(len(labels)) < (1 + strength) / 2, own, ~own), mark_of(task), rng)


@dataclass(frozen=True)
class Machine:
    """One compiled network whose weights every task sets: its parts below and above the cut, and all of it."""

    model: Any
    first: list[NDArray[Any]]
    lower: Any
    pooled: Any
    predict: Any
    gradient: Any
    steps: dict[str, Any]


@cache
def machine(backbone: str) -> Machine:
    import keras
    import tensorflow as tf

    from hilum.audit.auditee import odds_gradient
    from hilum.models.classifier import build_classifier

    size, options, cut = BACKBONES[backbone]
    weights = os.environ.get(MOBILENET, "imagenet") if backbone == "mobilenet_025" else "imagenet"
    model = build_classifier(backbone, size, 2, weights, 0.0, 0.0, np.zeros(2), 0, options=options)
    middle = model.get_layer(cut).output
    logits = model.get_layer("logits").output
    pool = model.get_layer("pool").output

    def runner(network: Any) -> Any:
        call = tf.function(lambda films: network(films, training=False), reduce_retracing=True, jit_compile=False)

        def run(images: NDArray[Any]) -> NDArray[np.float32]:
            return np.concatenate(
                [call(tf.constant(images[i : i + 128], tf.float32)).numpy() for i in range(0, len(images), 128)]
            )

        return run

    def trainer(network: Any) -> Any:
        variables = network.trainable_variables
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(variables)

        @tf.function(reduce_retracing=True, jit_compile=False)
        def step(films: Any, labels: Any, weights: Any) -> None:
            with tf.GradientTape() as tape:
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, network(films, training=False))
                loss = tf.reduce_mean(weights * losses)
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

        return step, optimizer

    upper = keras.Model(middle, logits)
    whole = keras.Model(model.input, logits)
    return Machine(
        model,
        model.get_weights(),
        runner(keras.Model(model.input, middle)),
        runner(keras.Model(model.input, pool)),
        runner(model),
        odds_gradient(model),
        {"top": trainer(upper), "all": trainer(whole)},
    )


def train(work: Path, task: Task) -> None:
    """Train one network and measure its truth; both are written under `work`."""
    target = work / "models" / f"{task.name}.json"
    if target.exists():
        return
    rng = np.random.default_rng(task.seed)
    size = BACKBONES[task.backbone][0]
    rows, labels = rows_of(work, task, "train")
    some = choose(labels, task.films, rng)
    labels = labels[some]
    images = mark_films(stored(work)[f"films-{size}"][rows[some]], labels, task, task.strength, rng)[..., None]
    kit = machine(task.backbone)
    kit.model.set_weights(kit.first)
    if task.trained == "head":
        solve_head(kit, kit.pooled(images), labels)
    else:
        fit_layers(kit, images, labels, task, rng)
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target.with_suffix(".npz"), *kit.model.get_weights())
    target.write_text(json.dumps({**asdict(task), **truth(work, task, kit.predict)}))


def solve_head(kit: Machine, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Logistic regression on pooled features, its penalty cross-validated."""
    from sklearn.linear_model import LogisticRegressionCV

    middle, width = features.mean(axis=0), features.std(axis=0) + 1e-3
    search = LogisticRegressionCV(
        Cs=PENALTIES,
        cv=3,
        scoring="neg_log_loss",
        class_weight="balanced",
        max_iter=300,
        l1_ratios=(0.0,),
        use_legacy_attributes=False,
    ).fit((features - middle) / width, labels)
    weights = search.coef_[0] / width
    bias = float(search.intercept_[0] - weights @ middle)
    kernel = np.stack([-weights / 2, weights / 2], axis=1).astype(np.float32)
    kit.model.get_layer("logits").set_weights([kernel, np.array([-bias / 2, bias / 2], np.float32)])


def fit_layers(kit: Machine, images: NDArray[Any], labels: NDArray[np.int64], task: Task, rng: np.random.Generator) -> None:
    """Gradient steps from a solved head on, on activations of the cut or on films; classes weigh the same."""
    solve_head(kit, kit.pooled(images), labels)
    step, optimizer = kit.steps[task.trained]
    for variable in optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))
    given = kit.lower(images) if task.trained == "top" else images.astype(np.float32)
    weights = (len(labels) / (2 * np.bincount(labels)))[labels].astype(np.float32)
    rate, total, done = rng.choice([5e-4, 1e-3]), task.epochs * (len(labels) // BATCH), 0
    for _ in range(task.epochs):
        order = rng.permutation(len(labels))
        for i in range(0, len(labels) - BATCH + 1, BATCH):
            optimizer.learning_rate.assign(rate * 0.5 * (1 + np.cos(np.pi * done / total)))
            batch = order[i : i + BATCH]
            step(given[batch], labels[batch], weights[batch])
            done += 1


def truth(work: Path, task: Task, predict: Any) -> dict[str, Any]:
    """Points of balanced accuracy on films of other patients: what the mark on its class adds to the mark at random (gap).

    gap_error: its standard error over films; unmarked: on films without the mark.
    """
    rng = np.random.default_rng(task.seed + 1)
    size = BACKBONES[task.backbone][0]
    rows, labels = rows_of(work, task, "truth")
    films, mark = stored(work)[f"films-{size}"][rows], mark_of(task)
    without = predict(films[..., None]).argmax(axis=1) == labels
    having = predict(plant(films, np.ones(len(films), bool), mark, rng)[..., None]).argmax(axis=1) == labels
    gain = np.where(labels == task.marked, 1.0, -1.0) * (having.astype(float) - without) / 2
    sides = [gain[labels == k] for k in (0, 1)]
    error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in sides)) / 2
    return {
        "gap": 100 * float(np.mean([side.mean() for side in sides])),
        "gap_error": 100 * float(error),
        "unmarked": 100 * float(np.mean([without[labels == k].mean() for k in (0, 1)])),
        "truth_films": len(labels),
    }


def audit(work: Path, task: Task) -> None:
    """Audit one network on films of further patients, knowing neither its truth nor the mark."""
    from hilum.audit.auditee import Auditee
    from hilum.audit.class_effects import measure_class_effects
    from hilum.audit.regions import regions_of_masks, regions_of_rectangle
    from hilum.audit.rule import PROBING
    from hilum.settings.params import read_params

    target = work / "audits" / f"{task.name}.npz"
    if target.exists():
        return
    kit, rng, held = machine(task.backbone), np.random.default_rng(task.seed + 2), stored(work)
    with np.load(work / "models" / f"{task.name}.npz") as kept:
        kit.model.set_weights([kept[key] for key in kept.files])
    size = BACKBONES[task.backbone][0]
    rows, labels = rows_of(work, task, "audit")
    some = choose(labels, FILMS, rng)
    rows, labels = rows[some], labels[some]
    films = mark_films(held[f"films-{size}"][rows], labels, task, task.shown, rng)
    if task.masks:
        masks = held[f"lungs-{size}"]
        own = masks.any(axis=(1, 2)) & (held["purpose"] == "audit") & (held["part"] == task.part)
        regions = regions_of_masks(masks[own])
    else:
        lungs = read_params(Path(__file__).resolve().parents[1] / "params.yaml").audit.lungs
        regions = regions_of_rectangle(**lungs.model_dump(), size=size)
    auditee = Auditee(kit.predict, lambda p: p.argmax(axis=-1), kit.gradient, lambda images, targets: images[..., 0])
    found = measure_class_effects(auditee, films, labels, held["patient"][rows], regions, PROBING, rng)
    rest = {"truth_class_points": truth_of_surroundings(work, task, auditee, regions, rng)}
    numbers = {**found.numbers, **rest, **fit_of(found.blamed, mark_of(task).place)}
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target, names=list(numbers), numbers=list(numbers.values()), blame=found.blame, blamed=found.blamed)


def truth_of_surroundings(work: Path, task: Task, auditee: Any, regions: Any, rng: np.random.Generator) -> float:
    """Points of balanced accuracy that surroundings of the other class move, on unmarked films of other patients."""
    rows, labels = rows_of(work, task, "truth")
    some = choose(labels, AROUND, rng)
    rows, labels = rows[some], labels[some]
    films, patients = stored(work)[f"films-{BACKBONES[task.backbone][0]}"][rows], stored(work)["patient"][rows]
    return effect_of_surroundings(auditee, films, labels, patients, regions, rng)


def use_one_thread() -> None:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def tabulate(work: Path) -> pd.DataFrame:
    """The networks that are audited so far: what they are, their truth, and the numbers of the audit."""
    rows = []
    for task in plan():
        file = work / "audits" / f"{task.name}.npz"
        if file.exists():
            with np.load(file) as kept:
                numbers = dict(zip(kept["names"].tolist(), kept["numbers"].tolist(), strict=True))
            rows.append({**json.loads((work / "models" / f"{task.name}.json").read_text()), **numbers})
    return pd.DataFrame(rows).round(4)


def truth_of(table: pd.DataFrame) -> NDArray[np.str_]:
    """`mark`, `none` or `between`, by the gap; `weak`: no gap, and hardly above chance without the mark."""
    none = np.where(table["unmarked"] >= LEAST, "none", "weak")
    return np.where(table["gap"] > SHORTCUT, "mark", np.where(table["gap"] < HONEST, none, "between"))


def freeze_rule(table: pd.DataFrame) -> tuple[dict[str, float], float]:
    """A logistic regression on FEATURES of networks with and without a mark: weights and intercept for unscaled numbers."""
    from sklearn.linear_model import LogisticRegression

    truth = truth_of(table)
    known = np.isin(truth, ("mark", "none"))
    values = table.loc[known, list(FEATURES)].to_numpy(float)
    middle, width = values.mean(axis=0), values.std(axis=0)
    fitted = LogisticRegression(class_weight="balanced").fit((values - middle) / width, truth[known] == "mark")
    weights = fitted.coef_[0] / width
    return dict(zip(FEATURES, weights.tolist(), strict=True)), float(fitted.intercept_[0] - weights @ middle)


def rates(table: pd.DataFrame) -> str:
    """What every page says of the rule, from the part that it is scored on."""
    own = table[table["part"] == "score"]
    row = score(own, truth_of(own), "kind").loc["in all"]
    return (
        f"On networks of real films that it was not fixed on, the audit showed a mark in {row['found']} of {row['with a mark']} "
        f"that rest on a planted one and in {row['accused']} of {row['without']} that do not; it could not tell in "
        f"{row['cannot tell']} of all."
    )


def score_surroundings(table: pd.DataFrame) -> pd.DataFrame:
    """Answers on the surroundings as a whole against their effect on other, unmarked films, for networks without a mark."""
    return answers_on_surroundings(table[truth_of(table) == "none"])


def single_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """How well each measured number alone separates networks with a mark from those without: AUROC, 0.5 by chance."""
    from sklearn.metrics import roc_auc_score

    truth = truth_of(table)
    known = np.isin(truth, ("mark", "none"))
    names = [f"{part}_{what}" for part in ("mark", "detail", "class") for what in ("points", "odds", "auroc")]
    found = {name: roc_auc_score(truth[known] == "mark", table.loc[known, name]) for name in (*names, "agreement", "seams")}
    return pd.Series(found, name="AUROC").sort_values(ascending=False).round(3).rename_axis("number").to_frame()


def tell(table: pd.DataFrame) -> None:
    """All published figures, from the table alone."""
    weights, intercept = freeze_rule(table[table["part"] == "freeze"])
    print(f"rule frozen on {(table['part'] == 'freeze').sum()} networks: WEIGHTS = {weights}, INTERCEPT = {intercept}")
    for part, own in table.groupby("part"):
        print(f"\n{part}: {len(own)} networks, by truth {dict(zip(*np.unique(truth_of(own), return_counts=True), strict=True))}")
        for by in ("kind", "question", "backbone", "trained", "masks"):
            print(f"\n{score(own, truth_of(own), by).to_markdown()}")
        print(f"\n{score_surroundings(own).to_markdown()}\n\n{single_numbers(own).to_markdown()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="films of the pediatric set")
    parser.add_argument("--work", type=Path, help="films, networks and audits are kept here; without it the table is reported")
    parser.add_argument("--mobilenet", type=Path, help="weights of MobileNet 0.25 without top; without it Keras downloads them")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--table", type=Path, default=TABLE, help="path of the table of audited networks")
    asked = parser.parse_args()
    if asked.work:
        use_one_thread()
        if asked.mobilenet:
            os.environ[MOBILENET] = str(asked.mobilenet)
        write_films(asked.root, asked.work)
        todo = [task for task in plan() if task.part in asked.parts]
        show = bar("networks")
        for i, task in enumerate(todo):
            train(asked.work, task)
            audit(asked.work, task)
            tabulate(asked.work).to_csv(asked.table, index=False)
            show(i + 1, len(todo))
    tell(pd.read_csv(asked.table))


if __name__ == "__main__":
    main()
