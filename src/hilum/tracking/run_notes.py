"""The description of a run in `mlflow ui`, in Markdown: what came out, a picture, where the page is, how to run it again."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hilum.records import GIVEN
from hilum.results import read_json, read_table
from hilum.tracking.run_tags import COMMIT

COMMAND = "HILUM_COMMAND"  # variable: the command with changed parameters that a stage runs under, instead of `dvc repro`
TITLES = {"auroc_macro": "AUROC", "balanced_accuracy": "balanced accuracy", "ece": "calibration error"}  # of the headline
PAGE = "comparison/comparison.html"
MAPS = "note/maps.png"  # artifact: a panel made narrow, since MLflow's page becomes as wide as its widest picture
ENDED = {"KILLED": "was interrupted", "FAILED": "failed"}  # status -> what the description says, and in short the name


def arm_note(folder: Path, run_id: str, tags: Mapping[str, str]) -> str:
    """Description of an arm's run. folder: results/arms/<arm>; tags: of the run: its digests say what it holds."""
    held = {name for name in ("evaluation", "explanations", "audit") if f"digest.{name}" in tags}
    first = headline(folder / "evaluation") if "evaluation" in held else "Not evaluated yet"
    lines = [f"**{first}.** {_verdicts(folder, held)}".strip()]
    if tags.get("backbone") == GIVEN:
        lines.append("A given model: it is not known whether it was trained on these films. If it was, its figures are too good.")
    if members := _members(folder / "training" / "model.json"):
        lines.append(f"An ensemble of {', '.join(members)}: the mean of their logits, in one graph.")
    panels = sorted((folder / "explanations" / "panels").glob("*.png")) if "explanations" in held else []
    if panels:
        lines.append(_picture(f"The maps of {panels[0].stem}", MAPS, run_id))
    here = "" if _is_of_address() else f"`results/{PAGE}`, and "
    lines.append(f"The page with all arms: {here}`{PAGE}` among the artifacts of the run *comparison*.")
    return "\n\n".join([*lines, again(tags)])


def _members(file: Path) -> list[str]:
    """The names of an ensemble's members; none of other models."""
    model = read_json(file) if file.is_file() else {}
    return [member["name"] for member in model.get("ensemble", {}).get("members", ())]


def headline(evaluation: Path) -> str:
    """`Test films: AUROC 0.870 [0.838, 0.903], ... (95 % intervals over patients)`, from a folder of results."""
    found = read_json(evaluation / "metrics.json")
    told = [f"{title} {text}" for name, title in TITLES.items() if (text := _bounded(found, f"test/{name}"))]
    level = read_json(evaluation / "settings.json").get("params", {}).get("evaluate.confidence")
    words = f" ({100 * level:g} % intervals over patients)" if level else ""
    return f"Test films: {', '.join(told) or 'no metric is defined'}{words}"


def _bounded(metrics: Mapping[str, float | None], name: str) -> str:
    value, low, high = (metrics.get(key) for key in (name, f"{name}.low", f"{name}.high"))
    if value is None:
        return ""
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _verdicts(folder: Path, held: set[str]) -> str:
    """Of the sanity gate and the audit, as far as the run holds them."""
    told = []
    if sanity := (sanity_verdicts(folder / "explanations") if "explanations" in held else ""):
        told.append(f"Sanity gate: {sanity}.")
    if "audit" in held and (says := read_json(folder / "audit" / "settings.json").get("tags", {}).get("audit")):
        told.append(f"Audit: {says}.")
    return " ".join(told)


def sanity_verdicts(explanations: Path) -> str:
    """`gradcam passes, lime fails sanity`; empty where the gate was not asked."""
    file = explanations / "sanity.csv"
    if not file.is_file():
        return ""
    return ", ".join(f"{row['method']} {row['verdict']}" for row in read_table(file).to_dict("records"))


def comparison_note(comparison: Path, run_id: str, tags: Mapping[str, str], experiment: str) -> str:
    """Description of the comparison's run. comparison: its folder of results."""
    found = read_json(comparison / "metrics.json")
    names = [key for key in found if key.endswith("/auroc_macro") and found[key] is not None]
    reference = tags.get("reference", "the reference")
    told = [f"{key.split('/')[1]} - {reference} {_signed(found, key)}" for key in names]
    first = f"**AUROC on test films: {'; '.join(told)}.**" if told else ""
    link = f"#/experiments/{experiment}/runs/{run_id}/artifacts/{PAGE}"
    page = f"[The page with all arms]({link})" + ("." if _is_of_address() else f", in the project `results/{PAGE}`.")
    drawn = (comparison / "confusion.png").is_file()
    picture = _picture("Confusion matrices", "comparison/confusion.png", run_id) if drawn else ""
    return "\n\n".join(part for part in (first, page, picture, again(tags)) if part)


def _signed(metrics: Mapping[str, Any], name: str) -> str:
    bounds = [metrics[name], metrics.get(f"{name}.low"), metrics.get(f"{name}.high")]
    value, *ends = (None if bound is None else f"{round(bound, 3) + 0.0:+.3f}" for bound in bounds)
    return str(value) if None in ends else f"{value} [{ends[0]}, {ends[1]}]"


def search_note(tuning: Path, tags: Mapping[str, str]) -> str:
    """Description of a search's run: the best trial and its values."""
    trials = read_table(tuning / "trials.csv")
    states = ", ".join(f"{count} {str(state).lower()}" for state, count in trials["state"].value_counts().items())
    text = (tuning / "best.yaml").read_text().strip()
    return f"**{len(trials)} trials ({states}), nested below.** The best values:\n\n```\n{text}\n```\n\n{again(tags)}"


def again(tags: Mapping[str, str]) -> str:
    """The command that makes the run again, and the commit it needs where that is known."""
    commit, command = tags.get(COMMIT, ""), os.environ.get(COMMAND) or "dvc repro"
    checkout = f"git checkout {commit[:12]} && " if commit and not _is_of_address() else ""
    told = f"To run it again: `{checkout}{command}`"
    changed = " (tracked files differed from that commit)" if tags.get("git_dirty") == "true" else ""
    return f"{told}{changed}."


def _is_of_address() -> bool:
    """Whether `mlflow run` fetched the project from an address: then it is gone when a person reads the description."""
    return os.environ.get(COMMAND, "").startswith("mlflow run ")


def _picture(title: str, place: str, run_id: str) -> str:
    """A picture among the run's artifacts, which the server of the page sends."""
    return f"![{title}](get-artifact?path={quote(place)}&run_uuid={run_id})"


def ended_note(status: str, reason: str, adding: str, before: str, again: str = "Call the stage again") -> str:
    """Description of a run that did not finish, or to which a folder was not added whole.

    status: KILLED or FAILED; reason: message of the error, or empty; adding: the folder; before: the description so far.
    again: what makes it go on.
    """
    when, why = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", f": `{reason}`" if reason else ""
    told = f"**Adding {adding} to this run {ENDED[status]}**" if adding else f"**This run {ENDED[status]}**"
    partly = f"Files of {adding} may be missing here. " if adding else ""
    return f"{told} at {when}{why}. {partly}{again} to go on.\n\n{before}".strip()
