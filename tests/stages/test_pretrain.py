"""pretrain: which films of its source it takes, and that none of them is one of the task's."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from small_films import write_films, write_lines

from hilum.data.decoding.images import prepare_film
from hilum.data.phantom.phantom import read_phantom, write_phantoms
from hilum.data.prepared.loading import read_manifest
from hilum.data.readers.registry import READERS
from hilum.settings.params import read_params
from hilum.stages import acquire
from hilum.stages.pretrain import load_rows
from hilum.workspace import Workspace


def name_source(workspace: Workspace, name: str, **settings: object) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    values["acquire"]["sources"][name] = settings
    values["pretrain"].update(source=name, size=48)
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    acquire.run(source=name)


def test_films_of_several_findings_or_none_are_not_pretrained_on(
    own_copy: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{patient:08d}_000.png" for patient in range(1, 33)]
    root = write_films(tmp_path / "nih", *(f"images/{name}" for name in names), size=(20, 30))
    cycle = ["No Finding", "Mass", "Mass|Effusion", ""]
    rows = [f"{name},{cycle[number % 4]},{number}" for number, name in enumerate(names)]
    write_lines(root / "Data_Entry_2017.csv", "Image Index,Finding Labels,Patient ID", *rows)
    name_source(own_copy, "nih", reader="nih", root=str(root))
    train, val, classes, left_out = load_rows(read_params(own_copy.params), own_copy)
    assert classes == ["Mass", "No Finding"] and left_out.empty
    assert len(train.labels) + len(val.labels) == 16
    assert "nih: 16 films of several findings or none are not pretrained on" in capsys.readouterr().out


def test_films_and_patients_of_the_task_are_left_out(
    own_copy: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "others"
    shares = {"effusion": 0.5, "nodule": 0.5}
    quiet = {"shortcut_kind": "none", "shortcut_finding": "nodule", "shortcut_strength": 0.0}
    write_phantoms(root, films=40, size=64, seed=77, findings=shares, on_film=lambda *_: None, **quiet)
    clean = read_phantom(root)[["path", "finding", "patient_id"]]
    test = pd.read_csv(own_copy.split / "test.csv")
    task = read_manifest(own_copy.prepared / "manifest.csv").set_index("image_id").loc[test["image_id"]]
    raw = [own_copy.root / "data" / "raw" / path for path in task["path"]]
    assert task["patient_id"].iloc[0] != task["patient_id"].iloc[-1]
    (root / "same.png").write_bytes(raw[0].read_bytes())
    with Image.open(raw[-1]) as film:
        film.convert("L").resize((90, 80)).save(root / "squeezed.jpg", quality=60)
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)).save(root / "follow_up.png")
    added = [("same.png", "nodule", "x"), ("squeezed.jpg", "effusion", "y"), ("follow_up.png", "nodule", "x")]
    pd.concat([clean, pd.DataFrame(added, columns=clean.columns)]).to_csv(root / "table.csv", index=False)
    name_source(
        own_copy, "others", reader="csv", root=str(root), table="table.csv", path="path", finding="finding", patient="patient_id"
    )
    train, val, classes, left_out = load_rows(read_params(own_copy.params), own_copy)
    told = dict(zip(left_out["path"].str.removeprefix("others/"), left_out["detail"], strict=True))
    assert told.keys() == {"same.png", "squeezed.jpg", "follow_up.png"}
    assert told["same.png"] == f"the same bytes as {task.index[0]} of the task"
    assert told["squeezed.jpg"].startswith(f"nearly the same film as {task.index[-1]} of the task")
    assert told["follow_up.png"] == "its patient is one of the task, as others/same shows"
    assert len(train.labels) + len(val.labels) == 40 and classes == ["effusion", "nodule"]
    assert "others: 3 films stay out, because the task has them or their patients" in capsys.readouterr().out


def test_no_patient_is_trained_and_judged_on_when_the_split_drops_films(own_copy: Workspace, tmp_path: Path) -> None:
    """Patients on both sides of an official split leave its train part, so that fewer films are split than there are."""
    names = [f"{patient:08d}_{film:03d}.png" for patient in range(1, 61) for film in range(3)]
    root = write_films(tmp_path / "sided", *names, size=(20, 30))
    rows = [f"{name},{'ab'[int(name[:8]) % 2]},{name[:8]}" for name in names]
    tested = [name for name in names if int(name[:8]) % 5 == 0 and name.endswith("_000.png")]
    told = [f"{row},{'test' if row.split(',')[0] in tested else 'train'}" for row in rows]
    write_lines(root / "table.csv", "file,finding,patient,part", *told)
    columns = {"path": "file", "finding": "finding", "patient": "patient", "split": "part"}
    name_source(own_copy, "sided", reader="csv", root=str(root), table="table.csv", **columns)
    train, val, _, left_out = load_rows(read_params(own_copy.params), own_copy)
    patient_of = {film_key(root / name): name[:8] for name in names}
    assert len(patient_of) == len(names)
    sides = [{patient_of[key] for key in part.keys} for part in (train, val)]
    assert all(sides) and not sides[0] & sides[1]
    assert left_out.empty and len(train.keys) + len(val.keys) == len(names), "no film is lost"
    for part in (train, val):
        classes = [int(patient_of[key]) % 2 for key in part.keys]
        assert part.labels.tolist() == classes, "films, classes and names belong together"
        assert [film_hash(film) for film in part.films] == list(part.keys)


def film_hash(film: np.ndarray) -> str:
    return hashlib.sha256(film.tobytes()).hexdigest()


def film_key(path: Path) -> str:
    """What a film is called once it is prepared for pretraining at 48 pixels."""
    return film_hash(prepare_film(path, 48, "pad")[0])


@pytest.mark.parametrize("published", [False, True])
def test_patients_of_one_published_set_are_the_same_people_in_any_folder(
    published: bool, own_copy: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other films under the names of the task's patients: new people, unless the row of the reader says that it is one set."""
    monkeypatch.setitem(READERS, "phantom", dataclasses.replace(READERS["phantom"], published=published))
    quiet = {"kind": "none", "finding": "nodule", "strength": 0.0}
    shares = {"effusion": 0.5, "nodule": 0.5}
    name_source(own_copy, "others", reader="phantom", films=80, size=64, seed=77, contrast=1.0, findings=shares, shortcut=quiet)
    task = set(read_manifest(own_copy.prepared / "manifest.csv")["patient_id"].str.split("/").str[1])
    own = read_phantom(own_copy.root / "data" / "raw" / "others").set_index("path")["patient_id"]
    known = own[own.isin(task)]
    assert 0 < len(known) < len(own)
    *_, left_out = load_rows(read_params(own_copy.params), own_copy)
    gone = set(left_out["path"].str.removeprefix("others/"))
    assert gone == (set(known.index) if published else set())


def test_the_task_itself_cannot_be_pretrained_on(own_copy: Workspace, tmp_path: Path) -> None:
    root = own_copy.root / "data" / "raw" / "phantom"
    table = read_phantom(root)[["path", "finding", "patient_id"]]
    table.to_csv(root / "again.csv", index=False)
    name_source(
        own_copy, "again", reader="csv", root=str(root), table="again.csv", path="path", finding="finding", patient="patient_id"
    )
    with pytest.raises(ValueError, match=r"pretrain\.source must hold films of two findings or more that the task does not show"):
        load_rows(read_params(own_copy.params), own_copy)
