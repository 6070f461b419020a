"""The audit in one picture: the blame, the films whose surroundings have the largest effect, and the effect of hiding parts."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.ndimage import binary_dilation

from hilum.audit.evidence import Evidence
from hilum.audit.regions import Region
from hilum.audit.rule import Verdict
from hilum.evaluation.style import new_figure, styled, wrapped
from hilum.explain.drawing.heat import draw_film, heat, strongest
from hilum.records import Films

HIDDEN = {  # number -> label
    "accuracy": "films as they are",
    "centre_only": "centre only",
    "border_out": "border blacked out",
    "markers_out": "letters covered",
    "lungs_out": "lungs hidden",
}
SHIFTS = {
    "mark_points": "blamed region of another class",
    "class_points": "surroundings of another class",
    "around_probability": "most extreme surroundings",
    "letter": "a letter pasted in",
}
EXAMPLES = 3  # films shown for each kind of surroundings
BLAME, LINE = "#D55E00", "#56B4E9"


@styled
def audit_figure(films: Films, evidence: Evidence, around: Region, verdict: Verdict, target: str, title: str) -> Figure:
    """films: the audited films (N, H, W); around: pixels around the lungs; target: the class whose odds are moved most."""
    answers = f"a local mark: {verdict.mark.shown}; the surroundings as a whole: {verdict.surroundings.shown}"
    figure = new_figure(11.0, 7.2, f"{title}, {answers}")
    place = figure.add_gridspec(2, 1 + EXAMPLES, width_ratios=[1.25, *[1] * EXAMPLES])
    blame = figure.add_subplot(place[0, 0])
    region = "blamed region" if verdict.mark.shown == "shown" else "largest effect"
    _draw_blame(blame, films, evidence, around, region)
    for column in range(min(EXAMPLES, len(evidence.ranking.high))):
        for row, donors, side in ((0, evidence.ranking.high[::-1], "for"), (1, evidence.ranking.low, "against")):
            axes = figure.add_subplot(place[row, 1 + column])
            draw_film(axes, films[donors[column]])
            axes.set_aspect("equal")
            if verdict.mark.shown == "shown":
                _fill(axes, evidence.blamed)
            else:
                _outline(axes, ~around, LINE)
            axes.set_title(wrapped(f"surroundings argue {side} {target}", 22), fontsize=9)
    _draw_numbers(figure.add_subplot(place[1, 0]), evidence)
    return figure


def _draw_blame(axes: Axes, films: Films, evidence: Evidence, around: Region, region: str) -> None:
    draw_film(axes, films.mean(axis=0))
    shown = np.where(around, np.clip(evidence.blame, 0, None), 0).astype(np.float32)  # (H, W)
    axes.imshow(heat(shown, strongest(shown), signed=False), interpolation="nearest")
    _outline(axes, ~around, LINE)
    _fill(axes, evidence.blamed)
    axes.set_title(wrapped(f"mean film, blame (heat), {region} (orange), lungs of all films (blue)", 30), fontsize=9)


def _outline(axes: Axes, region: Region, colour: str) -> None:
    if region.any() and not region.all():
        axes.autoscale(False)  # a contour would show its own extent instead of the film's
        axes.contour(np.pad(region, 1)[1:-1, 1:-1].astype(float), levels=[0.5], colors=colour, linewidths=1.2)


def _fill(axes: Axes, region: Region) -> None:
    """Tint a region and draw its outline one pixel outside, so that even a region one pixel wide is visible."""
    tint = np.zeros((*region.shape, 4))  # (H, W, 4)
    tint[region] = (*to_rgb(BLAME), 0.45)
    axes.imshow(tint, interpolation="nearest")
    _outline(axes, binary_dilation(region), BLAME)


def _draw_numbers(axes: Axes, evidence: Evidence) -> None:
    rows = [(label, evidence.numbers[name], "#8a8a8a") for name, label in HIDDEN.items()]
    rows += [(label, evidence.numbers[name], BLAME) for name, label in SHIFTS.items()]
    rows = [(label, value if np.isfinite(value) else 0.0, colour) for label, value, colour in rows]  # of one class: no effect
    names, values, colours = zip(*rows[::-1], strict=True)
    axes.barh(range(len(rows)), values, color=colours)
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    for i, value in enumerate(values):
        axes.text(max(value, 0) + 1.5, i, f"{value:.1f}", va="center", fontsize=8)
    axes.set_xlim(0, 112)
    axes.set_xticks([0, 50, 100])
    axes.set_xlabel("points: balanced accuracy (grey), effect (orange)", fontsize=8)
