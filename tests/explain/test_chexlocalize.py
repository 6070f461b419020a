"""CheXlocalize's protocol, against what that project's own code gave, and by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from hilum.explain.chexlocalize import (
    SIZE,
    decode_runs,
    draw_polygons,
    encode_runs,
    iou_table,
    published_iou,
    read_film_table,
    summarise_findings,
)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_run_lengths_come_back(share):
    mask = np.random.default_rng(1).random((37, 53)) < share
    np.testing.assert_array_equal(decode_runs(encode_runs(mask)), mask)


def test_run_lengths_by_hand():
    """2 zeros, 3 ones, 1 zero down the columns of a 2 x 3 mask."""
    assert decode_runs({"size": [2, 3], "counts": "231"}).tolist() == [[False, True, True], [False, True, False]]


@pytest.mark.parametrize("counts", ["23", "29", "5N3"])
def test_damaged_run_lengths_are_refused(counts):
    with pytest.raises(ValueError, match="the file is damaged"):
        decode_runs({"size": [2, 3], "counts": counts})


def test_polygons_hold_their_outline():
    mask = draw_polygons([[[1, 1], [4, 1], [4, 3], [1, 3]]], (6, 7))
    assert mask.shape == (6, 7)
    assert mask[1:4, 1:5].all() and mask.sum() == 12


def test_iou_counts_as_published():
    empty, annotation = np.zeros((2, 2), bool), np.array([[1, 1], [0, 0]], bool)
    assert published_iou(annotation, np.array([[1, 0], [1, 0]], bool), True) == pytest.approx(1 / 3)
    assert published_iou(annotation, empty, False) == 0
    assert np.isnan(published_iou(annotation, empty, True)) and np.isnan(published_iou(empty, annotation, True))
    assert np.isnan(published_iou(empty, empty, False))


def test_a_table_of_two_films_by_hand():
    annotation = np.array([[1, 1, 0], [0, 0, 0]], bool)
    truth = {"p1_s_v": {"Edema": encode_runs(annotation)}, "p2_s_v": {"Edema": encode_runs(annotation)}}
    found = {"p1_s_v": {"Edema": encode_runs(annotation)}}
    assert iou_table(truth, found, False)["Edema"].tolist() == [1, 0]  # a film without maps has an empty mask
    assert iou_table(truth, found, True)["Edema"].dropna().tolist() == [1]
    with pytest.raises(ValueError, match="one size"):
        iou_table(truth, {"p1_s_v": {"Edema": encode_runs(annotation.T)}}, False)


def test_all_films_of_a_patient_are_drawn_together():
    """Ten films of one patient at 1 and ten patients at 0: by films the interval would exclude 0, by patients it must not."""
    films = [f"p0_study1_view{i}" for i in range(10)] + [f"p{i}_study1_view1" for i in range(1, 11)]
    table = pd.DataFrame({"Edema": [1.0] * 10 + [0.0] * 10, "Nodule": [np.nan] * 20}, index=films)
    summary = summarise_findings(table, 500, 0.95, seed=0)
    assert summary.loc["Edema", "value"] == pytest.approx(0.5)
    assert summary.loc["Edema", "low"] == 0 and summary.loc["Edema", "high"] > 0.6
    assert summary.loc["Edema", ["films", "patients"]].tolist() == [20, 11]
    assert summary.loc["Nodule", "films"] == 0 and np.isnan(summary.loc["Nodule", "value"])


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match="film -> finding"):
        read_film_table(tmp_path / "list.json")


@pytest.fixture(scope="module")
def sample(shared):
    folder = shared / "data" / "chexlocalize-sample"
    names = {"truth": "gt_segmentations_val", "polygons": "gt_annotations_val", "found": "gradcam_segmentations_val_sample"}
    tables = {key: read_film_table(folder / f"{name}.json") for key, name in names.items()}
    return {**tables, "expected": json.loads((folder / "expected_iou.json").read_text())}


def test_masks_are_written_as_published(sample):
    for findings in sample["truth"].values():
        for runs in findings.values():
            assert encode_runs(decode_runs(runs)) == runs


@pytest.mark.parametrize(("key", "true_positives_only"), [("iou_true_pos_only", True), ("iou_all", False)])
def test_iou_equals_that_of_the_published_code(sample, key, true_positives_only):
    table = iou_table(sample["truth"], sample["found"], true_positives_only)
    expected = pd.DataFrame(sample["expected"][key]).astype(float)
    pd.testing.assert_frame_equal(table, expected.loc[table.index, table.columns], rtol=0, atol=0)
    assert (expected > 0).sum().sum() >= 3


def test_the_polygons_drawn_are_the_published_masks(sample):
    drawn = 0
    for film, findings in sample["truth"].items():
        own = sample["polygons"][film]
        for finding, runs in findings.items():
            mask = draw_polygons(own.get(finding, []), tuple(own[SIZE]))
            np.testing.assert_array_equal(mask, decode_runs(runs))
            drawn += bool(mask.any())
    assert drawn == 4
