"""The part of the comparison page on the audit: a verdict for every arm with its evidence and a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hilum.audit.rule import FILMS, RATES
from hilum.evaluation.style import arm_colour
from hilum.pages.templates import render
from hilum.results import read_json

QUESTIONS = {  # question -> label
    "mark": ("a local mark outside the lungs", "a letter, a tag, a border"),
    "surroundings": ("the surroundings as a whole", "size, framing, exposure"),
}
EARLIER = {"honest": "not shown (earlier rule)", "shortcut": "shortcut (earlier rule)"}  # verdicts of audits by the rule before
POINTS = {  # number -> label, and what it is
    "mark_points": ("blamed region of another class", "balanced accuracy lost, halved"),
    "detail_points": ("fine detail of the blamed region, of another class", "balanced accuracy lost, halved"),
    "class_points": ("all surroundings, of another class", "balanced accuracy lost, halved"),
    "seams": ("all surroundings, of the same class", "balanced accuracy lost: what pasting does"),
    "around_probability": ("the most extreme surroundings", "shift of a probability"),
    "region_probability": ("outlined region of the most extreme surroundings", "shift of a probability"),
    "letter": ("a letter pasted in", "largest shift of a probability"),
    "accuracy": ("films as they are", "balanced accuracy"),
    "centre_only": ("centre only", "balanced accuracy"),
    "border_out": ("border blacked out", "balanced accuracy"),
    "markers_out": ("letters covered", "balanced accuracy"),
    "lungs_out": ("lungs hidden", "balanced accuracy"),
}


ENOUGH = 100  # films; below it the page warns


@dataclass(frozen=True)
class ArmAudit:
    """The audit of one arm: audit.json, and its picture as PNG."""

    found: Mapping[str, Any]
    picture: bytes


def read_audit(folder: Path) -> ArmAudit:
    """One arm's audit. Raises ValueError: the arm has not been audited."""
    return ArmAudit(read_json(folder / "audit.json"), (folder / "keys" / "audit.png").read_bytes())


def render_audit(audits: Mapping[str, ArmAudit]) -> Markup:
    """The section of the comparison page as HTML; audits: arm -> audit, in the page's order."""
    arms = list(audits)
    first = audits[arms[0]].found
    none = {question: {"shown": "", "why": ""} for question in QUESTIONS}
    return render(
        "audit.html",
        colour={arm: arm_colour(arm, arms) for arm in arms},
        audits={arm: {"questions": none} | _numbered(audit.found) for arm, audit in audits.items()},
        rates=RATES,
        earlier=EARLIER,
        questions=QUESTIONS,
        pictures={arm: audit.picture for arm, audit in audits.items()},
        rows=POINTS,
        films=first["films"],
        enough=ENOUGH,
        frozen_on=FILMS,
        lungs=first["lungs"],
        outlines=first["numbers"]["outlines_auroc"],
    )


def _numbered(found: Mapping[str, Any]) -> dict[str, Any]:
    """audit.json with NaN for every number that is missing or undefined."""
    names = (*POINTS, "spread", "heat_around")
    numbers = {name: float("nan") if (value := found["numbers"].get(name)) is None else value for name in names}
    probability = float("nan") if found["probability"] is None else found["probability"]
    return {**found, "probability": probability, "numbers": numbers}


def audit_warnings(audits: Mapping[str, ArmAudit]) -> Sequence[str]:
    """A sentence for every arm of which a mark or an effect of the surroundings is shown, or that an earlier rule accused."""
    told = []
    for arm, audit in audits.items():
        shown = [(name, one["why"]) for name, one in audit.found.get("questions", {}).items() if one["shown"] == "shown"]
        for question, why in shown[:1]:  # a mark is among the surroundings
            told.append(f"{arm} rests on {QUESTIONS[question][0]}, according to the audit: {why}")
        if audit.found["says"] == "shortcut":
            told.append(f"{arm} is a shortcut model according to the audit by its earlier rule; audit it again")
    return told
