import pandas as pd

from hilum.pages.data_report.counts import (
    count_films,
    count_knowledge,
    count_ways,
    count_with_burned_in,
    measure_sizes,
    warn_of_confounding,
)


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


def test_what_became_of_each_source_is_counted(manifest: pd.DataFrame) -> None:
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


def test_films_with_burned_in_text_are_counted_by_class_and_source(manifest: pd.DataFrame) -> None:
    burned_in = pd.DataFrame({"image_id": manifest["image_id"], "burned_in": [1, 0, 2, 1, 0, 0, 0, 0, 3, 1, 1, 1]})
    counts = count_with_burned_in(manifest, burned_in).set_index(["label", "source"])
    assert counts["with_it"].to_dict() == {("ill", "s"): 1, ("normal", "s"): 2, ("normal", "t"): 4}
    assert counts["percent"].to_dict() == {("ill", "s"): 50.0, ("normal", "s"): 33.3, ("normal", "t"): 100.0}
