"""Ensembles of the finalists on real films of children: what means of their logits gain over single networks, and their cost.

Run: python benchmarks/pediatric_means.py --root FILMS --work FOLDER --weights mobilenetv2=FILE [--seeds 0 3] [--films-as changed]

Takes --root, --work, --weights and --films of `pediatric_arms.py`: networks kept in --work are read, others trained.
As the stage `ensemble` does: each member with its own temperature, the mean of their logits, a temperature for the mean, all
fitted on validation, and then the prevalence of the recipes. Prints Markdown: means over the networks or ensembles of a row with
95 % intervals over these and over patients, and the difference from the first row, paired by patient.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from imbalance import LABELS, SPLIT_SEED
from pediatric_arms import Bench, keep_outcome
from pediatric_ways import BETWEEN
from seeds_and_patients import SHOWN, Outcome, measure, write_interval

from hilum.evaluation.scoring.calibration import find_scaling
from hilum.settings.params import read_params
from hilum.training.learning.fit import begin_training

LITE, BEFORE = "224 px: lite0, block_6, batch 16", "before: mobilenetv2, head, block_13, 224 px"
GAINS = ("accuracy", "macro-F1", "log loss")
HEAD = ["networks", "in each", "of them", *SHOWN.values(), *(f"{name} minus first" for name in GAINS)]


def main() -> None:
    """Print a row for each kind of ensemble."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--weights", nargs="*", default=[], metavar="BACKBONE=FILE")
    parser.add_argument("--films", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(5)))
    parser.add_argument("--films-as", default="they are", choices=("they are", "changed"))
    asked = parser.parse_args()
    begin_training(SPLIT_SEED, 0)
    settings = read_params(Path(__file__).resolve().parents[1] / "params.yaml").train
    files = {name: Path(file) for name, _, file in (pair.partition("=") for pair in asked.weights)}
    bench = Bench(asked.root, asked.work, files, asked.films, settings)
    part = "changed_logits" if asked.films_as == "changed" else "test_logits"
    lite, before = ([keep_outcome(bench, way, seed, part) for seed in asked.seeds] for way in (LITE, BEFORE))
    n = len(asked.seeds)
    rows: dict[str, list[Sequence[Outcome]]] = {
        "Lite0": [[one] for one in lite],
        "MobileNetV2": [[one] for one in before],
        "one of Lite0, one of MobileNetV2": [list(pair) for pair in zip(lite, before, strict=True)],
        "two of Lite0": [[lite[i], lite[(i + 1) % n]] for i in range(n)],
        "all of Lite0": [lite],
        "all of MobileNetV2": [before],
        "all of both": [[*lite, *before]],
    }
    values = {name: measure([join(members) for members in sets], "temperature", tuple(LABELS)) for name, sets in rows.items()}
    first = values["Lite0"]
    columns = [list(SHOWN.values()).index(name) for name in GAINS]
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for name, found in values.items():
        figures = [write_interval(found[:, :, i]) for i in range(found.shape[2])]
        gains = ["" if found is first else write_interval(found[:, :, i], first[:, :, i], "+") for i in columns]
        print(f"| {' | '.join([name, str(len(rows[name][0])), str(len(rows[name])), *figures, *gains])} |")


def join(members: Sequence[Outcome]) -> Outcome:
    """The mean of the members' logits, each calibrated on validation, as one outcome with the recipes' prevalence."""
    scalings = [find_scaling("temperature", one.val_logits, one.val_labels, one.prior) for one in members]

    def mean(part: str) -> np.ndarray:
        return np.mean([np.log(s.apply(getattr(one, part))) for s, one in zip(scalings, members, strict=True)], axis=0)

    prior = np.exp(np.mean([np.log(one.prior) for one in members], axis=0))
    one = members[0]
    return Outcome(
        *(mean("val_logits"), one.val_labels, one.val_patients, mean("test_logits"), one.test_labels, one.test_patients),
        *(prior / prior.sum(), np.array(sum(float(member.seconds) for member in members)), np.array(BETWEEN)),
    )


if __name__ == "__main__":
    main()
