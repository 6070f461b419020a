"""The data report: one file, and everything in it."""

import base64
import re

import numpy as np
import pandas as pd

from hilum.data.quality.pair_sheet import draw_pairs
from hilum.pages.data_report.counts import count_films
from hilum.pages.data_report.figures import draw_counts
from hilum.pages.data_report.report import SHOWN_PROBLEMS, Sheet, render_report
from hilum.pictures import encode_png

CLASSES = ["normal", "ill"]


NO_PROBLEMS = pd.DataFrame(columns=["image_id", "path", "problem", "detail"])


def render(manifest: pd.DataFrame, films: np.ndarray, **settings: object) -> str:
    findings = manifest.groupby(["finding", "label", "source"]).size().reset_index(name="films")
    given = {
        "problems": NO_PROBLEMS,
        "findings": findings,
        "classes": CLASSES,
        "notes": (),
        "per_class": 3,
        "seed": 1,
        **settings,
    }
    return render_report(manifest, films, **given)  # type: ignore[arg-type]


def test_the_page_needs_no_other_file_and_shows_everything(manifest: pd.DataFrame, films: np.ndarray) -> None:
    problems = pd.DataFrame(
        {"image_id": ["s/x"], "path": ["s/x.png"], "problem": ["broken film"], "detail": ["cut <off> at byte 3"]},
    )
    splits = pd.DataFrame({"image_id": manifest["image_id"], "split": ["train", "val", "test"] * 4})
    page = render(
        manifest, films, problems=problems, notes=["s: no pattern"], splits=splits, test_part={"s": "official", "t": "internal"}
    )
    assert page.startswith("<!doctype html>")
    addresses = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert addresses and all(url.startswith(("data:image/png;base64,", "data:image/webp;base64,", "#")) for url in addresses)
    assert "http" not in page
    for told in (
        "The class ill comes from the source s only",
        "s: no pattern",
        "s/x.png",
        "cut &lt;off&gt; at byte 3",
        "train films",
        "split here by patient",
        "the one that the source itself has",
        "Films kept and left out, by source",
    ):
        assert told in page
    assert page == render(
        manifest, films, problems=problems, notes=["s: no pattern"], splits=splits, test_part={"s": "official", "t": "internal"}
    )


def test_near_duplicates_are_counted_and_shown_side_by_side(manifest: pd.DataFrame, films: np.ndarray) -> None:
    one, other, third = manifest["image_id"][[0, 5, 6]]
    near = pd.DataFrame({"image_id": [one, one], "other": [other, third], "score": [0.97, 0.96], "mirrored": ["yes", "no"]})
    near = near.assign(scale_x=1.02, scale_y=1.0, shift_x=0.0, shift_y=0.0, patient_id="p", other_patient=["p", "q"])
    near = near.assign(label="ill", other_label="normal")
    page = render(manifest, films, near=near)
    assert "2 pairs of films are as alike as copies, 1 of two patients; groups: 1, the largest of 3 films" in page
    assert "Near-duplicate films side by side" in page
    assert "None was found" in render(manifest, films, near=near.head(0))
    assert "Near duplicates" not in render(manifest, films)
    figure = draw_pairs(near, manifest, films, {one: "train"})
    parts = figure.subfigs
    assert parts[0].get_suptitle() == "score 0.960, content +2.0% wide, +0.0% high"  # two patients come first
    assert parts[1].get_suptitle() == "score 0.970, flipped, content +2.0% wide, +0.0% high"
    shown = [axis.images[0].get_array() for axis in parts[0].axes]
    np.testing.assert_array_equal(shown[1], films[6])
    assert f"{one} (train)" in parts[0].axes[0].get_xlabel()


def test_a_finding_that_was_left_out_is_in_the_table(manifest: pd.DataFrame, films: np.ndarray) -> None:
    findings = pd.DataFrame({"finding": ["normal", "todo"], "label": ["normal", ""], "source": ["s", "s"], "films": [1, 1234]})
    page = render(manifest, films, findings=findings)
    row = re.search(r'<tr class="out">(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert re.findall(r">\s*([^<\s][^<]*)<", row[1]) == ["todo", "left out", "s", "1,234"]


def test_a_finding_left_out_by_rule_differs_from_one_that_no_rule_names(manifest: pd.DataFrame, films: np.ndarray) -> None:
    findings = pd.DataFrame(
        {"finding": ["normal", "mass"], "label": ["normal", "excluded"], "source": ["s", "s"], "films": [1, 2]}
    )
    page = render(manifest, films, findings=findings)
    row = re.search(r'<tr class="out">(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert "left out by rule" in row[1]


def test_a_long_problem_list_is_cut_and_says_so(manifest: pd.DataFrame, films: np.ndarray) -> None:
    problems = pd.DataFrame({"image_id": "x", "path": "x.png", "problem": "copy", "detail": "y"}, index=range(1234))
    page = render(manifest, films, problems=problems)
    assert page.count('<td class="">x.png</td>') == SHOWN_PROBLEMS == 1000
    assert "234 more are in the file of problems" in page
    rare = pd.concat([problems, pd.DataFrame({"image_id": ["b"], "path": "b.png", "problem": "broken film", "detail": "z"})])
    assert "b.png" in render(manifest, films, problems=rare)
    assert "None: every film was read" in render(manifest, films)


def test_further_sections_stand_on_the_page_with_picture_and_table(manifest: pd.DataFrame, films: np.ndarray) -> None:
    picture = encode_png(draw_counts(count_films(manifest), CLASSES))
    table = pd.DataFrame({"reason": ["inverted <1>"], "score": [0.97]})
    sheets = [Sheet("Odd films", "Listed to be seen.", picture, table), Sheet("Bare", "Nothing here.", b"", None)]
    page = render(manifest, films, sheets=sheets)
    assert re.findall("<h2>(Odd films|Bare)</h2>", page) == ["Odd films", "Bare"]
    assert base64.b64encode(picture).decode() in page
    assert "inverted &lt;1&gt;" in page
    assert page.count("<img") == render(manifest, films).count("<img") + 1
