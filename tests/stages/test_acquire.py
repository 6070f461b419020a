"""acquire: films come under data/raw/<source>, generated, copied, or pinned where they are."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from small_films import write_films

from hilum.results import file_sha256, folder_digest, read_json
from hilum.settings.sources import PINNED
from hilum.stages import acquire
from hilum.workspace import Workspace

Make = Callable[..., Workspace]


def write_root(root: Path) -> Path:
    for name in ("normal/a.png", "viral/b.PNG", "lung_masks/normal/a.png", "notes.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / "normal" / "a.png").chmod(0o444)
    return root


def files_below(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_phantom_is_drawn_anew_with_the_same_bytes(own_copy: Workspace) -> None:
    folder = own_copy.raw("phantom")
    before = folder_digest(folder)
    (folder / "films" / "stray.png").write_text("left over from an earlier call")
    acquire.run(source="phantom")
    assert folder_digest(folder) == before
    assert len(list((folder / "films").glob("*.png"))) == 60


def test_a_copy_is_the_whole_root_and_can_be_written(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_root(tmp_path / "films")
    project = make_project(tmp_path / "project", acquire__sources__mine={"reader": "folder", "root": str(root), "mode": "copy"})
    monkeypatch.chdir(project.root)
    acquire.run(source="mine")
    assert files_below(project.raw("mine")) == files_below(root)
    (project.raw("mine") / "normal" / "a.png").write_text("changed")
    assert (root / "normal" / "a.png").read_text() == "normal/a.png", "the user's films stay as they are"
    (root / "viral" / "b.PNG").unlink()
    acquire.run(source="mine")
    assert files_below(project.raw("mine")) == files_below(root), "a film that is gone from the root goes from the copy"


def test_a_reference_leaves_the_films_where_they_are_and_pins_their_bytes(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_root(tmp_path / "project" / "films")
    source = {"reader": "folder", "root": "films", "mode": "reference"}
    project = make_project(tmp_path / "project", acquire__sources__mine=source)
    monkeypatch.chdir(project.root)
    acquire.run(source="mine")
    assert list(files_below(project.raw("mine"))) == [PINNED]
    pinned = read_json(project.raw("mine") / PINNED)
    assert pinned == {"files": {name: file_sha256(root / name) for name in files_below(root)}}, "the same on another machine"


def test_a_missing_root_is_told_and_the_films_that_are_there_stay(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_root(tmp_path / "films")
    project = make_project(tmp_path / "project", acquire__sources__mine={"reader": "folder", "root": str(root)})
    monkeypatch.chdir(project.root)
    acquire.run(source="mine")
    before = files_below(project.raw("mine"))
    root.rename(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"acquire\.sources\.mine\.root must be a folder, got .*films"):
        acquire.run(source="mine")
    assert files_below(project.raw("mine")) == before


def test_an_unknown_source_is_refused_with_the_known_ones(own_copy: Workspace) -> None:
    before = folder_digest(own_copy.raw("phantom"))
    with pytest.raises(ValueError, match="--source must be one of phantom, phantom-findings, got 'phantoms'"):
        acquire.run(source="phantoms")
    assert folder_digest(own_copy.raw("phantom")) == before


@pytest.mark.parametrize("mode", ["copy", "reference"])
@pytest.mark.parametrize("target", ["nowhere.png", "elsewhere", "pipe"])
def test_films_behind_links_are_not_lost_unsaid(
    mode: str, target: str, tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_films(tmp_path / "films", "a/1.png", "b/2.png")
    write_films(tmp_path / "elsewhere", "3.png")
    (root / "a" / "good.png").symlink_to(root / "a" / "1.png")
    project = make_project(tmp_path / "p", acquire__sources__mine={"reader": "folder", "root": str(root), "mode": mode})
    monkeypatch.chdir(project.root)
    acquire.run(source="mine")
    os.mkfifo(root / "b" / "bad.png") if target == "pipe" else (root / "b" / "bad.png").symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match=r"must hold its films, got 1 names below .* such as b/bad\.png; put the films"):
        acquire.run(source="mine")
