"""How often the intervals over seeds and patients hold the true value: many studies of 3, 5 and 10 repeats, simulated.

Each study draws patients with one to three films each, two arms, and ten trainings of each arm. A training has a skill and a
leaning towards some classes of its own; a patient has a difficulty that all trainings share, and one that is of one training
alone. The truth is the mean of the trainings of all studies.

python benchmarks/repeat_intervals.py [--studies 500] [--resamples 50] [--patients 200]
"""

import argparse
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.evaluation.repeats import Resampled, repeat_differences, repeat_intervals
from hilum.evaluation.scoring.metrics import METRICS, metric_names
from hilum.records import Predictions

CLASSES = ("normal", "bacterial", "viral")
SHARES = (0.36, 0.36, 0.28)
MEASURED = {name: METRICS[name] for name in ("accuracy", "log_loss", "auroc")}
SHOWN = ("accuracy", "log_loss", "auroc_macro")
REPEATS = (3, 5, 10)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class World:
    """Standard deviations, on logits: of a training's skill and leanings; of patients for all trainings and for one alone.

    separations: of the classes in the reference and in the other arm. alike: the correlation of the trainings of both arms that
    have the same seed.
    """

    skill: float
    leaning: float
    patient: float
    one_training: float
    separations: tuple[float, float] = (1.5, 1.8)
    alike: float = 0.0


WORLDS = {
    "seeds and patients": World(0.12, 0.15, 0.8, 0.4),
    "seeds above all": World(0.12, 0.15, 0.3, 0.2, (0.9, 1.1)),
    "patients above all": World(0.03, 0.03, 1.0, 0.2),
    "equal trainings": World(0.0, 0.0, 0.8, 0.0),
    "arms share seeds": World(0.12, 0.15, 0.8, 0.4, alike=0.5),
    "a lottery": World(0.6, 0.3, 0.5, 0.3, (2.0, 2.3)),
}
FILM = 0.5  # of films of one patient
KINSHIP = 0.7  # correlation of a patient's difficulty in both arms


def draw_study(world: World, patients: int, repeats: int, rng: np.random.Generator) -> list[list[Predictions]]:
    """Both arms' predictions of each training on the films of one draw of patients."""
    of_patient = rng.choice(len(SHARES), patients, p=SHARES)
    of_patient[:6] = [0, 0, 1, 1, 2, 2]  # a study without a class has no AUROC
    films = rng.integers(1, 4, patients)
    patient = np.repeat(np.arange(patients), films)
    truth = of_patient[patient]
    count, classes = len(truth), len(SHARES)
    shared, own = rng.normal(size=(patients, classes)), rng.normal(size=(2, patients, classes))
    film = rng.normal(size=(count, classes))
    common = rng.normal(size=(repeats, 1 + classes))  # what equal seeds give both arms
    ids = np.array([f"{i:05d}" for i in range(count)])
    names = np.array([f"p{i:04d}" for i in patient])
    arms = []
    for arm, separation in enumerate(world.separations):
        difficulty = KINSHIP * shared + np.sqrt(1 - KINSHIP**2) * own[arm]
        found = []
        for r in range(repeats):
            luck = np.sqrt(world.alike) * common[r] + np.sqrt(1 - world.alike) * rng.normal(size=1 + classes)
            alone = rng.normal(size=(patients, classes))
            logits = (separation + world.skill * luck[0]) * np.eye(classes)[truth] + world.leaning * luck[1:]
            logits += (world.patient * difficulty + world.one_training * alone)[patient] + FILM * film
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            found.append(Predictions(ids, names, truth, odds / odds.sum(axis=1, keepdims=True), odds.argmax(axis=1), CLASSES))
        arms.append(found)
    return arms


def resample(arm: list[Predictions], resamples: int, seed: int) -> Resampled:
    """What `resample_repeats` gives for MEASURED, 20 times as fast: all resamples at once, as weights of films."""
    one = arm[0]
    names, of_film = np.unique(one.patient_id, return_inverse=True)
    rng, count = np.random.default_rng(seed), len(names)
    times = [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(resamples)]
    weights = np.vstack([np.ones(len(of_film)), np.array(times)[:, of_film]])  # (1 + B, N), the films as they are first
    found = np.stack([_weighted(model, weights) for model in arm], axis=1)  # (1 + B, R, M)
    return Resampled(found[0], found[1:], metric_names(CLASSES, MEASURED), count)


def _weighted(model: Predictions, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, M) the metrics of a model with these weights of films (B, N), in the order of `metric_names`."""
    films = weights.sum(axis=1)
    right = weights @ (model.y_true == model.y_pred) / films
    loss = weights @ -np.log(model.y_prob[np.arange(len(model.y_true)), model.y_true]) / films
    areas = []
    for k in range(len(CLASSES)):
        order = np.argsort(model.y_prob[:, k])
        inside = (model.y_true == k)[order]
        sorted_weights = weights[:, order]
        outside = np.where(inside, 0.0, sorted_weights)
        pairs = (np.cumsum(outside, axis=1)[:, inside] * sorted_weights[:, inside]).sum(axis=1)
        areas.append(pairs / (sorted_weights[:, inside].sum(axis=1) * outside.sum(axis=1)))
    return np.stack([right, loss, np.mean(areas, axis=0), *areas], axis=1)


def first(found: Resampled, repeats: int) -> Resampled:
    """The study with its first repeats and the metrics of SHOWN alone."""
    places = [found.names.index(name) for name in SHOWN]
    return replace(found, values=found.values[:repeats, places], drawn=found.drawn[:, :repeats, places], names=list(SHOWN))


def simulate(world: World, studies: int, resamples: int, patients: int, seed: int) -> pd.DataFrame:
    """A row per study, number of repeats, metric and what is estimated: whether the interval holds the truth, and its width.

    The truth is the mean of the trainings of all studies.
    """
    rng = np.random.default_rng(seed)
    names, rows = metric_names(CLASSES, MEASURED), []
    drawn = [
        [resample(arm, resamples, study) for arm in draw_study(world, patients, max(REPEATS), rng)] for study in range(studies)
    ]
    truth = np.mean([[arm.values.mean(axis=0) for arm in arms] for arms in drawn], axis=0)  # (2, M)
    for arms in drawn:
        for repeats in REPEATS:
            a, b = (first(arm, repeats) for arm in arms)
            means, differences = repeat_intervals(a, CONFIDENCE), repeat_differences(a, b, CONFIDENCE)
            for metric in SHOWN:
                place = names.index(metric)
                for kind, low, high, wanted in (
                    ("mean", means[metric].low, means[metric].high, truth[0, place]),
                    ("difference", differences[metric].low, differences[metric].high, truth[1, place] - truth[0, place]),
                ):
                    rows.append((kind, metric, repeats, low <= wanted <= high, high - low))
    return pd.DataFrame(rows, columns=["of", "metric", "repeats", "holds", "width"])


def measure(name: str, studies: int, resamples: int, patients: int, seed: int) -> list[str]:
    """A line in Markdown for each estimate and metric in one world: per number of repeats the coverage and the mean width."""
    found = simulate(WORLDS[name], studies, resamples, patients, seed)
    lines = []
    for kind in ("mean", "difference"):
        for metric in SHOWN:
            rows = found[(found["of"] == kind) & (found["metric"] == metric)]
            cells = [rows[rows["repeats"] == repeats] for repeats in REPEATS]
            told = (f"{100 * cell['holds'].mean():.1f} % ({cell['width'].mean():.3f})" for cell in cells)
            lines.append(f"| {name} | {kind} | {metric} | {' | '.join(told)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--resamples", type=int, default=50)
    parser.add_argument("--patients", type=int, default=200)
    asked = parser.parse_args()
    print(f"| world | interval of | metric | {' | '.join(f'{repeats} repeats' for repeats in REPEATS)} |")
    print("|---" * (3 + len(REPEATS)) + "|")
    for name in WORLDS:
        print("\n".join(measure(name, asked.studies, asked.resamples, asked.patients, seed=1)), flush=True)


if __name__ == "__main__":
    main()
