"""Pseudonyms: salt beside the films, salted patients, films named by content."""

import os
from pathlib import Path

import pytest

from hilum.data.readers.identity import hide_patient, key_file, name_films, read_salt, salt_file, write_key


def test_the_salt_is_made_once_beside_the_root_and_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "films"
    root.mkdir()
    first = read_salt(root)
    assert len(first) == 32
    assert salt_file(root) == tmp_path / "films.hilum-salt"
    assert salt_file(root).stat().st_mode & 0o777 == 0o600
    assert read_salt(root) == first
    assert list(root.iterdir()) == []
    (tmp_path / "others").mkdir()
    assert read_salt(tmp_path / "others") != first


def test_a_salt_that_cannot_be_written_is_reported_with_the_remedy(tmp_path: Path) -> None:
    root = tmp_path / "gone" / "films"
    with pytest.raises(ValueError, match=r"films\.hilum-salt cannot be read or written .*; make that folder writable, or put"):
        read_salt(root)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match="cannot be read or written"):
        read_salt(tmp_path / "films")
    tmp_path.chmod(0o755)


def test_a_salt_of_another_form_is_refused(tmp_path: Path) -> None:
    salt_file(tmp_path / "films").write_text("salt\n")
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        read_salt(tmp_path / "films")


def test_a_patient_is_the_same_hash_under_one_salt_only() -> None:
    one, two = bytes(32), bytes([1] * 32)
    assert hide_patient(one, "0001") == hide_patient(one, " 0001 ")
    assert hide_patient(one, "0001") != hide_patient(one, "0002")
    assert hide_patient(one, "0001") != hide_patient(two, "0001")
    assert hide_patient(one, "") == ""
    assert len(hide_patient(one, "0001")) == 16


def test_equal_files_have_names_of_their_own() -> None:
    sha = "ab" * 32
    assert name_films([sha, "cd" * 32, sha]) == [
        ("abababababababab", f"{sha}.dcm"),
        ("cdcdcdcdcdcdcdcd", f"{'cd' * 32}.dcm"),
        ("abababababababab-2", f"{sha}-2.dcm"),
    ]


def test_the_key_says_which_hash_is_which_file(tmp_path: Path) -> None:
    file = write_key(tmp_path / "films", {'a/"b".dcm': "ab" * 32})
    assert file == key_file(tmp_path / "films") == tmp_path / "films.hilum-films.csv"
    assert file.read_text() == f'image_id,sha256,file\nabababababababab,{"ab" * 32},"a/""b"".dcm"\n'
    assert file.stat().st_mode & 0o777 == 0o600
    write_key(tmp_path / "films", {})
    assert file.read_text() == "image_id,sha256,file\n"


def test_git_ignores_salt_and_key(root: Path) -> None:
    ignored = (root / ".gitignore").read_text().splitlines()
    assert {"*.hilum-salt", "*.hilum-films.csv"} <= set(ignored)
