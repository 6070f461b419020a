"""Archives as people have them: films twice under two classes, and a set unpacked inside itself."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.prepared.loading import read_manifest
from hilum.results import read_json, read_table
from hilum.stages import acquire, prepare, split
from hilum.workspace import Workspace

Make = Callable[..., Workspace]


def draw(root: Path, *names: str) -> None:
    """Chest films of different people, one for each name."""
    rng = np.random.default_rng(7)
    people = draw_population(rng, films=len(names), findings={"normal": 1.0}, shortcut_finding="normal", shortcut_strength=0.0)
    for film, name in zip(draw_films(people, size=96, shortcut_kind="none").films, names, strict=True):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(film).save(root / name)


@pytest.fixture
def start(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Workspace]:
    """Take a root in as the only source, of the classes normal and ill, and prepare it."""

    def run(root: Path, reader: str, ill: str, **more: object) -> Workspace:
        project = make_project(
            tmp_path / "project",
            acquire__sources__s={"reader": reader, "root": str(root)},
            prepare__sources=["s"],
            prepare__labels={"normal": ["normal"], "ill": [ill]},
            **{f"prepare__{key}": value for key, value in more.items()},
        )
        monkeypatch.chdir(project.root)
        acquire.run(source="s")
        prepare.run()
        return project

    return run


def test_a_film_in_two_class_folders_is_no_film_of_either(tmp_path: Path, start: Callable[..., Workspace]) -> None:
    root = tmp_path / "films"
    draw(root, *(f"{kind}/p{i}{kind}.png" for kind in ("normal", "ill") for i in range(1, 11)))
    shutil.copy(root / "normal/p1normal.png", root / "ill/copy.png")
    with Image.open(root / "normal/p2normal.png") as film:
        film.save(root / "ill/other_container.png", compress_level=1)
        film.convert("RGB").save(root / "ill/rgb.png")
    with Image.open(root / "normal/p3normal.png") as film:
        film.save(root / "ill/resaved.jpg", quality=80)
    project = start(root, "folder", "ill", near_duplicates="group", group_share=0.5)
    problems = read_table(project.prepared / "problems.csv")
    conflicting = problems["path"][problems["problem"] == "conflicting labels"]
    assert {path.removeprefix("s/") for path in conflicting} == {
        *("normal/p1normal.png", "ill/copy.png"),
        *("normal/p2normal.png", "ill/other_container.png", "ill/rgb.png"),
    }
    near = read_table(project.prepared / "near_duplicates.csv")
    assert near[["image_id", "other", "label", "other_label"]].to_numpy().tolist() == [
        ["s/ill/resaved", "s/normal/p3normal", "ill", "normal"]
    ]
    assert len(read_manifest(project.prepared / "manifest.csv")) == 24 - 5
    notes = (project.prepared / "notes.txt").read_text()
    assert "1 pairs have different classes: s/ill/resaved (ill) and s/normal/p3normal (normal)" in notes


def test_a_set_that_was_unpacked_inside_itself_is_read_once(tmp_path: Path, start: Callable[..., Workspace]) -> None:
    """The Kaggle archive of the pediatric films: chest_xray/{train,test}, once more below, and what a Mac adds."""
    root = tmp_path / "chest_xray"
    names = []
    for part, ten in (("train", 10), ("test", 90)):
        for i in range(ten, ten + 5):
            names.append(f"{part}/NORMAL/IM-{i:04d}-0001.png")
            names += [f"{part}/PNEUMONIA/person{i}_bacteria_1.png", f"{part}/PNEUMONIA/person{i}_virus_2.png"]
    draw(root, *names)
    shutil.copytree(root, tmp_path / "again")
    shutil.move(tmp_path / "again", root / "chest_xray")
    (root / "__MACOSX" / "train" / "NORMAL").mkdir(parents=True)
    (root / "__MACOSX" / "train" / "NORMAL" / "._IM-0010-0001.png").write_bytes(b"\0\5\x16\7")
    (root / ".DS_Store").write_bytes(b"x")
    project = start(root, "kermany", "pneumonia", near_duplicates="none")
    manifest = read_manifest(project.prepared / "manifest.csv")
    assert len(manifest) == manifest["patient_id"].nunique() == 30
    assert read_table(project.prepared / "problems.csv")["problem"].value_counts().to_dict() == {"copy": 30}
    split.run()
    test = read_table(project.split / "test.csv")
    assert set(test["image_id"]) == set(manifest["image_id"][manifest["official_split"] == "test"])
    assert len(test) == 15
    assert set(read_json(project.split / "proof.json")["shared"].values()) == {0}
