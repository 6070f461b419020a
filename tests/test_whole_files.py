"""Files that are there whole; each step that fails is a row of test_failing_disk.py."""

from pathlib import Path

import pytest

from hilum.whole_files import write_whole


def test_text_and_bytes_are_written_into_a_new_folder_and_over_an_earlier_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    write_whole(file, "größer")
    assert file.read_bytes() == "größer".encode()
    write_whole(file, b"\x00\xff")
    assert file.read_bytes() == b"\x00\xff" and [entry.name for entry in file.parent.iterdir()] == ["page.html"]


def test_a_folder_in_its_place_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OSError, match=r"page\.html"):
        write_whole(tmp_path / "page.html", "x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_name_as_long_as_the_file_system_takes_is_written(tmp_path: Path) -> None:
    file = tmp_path / f"{'x' * 251}.png"  # 255 bytes, the limit of a name
    write_whole(file, "panel")
    assert file.read_text() == "panel" and list(tmp_path.iterdir()) == [file]
