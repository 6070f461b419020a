"""The nested runs of the repeats of an arm's training: one for each seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hilum.results import REPEATED, REPEATS, epoch_metrics, read_json, read_table
from hilum.tracking.open_run import Run
from hilum.tracking.store import Store
from hilum.workspace import Workspace


def repeat_tags(tags: Mapping[str, str], number: int, seed: int) -> dict[str, str]:
    """The tags of the nested run of a repeat. tags: of the arm's run; number: counted from 1."""
    return {**tags, "role": "repeat", "repeat": str(number), "seed": str(seed), "mlflow.note.content": ""}


def log_repeat(run: Run, folder: Path) -> None:
    """Log the seed, the model and the metrics of a repeat's training from its folder."""
    described = read_json(folder / "model.json")
    run.log_params({"train.seed": described["repeat"]["seed"]})
    run.log_metrics({key: value for key, value in read_json(folder / "metrics.json").items() if value is not None})
    run.tag({"model_sha256": described["model_sha256"]})


def log_repeats(store: Store, parent: Run, workspace: Workspace, arm: str) -> None:
    """A nested run for each repeat of an arm's training, from the files; none where the arm was trained once."""
    folder = workspace.arm(arm, "training")
    if not (folder / "repeats.csv").is_file():
        return
    tags = read_json(folder / "settings.json")["tags"]
    for row in read_table(folder / "repeats.csv").to_dict("records"):
        place = folder / REPEATS / str(row["repeat"])
        nested = repeat_tags(tags, row["repeat"], row["seed"])
        with store.start(f"repeat-{row['repeat']}", nested, parent.id, key=parent.id) as run:  # that of a continued parent
            run.log_history(epoch_metrics(read_table(place / "history.csv")))
            log_repeat(run, place)


def log_measured_repeats(store: Store, parent: Run, folder: Path) -> None:
    """Log the metrics of each repeat, from repeats.csv of an evaluation, into the nested run of that repeat."""
    if not (folder / "repeats.csv").is_file():
        return
    nested: dict[str, Any] = {}
    with store.contact.while_answered():
        nested = {run.data.tags["repeat"]: run for run in store.find({"role": "repeat", "mlflow.parentRunId": parent.id})}
    keys = [f"{part}/{name}" for part in ("val", "test") for name in REPEATED]
    for row in read_table(folder / "repeats.csv").to_dict("records"):
        if (found := nested.get(str(row["repeat"]))) is not None:
            with store.resume(found.info.run_id, "evaluation") as run:
                run.log_metrics({key: row[key] for key in keys})
