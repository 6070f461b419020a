import shutil
from pathlib import Path

import pytest
from small_films import write_films

from hilum.reading.queue import make_queue, name_film

NAMES = [f"{kind}/{k}.png" for kind in ("normal", "ill") for k in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_films(tmp_path / "films", *NAMES)


def test_every_film_once_in_an_order_that_stays(folder: Path, tmp_path: Path) -> None:
    first = make_queue(folder, "R1", 0, [])
    assert sorted(path.relative_to(folder).as_posix() for path in first.films.values()) == sorted(NAMES)
    assert list(first.films) == list(make_queue(folder, "R1", 0, []).films)
    renamed = shutil.copytree(folder / "ill", tmp_path / "other" / "a")
    shutil.copytree(folder / "normal", tmp_path / "other" / "b")
    assert list(make_queue(renamed.parent, "R1", 0, []).films) == list(first.films)


def test_another_reader_or_seed_gives_another_order(folder: Path) -> None:
    orders = [list(make_queue(folder, reader, seed, []).films) for reader, seed in (("R1", 0), ("R2", 0), ("R1", 1))]
    assert len({tuple(order) for order in orders}) == 3 and len({tuple(sorted(order)) for order in orders}) == 1
    place = {path: k for k, path in enumerate(sorted(folder.rglob("*.png")))}
    ranks = [place[path] for path in make_queue(folder, "R1", 0, []).films.values()]
    assert ranks != sorted(ranks) and len({rank < 10 for rank in ranks[:8]}) == 2  # not by name, nor folder by folder


def test_it_goes_on_after_the_answered_films(folder: Path) -> None:
    whole = list(make_queue(folder, "R1", 0, []).films)
    queue = make_queue(folder, "R1", 0, [*whole[:3], "a film of another folder"])
    assert queue.left == whole[3:] and set(queue.answered) == set(whole[:3])


def test_copies_are_shown_once_and_a_new_film_leaves_the_order_of_the_others(folder: Path) -> None:
    whole = list(make_queue(folder, "R1", 0, []).films)
    shutil.copy(folder / "ill" / "3.png", folder / "copy.png")
    assert list(make_queue(folder, "R1", 0, []).films) == whole
    write_films(folder / "new", *(f"{k}.png" for k in range(9)), size=(9, 9))
    longer = list(make_queue(folder, "R1", 0, []).films)
    assert [sha256 for sha256 in longer if sha256 in whole] == whole and len(longer) == 29 and longer[:20] != whole


def test_a_folder_without_films_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="films"):
        make_queue(tmp_path, "R1", 0, [])
    with pytest.raises(ValueError, match="folder"):
        make_queue(tmp_path / "nothing", "R1", 0, [])


def test_a_dicom_has_no_name_in_records(folder: Path) -> None:
    assert name_film(folder / "ill" / "3.png", folder) == "ill/3.png"
    dicom = folder / "Doe^Jane"
    dicom.write_bytes(b"\0" * 128 + b"DICM")
    assert name_film(dicom, folder) == ""
