"""Every file below a root is in one list, by its content; its name counts only where an ending shows that a film was intended."""

import io
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from dicom_forms import describe, write
from matplotlib.figure import Figure
from PIL import Image
from small_films import write_films

from hilum.data.readers.found_files import FoundFiles, find_files, read_suffix
from hilum.data.readers.listing import list_excused, list_unread, make_table
from hilum.data.readers.system_files import is_system_file
from hilum.pictures import encode_png

FILM = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
SYSTEM = (".DS_Store", "a/._1.png", "a/Thumbs.db", "a/desktop.ini", "__MACOSX/a/1.png", ".cache/2.png", "@eaDir/1.png")
PICTURES = {
    "a/1.jfif": "JPEG",
    "a/2.jpe": "JPEG",
    "a/no ending": "PNG",
    "a/3.jpg ": "JPEG",
    "a/4.JPEG_": "JPEG",
    "a/5.pgm": "PPM",
    "a/6.tif": "TIFF",
    "a/7.bmp": "BMP",
    "a/8.webp": "WEBP",
    "a/9.dat": "PNG",
    "a/10.dcm.png": "PNG",
}
OTHERS = {"a/x.gif": "GIF", "README": "text", "a/empty": "empty file", "a/x.bin": "file of an unknown kind"}


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def encode(kind: str) -> bytes:
    stream = io.BytesIO()
    FILM.save(stream, kind)
    return stream.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in SYSTEM:
        put(tmp_path / name, encode("PNG"))
    for name, kind in PICTURES.items():
        put(tmp_path / name, encode(kind))
    for name, content in zip(OTHERS, (encode("GIF"), b"read me", b"", bytes(20)), strict=True):
        put(tmp_path / name, content)
    put(tmp_path / "meant.png", b"what was a film once")
    put(tmp_path / "labels.csv", b"file,label\n")
    put(tmp_path / "a" / "panel.png", encode_png(Figure(figsize=(1, 1))))
    put(tmp_path / "a" / "dicom.png", write(describe(np.zeros((8, 8), np.uint16), 12)))
    put(tmp_path / "a" / "broken.dcm", b"no DICOM")
    put(tmp_path / "lung_masks" / "a" / "1.png", encode("PNG"))
    return tmp_path


def names(paths: list[PurePosixPath]) -> list[str]:
    return [str(path) for path in paths]


def test_every_file_is_in_one_place(root: Path) -> None:
    found = find_files(root)
    assert names(found.pictures) == sorted([*PICTURES, "meant.png"])
    assert names(found.dicoms) == ["a/broken.dcm", "a/dicom.png"]
    assert names(found.system) == sorted(SYSTEM)
    assert names(found.drawn) == ["a/panel.png"]
    assert names(found.tables) == ["labels.csv"]
    assert names(found.root_masks) == ["lung_masks/a/1.png"]
    assert {str(path): kind for path, kind in found.others.items()} == OTHERS
    assert count(found) == sum(path.is_file() for path in root.rglob("*"))


def count(found: FoundFiles) -> int:
    masks = sum(len(of_kind) for of_kind in found.masks.values())
    lists = (found.pictures, found.dicoms, found.root_masks, found.stray_masks, found.system, found.drawn, found.tables)
    return sum(map(len, lists)) + masks + len(found.others)


def test_what_no_reader_of_pictures_takes_is_named_or_counted(root: Path) -> None:
    table = make_table([PurePosixPath("a/1.jfif")], [{"lung_mask": "lung_masks/a/1.png"}])
    told = {row["path"]: (row["problem"], row["detail"]) for row in list_unread(root, table)}
    assert set(told) == {"a/broken.dcm", "a/dicom.png", *OTHERS}
    assert told["a/x.gif"][0] == told["a/dicom.png"][0] == "picture of another form"
    assert told["README"][0] == told["a/empty"][0] == "no film"
    assert "empty file" in told["a/empty"][1] and "got text" in told["README"][1]
    assert list_excused(root, table) == [
        f"system files, not read: {len(SYSTEM)}, such as .DS_Store, .cache/2.png, @eaDir/1.png",
        "pictures drawn by hilum, not read: 1, such as a/panel.png",
        "tables that no setting names, not read: 1, such as labels.csv",
    ]
    table.attrs["tables"] = ["labels.csv", "README"]
    table["lung_mask"] = ""
    told = {row["path"]: (row["problem"], row["detail"]) for row in list_unread(root, table)}
    assert told["lung_masks/a/1.png"][0] == "mask without a film"
    assert "README" not in told
    assert not any("tables" in line for line in list_excused(root, table))


def test_a_file_that_changed_is_looked_at_again(tmp_path: Path) -> None:
    put(tmp_path / "film", b"no film yet")
    assert not find_files(tmp_path).pictures
    put(tmp_path / "film", encode("PNG"))
    assert names(find_files(tmp_path).pictures) == ["film"]


@pytest.mark.parametrize("images", ["images/", "Images/", ""])
def test_masks_among_the_films_are_masks_of_the_films_of_their_name(tmp_path: Path, images: str) -> None:
    films = [f"{kind}/{images}{kind}-{k}.png" for kind in ("COVID", "Normal") for k in (1, 2)]
    write_films(tmp_path, *films, "COVID/masks/COVID-1.png", "COVID/masks/COVID-9.png", "Normal/lesion_masks/Normal-2.jpg")
    found = find_files(tmp_path)
    assert names(found.pictures) == sorted(films)
    assert {kind: {str(film): str(mask) for film, mask in of_kind.items()} for kind, of_kind in found.masks.items()} == {
        "lung_mask": {f"COVID/{images}COVID-1.png": "COVID/masks/COVID-1.png"},
        "lesion_mask": {f"Normal/{images}Normal-2.png": "Normal/lesion_masks/Normal-2.jpg"},
    }
    assert names(found.stray_masks) == ["COVID/masks/COVID-9.png"]


def test_masks_beside_all_images_are_found_by_the_path_below(tmp_path: Path) -> None:
    write_films(tmp_path, "images/ill/1.png", "images/well/1.png", "masks/ill/1.png")
    found = find_files(tmp_path)
    assert names(found.pictures) == ["images/ill/1.png", "images/well/1.png"]
    assert names(list(found.masks["lung_mask"])) == ["images/ill/1.png"]


def test_a_class_may_be_called_masks(tmp_path: Path) -> None:
    write_films(tmp_path, "masks/1.png", "none/2.png")
    assert names(find_files(tmp_path).pictures) == ["masks/1.png", "none/2.png"]


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.JPG", ".jpg"), ("a.jpg ", ".jpg"), ("a.JPEG_", ".jpeg"), ("a", ""), ("a_", ""), ("1.2.840", ".840")]
)
def test_an_ending_is_read_through_what_downloads_put_behind_it(name: str, suffix: str) -> None:
    assert read_suffix(PurePosixPath(name)) == suffix


def test_a_system_file_is_known_by_its_path() -> None:
    assert all(is_system_file(PurePosixPath(name)) for name in SYSTEM)
    assert not any(is_system_file(PurePosixPath(name)) for name in ("thumbs.png", "a/system volume/1.png", "a_.png"))
