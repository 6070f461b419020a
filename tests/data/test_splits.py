import numpy as np
import pandas as pd
import pytest

from hilum.data.splits import (
    choose_annotated_films,
    choose_explain_films,
    group_patients,
    pairs_across,
    prove_disjoint,
    split_by_patient,
)

COLUMNS = [
    "image_id",
    "patient_id",
    "label",
    "source",
    "official_split",
    "sha256",
    "pixel_sha256",
    "path",
    "lung_mask",
    "lesion_mask",
    "boxes",
]

NO_PAIRS = pd.DataFrame(columns=["image_id", "other"])


def make_manifest(patients: dict[str, int], films: int = 2, source: str = "s", part: str = "") -> pd.DataFrame:
    """`patients` of each class, with `films` films each."""
    rows = []
    for label, count in patients.items():
        for patient in range(count):
            for film in range(films):
                owner = f"{source}/{part}{label}{patient}"
                name = f"{owner}-{film}"
                rows.append((name, owner, label, source, part, name, name, f"{name}.png", "", "", ""))
    return pd.DataFrame(rows, columns=COLUMNS)


def split_of(manifest: pd.DataFrame, **settings: object) -> pd.Series:
    given = {"validation": 0.2, "test": 0.3, "seed": 1, **settings}
    return split_by_patient(manifest, **given).table.set_index("image_id")["split"]  # type: ignore[arg-type]


def test_patients_are_whole_and_shares_hold_in_every_class_and_source() -> None:
    manifest = pd.concat([make_manifest({"a": 50, "b": 20}), make_manifest({"a": 30, "b": 10}, source="t")], ignore_index=True)
    result = split_by_patient(manifest, 0.2, 0.3, seed=1)
    films = manifest.merge(result.table, on="image_id")
    assert len(films) == len(manifest)
    assert (films.groupby("patient_id")["split"].nunique() == 1).all()
    counts = films.groupby(["source", "label", "split"])["patient_id"].nunique().unstack()
    assert counts.loc[("s", "a")].to_dict() == {"train": 25, "val": 10, "test": 15}
    assert counts.loc[("s", "b")].to_dict() == {"train": 10, "val": 4, "test": 6}
    assert counts.loc[("t", "a")].to_dict() == {"train": 15, "val": 6, "test": 9}
    assert counts.loc[("t", "b")].to_dict() == {"train": 5, "val": 2, "test": 3}
    assert result.test_part == {"s": "internal", "t": "internal"}
    assert result.left_out.empty


def test_the_seed_alone_decides() -> None:
    manifest = make_manifest({"a": 40, "b": 40})
    pd.testing.assert_series_equal(split_of(manifest), split_of(manifest.sample(frac=1, random_state=3)))
    assert (split_of(manifest) != split_of(manifest, seed=2)).any()


def test_the_input_stays_as_it_is() -> None:
    manifest = make_manifest({"a": 5, "b": 5})
    before = manifest.copy()
    split_of(manifest)
    pd.testing.assert_frame_equal(manifest, before)


@pytest.mark.parametrize("column", ["sha256", "pixel_sha256"])
def test_patients_who_share_a_film_are_one_group(column: str) -> None:
    manifest = make_manifest({"a": 12})
    manifest.loc[[0, 5, 11], column] = "same"  # films of the patients a0, a2, a5
    group = group_patients(manifest)
    assert len(set(group)) == 10
    assert len(set(group[[0, 1, 4, 5, 10, 11]])) == 1
    for seed in range(5):
        split = split_of(manifest, seed=seed)
        assert split[[f"s/a{patient}-{film}" for patient in (0, 2, 5) for film in (0, 1)]].nunique() == 1


def test_links_join_patients_through_one_whose_films_are_gone() -> None:
    manifest = make_manifest({"a": 4}, films=1)
    linked = pd.DataFrame({"patient_id": ["s/a0", "s/gone"], "other": ["s/gone", "s/a3"]})
    assert group_patients(manifest, linked)[0] == group_patients(manifest, linked)[3]
    assert len(set(group_patients(manifest, linked))) == 3
    assert len(set(group_patients(manifest))) == 4


def test_the_official_test_part_stays_and_its_patients_leave_train() -> None:
    manifest = pd.concat([make_manifest({"a": 10, "b": 10}, part="train"), make_manifest({"a": 4, "b": 4}, part="test")])
    manifest = manifest.reset_index(drop=True)
    test_films = manifest["image_id"][manifest["official_split"] == "test"]
    manifest.loc[manifest["image_id"] == "s/traina0-0", "patient_id"] = "s/testa0"  # the same patient on both sides
    manifest.loc[manifest["image_id"].isin(["s/traina1-0", "s/testb1-0"]), "sha256"] = "same"  # the same bytes on both sides
    result = split_by_patient(manifest, 0.2, 0.3, seed=1)
    split = result.table.set_index("image_id")["split"]
    assert (split[test_films] == "test").all()
    assert (split == "test").sum() == len(test_films)
    assert sorted(result.left_out["image_id"]) == ["s/traina0-0", "s/traina1-0", "s/traina1-1"]
    assert set(result.left_out["image_id"]).isdisjoint(split.index)
    details = result.left_out.set_index("image_id")["detail"]
    assert details["s/traina0-0"] == "the same patient is in the official test part with s/testa0-0"
    assert details["s/traina1-1"].startswith("s/testb1, who shares a film or its near duplicate with this one,")
    assert result.test_part == {"s": "official"}
    validation = manifest.merge(result.table[result.table["split"] == "val"], on="image_id")
    assert validation.groupby("label")["patient_id"].nunique().to_dict() == {"a": 2, "b": 2}
    assert set(validation["official_split"]) == {"train"}


def test_a_source_without_an_official_test_part_gets_an_internal_one() -> None:
    manifest = pd.concat(
        [
            make_manifest({"a": 10}, source="s", part="train"),
            make_manifest({"a": 5}, source="s", part="test"),
            make_manifest({"a": 10}, source="t"),
        ],
        ignore_index=True,
    )
    result = split_by_patient(manifest, 0.2, 0.3, seed=1)
    films = manifest.merge(result.table, on="image_id")
    tests = films[films["split"] == "test"].groupby("source")["patient_id"].nunique().to_dict()
    assert tests == {"s": 5, "t": 3}
    assert result.test_part == {"s": "official", "t": "internal"}


def test_a_small_class_still_reaches_every_split() -> None:
    manifest = make_manifest({"a": 100, "rare": 3})
    films = manifest.merge(split_by_patient(manifest, 0.1, 0.1, seed=4).table, on="image_id")
    assert films[films["label"] == "rare"].groupby("split")["patient_id"].nunique().to_dict() == {"train": 1, "val": 1, "test": 1}


def test_a_patient_of_two_classes_counts_for_the_rarer_one() -> None:
    manifest = make_manifest({"a": 30, "b": 6})
    manifest.loc[manifest["patient_id"].isin(["s/a0", "s/a1", "s/a2"]) & manifest["image_id"].str.endswith("-1"), "label"] = "b"
    films = manifest.merge(split_by_patient(manifest, 1 / 3, 1 / 3, seed=0).table, on="image_id")
    assert films[films["label"] == "b"].groupby("split")["patient_id"].nunique().to_dict() == {"train": 3, "val": 3, "test": 3}


@pytest.mark.parametrize("patients", [{"a": 10, "b": 2}, {"a": 1}])
def test_too_few_patients_are_refused_with_counts(patients: dict[str, int]) -> None:
    label = list(patients)[-1]
    with pytest.raises(ValueError, match=f"a patient in each split, got .*{label}: train 0"):
        split_of(make_manifest(patients))


def test_one_patient_of_most_films_is_named_where_a_class_lacks_patients() -> None:
    manifest = make_manifest({"a": 9, "b": 9}).assign(patient_id="s/anonymous")
    with pytest.raises(ValueError, match=r"36 of 36 films count as one patient, s/anonymous: check if that is right"):
        split_of(manifest)
    few = make_manifest({"a": 9, "b": 2})
    with pytest.raises(ValueError, match="every class must have a patient") as error:
        split_of(few)
    assert "count as one patient" not in str(error.value)


def test_a_class_that_the_official_test_part_lacks_is_refused() -> None:
    manifest = pd.concat([make_manifest({"a": 9, "b": 9}, part="train"), make_manifest({"a": 9}, part="test")], ignore_index=True)
    with pytest.raises(ValueError, match="b: train 7, val 2, test 0"):
        split_of(manifest)


@pytest.mark.parametrize("shares", [(0.0, 0.2), (0.2, 1.0), (0.6, 0.5), (-0.1, 0.5)])
def test_shares_must_leave_films_to_train_on(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        split_of(make_manifest({"a": 9}), validation=shares[0], test=shares[1])


def test_the_proof_counts_films_and_patients() -> None:
    manifest = make_manifest({"a": 10}, films=3)
    result = split_by_patient(manifest, 0.2, 0.3, seed=1)
    assert prove_disjoint(manifest, result.table, NO_PAIRS) == {
        "splits": {
            "train": {"films": 15, "patients": 5},
            "val": {"films": 6, "patients": 2},
            "test": {"films": 9, "patients": 3},
        },
        "shared": {"patients": 0, "bytes": 0, "pixels": 0, "near_duplicates": 0},
    }


@pytest.mark.parametrize(("column", "what"), [("patient_id", "patients"), ("sha256", "bytes"), ("pixel_sha256", "pixels")])
def test_the_proof_fails_on_anything_shared_and_names_the_films(column: str, what: str) -> None:
    manifest = make_manifest({"a": 10})
    table = split_by_patient(manifest, 0.2, 0.3, seed=1).table
    pair = [table["image_id"][table["split"] == split].iloc[0] for split in ("train", "test")]
    manifest.loc[manifest["image_id"].isin(pair), column] = "same"
    with pytest.raises(ValueError, match=f"got 1 {what} shared") as caught:
        prove_disjoint(manifest, table, NO_PAIRS)
    assert all(image_id in str(caught.value) for image_id in pair)


def test_the_proof_fails_on_near_duplicates_in_two_splits_and_names_them() -> None:
    manifest = make_manifest({"a": 10})
    table = split_by_patient(manifest, 0.2, 0.3, seed=1).table
    train, test = (table["image_id"][table["split"] == split].tolist() for split in ("train", "test"))
    near = pd.DataFrame({"image_id": [train[0], train[0], train[1]], "other": [train[1], "left/out", test[0]]})
    with pytest.raises(ValueError, match="got 1 near duplicates shared") as caught:
        prove_disjoint(manifest, table, near)
    assert f"{train[1]} (train) and {test[0]} (test)" in str(caught.value)
    assert pairs_across(near, table)[["split", "other_split"]].values.tolist() == [["train", "test"]]
    assert prove_disjoint(manifest, table, near.head(2))["shared"]["near_duplicates"] == 0


def test_a_group_joined_by_likeness_on_both_sides_of_an_official_split_leaves_train() -> None:
    manifest = pd.concat([make_manifest({"a": 20}, part="train"), make_manifest({"a": 8}, part="test")], ignore_index=True)
    linked = pd.DataFrame({"patient_id": ["s/traina0", "s/traina1"], "other": ["s/traina1", "s/testa0"]})  # a chain
    result = split_by_patient(manifest, 0.2, 0.3, seed=1, linked_patients=linked)
    assert sorted(result.left_out["image_id"]) == ["s/traina0-0", "s/traina0-1", "s/traina1-0", "s/traina1-1"]
    assert result.left_out["detail"][0].startswith("s/testa0, who shares a film or its near duplicate with this one,")
    near = pd.DataFrame({"image_id": ["s/traina0-0", "s/traina1-1"], "other": ["s/traina1-0", "s/testa0-1"]})
    assert prove_disjoint(manifest, result.table, near)["shared"]["near_duplicates"] == 0


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"image_id": ["s/a0-0", "s/a0-0"], "split": ["train", "train"]}),
        pd.DataFrame({"image_id": ["nobody"], "split": ["train"]}),
        pd.DataFrame({"image_id": ["s/a0-0"], "split": ["holdout"]}),
    ],
)
def test_the_proof_refuses_a_table_that_is_no_split(table: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="in one split of train, val, test"):
        prove_disjoint(make_manifest({"a": 3}), table, NO_PAIRS)


def with_masks(manifest: pd.DataFrame, image_ids: list[str]) -> pd.DataFrame:
    return manifest.assign(lung_mask=np.where(manifest["image_id"].isin(image_ids), "mask.png", ""))


def test_films_to_explain_are_balanced_test_films_of_different_patients_with_masks_first() -> None:
    manifest = with_masks(make_manifest({"a": 40, "b": 12, "c": 12}), [f"s/a{patient}-1" for patient in range(0, 40, 5)])
    table = split_by_patient(manifest, 0.2, 0.3, seed=1).table
    chosen = choose_explain_films(manifest, table, 9, seed=5)
    films = manifest.set_index("image_id").loc[chosen]
    assert set(table.set_index("image_id").loc[chosen, "split"]) == {"test"}
    assert films["label"].value_counts().to_dict() == {"a": 3, "b": 3, "c": 3}
    assert films["patient_id"].is_unique
    in_test = manifest[manifest["image_id"].isin(table["image_id"][table["split"] == "test"])]
    expected = min(3, (in_test["lung_mask"] != "").sum())
    assert expected > 0
    assert (films["lung_mask"] != "").sum() == expected
    assert chosen == choose_explain_films(manifest.sample(frac=1, random_state=0), table, 9, seed=5)
    assert chosen != choose_explain_films(manifest, table, 9, seed=6)


def test_fewer_patients_than_films_to_explain_give_fewer_films() -> None:
    manifest = make_manifest({"a": 10, "b": 10})
    table = split_by_patient(manifest, 0.2, 0.3, seed=1).table
    assert len(choose_explain_films(manifest, table, 50, seed=0)) == 6
    with pytest.raises(ValueError, match="at least 1"):
        choose_explain_films(manifest, table, 0, seed=0)


def test_films_to_tune_on_are_annotated_validation_films_of_different_patients() -> None:
    manifest = with_masks(make_manifest({"a": 40, "b": 40}), [f"s/a{patient}-1" for patient in range(40)])
    manifest.loc[manifest["image_id"].isin([f"s/b{patient}-0" for patient in range(40)]), "boxes"] = "[[1, 2, 3, 4]]"
    manifest.loc[manifest["image_id"] == "s/b0-1", "boxes"] = "[]"
    table = split_by_patient(manifest, 0.2, 0.3, seed=1).table
    chosen = choose_annotated_films(manifest, table, 6, seed=5)
    films = manifest.set_index("image_id").loc[chosen]
    assert set(table.set_index("image_id").loc[chosen, "split"]) == {"val"}
    assert films["label"].value_counts().to_dict() == {"a": 3, "b": 3}
    assert films["patient_id"].is_unique
    assert (films["lung_mask"].ne("") | films["boxes"].str.startswith("[[")).all()
    assert chosen == choose_annotated_films(manifest.sample(frac=1, random_state=0), table, 6, seed=5)
    assert choose_annotated_films(manifest, table, 0, seed=5) == []
    assert choose_annotated_films(make_manifest({"a": 40, "b": 40}), table, 6, seed=5) == []
    with pytest.raises(ValueError, match="at least 0"):
        choose_annotated_films(manifest, table, -1, seed=5)
