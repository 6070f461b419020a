"""Every path comes from one root; what must outlive a copy made by DVC is kept at home."""

import os
from pathlib import Path

import pytest

from hilum.workspace import Workspace, find_workspace, home


def project(root: Path) -> Path:
    root.mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml"):
        (root / name).write_text("")
    return root


def test_home_is_the_project_above_a_copy_made_by_dvc() -> None:
    assert home(Path("/a/b/.dvc/tmp/exps/standalone/tmpx1")) == Path("/a/b")
    assert home(Path("/a/b/.dvc/tmp/exps/tmpx1")) == Path("/a/b")


@pytest.mark.parametrize("root", ["/a/b", "/a/.dvc/tmp/other/b", "/a/.dvc/exps/b", "/a/tmp/exps/b"])
def test_home_is_the_root_anywhere_else(root: str) -> None:
    assert home(Path(root)) == Path(root)


def test_the_root_is_found_from_a_folder_below_it(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    below = root / "results" / "arms" / "baseline"
    below.mkdir(parents=True)
    assert find_workspace(below) == find_workspace(root) == Workspace(root.resolve(), root.resolve())


def test_the_nearest_project_is_taken(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    copy = project(root / ".dvc" / "tmp" / "exps" / "standalone" / "tmp1")
    assert find_workspace(copy) == Workspace(copy.resolve(), root.resolve())


@pytest.mark.parametrize("present", [(), ("params.yaml",), ("dvc.yaml",)])
def test_a_folder_outside_a_project_is_refused(tmp_path: Path, present: tuple[str, ...]) -> None:
    for name in present:
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match=r"params\.yaml and dvc\.yaml, got .*; change into the project's folder"):
        find_workspace(tmp_path)


def test_caches_and_what_a_person_wrote_resolve_against_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace(tmp_path / ".dvc/tmp/exps/x", tmp_path)
    assert workspace.cache == tmp_path / ".hilum"
    assert workspace.at_home("films") == tmp_path / "films"
    assert workspace.at_home(os.sep + "films") == Path(os.sep + "films")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert workspace.at_home("~/films") == tmp_path / "me" / "films"


def test_results_stay_in_the_root_where_dvc_looks_for_them(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "copy", tmp_path)
    own = [
        workspace.params,
        workspace.facts,
        workspace.raw("phantom"),
        workspace.prepared,
        workspace.split,
        workspace.pretrained,
        workspace.arm("baseline", "training"),
        workspace.comparison,
    ]
    assert all(path.is_relative_to(tmp_path / "copy") for path in own)
    assert len(set(own)) == len(own)
