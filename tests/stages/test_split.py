"""split: disjoint by patient, bytes and pixels, proven in a file; versions change with what they name and nothing else."""

import base64

import pandas as pd
import pytest
import yaml

from hilum.data.burned_in.covering import COLUMNS
from hilum.data.prepared.loading import LISTED, load_split, read_burned_in, read_manifest
from hilum.data.quality.alike.near_groups import NEAR
from hilum.records import SPLITS
from hilum.results import folder_digest, read_json, read_table
from hilum.stages import prepare, split
from hilum.workspace import Workspace


def tables(workspace: Workspace) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(workspace.split / f"{name}.csv", dtype=str) for name in (*SPLITS, "explain")}


def change(workspace: Workspace, section: str, **changes: object) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    if section:
        values[section].update(changes)
    else:
        values.update(changes)
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))


def versions(workspace: Workspace) -> tuple[str, str]:
    written = read_json(workspace.split / "versions.json")
    return written["data_version"], written["split_version"]


def test_no_film_patient_or_pixels_are_in_two_splits(split_project: Workspace) -> None:  # defect 2
    parts = tables(split_project)
    for column in ("image_id", "patient_id", "pixel_sha256", "row"):
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            assert not set(parts[one][column]) & set(parts[other][column]), (column, one, other)
    manifest = read_manifest(split_project.prepared / "manifest.csv")
    assert sorted(pd.concat([parts[name] for name in SPLITS])["image_id"]) == sorted(manifest["image_id"])


def test_every_class_is_in_every_split(split_project: Workspace) -> None:
    assert all(set(part["label"]) == {"normal", "bacterial", "viral"} for part in tables(split_project).values())


def test_the_films_to_explain_are_test_films_of_different_patients_with_a_mask(split_project: Workspace) -> None:
    parts = tables(split_project)
    assert len(parts["explain"]) == 4
    assert set(parts["explain"]["image_id"]) <= set(parts["test"]["image_id"])
    assert parts["explain"]["patient_id"].is_unique
    manifest = read_manifest(split_project.prepared / "manifest.csv").set_index("image_id")
    assert (manifest.loc[parts["explain"]["image_id"], "lung_mask"] != "").all()


def test_rows_lead_to_the_films_that_they_name(split_project: Workspace) -> None:
    manifest = read_manifest(split_project.prepared / "manifest.csv")
    for part in tables(split_project).values():
        assert list(part.columns) == list(LISTED)
        assert list(manifest["image_id"].iloc[part["row"].astype(int)]) == list(part["image_id"])
    classes = ["normal", "bacterial", "viral"]
    films = load_split(split_project.prepared, split_project.split, "test", classes)
    assert [classes[k] for k in films.examples.labels] == list(films.table["label"])


def test_the_films_to_tune_on_are_annotated_validation_films(split_project: Workspace) -> None:
    tuning = pd.read_csv(split_project.split / "explain_val.csv")
    assert len(tuning) == 3
    assert set(tuning["image_id"]) <= set(tables(split_project)["val"]["image_id"])
    films = load_split(split_project.prepared, split_project.split, "explain_val", ["normal", "bacterial", "viral"])
    assert films.examples.films.shape == (3, 64, 64)


def test_there_may_be_no_films_to_tune_on(own_copy: Workspace) -> None:
    change(own_copy, "split", tuning_films=0)
    split.run()
    films = load_split(own_copy.prepared, own_copy.split, "explain_val", ["normal", "bacterial", "viral"])
    assert films.examples.films.shape == (0, 64, 64) and len(films.examples.labels) == 0


def test_the_proof_is_counted_from_the_tables(split_project: Workspace) -> None:
    proof, parts = read_json(split_project.split / "proof.json"), tables(split_project)
    assert proof["shared"] == {"patients": 0, "bytes": 0, "pixels": 0, "near_duplicates": 0}
    assert proof["test_part"] == {"phantom": "internal"}
    for name in SPLITS:
        assert proof["splits"][name] == {"films": len(parts[name]), "patients": parts[name]["patient_id"].nunique()}


def test_versions_hold_the_class_order_and_its_counts_in_training(split_project: Workspace) -> None:  # defect 8
    written, train = read_json(split_project.split / "versions.json"), tables(split_project)["train"]
    assert written["classes"] == ["normal", "bacterial", "viral"], "the order of params.yaml, not the alphabet's"
    assert written["train_counts"] == [int((train["label"] == name).sum()) for name in written["classes"]]
    assert (written["size"], written["square"]) == (64, "pad")


def test_splitting_twice_gives_the_same_bytes(own_copy: Workspace) -> None:
    before = folder_digest(own_copy.split)
    split.run()
    assert folder_digest(own_copy.split) == before


def test_another_seed_is_another_split_of_the_same_data(own_copy: Workspace) -> None:
    data, parts = versions(own_copy)
    change(own_copy, "split", seed=7)
    split.run()
    assert versions(own_copy)[0] == data
    assert versions(own_copy)[1] != parts


def test_settings_that_move_no_film_change_no_version(own_copy: Workspace) -> None:
    before, parts = versions(own_copy), tables(own_copy)
    change(own_copy, "split", explain_films=2)
    change(own_copy, "train", batch_size=4)
    split.run()
    assert versions(own_copy) == before
    assert len(tables(own_copy)["explain"]) == 2
    assert set(tables(own_copy)["explain"]["image_id"]) <= set(parts["explain"]["image_id"])


def test_other_pixels_are_another_version_of_the_data(own_copy: Workspace) -> None:
    data, parts = versions(own_copy)
    change(own_copy, "prepare", size=48)
    prepare.run()
    split.run()
    assert versions(own_copy)[0] != data
    assert versions(own_copy)[1] != parts


def test_a_split_that_leaves_a_class_out_is_refused_and_the_earlier_one_stays(own_copy: Workspace) -> None:
    before = folder_digest(own_copy.split)
    manifest = pd.read_csv(own_copy.prepared / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.loc[manifest["label"] == "viral", "patient_id"] = "phantom/one"
    manifest.to_csv(own_copy.prepared / "manifest.csv", index=False)
    with pytest.raises(ValueError, match=r"every class must have a patient in each split, got .*viral"):
        split.run()
    assert folder_digest(own_copy.split) == before


def test_films_of_linked_patients_stay_together(own_copy: Workspace) -> None:
    parts = tables(own_copy)
    one, other = parts["train"]["patient_id"].iloc[0], parts["test"]["patient_id"].iloc[0]
    pd.DataFrame({"patient_id": [one], "other": [other]}).to_csv(own_copy.prepared / "linked_patients.csv", index=False)
    split.run()
    holding = [name for name in SPLITS if {one, other} & set(tables(own_copy)[name]["patient_id"])]
    assert len(holding) == 1


def put_near(workspace: Workspace, one: str, other: str) -> None:
    manifest = read_manifest(workspace.prepared / "manifest.csv").set_index("image_id")
    told = {"image_id": one, "other": other, "score": 0.97, "mirrored": "no", **dict.fromkeys(["scale_x", "scale_y"], 1.0)}
    told |= dict.fromkeys(["shift_x", "shift_y"], 0.0)
    for name, film in (("", one), ("other_", other)):
        told |= {f"{name}patient" if name else "patient_id": manifest.loc[film, "patient_id"]}
        told |= {f"{name}label": manifest.loc[film, "label"]}
    pd.DataFrame([told]).reindex(columns=list(NEAR)).to_csv(workspace.prepared / "near_duplicates.csv", index=False)


def test_near_duplicates_that_a_split_parts_stop_the_stage_named_and_shown(own_copy: Workspace) -> None:
    before, parts = folder_digest(own_copy.split), tables(own_copy)
    one, other = sorted([parts["train"]["image_id"].iloc[0], parts["test"]["image_id"].iloc[0]])
    put_near(own_copy, one, other)  # as if their patients were not linked
    with pytest.raises(ValueError, match="got 1 near duplicates shared") as caught:
        split.run()
    assert one in str(caught.value)
    assert other in str(caught.value)
    assert (own_copy.cache / split.EVIDENCE).read_bytes().startswith(b"\x89PNG")
    assert folder_digest(own_copy.split) == before


def test_near_duplicates_in_one_split_are_on_a_sheet_and_on_the_page(own_copy: Workspace) -> None:
    train = tables(own_copy)["train"]["image_id"]
    put_near(own_copy, *sorted([train.iloc[0], train.iloc[1]]))
    split.run()
    assert (own_copy.split / split.SHEET).read_bytes().startswith(b"\x89PNG")
    assert "Near-duplicate films side by side" in (own_copy.split / split.REPORT).read_text()
    assert not (own_copy.cache / split.EVIDENCE).exists()
    assert read_json(own_copy.split / "proof.json")["shared"]["near_duplicates"] == 0


def test_the_report_shows_marks_boxes_and_masks(split_project: Workspace) -> None:
    page = (split_project.split / "report.html").read_text()
    for title in ("Burned-in letters and text", "Odd films", "Boxes and masks"):
        assert f"<h2>{title}</h2>" in page
    for sheet in ("burned_in", "annotations"):
        assert base64.b64encode((split_project.prepared / f"{sheet}.png").read_bytes()).decode() in page
    assert "of the 60 films with a lung mask" in page


def test_confounding_is_measured_on_the_films_of_the_splits(split_project: Workspace) -> None:
    table = read_table(split_project.split / "confounding.csv").set_index("factor")
    assert set(table.index) == {"source", "view", "age group", "sex", "size", "aspect", "burned-in text"}
    assert (table["films"] == sum(len(tables(split_project)[name]) for name in SPLITS)).all()
    assert table.loc["source", "judgement"] == "undefined", "one source only"
    cells = read_table(split_project.split / "contingency.csv")
    assert (cells.groupby("factor")["films"].sum() == table["films"].iloc[0]).all()
    assert "What is associated with the class" in (split_project.split / "report.html").read_text()


def test_burned_in_text_is_a_factor_where_prepare_looked_for_it(own_copy: Workspace) -> None:
    manifest = read_manifest(own_copy.prepared / "manifest.csv")
    burned_in = read_burned_in(own_copy.prepared).set_index("image_id")
    burned_in["burned_in"] = (manifest.set_index("image_id")["label"] == "viral").astype(int)
    burned_in.reset_index().to_csv(own_copy.prepared / "burned_in.csv", index=False)
    split.run()
    table = read_table(own_copy.split / "confounding.csv").set_index("factor")
    assert table.loc["burned-in text", "judgement"] == "strong"
    page = (own_copy.split / "report.html").read_text()
    assert "The class and the burned-in text go together" in page


@pytest.mark.parametrize(
    ("mask", "told"), [("12", "12 prepared pixels inside the lungs of 1 of the 1 films"), ("", "no film has a lung mask")]
)
def test_lungs_under_letters_are_counted_only_where_there_are_masks(mask: str, told: str) -> None:
    table = pd.DataFrame([("s/a", 1, 0.01, "", mask, "", "")], columns=list(COLUMNS))
    text = split.tell_burned_in(table, 0)
    assert told in text and ("0 prepared pixels" not in text)
