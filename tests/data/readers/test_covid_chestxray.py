from pathlib import Path

import pytest
from small_films import write_films, write_lines

from hilum.data.readers.covid_chestxray import find_covid_chestxray_faults, read_covid_chestxray

NEW = "patientid,offset,sex,age,finding,view,modality,folder,filename,license"
OLD = "Patientid,offset,sex,age,finding,survival,view,date,location,filename,doi, url,license,notes"


def write_new(root: Path) -> Path:
    """The form of the newer table: findings are paths, CT has a modality."""
    write_films(root, *(f"images/{name}.png" for name in "abcdefg"), "annotations/lungVAE-masks/a_mask.png")
    write_lines(
        root / "metadata.csv",
        NEW,
        "1,0,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.png,CC BY-NC-SA",
        "1,3.0,M,65,Pneumonia/Viral/COVID-19,AP Supine,X-ray,images,b.png,CC0",
        "2,,F,,No Finding,,X-ray,images,c.png,",
        "3,,,,todo,AP Erect,X-ray,images,d.png,CC0",
        "3,,,,todo,L,X-ray,images,e.png,CC0",
        "4,,,,Pneumonia/Viral/SARS,Axial,CT,images,f.png,CC0",
        "4,,,,Pneumonia/Viral/SARS,Coronal,CT,volumes,f.nii.gz,CC0",
        "5,,,50s,Pneumonia,AP,X-ray,images,gone.png,CC0",
    )
    return root


def test_the_newer_table(tmp_path: Path) -> None:
    table = read_covid_chestxray(write_new(tmp_path)).set_index("image_id")
    assert table.index.tolist() == ["images/a", "images/b", "images/c", "images/d"]
    assert table["finding"].tolist() == ["Pneumonia/Viral/COVID-19", "Pneumonia/Viral/COVID-19", "No Finding", "todo"]
    assert table["view"].tolist() == ["PA", "AP Supine", "", "AP Erect"], "a missing view is a value of its own"
    assert table["patient_id"].tolist() == ["1", "1", "2", "3"]
    assert table["offset"].tolist() == ["0", "3", "", ""]
    assert table.loc["images/a", ["age", "sex", "license"]].tolist() == ["65", "M", "CC BY-NC-SA"]


def test_what_is_left_out_has_its_reason(tmp_path: Path) -> None:  # defect 4 and missing rows
    table = read_covid_chestxray(write_new(tmp_path))
    left = {row["path"]: (row["problem"], row["detail"]) for row in table.attrs["left_out"]}
    assert left == {
        "images/e.png": ("lateral view", "view L"),
        "images/f.png": ("no X-ray film", "modality CT"),
        "volumes/f.nii.gz": ("no X-ray film", "modality CT"),
        "images/gone.png": ("row without a film", "metadata.csv names 'images/gone.png', which is missing"),
        "images/g.png": ("film without a row", "metadata.csv has no row of this film"),
    }
    assert "no X-ray film: 2, such as volumes/f.nii.gz, images/f.png" in table.attrs["notes"]
    assert "age that is not usable, read as no information: 1, such as '50s'" in table.attrs["notes"]


def test_the_older_table(tmp_path: Path) -> None:
    write_films(tmp_path, "images/a.jpg", "images/b.jpg", "images/c.jpg")
    write_lines(
        tmp_path / "metadata.csv",
        OLD,
        "1, ,,,COVID-19,,PA,2019,,a.jpg,,http://x,,",
        '5,,F,70,"COVID-19, ARDS",Y,AP,2020,"Seoul, Korea",b.jpg,,http://x,,"a, b"',
        "17,9,M,54,COVID-19,Y,CT,2020,,c.jpg,,http://x,,",
    )
    table = read_covid_chestxray(tmp_path)
    assert table["finding"].tolist() == ["COVID-19", "COVID-19|ARDS"]
    assert [(row["path"], row["detail"]) for row in table.attrs["left_out"]] == [("images/c.jpg", "view CT")]


def test_an_allow_list_of_licences_in_any_case(tmp_path: Path) -> None:
    table = read_covid_chestxray(write_new(tmp_path), licenses=["cc0"])
    assert table["path"].tolist() == ["images/b.png", "images/d.png"]
    left = {row["path"]: row["detail"] for row in table.attrs["left_out"] if row["problem"] == "licence not allowed"}
    assert left == {
        "images/a.png": "licence CC BY-NC-SA; allowed: cc0",
        "images/c.png": "licence not given; allowed: cc0",
    }


def test_a_licence_that_no_row_has_is_a_fault_before_any_work(tmp_path: Path) -> None:
    write_new(tmp_path)
    assert find_covid_chestxray_faults(tmp_path, licenses=["CC0", "cc by-nc-sa"]) == []
    told = find_covid_chestxray_faults(tmp_path, licenses=["CC0", "CC-BY"])
    assert told == ["licenses must be in metadata.csv (CC BY-NC-SA, CC0), got CC-BY"]
    with pytest.raises(ValueError, match="must give films, got none"):
        read_covid_chestxray(tmp_path, licenses=["CC-BY"])


def test_lung_masks_by_stem(tmp_path: Path) -> None:
    write_films(write_new(tmp_path), "lung_masks/a.png")
    table = read_covid_chestxray(tmp_path)
    assert table["lung_mask"].tolist() == ["lung_masks/a.png", "", "", ""]


def test_the_real_films(shared: Path) -> None:
    table = read_covid_chestxray(shared / "data" / "covid-chestxray")
    assert len(table) == 59
    assert table.attrs == {"notes": [], "left_out": [], "tables": ["metadata.csv"]}
    assert table["finding"].value_counts().to_dict() == {"COVID-19": 33, "todo": 22, "Pneumocystis": 2, "No Finding": 2}
    assert table["view"].value_counts().to_dict() == {"PA": 38, "AP Supine": 21}
    assert table["license"].value_counts().to_dict() == {"CC BY 3.0": 51, "CC BY 4.0": 6, "CC BY": 2}
    assert table["patient_id"].nunique() == 39
    assert table["sex"].value_counts().to_dict() == {"M": 40, "F": 17, "": 2}
    assert (table["age"] != "").sum() == 6
    assert (table["offset"] != "").sum() == 56
    assert len(read_covid_chestxray(shared / "data" / "covid-chestxray", licenses=["CC BY 4.0"])) == 6
