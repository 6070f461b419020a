"""Candidates for the default of params.yaml, each pretrained and trained with several seeds on the same phantom films.

Run: python benchmarks/default_seeds.py --work FOLDER [--seeds 5] [--only CANDIDATE ...]

hilum's own stages draw, prepare and split the films once for each size. Each candidate and seed is then a process of its own:
pretraining where its arms want it, search, training, calibration and the test predictions of each arm, with that seed as
`pretrain.seed` and `train.seed`. What is finished is kept in --work, so that an interrupted run is continued. Prints tables in
Markdown: each arm over the seeds; the paired differences in AUROC with their 95 % intervals over patients; and the seconds.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import yaml

from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.statistics import paired_bootstrap
from hilum.progress import say
from hilum.project.overrides import merge
from hilum.records import Predictions
from hilum.results import read_json, read_predictions, write_json
from hilum.settings.params import Params, check_params
from hilum.settings.sources import PhantomSource
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("auroc_macro", "balanced_accuracy")
MEASURED = {name: METRICS[name] for name in ("auroc", "balanced_accuracy")}
RESAMPLES, CONFIDENCE, SEED = 1000, 0.95, 2026

SOLVED = {"unfreeze": "head", "solver": "convex", "penalty": "auto"}
STEPS = {
    "unfreeze": "head",
    "epochs": 15,
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True, "start": 1e-3},
    "decay": "none",
    "batch_norm": "auto",
}
UPPER = {"unfreeze": 6, "epochs": 12, "learning_rate": 1e-3, "decay": "cosine", "batch_norm": "auto"}
RATES = {"low": 3e-4, "high": 3e-3, "log": True, "start": 1e-3}
SEARCHED = {"dropout": {"low": 0.0, "high": 0.5, "start": 0.2}, "weight_decay": 1e-4}
FIXED = {"dropout": 0.2, "weight_decay": 1e-4}
SMALL = {"backbone": "mobilenet_025", "weights": "pretrained"}
LITE = {"backbone": "efficientnet_lite0", "weights": "imagenet"}
CUT = {**LITE, "options": {"blocks": 11}}
CAREFUL = {"optimizer": {"name": "adamw", "weight_decay": 1e-4}, "schedule": {"warmup": 1.0}, "batch_size": 16, "averaging": 0.98}
WHOLE = {"unfreeze": "all", "epochs": 8, "learning_rate": 4e-4, "decay": "cosine", "batch_norm": "auto"}
SHORT = {**WHOLE, "epochs": 6, "learning_rate": 2e-4}
ARMS: dict[str, dict[str, Any]] = {
    "steps": {**SMALL, "head": SEARCHED, "phases": [STEPS]},
    "solved": {**SMALL, "phases": [SOLVED]},
    "steps_upper": {**SMALL, "head": SEARCHED, "phases": [STEPS, UPPER]},
    "solved_upper": {**SMALL, "head": FIXED, "phases": [SOLVED, UPPER]},
    "solved_upper_searched": {**SMALL, "head": SEARCHED, "phases": [SOLVED, {**UPPER, "learning_rate": RATES}]},
    "lite0_solved": {**LITE, "phases": [SOLVED]},
    "lite0_whole": {**LITE, "head": FIXED, "phases": [SOLVED, WHOLE], "train": CAREFUL},
    "lite0_cut_solved": {**CUT, "phases": [SOLVED]},
    "lite0_cut_whole": {**CUT, "head": FIXED, "phases": [SOLVED, WHOLE], "train": CAREFUL},
    "lite0_cut_steps_whole": {**CUT, "head": SEARCHED, "phases": [STEPS, WHOLE], "train": CAREFUL},
    "lite0_cut_steps_short": {**CUT, "head": SEARCHED, "phases": [STEPS, SHORT], "train": CAREFUL},
}
SMALL_ARMS = tuple(name for name, arm in ARMS.items() if arm["backbone"] == "mobilenet_025")
CUT_ARMS = ("lite0_cut_solved", "lite0_cut_whole", "lite0_cut_steps_whole", "lite0_cut_steps_short")


def faint(contrast: float) -> dict[str, Any]:
    """Films of 96 px, on which the findings have so much of their contrast."""
    return {"acquire": {"sources": {"phantom": {"contrast": contrast}}}, "prepare": {"size": 96}}


def pretrained(epochs: int, learning_rate: float, decay: str) -> dict[str, Any]:
    """The films of the earlier default, 128 px with all of their contrast, and a pretraining."""
    films = {"acquire": {"sources": {"phantom": {"contrast": 1.0}}}, "prepare": {"size": 128}}
    return {**films, "pretrain": {"epochs": epochs, "learning_rate": learning_rate, "decay": decay}}


CANDIDATES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {  # what differs from params.yaml, and the arms
    "16 epochs, 2e-3": (pretrained(16, 2e-3, "none"), SMALL_ARMS),
    "16 epochs, 2e-3, cosine": (pretrained(16, 2e-3, "cosine"), SMALL_ARMS),
    "24 epochs, 5e-3, cosine": (pretrained(24, 5e-3, "cosine"), SMALL_ARMS),
    "32 epochs, 5e-3, cosine": (pretrained(32, 5e-3, "cosine"), SMALL_ARMS),
    **{f"ImageNet, contrast {share}": (faint(share), ("lite0_solved", "lite0_whole", *CUT_ARMS)) for share in (0.6, 0.5, 0.4)},
}
PAIRS = (  # reference, arm
    ("steps", "steps_upper"),
    ("solved", "steps_upper"),
    ("solved", "solved_upper"),
    ("solved", "solved_upper_searched"),
    ("lite0_solved", "lite0_whole"),
    ("lite0_cut_solved", "lite0_cut_whole"),
    ("lite0_cut_solved", "lite0_cut_steps_whole"),
    ("lite0_cut_solved", "lite0_cut_steps_short"),
)


def main() -> None:
    """Train what is missing, and print the tables of what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="films, weights and predictions are kept here")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(CANDIDATES), choices=list(CANDIDATES), metavar="CANDIDATE")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="ARM")
    asked = parser.parse_args()
    work, seeds = asked.work.resolve(), range(1, asked.seeds + 1)
    for seed in seeds:
        for name in asked.only:
            arms = [arm for arm in CANDIDATES[name][1] if arm in asked.arms]
            if all((folder_of(work, name, seed) / f"{arm}.json").is_file() for arm in arms):
                continue
            prepare_films(work, params_of(name, seed))
            alone = multiprocessing.get_context("spawn").Process(target=train_candidate, args=(work, name, seed, arms))
            alone.start()
            alone.join()
            if alone.exitcode:
                sys.exit(f"{name}, seed {seed}: ended with {alone.exitcode}; its error is above")
    print(tell(work, asked.only, seeds))


def params_of(candidate: str, seed: int) -> Params:
    """params.yaml with the candidate's changes and arms, and with the seed."""
    changes, arms = CANDIDATES[candidate]
    written = yaml.safe_load((ROOT / "params.yaml").read_text())
    seeded = merge(merge(written, changes), {"pretrain": {"seed": seed}, "train": {"seed": seed}})
    own = {arm: ARMS[arm] for arm in arms}
    return check_params({**seeded, "arms": own, "compare": {**seeded["compare"], "reference": arms[0]}})


def folder_of(work: Path, candidate: str, seed: int) -> Path:
    return work / "trained" / candidate / str(seed)


def films_of(work: Path, params: Params) -> Path:
    drawn = params.acquire.sources["phantom"]
    assert isinstance(drawn, PhantomSource)
    return work / "films" / f"{drawn.size}-{params.prepare.size}-{drawn.contrast}"


def prepare_films(work: Path, params: Params) -> None:
    """Draw, prepare and split the films by the stages, unless that is done."""
    folder = films_of(work, params)
    if (folder / "data" / "split" / "versions.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "dvc.yaml", folder)
    (folder / "params.yaml").write_text(
        json.dumps(params.model_dump(exclude_none=True))
    )  # YAML with all texts in quotes, in order
    sources = [["acquire", "--source", source] for source in params.acquire.sources]
    for stage in (*sources, ["check"], ["prepare"], ["split"]):
        subprocess.run([sys.executable, ROOT / "src" / "hilum", *stage], cwd=folder, check=True)


def train_candidate(work: Path, name: str, seed: int, arms: list[str]) -> None:
    """Pretrain where that is wanted, and train and test the arms that are missing."""
    from hilum.stages.check import gather_facts
    from hilum.stages.pretrain import load_rows, pretrain_backbone
    from hilum.training.learning.fit import begin_training

    params, folder = params_of(name, seed), folder_of(work, name, seed)
    workspace = Workspace(folder, folder)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for part in ("raw", "prepared", "split"):
        if not (folder / "data" / part).exists():
            (folder / "data" / part).symlink_to(films_of(work, params) / "data" / part)
    write_json(workspace.facts, gather_facts(params, workspace, workspace.hashes))
    begin_training(params.pretrain.seed, params.pretrain.threads)
    if (backbones := read_json(workspace.facts)["pretrain"]) and not (folder / "pretraining.json").is_file():
        with timed(folder / "pretraining.json"):
            train, val, classes, _ = load_rows(params, workspace)
            for backbone in backbones:
                pretrain_backbone(backbone, train, val, classes, params, workspace.pretrained, None)
    for arm in arms:
        if not (folder / f"{arm}.json").is_file():
            say(f"{name}, seed {seed}: {arm}")
            begin_training(params.train.seed, params.pretrain.threads)
            with timed(folder / f"{arm}.json"):
                train_arm_alone(arm, params, workspace)
    shutil.rmtree(workspace.cache, ignore_errors=True)


def train_arm_alone(arm: str, params: Params, workspace: Workspace) -> None:
    """Search, train, calibrate and test one arm as `tune`, `train` and `evaluate` do, without runs and figures."""
    from hilum.data.prepared.loading import load_split
    from hilum.evaluation.scoring.epochs import score_epoch
    from hilum.finishing.model import describe_model, finish_model
    from hilum.models.forward import predictor
    from hilum.results import table_of, write_table
    from hilum.settings.meaning import settle, spaces, trained_arm
    from hilum.stages.evaluate import prediction
    from hilum.stages.tune import Shared, fixed_part, search_arm
    from hilum.training.learning.arms import train_arm
    from hilum.training.searching.search import Watch
    from hilum.training.task import load_task

    versions, wanted = read_json(workspace.split / "versions.json"), trained_arm(params.arms, arm)
    task = load_task(params, wanted, workspace, versions)
    best: dict[str, Any] = {}
    if spaces(wanted):
        decides = fixed_part(params, arm, versions, workspace)
        best = search_arm(Shared(params, arm, workspace, versions), decides, Watch(quiet, quiet, quiet)).best
    settled = settle(wanted, best)
    score = score_epoch(params.train.select)
    model, fitted = train_arm(settled, task, len(settled.phases), score, quiet, quiet)
    _, prior = finish_model(model, fitted, task, workspace)
    films = load_split(workspace.prepared, workspace.split, "test", versions["classes"])
    predictions = prediction(predictor(model), films, describe_model(model, task, versions, prior))
    write_table(workspace.root / f"{arm}.csv", table_of(predictions, "test"))


def quiet(*reported: Any) -> None:
    """Progress of a training, which is not shown."""


@contextmanager
def timed(file: Path) -> Iterator[None]:
    """Write the seconds that the block took into a file, which marks it as finished."""
    begun = time.perf_counter()
    yield
    write_json(file, {"seconds": time.perf_counter() - begun})


def tell(work: Path, candidates: list[str], seeds: range) -> str:
    """The tables of the arms that every seed has finished."""
    arms, differences, pretraining = [], [], []
    for name in candidates:
        folders = [folder_of(work, name, seed) for seed in seeds]
        classes = tuple(params_of(name, 1).prepare.labels)
        done = [arm for arm in CANDIDATES[name][1] if all((folder / f"{arm}.json").is_file() for folder in folders)]
        found = {arm: [read_predictions(folder / f"{arm}.csv", "test", classes) for folder in folders] for arm in done}
        for arm, by_seed in found.items():
            values = [evaluate_all(predictions, MEASURED) for predictions in by_seed]
            told = [spread([value[metric] for value in values]) for metric in SHOWN]
            arms.append([name, arm, *told, mean_seconds(folders, arm)])
        for a, b in PAIRS:
            if a in found and b in found:
                pairs = zip(found[a], found[b], strict=True)
                differences.append([name, f"{b} - {a}", "; ".join(difference(*pair) for pair in pairs)])
        if all((folder / "pretraining.json").is_file() for folder in folders):
            pretraining.append([name, mean_seconds(folders, "pretraining")])
    return "\n\n".join(
        (
            markdown(["candidate", "arm", "AUROC", "balanced accuracy", "seconds"], arms),
            markdown(["candidate", "difference in AUROC", "of each seed"], differences),
            markdown(["candidate", "seconds of pretraining"], pretraining),
        )
    )


def spread(values: list[float]) -> str:
    """`0.912, SD 0.008, 0.901 to 0.920`; SD with N - 1."""
    return f"{np.mean(values):.3f}, SD {np.std(values, ddof=1):.3f}, {min(values):.3f} to {max(values):.3f}"


def difference(reference: Predictions, arm: Predictions) -> str:
    """`+0.052 [+0.031, +0.074]`: AUROC of the arm minus that of its reference."""
    found = paired_bootstrap(reference, arm, RESAMPLES, CONFIDENCE, SEED, {"auroc": METRICS["auroc"]})["auroc_macro"]
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def mean_seconds(folders: list[Path], what: str) -> str:
    return f"{np.mean([read_json(folder / f'{what}.json')['seconds'] for folder in folders]):.0f}"


def markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
