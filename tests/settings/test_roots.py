"""Roots: params.yaml's, those of this machine over them, and those of one run over these; names and folders are checked."""

import json
from pathlib import Path

import pytest
import yaml

from hilum.settings.meaning import is_absolute
from hilum.settings.params import Params, check_params
from hilum.settings.roots import VARIABLE, check_roots, read_roots

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def params() -> Params:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name in ("one", "two", "three"):
        values["acquire"]["sources"][name] = {"reader": "folder", "root": f"films/{name}"}
    return check_params(values)


def test_without_a_file_they_are_those_of_params_and_drawn_sources_have_none(params: Params, tmp_path: Path) -> None:
    assert read_roots(params, tmp_path) == {"one": "films/one", "two": "films/two", "three": "films/three"}
    (tmp_path / "roots.yaml").write_text("# none yet\n")
    assert read_roots(params, tmp_path) == {"one": "films/one", "two": "films/two", "three": "films/three"}


def test_this_run_goes_before_the_variable_and_that_before_the_file(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "roots.yaml").write_text("two: /file\nthree: /file\none: /file\n")
    monkeypatch.setenv(VARIABLE, json.dumps({"two": "/variable", "three": "/variable"}))
    assert read_roots(params, tmp_path, {"three": "/given"}) == {"one": "/file", "two": "/variable", "three": "/given"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("four: /x", r"roots\.yaml must name sources with films of their own \(one, two, three\), got four; correct the name"),
        ("phantom: /x", r"\(one, two, three\), got phantom"),
        ("[/x]", r"roots\.yaml must map names of sources to folders, got \['/x'\]"),
        ("one: 3", r"roots\.yaml: one must be a folder, got 3"),
        ("one: ''", r"roots\.yaml: one must be a folder, got ''"),
        ("one: [", r"roots\.yaml must be YAML, got "),
    ],
)
def test_what_is_no_mapping_from_sources_to_folders_is_refused(params: Params, tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "roots.yaml").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_roots(params, tmp_path)


def test_a_variable_that_is_no_json_is_told(params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "one: /x")
    with pytest.raises(ValueError, match=f"{VARIABLE} must be JSON such as .*, got 'one: /x'"):
        read_roots(params, tmp_path)
    monkeypatch.setenv(VARIABLE, '{"four": "/x"}')
    with pytest.raises(ValueError, match=f"{VARIABLE} must name sources"):
        read_roots(params, tmp_path)


def test_the_sources_of_a_recipe_may_have_a_root_too(params: Params, tmp_path: Path) -> None:
    """One file serves runs under every recipe."""
    (tmp_path / "recipes").mkdir()
    recipe = {"acquire": {"sources": {"phantom": None, "kermany": {"reader": "kermany", "root": "films/kermany"}}}}
    (tmp_path / "recipes" / "children.yaml").write_text(yaml.safe_dump(recipe))
    (tmp_path / "recipes" / "seeds.yaml").write_text("seed: 3\n")
    (tmp_path / "roots.yaml").write_text("kermany: /x\none: /y\n")
    assert read_roots(params, tmp_path) == {"one": "/y", "two": "films/two", "three": "films/three"}
    (tmp_path / "roots.yaml").write_text("kermani: /x\n")
    with pytest.raises(ValueError, match=r"\(one, two, three, kermany\), got kermani"):
        read_roots(params, tmp_path)


@pytest.mark.parametrize("root", ["/films", "~/films", "~", r"C:\films", "C:/films", r"\\server\films"])
def test_a_path_that_is_on_one_machine_is_absolute(root: str) -> None:
    assert is_absolute(root)


@pytest.mark.parametrize("root", ["films", "../shared/films", "./films", "films/~old", "."])
def test_a_path_from_the_project_is_not(root: str) -> None:
    assert not is_absolute(root)


def test_there_may_be_no_source_that_could_have_a_root() -> None:
    check_roots({}, [], "a root")
    with pytest.raises(ValueError, match=r"a root must name sources with films of their own \(there is none\), got x"):
        check_roots({"x": "/x"}, [], "a root")
