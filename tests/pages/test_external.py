"""The section on external tests: what differs between arms is said of each."""

from pathlib import Path

import pandas as pd

from hilum.evaluation.scoring.metrics import metric_title
from hilum.pages.external import HEADLINE, OF_CLASSES, render_external
from hilum.results import write_json, write_table

FACTS = {
    "films": 3,
    "patients": 2,
    "classes": ["normal", "ill"],
    "means_over": ["normal", "ill"],
    "sites": {},
    "left_out": {},
    "threshold": None,
}


def write_arm(folder: Path, prior: float, notes: list[str]) -> Path:
    """The results of one arm on the source `south`."""
    names = [*HEADLINE, *(f"{metric}/{one}" for metric in OF_CLASSES for one in FACTS["classes"])]
    columns = [f"{side}{end}" for side in ("internal", "external", "drop") for end in ("", "_low", "_high")]
    external, south = folder / "external", folder / "external" / "south"
    write_json(external / "sources.json", {"south": {**FACTS, "notes": notes}})
    write_json(folder / "evaluation" / "settings.json", {"params": {"evaluate.confidence": 0.95}})
    write_table(south / "drop.csv", pd.DataFrame([{"metric": name, **dict.fromkeys(columns, 0.5)} for name in names]))
    shares = {"class": FACTS["classes"], "prior": [1 - prior, prior], "internal": [0.5, 0.5], "external": [0.4, 0.6]}
    write_table(south / "shares.csv", pd.DataFrame(shares))
    return external


def test_priors_and_notes_are_those_of_every_arm(tmp_path: Path) -> None:
    folders = {
        "baseline": write_arm(tmp_path / "baseline", 0.23, ["of both", "of the first"]),
        "finetuned": write_arm(tmp_path / "finetuned", 0.37, ["of both", "of the second"]),
    }
    page = render_external(folders)
    assert metric_title("brier") in page
    assert "23" in page and "37" in page, "the prior of each arm"
    assert [page.count(note) for note in ("of both", "of the first", "of the second")] == [1, 1, 1]
