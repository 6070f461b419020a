"""Where the audit takes the lungs to lie: from masks where there are enough, and never so that nothing is left to exchange."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hilum.audit.regions import join_regions
from hilum.records import MANIFEST
from hilum.settings.params import read_params
from hilum.stages import audit
from hilum.workspace import Workspace

SIZE = 40
SETTINGS = read_params(Path(__file__).resolve().parents[2] / "params.yaml").audit
RECTANGLE = np.zeros((SIZE, SIZE), bool)
RECTANGLE[4:34, 3:37] = True  # 0.10 to 0.85, 0.08 to 0.92
SMALL = np.zeros((SIZE, SIZE), bool)
SMALL[12:20, 10:16] = True
TALL, WIDE = np.zeros((SIZE, SIZE), bool), np.zeros((SIZE, SIZE), bool)
TALL[:, 1:39] = True
WIDE[1:39, :] = True


def place(masks: dict[str, list[np.ndarray]], monkeypatch: pytest.MonkeyPatch) -> tuple[audit.Surroundings, dict[str, str]]:
    """The surroundings of sources whose films have these masks, one each."""
    found = {f"{source}/{i}": mask for source, own in masks.items() for i, mask in enumerate(own)}
    names = list(found)
    manifest = pd.DataFrame({**{name: [""] * len(names) for name in MANIFEST}, "image_id": names, "lung_mask": "there"})
    manifest["source"] = [name.split("/")[0] for name in names]
    monkeypatch.setattr(audit, "read_manifest", lambda path: manifest)
    monkeypatch.setattr(audit, "read_json", lambda path: {"size": SIZE})
    monkeypatch.setattr(audit, "load_masks", lambda folder, kind, some: {name: found[name] for name in some})
    return audit.find_surroundings(manifest, Workspace(Path(), Path()), SETTINGS, 0)


def test_many_masks_say_where_the_lungs_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    made, told = place({"clinic": [SMALL] * 60}, monkeypatch)
    np.testing.assert_array_equal(made.regions["clinic"].lungs, SMALL)
    assert told == {"clinic": "60 lung masks together"}


def test_the_outline_of_a_few_films_is_not_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made, told = place({"clinic": [SMALL]}, monkeypatch)
    np.testing.assert_array_equal(made.regions["clinic"].around, ~RECTANGLE)
    assert "the rectangle audit.lungs and 1 lung masks together" in told["clinic"]


def test_films_of_all_sources_together_leave_something_around_the_lungs(monkeypatch: pytest.MonkeyPatch) -> None:
    made, told = place({"tall": [TALL] * 60, "wide": [WIDE] * 60}, monkeypatch)
    assert join_regions(made.regions.values()).around.mean() >= audit.LEAST_AROUND
    assert set(told.values()) == {"the rectangle audit.lungs, because no pixel is around the lungs in all sources"}
