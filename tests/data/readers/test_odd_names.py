"""Every reader finds films and masks whose names are no UTF-8, and none takes two of them for one."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from small_films import write_films, write_lines

from hilum.data.readers.covid_chestxray import read_covid_chestxray
from hilum.data.readers.csv import read_csv
from hilum.data.readers.folder import read_folder
from hilum.data.readers.kermany import read_kermany
from hilum.data.readers.nih import read_nih

ODD = os.fsdecode(b"Andr\xe9")
CLINICAL = "patientid,offset,sex,age,finding,view,modality,folder,filename,license"
ENTRIES = "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"


def as_folder(root: Path) -> pd.DataFrame:
    write_films(root, f"ill/{ODD}.png", f"lung_masks/ill/{ODD}.png")
    return read_folder(root)


def as_folder_with_table(root: Path) -> pd.DataFrame:
    write_films(root, f"ill/{ODD}.png", f"drawn/{ODD}.png")
    write_lines(root / "t.csv", "path,lung_mask", "ill/André.png,drawn/André.png", encoding="latin-1")
    return read_folder(root, table="t.csv")


def as_csv(root: Path) -> pd.DataFrame:
    write_films(root, f"f/{ODD}.png", f"drawn/{ODD}.png")
    write_lines(root / "t.csv", "file,dx,lungs", "f/André.png,ill,drawn/André.png", encoding="latin-1")
    return read_csv(root, "t.csv", "file", finding="dx", lung_mask="lungs")


def as_csv_escaped(root: Path) -> pd.DataFrame:
    write_films(root, f"f/{ODD}.png", f"drawn/{ODD}.png")
    write_lines(root / "t.csv", "file,dx,lungs", "f/Andr\\udce9.png,ill,drawn/Andr\\udce9.png")
    return read_csv(root, "t.csv", "file", finding="dx", lung_mask="lungs")


def as_covid(root: Path) -> pd.DataFrame:
    write_films(root, f"images/{ODD}.png", f"lung_masks/{ODD}.png")
    write_lines(root / "metadata.csv", CLINICAL, "1,0,M,65,Pneumonia,PA,X-ray,images,André.png,CC0", encoding="latin-1")
    return read_covid_chestxray(root)


def as_nih(root: Path) -> pd.DataFrame:
    write_films(root, f"images/{ODD}.png", f"lung_masks/{ODD}.png")
    write_lines(root / "Data_Entry_2017.csv", ENTRIES, "André.png,Mass,0,1,58,M,PA", encoding="latin-1")
    return read_nih(root)


def as_kermany(root: Path) -> pd.DataFrame:
    name = f"person1_virus_1{ODD}"
    write_films(root, f"train/{name}.jpeg", "train/person2_virus_2.jpeg", f"lung_masks/{name}.png")
    return read_kermany(root).head(1)


READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    read.__name__: read for read in (as_folder, as_folder_with_table, as_csv, as_csv_escaped, as_covid, as_nih, as_kermany)
}


@pytest.mark.parametrize("reader", READERS)
def test_a_film_and_its_mask_are_found(tmp_path: Path, reader: str) -> None:
    table = READERS[reader](tmp_path)
    (row,) = table.to_dict("records")
    for column in ("path", "lung_mask"):
        assert "Andr\\udce9." in row[column] and row[column].encode()
        assert (tmp_path / table.attrs["files"][row[column]]).is_file()
    assert not [left for left in table.attrs["left_out"] if "mask" in left["problem"]]
    json.dumps(row)


def test_two_names_that_are_escaped_alike_are_two_films(tmp_path: Path) -> None:
    write_films(tmp_path, f"ill/{ODD}.png", "ill/Andr\\udce9.png", f"lung_masks/ill/{ODD}.png", "lung_masks/ill/Andr\\udce9.png")
    table = read_folder(tmp_path)
    assert table["image_id"].nunique() == table["path"].nunique() == table["lung_mask"].nunique() == 2
    files = table.attrs["files"]
    names = [(files.get(row["path"], row["path"]), files.get(row["lung_mask"], row["lung_mask"])) for _, row in table.iterrows()]
    assert all((tmp_path / path).is_file() and mask == f"lung_masks/{path}" for path, mask in names)
    assert len(set(names)) == 2
