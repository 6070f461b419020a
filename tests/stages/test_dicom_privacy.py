"""From a hospital's folder to prepared films: no name, number, path or salt gets out."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dicom_roots import SECRETS, write_dicom_root, write_film

from hilum.data.prepared.loading import read_manifest
from hilum.data.readers.identity import key_file, read_salt, salt_file
from hilum.results import folder_digest, read_json, read_table
from hilum.settings.params import read_params
from hilum.settings.sources import DICOM_SOURCES, PINNED
from hilum.stages import acquire, prepare
from hilum.workspace import Workspace

SOURCE: dict[str, Any] = {"reader": "dicom", "table": "labels.csv", "path": "file", "finding": "finding"}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    write_dicom_root(tmp_path / "films", films=12)
    return tmp_path / "films"


@pytest.fixture
def project(films: Path, tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    labels = {"normal": ["normal"], "viral": ["pneumonia"]}
    made = make_project(
        tmp_path / "project",
        acquire__sources__clinic={**SOURCE, "root": str(films)},
        prepare__sources=["clinic"],
        prepare__labels=labels,
        prepare__size=32,
        prepare__broken_share=0.2,
    )
    monkeypatch.chdir(made.root)
    return made


def run(project: Workspace) -> None:
    acquire.run(source="clinic")
    prepare.run()


def leaks(folder: Path, films: Path) -> Iterator[str]:
    """Which secrets stand in any file below a folder."""
    names = [path.name for path in films.rglob("*") if path.is_file() and path.name != "labels.csv"]
    secrets = [*SECRETS, *names, read_salt(films).hex()]
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        yield from (f"{secret} in {path.name}" for secret in secrets if secret.encode() in content or secret in path.name)


def test_dicom_sources_stay_where_they_are_by_default(project: Workspace) -> None:
    source = read_params(project.params).acquire.sources["clinic"]
    assert isinstance(source, DICOM_SOURCES)
    assert source.mode == "reference"


def test_nothing_that_names_a_patient_is_pinned_or_prepared(project: Workspace, films: Path) -> None:
    (films / "Roentgen_Anna_0" / "film1.DICOM").write_bytes(b"no film")
    write_film(
        films / "Roentgen_Anna_9" / "capture.dcm", 99, PatientID="HOSPITAL-9", BurnedInAnnotation="YES", ViewPosition="ROENTGEN"
    )
    with (films / "labels.csv").open("a") as table:
        table.write("Roentgen_Anna_9/capture.dcm,normal,\n")
    run(project)
    assert [path.name for path in project.raw("clinic").iterdir()] == [PINNED]
    assert not [*leaks(project.raw("clinic"), films), *leaks(project.prepared, films)]
    manifest = read_manifest(project.prepared / "manifest.csv")
    assert len(manifest) == 12
    assert manifest["image_id"].str.fullmatch("clinic/[0-9a-f]{16}").all()
    assert manifest["path"].str.fullmatch(r"clinic/[0-9a-f]{64}\.dcm").all()
    assert manifest["patient_id"].str.fullmatch("clinic/[0-9a-f]{16}").all()
    problems = read_table(project.prepared / "problems.csv")
    assert problems["problem"].tolist() == ["broken film", "text in a coded attribute", "burned-in text"]
    assert problems["path"].str.fullmatch(r"clinic/[0-9a-f]{64}\.dcm").all()
    assert problems["image_id"][2] in set(manifest["image_id"]), "a film that a person must see stays"
    assert "ROENTGEN" not in (project.prepared / "problems.csv").read_text()
    key = key_file(films).read_text()
    assert f"{problems['image_id'][2].removeprefix('clinic/')}," in key, "who holds the films finds the one that is meant"
    assert salt_file(films).is_file()


def test_a_copy_gives_the_same_prepared_films_under_the_same_salt(project: Workspace, films: Path) -> None:
    run(project)
    before = folder_digest(project.prepared)
    values = yaml.safe_load(project.params.read_text())
    values["acquire"]["sources"]["clinic"]["mode"] = "copy"
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    run(project)
    assert folder_digest(project.prepared) == before
    assert not list(project.raw("clinic").parent.glob("*.hilum-*")), "no second salt beside the copy"


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("changed", "1 changed or are gone, such as [0-9a-f]{12}, and 1 are new"),
        ("gone", "1 changed or are gone"),
        ("new", "0 changed or are gone, and 1 are new"),
    ],
)
def test_films_that_are_not_those_that_were_pinned_are_refused(project: Workspace, films: Path, deed: str, told: str) -> None:
    acquire.run(source="clinic")
    film = films / "Roentgen_Anna_1" / "film3.dcm"
    if deed == "gone":
        film.unlink()
    elif deed == "new":
        write_film(film.with_name("film99.dcm"), 99)
    else:
        film.write_bytes(film.read_bytes()[:-2] + b"xx")
    with pytest.raises(ValueError, match=told) as error:
        prepare.run()
    assert "Roentgen" not in str(error.value)


def test_a_pin_holds_hashes_alone(project: Workspace, films: Path) -> None:
    acquire.run(source="clinic")
    pinned = read_json(project.raw("clinic") / PINNED)
    assert set(pinned) == {"sha256"}
    assert len(pinned["sha256"]) == 13
    assert pinned["sha256"] == sorted(pinned["sha256"])


def test_a_root_that_takes_no_salt_stops_the_stage_before_any_work(
    project: Workspace, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    salt_file(films).mkdir()  # a folder in its place can be neither read nor written, for root too
    with pytest.raises(ValueError, match=r"cannot be read or written .* make that folder writable"):
        acquire.run(source="clinic")
    assert not project.raw("clinic").exists()
