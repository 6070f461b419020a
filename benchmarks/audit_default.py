"""The audit's rule on networks of the default's own arms, calibrated, whose truth is known.

    taskset -c 1 python benchmarks/audit_default.py --work FOLDER    # 20 networks of each arm, on one core
    python benchmarks/audit_default.py                               # reports the stored table benchmarks/audit_default.csv

Each network is an arm of params.yaml, `baseline` or `finetuned`: EfficientNet-Lite0 up to its block 11 with ImageNet weights, at
`prepare.size`, trained with the settings of `train` and with `start` in place of each space, then calibrated on films of other
patients as `train` does it. Films are phantoms of two classes with the default's contrast, and with a mark as in
`audit_study.py`, which also says what an honest and a shortcut model is. Half of the networks of an arm see a mark that hardly
goes with the class (strength 0 to 0.05), half one that does (0.6 to 1); one of each is a pair, whose networks are audited on the
same films, marked as those of the second one. Results are kept in --work, and the table is written after each pair: an
interrupted run continues, and what the table has is not computed again.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import audit_study as study
import numpy as np
import pandas as pd

from hilum.progress import bar
from hilum.settings.params import Params, read_params
from hilum.settings.sources import PhantomSource

ROOT = Path(__file__).resolve().parents[1]
TABLE = Path(__file__).with_name("audit_default.csv")
PART, CLASSES = study.DEFAULT, ("normal", "bacterial")
ARMS = ("baseline", "finetuned")
TRAINED, VALIDATION = 600, 240  # films; the default's split leaves 900 and 240
PROCESS = 2  # pairs that one process takes, before its memory is given back


@dataclass(frozen=True)
class Task(study.Task):
    arm: str

    @property
    def name(self) -> str:
        return f"{self.part}-{self.arm}-{self.kind}-{self.number:03d}"


def pairs(networks: int, arms: tuple[str, ...] = ARMS) -> list[tuple[Task, Task]]:
    """Half as many pairs of each arm: one kind of mark, strength near 0 and 0.6 to 1; each network has a seed of its own."""
    half = networks // 2
    strengths = zip(np.linspace(0, 0.05, half).tolist(), np.linspace(0.6, 1, half).tolist(), strict=True)
    found: list[tuple[Task, Task]] = []
    for i, (weak, strong) in enumerate(strengths):
        kind = study.KINDS[i % len(study.KINDS)]
        for arm in arms:
            seed = 900_000 + 10_000 * ARMS.index(arm) + 2 * i
            honest = Task(PART, kind, 2 * i, weak, seed, arm)
            found.append((honest, Task(PART, kind, 2 * i + 1, strong, seed + 1, arm)))
    return sorted(found, key=lambda pair: ARMS.index(pair[0].arm))


def contrast_of(params: Params) -> float:
    drawn = params.acquire.sources["phantom"]
    assert isinstance(drawn, PhantomSource)
    return float(drawn.contrast)


def draw_parts(films: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the pool to train on, and rows of other patients to validate and calibrate on."""
    patients = np.unique(films["patient"])
    place = dict(zip(patients.tolist(), rng.permutation(len(patients)).tolist(), strict=True))
    order = np.argsort([place[patient] for patient in films["patient"].tolist()], kind="stable")
    train = order[:TRAINED]
    rest = order[~np.isin(films["patient"][order], films["patient"][train])]
    return np.sort(train), np.sort(rest[:VALIDATION])


def examples(films: np.ndarray, labels: np.ndarray) -> Any:
    from hilum.data.prepared.examples import Examples

    return Examples(films, labels, tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in films))


def train(work: Path, task: Task) -> None:
    """Train and calibrate the network of one task, and measure its truth; both are written under `work`."""
    import keras

    from hilum.evaluation.scoring.calibration import calibrate
    from hilum.evaluation.scoring.decisions import find_threshold
    from hilum.evaluation.scoring.epochs import score_epoch
    from hilum.models.classifier import save_classifier
    from hilum.models.forward import predictor
    from hilum.settings.meaning import settle, spaces, trained_arm
    from hilum.training.learning.arms import Task as Training
    from hilum.training.learning.arms import read_logits, scale_logits, train_arm
    from hilum.training.learning.imbalance import shown_prior

    target = work / "models" / f"{task.name}.json"
    if target.exists():
        return
    params = read_params(ROOT / "params.yaml")
    arm = trained_arm(params.arms, task.arm)
    arm = settle(arm, {key: space.start for key, space in spaces(arm).items()})
    films, rng = study.pool(work, PART, "train"), np.random.default_rng(task.seed)
    rows = draw_parts(films, rng)
    parts = [
        examples(study.mark_films(films, some, task.kind, task.strength, rng), np.asarray(films["class"][some])) for some in rows
    ]
    keras.backend.clear_session()
    keras.utils.set_random_seed(task.seed)
    features = work / "features" / task.name
    training = Training(parts[0], parts[1], CLASSES, arm.weights, params.train, task.seed, features)
    model, fitted = train_arm(arm, training, len(arm.phases), score_epoch(params.train.select), quiet, quiet)
    shutil.rmtree(features, ignore_errors=True)
    prior = shown_prior(fitted.shown[fitted.kept_phase], parts[0].labels, len(CLASSES))
    patients = np.asarray(films["patient"][rows[1]], str)
    logits = read_logits(model, parts[1].films)
    found = calibrate(params.train.calibration, logits, parts[1].labels, patients, prior, task.seed)
    scale_logits(model, found.scaling.temperature, found.scaling.biases)
    predict = predictor(model)
    threshold = find_threshold(params.train.threshold_rule, parts[1].labels, predict(study_images(parts[1].films)))
    target.parent.mkdir(parents=True, exist_ok=True)
    save_classifier(model, target.with_suffix(".keras"))
    fitted_here = {"temperature": found.scaling.temperature, "threshold": threshold}
    truth = study.truth(predict, study.pool(work, PART, "fresh"), task.kind)
    target.write_text(json.dumps({**asdict(task), **fitted_here, **truth}))


def study_images(films: np.ndarray) -> np.ndarray:
    return films[..., None].astype(np.float32)


def quiet(*reported: Any) -> None:
    """Progress of a training, which is not shown."""


def audit(work: Path, name: str, strength: float, seed: int, kind: str, films: int) -> None:
    """Audit one network on its films as the stage does, knowing neither its truth nor the mark."""
    import keras

    from hilum.audit.auditee import audit_model
    from hilum.audit.evidence import Surroundings, measure
    from hilum.audit.regions import regions_of_masks
    from hilum.audit.rule import PROBING
    from hilum.explain.explained_model import ExplainedModel
    from hilum.models.classifier import load_classifier
    from hilum.models.forward import predictor

    target = work / "audits" / f"{name}.npz"
    if target.exists():
        return
    keras.backend.clear_session()
    network = load_classifier(work / "models" / f"{name}.keras")
    described = {"threshold": json.loads((work / "models" / f"{name}.json").read_text())["threshold"]}
    source, rng = study.pool(work, PART, "audit"), np.random.default_rng(seed)
    rows = np.sort(rng.choice(study.AUDIT_POOL, films, replace=False))
    shown = study.mark_films(source, rows, kind, strength, rng)
    auditee = audit_model(ExplainedModel(predictor(network), network), described)
    labels, patients = np.asarray(source["class"][rows]), np.asarray(source["patient"][rows], str)
    regions = regions_of_masks(source["lungs"][rows])
    surroundings = Surroundings(np.full(films, "phantom"), {"phantom": regions}, patients)
    found = measure(auditee, shown, labels, surroundings, PROBING, seed)
    fresh = study.pool(work, PART, "fresh")
    study.keep_audit(target, found, study.truth_of_surroundings(auditee, fresh, kind, strength, regions, rng))


def settle_pair(work: Path, pair: tuple[Task, Task], films: int) -> None:
    """Train both networks, and audit both on films that are marked as those of the second one."""
    for task in pair:
        train(work, task)
    for task in pair:
        audit(work, task.name, pair[1].strength, pair[1].seed + 500_000, task.kind, films)


def tabulate(work: Path, todo: list[tuple[Task, Task]], size: int) -> pd.DataFrame:
    """The networks that are audited so far."""
    done = [task for pair in todo for task in pair if (work / "audits" / f"{task.name}.npz").exists()]
    return study.measured(work, study.truths(work, done), size).round(4)


def tell(table: pd.DataFrame) -> str:
    """The rates of the rule by arm and by kind of mark, and the answers on the surroundings where their truth was measured."""
    known = table.dropna(subset=["truth_class_points"])
    found = [*(study.rates(table, by) for by in ("arm", "kind")), study.answers_on_surroundings(known)]
    return "\n\n".join(one.to_markdown() for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="films, networks and audits are kept here; without it the table is reported")
    parser.add_argument("--networks", type=int, default=20, help="of each arm")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=ARMS)
    parser.add_argument("--films", type=int, default=240, help="films that an audit sees")
    parser.add_argument("--again", action="store_true", help="also the networks that the table has")
    parser.add_argument("--table", type=Path, default=TABLE, help="path of the table of audited networks")
    asked = parser.parse_args()
    if asked.work:
        params = read_params(ROOT / "params.yaml")
        study.write_pools(asked.work, PART, params.prepare.size, contrast_of(params))
        known = pd.read_csv(asked.table) if asked.table.exists() and not asked.again else pd.DataFrame(columns=["seed"])
        todo = [pair for pair in pairs(asked.networks, tuple(asked.arms)) if not {one.seed for one in pair} <= set(known["seed"])]
        show = bar("pairs of networks")
        with multiprocessing.get_context("spawn").Pool(1, study.use_one_thread, maxtasksperchild=PROCESS) as alone:
            calls = [alone.apply_async(settle_pair, (asked.work, pair, asked.films)) for pair in todo]
            for i, call in enumerate(calls):
                call.get()
                table = pd.concat([known, tabulate(asked.work, todo, params.prepare.size)])
                table.sort_values("seed").to_csv(asked.table, index=False)
                show(i + 1, len(todo))
    print(tell(pd.read_csv(asked.table)))


if __name__ == "__main__":
    main()
