"""The frozen rule: from what was measured to an answer for each question, with the reason.

Does the model rest on a local mark outside the lungs? Does it rest on the surroundings as a whole? WEIGHTS were frozen by
`benchmarks/audit_real.py` on networks whose behaviour is known, RATES are those on others; change them only by that study.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Probing:
    """donors: surroundings given to each film to rank them; repeats: pairs per film of a donor of its class and of another.

    pairs: of each half of the patients, steps: per path, of the map of blame; share: of the strongest blame, from which a pixel
    is exchanged; shown: from which it is shown.
    """

    donors: int
    repeats: int
    pairs: int
    steps: int
    share: float
    shown: float


PROBING = Probing(donors=4, repeats=2, pairs=96, steps=2, share=0.3, shown=0.15)
FILMS = 240  # of every audit in the study
LEAST_FILMS = 20  # of a class
LEAST_PATIENTS = 10  # of a class: in each half of the patients there must be some
LEAST_ABOVE = 5.0  # points of balanced accuracy above chance
ERRORS = 1.645  # standard errors on each side of an interval of 90 %
WEIGHTS = {"mark_odds": 9.477, "detail_odds": 11.92}  # log odds per unit of the measured numbers
INTERCEPT = -4.154
UNSURE = (0.35, 0.65)  # probabilities of a mark between which the audit cannot tell
UNDONE = 0.5  # of the log odds that the blamed region moves: what all surroundings, which hold it, must move the same way
AROUND = (1.0, 4.0)  # points of balanced accuracy: surroundings that surely move more than the first, or less than the second

RATES = (
    "On networks of real films that it was not fixed on, the audit showed a mark in 91 % [81, 96] of 64 that rest "
    "on a planted one and in 0 % [0, 4] of 97 that do not; it could not tell in 7 % [4, 13] of all."
)

Shown = Literal["shown", "not shown", "cannot tell"]


@dataclass(frozen=True)
class Answer:
    """shown: whether the evidence shows it; why: what that rests on, in one sentence."""

    shown: Shown
    why: str


@dataclass(frozen=True)
class Verdict:
    """mark: does the model rest on a local mark outside the lungs? surroundings: on the surroundings as a whole?

    probability: that it rests on a mark, if models that do and that do not are equally frequent; NaN where that cannot be told.
    """

    mark: Answer
    surroundings: Answer
    probability: float

    @property
    def says(self) -> str:
        """`mark` where it is shown; else `surroundings` where they are; else `cannot tell` where one is open; `neither shown`."""
        if self.mark.shown == "shown":
            return "mark"
        if self.surroundings.shown == "shown":
            return "surroundings"
        return "cannot tell" if "cannot tell" in (self.mark.shown, self.surroundings.shown) else "neither shown"


def judge(numbers: Mapping[str, float]) -> Verdict:
    """The verdict on numbers of `evidence.measure`."""
    if not np.isfinite(numbers["spread"]):
        raise ValueError("a verdict must have finite numbers, got none for spread; check the model for NaN")
    if reason := _too_little(numbers):
        return Verdict(Answer("cannot tell", reason), Answer("cannot tell", reason), float("nan"))
    odds = INTERCEPT + sum(weight * numbers[name] for name, weight in WEIGHTS.items())
    probability = float(1 / (1 + np.exp(-odds)))
    return Verdict(_mark(numbers, probability), _surroundings(numbers), probability)


def _too_little(numbers: Mapping[str, float]) -> str:
    """Why the films or the model do not allow an answer; empty where they do."""
    if numbers["least_films"] == 0:
        return "all audited films are of one class"
    if numbers["least_films"] < LEAST_FILMS:
        return f"a class has {numbers['least_films']:.0f} audited films, fewer than {LEAST_FILMS}"
    if numbers.get("least_patients", LEAST_PATIENTS) < LEAST_PATIENTS:  # the study's table has no such column
        return f"a class has {numbers['least_patients']:.0f} audited patients, fewer than {LEAST_PATIENTS}"
    if numbers["above_chance"] < LEAST_ABOVE:
        return f"the model is {numbers['above_chance']:.0f} points above chance on these films, less than {LEAST_ABOVE:.0f}"
    return ""


def _mark(numbers: Mapping[str, float], probability: float) -> Answer:
    evidence = (
        f"where the blamed region goes with the class it adds {numbers['mark_points']:.1f} points of balanced accuracy "
        f"(standard error {numbers['mark_points_error']:.1f})"
    )
    held = numbers.get("held_odds", numbers["class_odds"])  # the same in the study's tables, of two classes
    if probability > UNSURE[0] and held < UNDONE * numbers["mark_odds"]:
        return Answer("cannot tell", f"{evidence}, but all surroundings together, which hold it, hardly move the model that way")
    if UNSURE[0] < probability < UNSURE[1]:
        return Answer("cannot tell", f"{evidence}: networks with and without a mark have such values")
    return Answer("shown" if probability >= UNSURE[1] else "not shown", evidence)


def _surroundings(numbers: Mapping[str, float]) -> Answer:
    points, error = numbers["class_points"], numbers["class_points_error"]
    evidence = f"where they go with the class they add {points:.1f} points of balanced accuracy (standard error {error:.1f})"
    if points - ERRORS * error > AROUND[0]:
        return Answer("shown", evidence)
    if points + ERRORS * error < AROUND[1]:
        return Answer("not shown", evidence)
    return Answer("cannot tell", f"{evidence}: the interval reaches from {AROUND[0]:.0f} to {AROUND[1]:.0f} and beyond")


def told_verdict(verdict: Verdict) -> dict[str, Any]:
    """The verdict as audit.json holds it: `says`, `probability`, and `questions` with `shown` and `why` of each."""
    questions = {"mark": asdict(verdict.mark), "surroundings": asdict(verdict.surroundings)}
    return {"says": verdict.says, "probability": verdict.probability, "questions": questions}
