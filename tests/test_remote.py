"""Raw films travel through a DVC remote to a colleague, byte for byte, and a flipped bit is found by content."""

import hashlib
import os
from pathlib import Path

import pytest

from project import SMALL, Project, make_project

pytestmark = pytest.mark.slow


def bytes_of(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """A project whose films and splits are pushed to a remote, and a colleague's clone that pulled them."""
    top = tmp_path_factory.mktemp("remote")
    (top / "mine").mkdir()
    mine = make_project(top / "mine", SMALL)
    mine.run("dvc", "remote", "add", "-q", "-d", "store", str(top / "store"))
    mine.run("dvc", "repro", "split")
    mine.run("git", "add", "dvc.lock", ".dvc/config")
    mine.run("git", "commit", "-q", "-m", "films versioned")
    mine.run("dvc", "push", "-q", "split", "--with-deps")
    mine.run("git", "clone", "-q", str(mine.root), str(top / "colleague"))
    colleague = Project(top / "colleague")
    colleague.run("dvc", "pull", "-q", "split", "--with-deps")
    return mine, colleague


@pytest.mark.parametrize("folder", ["data/raw", "data/prepared", "data/split"])
def test_a_colleague_gets_the_same_bytes(pair: tuple[Project, Project], folder: str) -> None:
    mine, colleague = pair
    assert len(bytes_of(mine.root / folder)) > 3
    assert bytes_of(colleague.root / folder) == bytes_of(mine.root / folder)


def test_a_flipped_byte_is_found_where_dvc_trusts_the_time_stamp(pair: tuple[Project, Project]) -> None:
    _, colleague = pair
    assert "matches dvc.lock" in colleague.hilum("verify").stdout
    film = next((colleague.root / "data/raw/phantom/films").glob("*.png"))
    before, content = film.stat(), film.read_bytes()
    film.chmod(0o644)
    film.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(film, ns=(before.st_atime_ns, before.st_mtime_ns))
    told = colleague.hilum("verify", check=False)
    assert told.returncode == 3
    assert f"{film.relative_to(colleague.root)} has other bytes than dvc.lock says" in told.stderr
    film.unlink()
    colleague.run("dvc", "checkout", "-q", "data/raw/phantom")
    assert film.read_bytes() == content
    assert colleague.hilum("verify").returncode == 0
