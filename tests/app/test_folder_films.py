"""The films of a folder, to page through."""

from pathlib import Path

import numpy as np
import pytest
from dicom_forms import describe, write
from PIL import Image

from hilum.app.folder_films import list_films, read_listed
from hilum.app.overlay import encode

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)


def test_films_are_listed_by_content_and_read_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    Image.fromarray(GREY).save(tmp_path / "b" / "2.png")
    (tmp_path / "1").write_bytes(write(describe(GREY)))
    (tmp_path / "notes.txt").write_text("no film")
    (tmp_path / "panel.png").write_bytes(encode(GREY))
    listed = list_films(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in listed] == ["1", "b/2.png"]
    assert [read_listed(path).kind for path in listed] == ["DICOM", "PNG"]
    assert np.array_equal(read_listed(listed[1]).grey, GREY)


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_films_is_refused(tmp_path: Path, there: bool) -> None:
    folder = tmp_path if there else tmp_path / "none"
    with pytest.raises(ValueError, match="must hold films" if there else "must exist on the machine"):
        list_films(folder)


def test_a_film_that_is_gone_or_no_file_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a.png cannot be read: No such file"):
        read_listed(tmp_path / "a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="a link that leads to nothing"):
        read_listed(tmp_path / "link.png")
