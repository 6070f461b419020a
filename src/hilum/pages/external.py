"""The section on external tests: frozen arms on films of other origin, beside their internal test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from hilum.evaluation.outside.external import SOURCES
from hilum.evaluation.scoring.metrics import metric_title
from hilum.evaluation.shortcut_baselines import SEES
from hilum.evaluation.style import arm_colour
from hilum.pages.levels import name_intervals, read_setting
from hilum.pages.templates import render
from hilum.results import read_json, read_table

BASELINE = "acquisition_only"
HEADLINE = ("auroc_macro", "balanced_accuracy", "brier", "ece")
OF_CLASSES = ("sensitivity", "specificity")  # where the frozen decision rule lands


def render_external(folders: Mapping[str, Path]) -> Markup:
    """The section as HTML; empty where no arm has an external test.

    folders: arm -> its folder `external`, which may be missing.
    """
    told = {arm: read_json(folder / SOURCES) for arm, folder in folders.items() if (folder / SOURCES).is_file()}
    sources = dict.fromkeys(name for one in told.values() for name in one)
    if not sources:
        return Markup("")
    tested = {name: {arm: folders[arm] / name for arm, one in told.items() if name in one} for name in sources}
    return render(
        "external.html",
        sources=[_describe(name, by_arm, told) for name, by_arm in tested.items()],
        level=name_intervals({arm: folder.parent / "evaluation" for arm, folder in folders.items()}, "evaluate"),
        sees=SEES[BASELINE][0],
        colour={arm: arm_colour(arm, list(folders)) for arm in folders},
    )


def _describe(name: str, by_arm: Mapping[str, Path], told: Mapping[str, Any]) -> dict[str, Any]:
    first = next(iter(by_arm))
    facts = told[first][name]
    drops = {arm: read_table(folder / "drop.csv").set_index("metric") for arm, folder in by_arm.items()}
    shares = {arm: read_table(folder / "shares.csv") for arm, folder in by_arm.items()}
    shown = [*HEADLINE, *(f"{metric}/{one}" for metric in OF_CLASSES for one in facts["means_over"])]
    return {
        "name": name,
        "facts": facts,
        "arms": list(by_arm),
        "rows": [(metric_title(metric), {arm: _cells(table, metric) for arm, table in drops.items()}) for metric in shown],
        "baselines": {arm: _read_baseline(folder) for arm, folder in by_arm.items()},
        "notes": list(dict.fromkeys(note for arm in by_arm for note in told[arm][name]["notes"])),
        "shares": [
            {**row, "prior": {arm: table["prior"].iloc[k] for arm, table in shares.items()}}
            for k, row in enumerate(shares[first].to_dict("records"))
        ],
        "prior": {
            arm: [{**row, "title": metric_title(row["metric"])} for row in read_table(folder / "prior.csv").to_dict("records")]
            for arm, folder in by_arm.items()
            if (folder / "prior.csv").is_file()
        },
    }


def _read_baseline(folder: Path) -> dict[str, Any]:
    """AUROC of the shortcut baseline and how far the arm is above it; empty where it is undefined or an earlier version wrote."""
    found = read_json(folder / "metrics.json") if (folder / "metrics.json").is_file() else {}
    if found.get(f"{BASELINE}/auroc_macro") is None:
        return {}
    margin = read_setting(folder.parent.parent / "evaluation", "evaluate.acquisition.margin")
    sides = {"own": f"{BASELINE}/auroc_macro", "above": f"above_{BASELINE}/auroc_macro"}
    ends = {side: [found[f"{key}{end}"] for end in ("", ".low", ".high")] for side, key in sides.items()}
    return {**ends, "margin": margin, "flagged": ends["above"][1] is None or ends["above"][1] < margin}


def _cells(drop: pd.DataFrame, metric: str) -> dict[str, Any]:
    """The numbers of one metric, and whether its drop has an interval without 0."""
    row = dict(zip(map(str, drop.columns), drop.loc[[metric]].to_numpy(float)[0].tolist(), strict=True))
    low, high = row["drop_low"], row["drop_high"]
    return {**row, "defined": not np.isnan(row["drop"]), "excludes_0": low > 0 or high < 0}
