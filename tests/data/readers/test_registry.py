import dataclasses
import inspect
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from dicom_roots import write_dicom_root, write_rsna_root
from PIL import Image
from small_films import write_films, write_lines

from hilum.data.phantom.phantom import write_phantoms
from hilum.data.quality.alike.copies import PROBLEMS
from hilum.data.readers.folder import read_folder
from hilum.data.readers.kermany import read_kermany
from hilum.data.readers.listing import READ_COLUMNS, list_dicoms, list_films
from hilum.data.readers.registry import READERS, Reader
from hilum.records import MANIFEST
from hilum.settings.sources import DICOM_SOURCES, NOT_READ, Source

OPTIONS = {
    "csv": {"table": "labels.csv", "path": "file", "finding": "said"},
    "dicom": {"table": "labels.csv", "path": "file", "finding": "finding"},
}  # what a reader cannot do without
SETTINGS = {get_args(kind.model_fields["reader"].annotation)[0]: kind for kind in get_args(get_args(Source)[0])}


def write_film(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)


def write_kermany(root: Path) -> None:
    for name in (
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/NORMAL/NORMAL2-IM-0115-0001.jpeg",
        "train/PNEUMONIA/person128_bacteria_2.jpeg",
        "train/PNEUMONIA/person128_bacteria_3.jpeg",
        "val/PNEUMONIA/person128_virus_2.jpeg",
    ):
        write_film(root / name)


def write_root(root: Path, reader: str) -> Path:
    if reader == "phantom":
        write_phantoms(
            root,
            films=3,
            size=64,
            seed=1,
            findings={"normal": 1.0},
            shortcut_kind="none",
            shortcut_finding="normal",
            shortcut_strength=0.0,
            on_film=lambda done, total: None,
        )
    elif reader == "kermany":
        write_kermany(root)
    elif reader == "csv":
        write_films(root, "a.png", "b.png", "c.png")
        write_lines(root / "labels.csv", "file,said", "a.png,normal", "b.png,ill", "gone.png,ill")
    elif reader == "covid_chestxray":
        write_films(root, "images/a.png", "images/b.png", "images/stray.png")
        write_lines(root / "metadata.csv", "patientid,finding,view,filename", "1,COVID-19,PA,a.png", "1,COVID-19,L,b.png")
    elif reader == "figure1":
        write_films(root, "images/COVID-00001a.png", "images/COVID-00001b.png", "images/stray.png")
        write_lines(root / "metadata.csv", "patientid,finding,view", "COVID-00001a,COVID-19,", "COVID-00001b,,AP erect")
    elif reader == "nih":
        write_films(root, "images/00000001_000.png", "images/00000002_000.png")
        write_lines(root / "Data_Entry_2017.csv", "Image Index,Finding Labels,Patient ID", "00000001_000.png,No Finding,1")
    elif reader == "dicom":
        write_dicom_root(root)
    elif reader == "rsna":
        write_rsna_root(root)
    else:
        write_film(root / "normal" / "a.png")
    return root


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_gives_one_row_per_film_in_manifest_columns(reader: str, tmp_path: Path) -> None:
    root = write_root(tmp_path / "root", reader)
    table = READERS[reader].read(root, **OPTIONS.get(reader, {}))
    assert set(table.columns) <= set(READ_COLUMNS) <= set(MANIFEST)
    assert {"image_id", "path", "patient_id", "finding"} <= set(table.columns)
    assert table["image_id"].is_unique
    assert table["path"].is_unique
    assert len(table)
    files = table.attrs.get("files", {path: path for path in table["path"]})  # where paths are hashes: the films behind them
    kept = {files[path] for path in table["path"]}
    left = pd.DataFrame(table.attrs.get("left_out", []), columns=list(PROBLEMS))
    assert not set(left["path"]) & set(table["path"])
    films = {str(path) for path in (list_dicoms if "files" in table.attrs else list_films)(root)}
    assert kept <= films <= {*kept, *left["path"]}, "a film that is in neither table is lost"
    assert (left[["path", "problem", "detail"]] != "").all(axis=None)
    for problem, count in left["problem"].value_counts().items():
        assert any(note.startswith(f"{problem}: {count}, such as ") for note in table.attrs["notes"]), "left out and not said"
    assert all(isinstance(value, str) for value in table.to_numpy().ravel())
    assert (table["patient_id"] != "").all()
    assert set(table["official_split"]) <= {"", "train", "test"}
    for kind in ("lung_mask", "lesion_mask"):
        assert all((root / path).is_file() for path in table[kind] if path)


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_refuses_a_root_without_films(reader: str, tmp_path: Path) -> None:
    (tmp_path / "lung_masks").mkdir()
    with pytest.raises(ValueError, match="must"):
        READERS[reader].read(tmp_path, **OPTIONS.get(reader, {}))


@pytest.mark.parametrize("reader", [name for name, row in READERS.items() if row.faults])
def test_every_reader_reports_the_faults_of_a_root_without_raising(reader: str, tmp_path: Path) -> None:
    root, find = write_root(tmp_path / "root", reader), READERS[reader].faults
    assert find is not None and find(root, **OPTIONS.get(reader, {})) == []
    if reader != "folder":  # any tree may be one
        assert all("got" in fault for fault in find(tmp_path / "nowhere", **OPTIONS.get(reader, {})))
        assert find(tmp_path / "nowhere", **OPTIONS.get(reader, {}))


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_says_whether_it_reads_one_published_set(reader: str) -> None:
    """A set that was published has a source in its data sheet; pretraining would learn from the task's patients otherwise."""
    sheet = inspect.getdoc(READERS[reader].read) or ""
    assert READERS[reader].published is ("Source: " in sheet)


def test_a_row_leaves_nothing_of_a_reader_to_a_default() -> None:
    assert [field.name for field in dataclasses.fields(Reader) if field.default is not dataclasses.MISSING] == []


def test_the_readers_are_those_that_params_yaml_may_name() -> None:
    assert set(SETTINGS) == set(READERS)


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"phantom"}))  # whose settings say how its films are drawn
def test_a_reader_takes_its_own_settings_by_name_and_nothing_else(reader: str) -> None:
    own = set(SETTINGS[reader].model_fields) - NOT_READ
    row = READERS[reader]
    root, *taken = inspect.signature(row.read).parameters.values()
    named = {one.name for one in taken if one.kind is not inspect.Parameter.VAR_KEYWORD} - {"keys"}
    assert root.name == "root" and named <= own
    assert named == own or len(named) < len(taken), "or takes the rest as columns by name"
    hashed = "keys" in {one.name for one in taken}
    assert hashed == issubclass(SETTINGS[reader], DICOM_SOURCES), "headers and paths of DICOM carry names"
    if row.faults is not None:
        assert list(inspect.signature(row.faults).parameters) == [root.name, *(one.name for one in taken)]


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"phantom"}))
def test_every_reader_is_in_the_documents(reader: str) -> None:
    root = Path(__file__).resolve().parents[3]
    assert f"| `{reader}` |" in (root / "docs" / "films.md").read_text()
    assert f"`{reader}`" in (root / "README.md").read_text()


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"phantom"}))
def test_a_data_sheet_names_patients_labels_and_views(reader: str) -> None:
    sheet = inspect.getdoc(READERS[reader].read) or ""
    assert all(word in sheet for word in ("Images", "Patients", "iews", "Labels", "error rate", "icence"))


def test_a_missing_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be a folder, got .*nowhere"):
        list_films(tmp_path / "nowhere")


def test_endings_count_in_any_case_and_masks_and_hidden_files_do_not(tmp_path: Path) -> None:
    for name in ("a/1.JPG", "a/2.Jpeg", "a/3.PNG", "a/4.png", "lung_masks/1.png", "Lesion_Masks/a/1.png"):
        write_film(tmp_path / name)
    for name in ("a/._1.JPG", ".cache/5.png", "a/notes.txt", "a/6.gif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert [str(path) for path in list_films(tmp_path)] == ["a/1.JPG", "a/2.Jpeg", "a/3.PNG", "a/4.png"]


def test_kermany_reads_finding_and_patient_from_the_name(tmp_path: Path) -> None:
    write_kermany(tmp_path)
    table = read_kermany(tmp_path).set_index("image_id")
    assert table["patient_id"].to_dict() == {
        "train/NORMAL/IM-0115-0001": "n1-0115",
        "train/NORMAL/NORMAL2-IM-0115-0001": "n2-0115",
        "train/PNEUMONIA/person128_bacteria_2": "b128",
        "train/PNEUMONIA/person128_bacteria_3": "b128",
        "val/PNEUMONIA/person128_virus_2": "v128",
    }
    assert table["finding"].tolist() == ["normal"] * 2 + ["pneumonia/bacterial"] * 2 + ["pneumonia/viral"]
    assert set(table["official_split"]) == {""}


def test_kermany_keeps_the_test_folder_and_val_joins_train(tmp_path: Path) -> None:
    write_kermany(tmp_path / "chest_xray")
    write_film(tmp_path / "chest_xray" / "test" / "NORMAL" / "IM-0001-0001.jpeg")
    table = read_kermany(tmp_path).set_index("image_id")
    assert table["official_split"].value_counts().to_dict() == {"train": 5, "test": 1}
    assert table.loc["chest_xray/val/PNEUMONIA/person128_virus_2", "official_split"] == "train"


def test_kermany_knows_the_names_of_version_3(tmp_path: Path) -> None:
    for name in (
        "train/NORMAL/NORMAL-1008087-0001.jpeg",
        "train/PNEUMONIA/BACTERIA-1008087-0001.jpeg",
        "train/PNEUMONIA/BACTERIA-1008087-0002.jpeg",
        "train/PNEUMONIA/VIRUS-1008087-0001.jpeg",
        "test/NORMAL/NORMAL-11419-0001.jpeg",
    ):
        write_film(tmp_path / name)
    table = read_kermany(tmp_path).set_index("image_id")
    told = {name.split("/")[-1]: tuple(row) for name, row in table[["finding", "patient_id"]].iterrows()}
    assert told == {
        "NORMAL-1008087-0001": ("normal", "n1008087"),  # a number is used again for other children, as in the first versions
        "BACTERIA-1008087-0001": ("pneumonia/bacterial", "b1008087"),
        "BACTERIA-1008087-0002": ("pneumonia/bacterial", "b1008087"),
        "VIRUS-1008087-0001": ("pneumonia/viral", "v1008087"),
        "NORMAL-11419-0001": ("normal", "n11419"),
    }
    assert table["official_split"].value_counts().to_dict() == {"train": 4, "test": 1}


def test_kermany_finds_lung_masks_by_stem(tmp_path: Path) -> None:
    write_kermany(tmp_path)
    write_film(tmp_path / "lung_masks" / "person128_bacteria_2.png")
    table = read_kermany(tmp_path).set_index("image_id")
    assert table["lung_mask"][table["lung_mask"] != ""].to_dict() == {
        "train/PNEUMONIA/person128_bacteria_2": "lung_masks/person128_bacteria_2.png"
    }


def test_kermany_gives_no_finding_to_an_unknown_name_and_notes_it(tmp_path: Path) -> None:
    write_kermany(tmp_path)
    write_film(tmp_path / "train" / "NORMAL" / "scan.jpeg")
    table = read_kermany(tmp_path)
    assert table.set_index("image_id").loc["train/NORMAL/scan", "finding"] == ""
    assert "1, such as train/NORMAL/scan.jpeg" in table.attrs["notes"][0]


def test_kermany_refuses_a_root_with_no_name_of_its_own(tmp_path: Path) -> None:
    for name in ("a.png", "NORMAL-a-0001.jpeg", "FUNGUS-12-0001.jpeg"):
        write_film(tmp_path / "normal" / name)
    with pytest.raises(ValueError, match=r"BACTERIA-N-M, .*got normal/FUNGUS-12-0001\.jpeg, .*use the reader `folder`"):
        read_kermany(tmp_path)


def test_folder_takes_the_path_of_the_folder_as_finding(tmp_path: Path) -> None:
    for name in ("normal/p1_a.png", "pneumonia/viral/p2_a.jpg", "pneumonia/viral/p2_b.jpg", "lung_masks/normal/p1_a.png"):
        write_film(tmp_path / name)
    table = read_folder(tmp_path, pattern=r"^(?P<patient>p\d+)_").set_index("image_id")
    assert table["finding"].to_dict() == {
        "normal/p1_a": "normal",
        "pneumonia/viral/p2_a": "pneumonia/viral",
        "pneumonia/viral/p2_b": "pneumonia/viral",
    }
    assert table["patient_id"].tolist() == ["p1", "p2", "p2"]
    assert table["lung_mask"].tolist() == ["lung_masks/normal/p1_a.png", "", ""]
    assert table.attrs["notes"] == []


def test_folder_without_a_pattern_counts_each_film_as_a_patient_and_says_so(tmp_path: Path) -> None:
    for name in ("normal/a.png", "normal/b.png"):
        write_film(tmp_path / name)
    table = read_folder(tmp_path)
    assert table["patient_id"].is_unique
    assert "each film counts as a separate patient" in table.attrs["notes"][0]


def test_folder_does_not_guess_that_train_and_test_are_splits(tmp_path: Path) -> None:
    for name in ("train/normal/a.png", "test/normal/b.png"):
        write_film(tmp_path / name)
    table = read_folder(tmp_path)
    assert set(table["official_split"]) == {""}
    assert set(table["finding"]) == {"train/normal", "test/normal"}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [("(", "regular expression"), ("p.*", "group named patient"), (r"(?P<patient>q\d)", "in every file name")],
)
def test_folder_refuses_a_pattern_without_a_patient(pattern: str, reason: str, tmp_path: Path) -> None:
    write_film(tmp_path / "normal" / "p1.png")
    with pytest.raises(ValueError, match=reason):
        read_folder(tmp_path, pattern=pattern)


def test_folder_refuses_films_beside_the_class_folders(tmp_path: Path) -> None:
    write_film(tmp_path / "loose.png")
    with pytest.raises(ValueError, match=r"loose\.png"):
        read_folder(tmp_path)


def test_two_films_that_differ_in_the_ending_alone_keep_it(tmp_path: Path) -> None:
    for name in ("normal/a.png", "normal/a.JPG", "normal/b.png"):
        write_film(tmp_path / name)
    assert read_folder(tmp_path)["image_id"].tolist() == ["normal/a.JPG", "normal/a.png", "normal/b"]


def test_the_real_pediatric_films(shared: Path, tmp_path: Path) -> None:
    table = read_kermany(shared / "data" / "pediatric-pneumonia")
    assert table["finding"].value_counts().to_dict() == {"pneumonia/bacterial": 2538, "normal": 1349, "pneumonia/viral": 1345}
    assert table["patient_id"].nunique() == 3669
    assert (table["lung_mask"] != "").sum() == 1073
    assert {"b1661", "v1008", "n1-0115", "n2-1427"} <= set(table["patient_id"])
    film = table["path"][0]
    (tmp_path / "test").mkdir()
    shutil.copy(shared / "data" / "pediatric-pneumonia" / film, tmp_path / "test")
    assert read_kermany(tmp_path)["official_split"].tolist() == ["test"]
