"""How often a subgroup is named as served worse: by chance where none is, and where a gap was planted.

`python benchmarks/subgroups.py [permutations] [task ...]`, 2,000 and all tasks by default. Score tables alone, no network:
patients of the phantom's own
population (1 to 3 films, age, sex, hospital) and logits drawn for them. By chance: the patients' groups are permuted within each
class, so that no group is served worse, and any that is named is a false alarm; of 95 % intervals that hold at once, at most 5 %
of the permutations may name one. Planted: the logit of the true class is lowered in one age group, on 40 seeds.
"""

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from hilum.data.confounding import NOT_TOLD, group_ages
from hilum.data.phantom.population import draw_population
from hilum.evaluation.subgroups import WORSE, measure_subgroups
from hilum.records import Labels, Predictions

AGE_GROUPS = (40.0, 60.0, 80.0)
PLANTED = ("age group", "40 to under 60")
RESAMPLES, CONFIDENCE, SEEDS = 1000, 0.95, 40


@dataclass(frozen=True)
class Task:
    """findings: the classes and their shares. skill: how far the true class's logit is raised. bias: of the last one's."""

    films: int
    findings: dict[str, float]
    skill: float
    bias: float = 0.0


TASKS = {
    "three classes": Task(360, {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}, 1.6),
    "two classes": Task(360, {"normal": 0.5, "viral": 0.5}, 1.8),
    "two classes, nearly perfect": Task(600, {"normal": 0.5, "viral": 0.5}, 4.0),
    "two classes, the second rare and often missed": Task(1200, {"normal": 0.85, "viral": 0.15}, 1.8, -1.8),
    "two classes, few patients": Task(150, {"normal": 0.5, "viral": 0.5}, 1.8),
}


def draw_scores(task: Task, seed: int, gap: float = 0.0) -> tuple[Predictions, pd.DataFrame]:
    """Predictions and the groups of their films. gap: what the true class's logit loses in the group PLANTED."""
    rng = np.random.default_rng(seed)
    films = draw_population(rng, films=task.films, findings=task.findings, shortcut_finding="viral", shortcut_strength=0.0)
    order = list(task.findings)
    truth: Labels = np.array([order.index(finding) for finding in films["finding"]], np.int64)
    patient = films["patient_id"].str[1:].to_numpy(np.int64) - 1
    count = int(patient.max()) + 1
    told = films["sex"].where(rng.random(count)[patient] > 0.1, NOT_TOLD)
    groups = pd.DataFrame(
        {
            "sex": told,
            "age group": group_ages(films["age"].astype(str), AGE_GROUPS),
            "source": films["hospital"].astype(str),
            "view": np.where(rng.random(count)[patient] < 0.25 + 0.25 * (truth > 0), "AP", "PA"),  # more AP films of the ill
            "size": rng.choice(["1024 x 1024", "2048 x 2048", "3056 x 2544"], count, p=[0.6, 0.3, 0.1])[patient],
            "burned-in text": rng.choice(["none", "some"], len(films), p=[0.8, 0.2]),
        }
    )
    logits = rng.normal(0, 0.7, (count, len(task.findings)))[patient] + rng.normal(0, 0.7, (len(films), len(task.findings)))
    logits[np.arange(len(films)), truth] += task.skill - gap * np.asarray(groups[PLANTED[0]] == PLANTED[1])
    logits[:, -1] += task.bias
    odds = np.exp(logits)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    image_id, patient_id = films["image_id"].to_numpy(str), films["patient_id"].to_numpy(str)
    predicted = probabilities.argmax(axis=1)
    return Predictions(image_id, patient_id, truth, probabilities, predicted, tuple(task.findings)), groups


def permute_groups(predictions: Predictions, groups: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Every patient of a class gets the groups of another one of the class, that of the first film for all films."""
    _, first, whose = np.unique(predictions.patient_id, return_index=True, return_inverse=True)
    given = np.arange(len(first))
    for k in range(len(predictions.classes)):
        own = np.flatnonzero(predictions.y_true[first] == k)
        given[own] = rng.permutation(own)
    return groups.iloc[first[given][whose]].reset_index(drop=True)


def count_false_alarms(task: Task, permutations: int, resamples: int = RESAMPLES) -> int:
    """In how many permutations any group is named."""
    predictions, groups = draw_scores(task, 0)
    rng = np.random.default_rng(1)
    return sum(
        WORSE
        in set(measure_subgroups(predictions, permute_groups(predictions, groups, rng), resamples, CONFIDENCE, seed)["judgement"])
        for seed in range(permutations)
    )


def count_found(task: Task, gap: float, resamples: int = RESAMPLES) -> int:
    """On how many seeds the group with the planted gap is named."""
    found = 0
    for seed in range(SEEDS):
        table = measure_subgroups(*draw_scores(task, 100 + seed, gap), resamples, CONFIDENCE, seed)
        worse = table[table["judgement"] == WORSE]
        found += PLANTED in set(zip(worse["column"], worse["group"], strict=True))
    return found


def tell_share(count: int, total: int) -> str:
    """`31 of 2,000, 1.6 % [1.1, 2.2]`: with Wilson's 95 % interval."""
    ends = binomtest(count, total).proportion_ci(0.95, method="wilson")
    return f"{count:,} of {total:,}, {100 * count / total:.1f} % [{100 * ends.low:.1f}, {100 * ends.high:.1f}]"


def main() -> None:
    permutations = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    for name in sys.argv[2:] or TASKS:
        task = TASKS[name]
        table = measure_subgroups(*draw_scores(task, 0), RESAMPLES, CONFIDENCE, 0)
        looks = int((table["judgement"] != "too small").sum())
        print(f"{name}: {task.films} films, {looks} looks", flush=True)
        print(f"  false alarms: {tell_share(count_false_alarms(task, permutations), permutations)}", flush=True)
        for gap in (0.8, 1.2, 1.6):
            print(
                f"  logit lowered by {gap} in {' '.join(PLANTED)}: named {tell_share(count_found(task, gap), SEEDS)}", flush=True
            )


if __name__ == "__main__":
    main()
