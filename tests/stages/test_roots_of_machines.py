"""The same films under other roots are the same data, and no output says where they were."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from small_films import write_films, write_lines

from hilum.results import folder_digest, read_json, run_key, write_json
from hilum.settings.params import read_params
from hilum.settings.roots import VARIABLE
from hilum.settings.sources import PINNED
from hilum.stages import acquire, check, prepare, split
from hilum.training.task import logged_params
from hilum.workspace import Workspace
from project import Project, make_project

Make = Callable[..., Workspace]
SOURCES: dict[str, dict[str, Any]] = {
    "wards": {"reader": "folder", "root": "films/wards", "mode": "reference", "pattern": "(?P<patient>[nv][0-9]+)_"},
    "clinic": {"reader": "csv", "root": "films/clinic", "table": "t.csv", "path": "file", "finding": "dx", "lung_mask": "lungs"},
}


def write_wards(root: Path, faulty: bool = True) -> None:
    names = [
        f"{label}/{label[0]}{patient}_{film}.png" for label in ("normal", "viral") for patient in range(9) for film in (1, 2)
    ]
    write_films(root, *names, size=(40, 48))
    if faulty:
        (root / "viral" / "v3_3.png").write_bytes(b"no film")
        (root / "viral" / "v3_4.bmp").write_bytes(b"another form")


def write_clinic(root: Path) -> None:
    rng = np.random.default_rng(5)
    for number in range(18):
        (root / "lungs").mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (44, 44), np.uint8)).save(root / f"{number}.png")
    Image.fromarray(np.full((44, 44), 255, np.uint8)).save(root / "lungs" / "0.png")
    rows = [f"{number}.png,{'normal' if number % 2 else 'viral'},{'lungs/0.png' if number == 0 else ''}" for number in range(18)]
    write_lines(root / "t.csv", "file,dx,lungs", *rows, "gone.png,viral,")


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, make_project: Make) -> dict[str, Workspace]:
    """Person -> project; the films of the second were copied an hour later, each below a folder of her name."""
    top, made = tmp_path_factory.mktemp("machines"), {}
    for person in ("anna", "berta"):
        films = top / person / "films-of-mine"
        if made:
            shutil.copytree(top / "anna" / "films-of-mine", films, copy_function=shutil.copyfile)
            for path in films.rglob("*"):
                os.utime(path, (path.stat().st_mtime + 3600,) * 2)
        else:
            write_wards(films / "wards")
            write_clinic(films / "clinic")
        made[person] = make_project(
            top / person / "project",
            acquire__sources=SOURCES,
            prepare__sources=list(SOURCES),
            prepare__labels={"normal": ["normal"], "viral": ["viral"]},
            prepare__size=32,
            prepare__broken_share=0.2,
            pretrain__source="wards",
            arms__baseline__weights="none",
            arms__finetuned__weights="none",
        )
        (made[person].root / "roots.yaml").write_text(yaml.safe_dump({name: str(films / name) for name in SOURCES}))
        with contextlib.chdir(made[person].root):
            check.run()
            for name in SOURCES:
                acquire.run(source=name)
            prepare.run()
            split.run()
    return made


def holding(folder: Path, *words: str) -> Iterator[str]:
    """The files below a folder that hold one of these words in their bytes or name."""
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        yield from (f"{word} in {path}" for word in words if word.encode() in content or word in path.name)


def identity(workspace: Workspace) -> str:
    """The key of a run that trained on these films, with equal weights."""
    params = read_params(workspace.params)
    logged = logged_params(params, params.arms["baseline"])
    return run_key({"arm": "baseline", "model_sha256": "m" * 64, "model": {}, "params": logged})


def test_equal_films_under_other_roots_give_equal_data_and_identities(machines: dict[str, Workspace]) -> None:
    anna, berta = machines.values()
    assert anna.facts.read_bytes() == berta.facts.read_bytes()
    pins = [one.raw("wards") / PINNED for one in machines.values()]
    assert pins[0].read_bytes() == pins[1].read_bytes()
    for folder in ("raw", "prepared", "split"):
        assert folder_digest(anna.root / "data" / folder) == folder_digest(berta.root / "data" / folder), folder
    assert identity(anna) == identity(berta)


def test_no_output_says_where_the_films_were(machines: dict[str, Workspace]) -> None:
    for person, workspace in machines.items():
        assert len(list((workspace.root / "data").rglob("*"))) > 50
        assert (workspace.prepared / "problems.csv").read_text().count("\n") > 3
        assert not list(holding(workspace.root / "data", person, "films-of-mine"))


def test_pinned_films_are_found_by_the_root_of_this_machine(
    machines: dict[str, Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a pin as a colleague's `dvc pull` brings it, and by one that was written when pins named a root."""
    before = folder_digest(machines["berta"].prepared)
    shutil.copytree(machines["berta"].root.parent, tmp_path / "carla")
    carla, films = Workspace(tmp_path / "carla" / "project", tmp_path / "carla" / "project"), tmp_path / "carla" / "films-of-mine"
    (carla.root / "roots.yaml").write_text(yaml.safe_dump({name: str(films / name) for name in SOURCES}))
    monkeypatch.chdir(carla.root)
    pin = read_json(machines["anna"].raw("wards") / PINNED)
    for pinned in (pin, {**pin, "root": str(tmp_path / "anna" / "wards")}):
        write_json(carla.raw("wards") / PINNED, pinned)
        prepare.run()
        assert folder_digest(carla.prepared) == before
    film = films / "wards" / "viral" / "v1_1.png"
    film.write_bytes(film.read_bytes()[:-4] + b"rest")
    with pytest.raises(ValueError, match=r"1 below .*carla.* changed or are gone, such as viral/v1_1\.png"):
        prepare.run()


def test_a_root_goes_into_nothing_that_is_logged(machines: dict[str, Workspace]) -> None:
    params = read_params(machines["anna"].params)
    logged = logged_params(params, params.arms["baseline"])
    assert logged["source.wards.reader"] == "folder"
    assert not [key for key in logged if key.endswith((".root", ".mode"))]


@pytest.mark.slow
def test_a_root_of_one_run_reaches_the_stages_of_the_copy_and_no_parameter(tmp_path: Path) -> None:
    """Through real DVC: the copy has neither roots.yaml nor the films; what other films touch runs again, and else nothing."""
    films = {person: tmp_path / person / "wards" for person in ("anna", "berta", "carla")}
    for person, root in films.items():
        write_wards(root, faulty=person == "carla")
    project = make_wards_project(tmp_path / "project")
    (project.root / "roots.yaml").write_text(f"wards: {films['anna']}\n")
    project.run("dvc", "repro")
    lock = (project.root / "dvc.lock").read_bytes()
    outputs = {}
    for person, stages in (("berta", {"check"}), ("carla", {"check", "acquire@wards", "prepare", "split"})):
        roots = f'{{"wards": "{films[person]}"}}'
        told = project.run("dvc", "exp", "run", "--temp", "-n", person, **{VARIABLE: roots}).stdout
        assert {line.split("'")[1] for line in told.splitlines() if line.startswith("Running stage")} == stages
        project.run("dvc", "get", ".", "data", "--rev", person, "-o", str(tmp_path / "got" / person), "-q")
        outputs[person] = folder_digest(tmp_path / "got" / person)
        assert not list(holding(tmp_path / "got" / person, "anna", "berta", "carla"))
        (ref,) = (ref for ref in project.run("git", "for-each-ref", "--format=%(refname)").stdout.split() if ref.endswith(person))
        for file in ("dvc.lock", "params.yaml"):
            assert str(tmp_path / person) not in project.run("git", "show", f"{ref}:{file}").stdout
    assert outputs["berta"] == folder_digest(project.root / "data") != outputs["carla"]
    assert (project.root / "dvc.lock").read_bytes() == lock and not list(holding(project.root / "data", "anna"))
    assert b"anna" not in lock


def make_wards_project(folder: Path) -> Project:
    """A project whose graph ends with the split."""
    values = {
        "acquire.sources": {"wards": SOURCES["wards"]},
        "prepare.sources": ["wards"],
        "prepare.labels": {"normal": ["normal"], "viral": ["viral"]},
        "prepare.size": 32,
        "prepare.broken_share": 0.2,
        "pretrain.source": "wards",
        "arms.baseline.weights": "none",
        "arms.finetuned.weights": "none",
    }
    project = make_project(folder, values)
    graph = yaml.safe_load((folder / "dvc.yaml").read_text())
    kept = {name: graph["stages"][name] for name in ("check", "acquire", "prepare", "split")}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}, sort_keys=False))
    project.run("git", "commit", "-q", "-a", "-m", "films alone")
    return project
