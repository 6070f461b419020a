"""The reader of the RSNA challenge: a film per row, all its boxes, three findings."""

import json
from pathlib import Path

import pytest
from dicom_roots import write_film, write_rsna_root

from hilum.data.manifest.labels import map_labels
from hilum.data.readers.identity import hide_patient, read_salt
from hilum.data.readers.rsna import CLASSES, LABELS, MAPPING, read_rsna


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_rsna_root(tmp_path / "root")
    return tmp_path / "root"


def test_one_row_per_film_with_all_its_boxes(root: Path) -> None:  # defect 2
    table = read_rsna(root)
    films = {Path(table.attrs["files"][row.path]).stem: row for row in table.itertuples()}
    assert {name: row.finding for name, row in films.items()} == {
        "aaaa": "Normal",
        "bbbb": "No Lung Opacity / Not Normal",
        "cccc": "Lung Opacity",
    }
    assert json.loads(films["cccc"].boxes) == [[264, 152, 213, 379], [562, 152.5, 256, 453]]
    assert films["aaaa"].boxes == films["bbbb"].boxes == "[]"
    assert {row.age for row in films.values()} == {"51"}
    assert {row.view for row in films.values()} == {"PA"}
    assert table.attrs["problems"] == []


def test_not_normal_is_never_normal(root: Path) -> None:
    films = read_rsna(root).set_index("image_id").assign(source="rsna")
    mapping = map_labels(films, {"normal": ["normal"], "opacity": ["lung opacity"]}, "exclude", "stop")
    assert mapping.label[films["finding"] == "No Lung Opacity / Not Normal"].tolist() == [""]
    with pytest.raises(ValueError, match="Not Normal"):
        map_labels(films, {"normal": ["normal"], "opacity": ["lung opacity"]}, "stop", "stop")
    asked = map_labels(films, {"normal": ["normal", "no lung opacity/not normal"], "opacity": ["lung opacity"]}, "stop", "stop")
    assert sorted(asked.label) == ["normal", "normal", "opacity"]


def test_the_mapping_gives_the_nih_patient(root: Path) -> None:
    assert MAPPING in read_rsna(root).attrs["notes"][0]
    images = {"aaaa": "00000001_000.png", "bbbb": "00000001_007.png", "cccc": "00000002_000.png"}
    rows = [{"subset_img_id": name, "img_id": image} for name, image in images.items()]
    (root / MAPPING).write_text(json.dumps(rows))
    table = read_rsna(root)
    assert sorted(table["patient_id"].value_counts()) == [1, 2]
    assert hide_patient(read_salt(root), "00000001") in set(table["patient_id"])
    assert table.attrs["notes"] == []
    (root / MAPPING).write_text(json.dumps(rows[:2]))
    with pytest.raises(ValueError, match="must name every film, got 1 that it does not"):
        read_rsna(root)


def test_films_of_the_test_part_are_left_out_and_counted(root: Path) -> None:
    write_film(root / "stage_2_test_images" / "dddd.dcm", 9)
    table = read_rsna(root)
    assert len(table) == 3
    assert table.attrs["notes"][0].startswith(f"films without a row in {CLASSES}: 1, left out")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        (
            CLASSES,
            "aaaa,Normal",
            "aaaa,Healthy",
            "classes other than Normal, No Lung Opacity / Not Normal, Lung Opacity: Healthy",
        ),
        (CLASSES, "aaaa,Normal", "aaaa,Normal\naaaa,Lung Opacity", "gives 1 films two classes"),
        (CLASSES, "cccc,Lung Opacity", "cccc,Normal", "1 films have a box"),
        (CLASSES, "aaaa,Normal\n", "", "1 films are in only one of the two tables"),
        (LABELS, "264.0,152.0", ",152.0", "1 targets without a box, the first on line 4"),
        (LABELS, "aaaa,,,,,0", "aaaa,,,,,2", "targets other than 0 and 1: 2"),
        (LABELS, "patientId", "id", "must have the columns patientId"),
    ],
)
def test_tables_that_contradict_each_other_are_refused(root: Path, file: str, old: str, new: str, told: str) -> None:
    (root / file).write_text((root / file).read_text().replace(old, new))
    with pytest.raises(ValueError, match=told):
        read_rsna(root)


def test_two_files_of_one_name_are_refused(root: Path) -> None:
    write_film(root / "copy" / "aaaa.dcm", 5)
    with pytest.raises(ValueError, match="must be one film, got 1 files of the same name"):
        read_rsna(root)
