import base64
import re

import numpy as np
import pandas as pd
import pytest

from hilum.data.quality.pair_sheet import draw_pairs
from hilum.pages.data_report import (
    Sheet,
    choose_samples,
    count_films,
    count_knowledge,
    count_marked,
    count_ways,
    draw_counts,
    draw_samples,
    draw_sizes,
    encode_png,
    measure_sizes,
    render_report,
    warn_of_confounding,
)
from hilum.records import MANIFEST

CLASSES = ["normal", "ill"]


@pytest.fixture
def manifest() -> pd.DataFrame:
    rows = [
        {
            "image_id": f"{source}/{label}{number}",
            "patient_id": f"{source}/{label}{number // 2}",
            "source": source,
            "label": label,
        }
        for source, label, count in (("s", "ill", 2), ("s", "normal", 6), ("t", "normal", 4))
        for number in range(count)
    ]
    table = pd.DataFrame(rows).reindex(columns=list(MANIFEST), fill_value="")
    return table.assign(
        width=[200 + 10 * row for row in range(12)], height=100, finding=table["label"], view=["AP"] * 8 + [""] * 4
    )


@pytest.fixture
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (12, 16, 16), np.uint8)


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


def test_films_and_patients_are_counted_by_class_source_and_split(manifest: pd.DataFrame) -> None:
    splits = pd.DataFrame({"image_id": manifest["image_id"], "split": ["train", "val"] + ["train"] * 4 + ["test"] * 5 + ["val"]})
    counts = count_films(manifest, splits).set_index(["label", "source", "split"])
    assert counts["films"].to_dict() == {
        ("ill", "s", "train"): 1,
        ("ill", "s", "val"): 1,
        ("normal", "s", "train"): 4,
        ("normal", "s", "test"): 2,
        ("normal", "t", "test"): 3,
        ("normal", "t", "val"): 1,
    }
    assert counts["patients"][("normal", "s", "train")] == 2
    assert set(count_films(manifest)["split"]) == {""}
    assert count_films(manifest, splits.head(3))["films"].sum() == 3


def test_a_class_from_one_source_is_warned_about(manifest: pd.DataFrame) -> None:
    warnings = warn_of_confounding(manifest)
    assert len(warnings) == 1
    assert warnings[0].startswith("The class ill comes from the source s only")
    mixed = manifest.assign(source=["s", "t"] * 6)
    assert warn_of_confounding(mixed) == []
    assert "the one source s" in warn_of_confounding(manifest.assign(source="s"))[0]


def test_sizes_and_knowledge_by_hand(manifest: pd.DataFrame) -> None:
    sizes = measure_sizes(manifest).set_index(["source", "measure"])
    assert sizes.loc[("s", "width")].to_dict() == {"smallest": 200, "median": 235, "largest": 270}
    assert sizes.loc[("t", "height_by_width")].to_dict() == {"smallest": 0.32, "median": 0.34, "largest": 0.36}
    knowledge = count_knowledge(manifest).set_index("source")
    assert knowledge.loc["s", ["films", "view", "age"]].tolist() == [8, 8, 0]
    assert knowledge.loc["t", "view"] == 0


def test_samples_are_seeded_without_replacement_and_of_different_patients_first(manifest: pd.DataFrame) -> None:
    samples = choose_samples(manifest, CLASSES, 5, seed=1)
    assert len(set(samples["normal"])) == 5
    assert manifest.set_index("image_id").loc[samples["normal"], "patient_id"].is_unique
    assert sorted(choose_samples(manifest, CLASSES, 50, seed=1)["normal"]) == sorted(manifest["image_id"][2:])
    assert samples == choose_samples(manifest.sample(frac=1, random_state=1), CLASSES, 5, seed=1)
    assert samples["normal"] != choose_samples(manifest, CLASSES, 5, seed=2)["normal"]


def test_an_empty_cell_says_so_and_every_film_has_its_name(manifest: pd.DataFrame, films: np.ndarray) -> None:
    samples = choose_samples(manifest, [*CLASSES, "absent"], 4, seed=1)
    figure = draw_samples(manifest, films, samples)
    assert len(figure.axes) == 12
    said = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert sum(texts == ["no further film"] for texts in said) == 2 + 4
    names = ["".join(axis.get_xlabel().split("\n")) for axis in figure.axes if axis.images]
    assert names == [*samples["normal"], *samples["ill"]]
    row = manifest.index[manifest["image_id"] == samples["normal"][1]][0]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), films[row])


def test_figures_give_the_same_bytes_twice(manifest: pd.DataFrame, films: np.ndarray) -> None:
    def encode() -> list[bytes]:
        samples = choose_samples(manifest, CLASSES, 3, seed=1)
        figures = draw_counts(count_films(manifest), CLASSES), draw_sizes(manifest), draw_samples(manifest, films, samples)
        return [encode_png(figure) for figure in figures]

    first = encode()
    assert all(png.startswith(b"\x89PNG") for png in first)
    assert first == encode()


def test_bars_are_as_long_as_the_counts_in_class_order(manifest: pd.DataFrame) -> None:
    axis = draw_counts(count_films(manifest), CLASSES).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["ill  (s)", "normal  (t)", "normal  (s)"]
    assert [bar.get_width() for bar in axis.patches] == [2, 4, 6]


def test_the_page_needs_no_other_file_and_tells_everything(manifest: pd.DataFrame, films: np.ndarray) -> None:
    problems = pd.DataFrame(
        {"image_id": ["s/x"], "path": ["s/x.png"], "problem": ["broken film"], "detail": ["cut <off> at byte 3"]},
    )
    splits = pd.DataFrame({"image_id": manifest["image_id"], "split": ["train", "val", "test"] * 4})
    page = render(
        manifest, films, problems=problems, notes=["s: no pattern"], splits=splits, test_part={"s": "official", "t": "internal"}
    )
    assert page.startswith("<!doctype html>")
    assert all(url.startswith("data:image/png;base64,") for url in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert "http" not in page
    for told in (
        "The class ill comes from the source s only",
        "s: no pattern",
        "s/x.png",
        "cut &lt;off&gt; at byte 3",
        "train films",
        "carved here by patient",
        "the one that the source itself has",
    ):
        assert told in page
    assert page == render(
        manifest, films, problems=problems, notes=["s: no pattern"], splits=splits, test_part={"s": "official", "t": "internal"}
    )


def test_near_duplicates_are_told_and_shown_side_by_side(manifest: pd.DataFrame, films: np.ndarray) -> None:
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


def test_a_finding_that_a_rule_left_out_is_told_from_one_that_no_rule_names(manifest: pd.DataFrame, films: np.ndarray) -> None:
    findings = pd.DataFrame(
        {"finding": ["normal", "mass"], "label": ["normal", "excluded"], "source": ["s", "s"], "films": [1, 2]}
    )
    page = render(manifest, films, findings=findings)
    row = re.search(r'<tr class="out">(.*?)</tr>', page, re.DOTALL)
    assert row is not None
    assert "left out by rule" in row[1]


def test_what_became_of_each_source_is_counted(manifest: pd.DataFrame, films: np.ndarray) -> None:
    problems = pd.DataFrame(
        [("t/a", "copy"), ("t/b", "lateral view"), ("t/c", "lateral view"), ("u/d", "row without a film")],
        columns=["image_id", "problem"],
    ).assign(path="x.png", detail="y")
    assert count_ways(manifest, problems).values.tolist() == [
        ["s", "kept", 8],
        ["t", "kept", 4],
        ["t", "lateral view", 2],
        ["t", "copy", 1],
        ["u", "row without a film", 1],
    ]
    assert "What became of each source" in render(manifest, films, problems=problems)


def test_a_long_problem_list_is_cut_and_says_so(manifest: pd.DataFrame, films: np.ndarray) -> None:
    problems = pd.DataFrame({"image_id": "x", "path": "x.png", "problem": "copy", "detail": "y"}, index=range(1234))
    page = render(manifest, films, problems=problems)
    assert page.count("x.png") == 200
    assert "1,034 more" in page
    rare = pd.concat([problems, pd.DataFrame({"image_id": ["b"], "path": "b.png", "problem": "broken film", "detail": "z"})])
    assert "b.png" in render(manifest, films, problems=rare)
    assert "None: every film was read" in render(manifest, films)


def test_films_with_marks_are_counted_by_class_and_source(manifest: pd.DataFrame) -> None:
    markers = pd.DataFrame({"image_id": manifest["image_id"], "markers": [1, 0, 2, 1, 0, 0, 0, 0, 3, 1, 1, 1]})
    counts = count_marked(manifest, markers).set_index(["label", "source"])
    assert counts["with_marks"].to_dict() == {("ill", "s"): 1, ("normal", "s"): 2, ("normal", "t"): 4}
    assert counts["percent"].to_dict() == {("ill", "s"): 50.0, ("normal", "s"): 33.3, ("normal", "t"): 100.0}


def test_further_sections_stand_on_the_page_with_picture_and_table(manifest: pd.DataFrame, films: np.ndarray) -> None:
    picture = encode_png(draw_counts(count_films(manifest), CLASSES))
    table = pd.DataFrame({"reason": ["inverted <1>"], "score": [0.97]})
    sheets = [Sheet("Odd films", "Listed to be seen.", picture, table), Sheet("Bare", "Nothing here.", b"", None)]
    page = render(manifest, films, sheets=sheets)
    assert re.findall("<h2>(Odd films|Bare)</h2>", page) == ["Odd films", "Bare"]
    assert base64.b64encode(picture).decode() in page
    assert "inverted &lt;1&gt;" in page
    assert page.count("<img") == render(manifest, films).count("<img") + 1
