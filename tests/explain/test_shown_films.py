"""Films and annotations beside the maps: what is written is read again, and outlines lie where the masks do."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hilum.data.annotations import FilmAnnotations, no_annotations
from hilum.data.prepared.geometry import fit_square
from hilum.explain.shown_films import load_shown_films, save_shown_films, trace_annotations

SIDE = 20


def annotated() -> FilmAnnotations:
    """A lesion of rows 4 to 9 and columns 10 to 15, and a box on a raw film of twice the size."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[4:10, 10:16] = True
    bare = no_annotations(fit_square(2 * SIDE, 2 * SIDE, SIDE, "pad"))
    return dataclasses.replace(bare, masks={"lesion": mask}, boxes=np.array([[4.0, 8.0, 16.0, 20.0]]), findings=("nodule",))


def test_outlines_and_boxes_are_shares_of_the_side() -> None:
    drawn = trace_annotations(annotated())
    (line,) = drawn["lesion"]
    points = np.array(line) * SIDE  # x, y
    assert points[0].tolist() == points[-1].tolist(), "closed"
    assert points.min(axis=0) == pytest.approx([10, 4], abs=0.51)
    assert points.max(axis=0) == pytest.approx([16, 10], abs=0.51)
    assert np.array(drawn["box"]) == pytest.approx(np.array([[0.1, 0.2, 0.4, 0.5]]))
    assert drawn["findings"] == ["nodule"] and "lungs" not in drawn


def test_films_are_read_as_they_were_written(tmp_path: Path) -> None:
    films = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE), np.uint8)
    names, bare = ["a/1", "</script>"], no_annotations(fit_square(SIDE, SIDE, SIDE, "pad"))
    save_shown_films(tmp_path, films, names, [annotated(), bare])
    read = load_shown_films(tmp_path)
    assert read is not None and read.image_id == names and (read.films == films).all()
    assert read.annotations == [trace_annotations(annotated()), {"box": [], "findings": []}]


def test_results_of_earlier_versions_hold_no_films(tmp_path: Path) -> None:
    assert load_shown_films(tmp_path) is None
