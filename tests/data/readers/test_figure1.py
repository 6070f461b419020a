from pathlib import Path

from small_films import write_films, write_lines

from hilum.data.readers.figure1 import find_figure1_faults, read_figure1

HEADER = "patientid,offset,sex,age,finding,survival,temperature,pO2 saturation,view,modality,artifacts/distortion,notes"


def write_root(root: Path) -> Path:
    write_films(root, "images/COVID-00003a.jpg", "images/COVID-00003b.png", "images/COVID-00007.jpg", "images/COVID-00044.jpg")
    write_lines(
        root / "metadata.csv",
        HEADER,
        "COVID-00003a,8,M,28,COVID-19,,39.1,90,AP erect,X-ray,,",
        'COVID-00003b,8,M,28,,,39.1,90,AP erect,X-ray,,"Post-intubation, critical care"',
        "COVID-00007,,,73,No finding,,38+,,,X-ray,Some from monitor,Fever 38° + cough",
        "COVID-00010,5,M,50+,,,,,AP erect,X-ray,,",
        "COVID-00044,,,early 40s,Pneumonia,,,,,X-ray,,",
        encoding="latin-1",
    )
    return root


def test_films_are_named_after_patients_in_latin_text(tmp_path: Path) -> None:
    table = read_figure1(write_root(tmp_path)).set_index("image_id")
    assert table["patient_id"].to_dict() == {
        "images/COVID-00003a": "COVID-00003",
        "images/COVID-00003b": "COVID-00003",
        "images/COVID-00007": "COVID-00007",
        "images/COVID-00044": "COVID-00044",
    }
    assert table["finding"].tolist() == ["COVID-19", "", "No finding", "Pneumonia"]
    assert table["view"].tolist() == ["AP Erect", "AP Erect", "", ""]
    assert table["age"].tolist() == ["28", "28", "73", ""]
    assert table["offset"].tolist() == ["8", "8", "", ""]


def test_rows_without_a_film_and_ages_in_words_are_said(tmp_path: Path) -> None:
    table = read_figure1(write_root(tmp_path))
    assert [row["path"] for row in table.attrs["left_out"]] == ["COVID-00010"]
    assert "row without a film: 1, such as COVID-00010" in table.attrs["notes"]
    assert "age that is not usable, read as no information: 2, such as '50+', 'early 40s'" in table.attrs["notes"]


def test_a_table_of_another_set_is_a_fault(tmp_path: Path) -> None:
    write_lines(tmp_path / "metadata.csv", "a,b", "1,2")
    told = find_figure1_faults(tmp_path)
    assert len(told) == 1
    assert told[0].startswith("metadata.csv must have the columns patientid, finding, view, got a, b; check the file ")
