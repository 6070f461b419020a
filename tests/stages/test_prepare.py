"""prepare: films of every source in one manifest, the same bytes each time, and nothing half-written."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from changed_copies import CHANGES
from PIL import Image, ImageOps
from sixteen_bits import png16
from small_films import write_films
from written_films import Writing, write_on

from hilum.data.burned_in import second_look
from hilum.data.burned_in.found import BurnedIn
from hilum.data.burned_in.letters import find_letters
from hilum.data.decoding import levels as images
from hilum.data.masks import load_masks
from hilum.data.prepared.loading import load_films, load_geometry, read_burned_in, read_manifest
from hilum.data.quality.alike import near_duplicates
from hilum.data.quality.oddities import ODD
from hilum.data.readers.raw_films import verify_pinned
from hilum.data.sheets import gather
from hilum.results import file_sha256, folder_digest, read_json, read_table
from hilum.settings.sources import PINNED
from hilum.stages import acquire, prepare, split
from hilum.workspace import Workspace

LEFT = ["left", "left_boxes"]  # columns of burned_in.csv

Make = Callable[..., Workspace]
LABELS = {"normal": ["normal"], "viral": ["viral"]}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A class-per-folder root of 12 films of 6 patients, two of the files broken in turn by the tests."""
    rng = np.random.default_rng(0)
    for finding in ("normal", "viral"):
        (tmp_path / "films" / finding).mkdir(parents=True)
        for i in range(6):
            film = rng.integers(0, 256, (20, 30), np.uint8)
            Image.fromarray(film).save(tmp_path / "films" / finding / f"{finding[0]}{i // 2}_{i}.png")
    return tmp_path / "films"


@pytest.fixture
def project(films: Path, tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    source = {"reader": "folder", "root": str(films), "mode": "reference", "pattern": "(?P<patient>[nv][0-9]+)_"}
    made = make_project(
        tmp_path / "project", acquire__sources__mine=source, prepare__sources=["mine"], prepare__labels=LABELS, prepare__size=32
    )
    monkeypatch.chdir(made.root)
    acquire.run(source="mine")
    return made


def change(workspace: Workspace, section: str, **changes: object) -> None:
    values = yaml.safe_load(workspace.params.read_text())
    values[section].update(changes)
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))


def test_preparing_twice_gives_the_same_bytes(own_copy: Workspace) -> None:
    before = folder_digest(own_copy.prepared)
    (own_copy.prepared / "stray.csv").write_text("left over")
    for cached in (True, False):
        if not cached:
            shutil.rmtree(own_copy.decoded_films)
        prepare.run()
        assert folder_digest(own_copy.prepared) == before


def test_films_manifest_and_masks_belong_together(split_project: Workspace) -> None:
    manifest = read_manifest(split_project.prepared / "manifest.csv")
    films = load_films(split_project.prepared)
    assert films.shape == (len(manifest), 64, 64)
    assert films.dtype == np.uint8
    assert set(manifest["label"]) == {"normal", "bacterial", "viral"}
    lungs = load_masks(split_project.prepared, "lung_mask", list(manifest["image_id"]))
    lesions = load_masks(split_project.prepared, "lesion_mask", list(manifest["image_id"]))
    assert set(lungs) == set(manifest["image_id"])
    assert set(lesions) <= set(manifest.loc[manifest["label"] != "normal", "image_id"])
    row = manifest.iloc[5]
    with Image.open(split_project.root / "data" / "raw" / row["path"]) as film:
        assert np.array_equal(films[5], np.asarray(film))  # 64 px already: nothing to resize


def test_what_was_left_out_and_what_the_findings_became_is_written(split_project: Workspace) -> None:
    findings = read_table(split_project.prepared / "findings.csv")
    assert list(findings.columns) == ["finding", "label", "source", "films"]
    assert findings["films"].sum() == 60
    assert (split_project.prepared / "problems.csv").is_file()
    assert (split_project.prepared / "notes.txt").is_file()


def test_films_left_in_place_are_read_there(project: Workspace, films: Path) -> None:
    prepare.run()
    manifest = read_manifest(project.prepared / "manifest.csv")
    assert len(manifest) == 12
    assert set(manifest["patient_id"]) == {f"mine/{kind}{i}" for kind in "nv" for i in range(3)}
    assert sorted(path.name for path in project.raw("mine").rglob("*")) == [PINNED]
    verify_pinned(read_json(project.raw("mine") / PINNED), films)


@pytest.mark.parametrize("deed", ["rewritten", "one byte, same size and time", "gone"])
def test_a_changed_film_that_was_left_in_place_is_refused_by_name(project: Workspace, films: Path, deed: str) -> None:
    film = films / "viral" / "v1_3.png"
    if deed == "gone":
        film.unlink()
    elif deed == "rewritten":
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(film)
    else:  # what DVC, which trusts size and time, does not see
        stat, content = film.stat(), bytearray(film.read_bytes())
        content[-20] ^= 1
        film.write_bytes(content)
        os.utime(film, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(ValueError, match=r"1 below .* changed or are gone, such as viral/v1_3\.png; restore them, or run"):
        prepare.run()
    assert not project.prepared.exists()


def test_after_one_new_film_the_stage_decodes_that_one_only(
    project: Workspace, films: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare.run()
    assert "films decoded: 12; from the cache: 0" in capsys.readouterr().out
    Image.fromarray(np.random.default_rng(9).integers(0, 256, (20, 30), np.uint8)).save(films / "viral" / "v3_6.png")
    acquire.run(source="mine")
    prepare.run()
    assert "films decoded: 1; from the cache: 12" in capsys.readouterr().out
    warm = folder_digest(project.prepared)
    shutil.rmtree(project.decoded_films)
    prepare.run()
    assert "films decoded: 13; from the cache: 0" in capsys.readouterr().out
    assert folder_digest(project.prepared) == warm
    monkeypatch.setattr(images, "read_levels", lambda *arguments, **more: pytest.fail("a film was decoded"))
    prepare.run()
    assert folder_digest(project.prepared) == warm


def test_a_pin_that_is_missing_is_told(project: Workspace) -> None:
    (project.raw("mine") / PINNED).unlink()
    with pytest.raises(ValueError, match="run `dvc repro`"):
        prepare.run()


def test_copied_and_referenced_films_give_the_same_prepared_films(project: Workspace) -> None:
    prepare.run()
    before = folder_digest(project.prepared)
    values = yaml.safe_load(project.params.read_text())
    values["acquire"]["sources"]["mine"]["mode"] = "copy"
    project.params.write_text(yaml.safe_dump(values, sort_keys=False))
    acquire.run(source="mine")
    prepare.run()
    assert folder_digest(project.prepared) == before


def test_a_finding_that_no_class_names_is_never_a_class(project: Workspace) -> None:  # defect 1
    change(project, "prepare", labels={"normal": ["normal"], "other": ["bacterial"]})
    with pytest.raises(ValueError, match="viral"):
        prepare.run()
    assert not project.prepared.exists()


def test_an_excluded_finding_is_listed(project: Workspace, films: Path) -> None:
    (films / "effusion").mkdir()
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(films / "effusion" / "n9_1.png")
    acquire.run(source="mine")
    change(project, "prepare", unmatched="exclude")
    prepare.run()
    problems = pd.read_csv(project.prepared / "problems.csv")
    assert problems["image_id"].tolist() == ["mine/effusion/n9_1"]
    assert len(read_manifest(project.prepared / "manifest.csv")) == 12


def test_too_many_broken_films_stop_the_stage_and_leave_the_earlier_result(project: Workspace, films: Path) -> None:
    prepare.run()
    before = folder_digest(project.prepared)
    (films / "normal" / "n0_0.png").write_text("no picture")
    acquire.run(source="mine")
    with pytest.raises(ValueError, match=r"got 1 of 12: mine/normal/n0_0\.png"):
        prepare.run()
    assert folder_digest(project.prepared) == before


def test_a_few_broken_films_are_listed_with_their_reason(project: Workspace, films: Path) -> None:
    (films / "normal" / "n0_0.png").write_text("no picture")
    acquire.run(source="mine")
    change(project, "prepare", broken_share=0.1)
    prepare.run()
    problems = pd.read_csv(project.prepared / "problems.csv")
    assert problems[["image_id", "problem"]].values.tolist() == [["mine/normal/n0_0", "broken film"]]
    assert len(load_films(project.prepared)) == 11


def test_pictures_of_another_form_are_listed(project: Workspace, films: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(films / "normal" / "x.gif")
    for name in ("viral/y.dcm", "lung_masks/z.bmp", ".cache/w.gif", "viral/notes"):
        (films / name).parent.mkdir(exist_ok=True)
        (films / name).write_bytes(b"whatever it is")
    acquire.run(source="mine")
    prepare.run()
    listed = pd.read_csv(project.prepared / "problems.csv").set_index("path")["problem"].to_dict()
    assert listed == {
        "mine/viral/y.dcm": "picture of another form",
        "mine/normal/x.gif": "picture of another form",
        "mine/viral/notes": "no film",
        "mine/lung_masks/z.bmp": "mask without a film",
    }
    notes = (project.prepared / "notes.txt").read_text()
    assert "mine: picture of another form: 2, such as viral/y.dcm, normal/x.gif" in notes
    assert "mine: system files, not read: 1, such as .cache/w.gif" in notes


def test_films_of_any_form_and_name_are_read(project: Workspace, films: Path) -> None:
    kinds = {".jfif": "JPEG", ".jpe": "JPEG", "": "PNG", ".jpg ": "JPEG", ".JPEG_": "JPEG", ".pgm": "PPM", ".tif": "TIFF"}
    rng = np.random.default_rng(7)
    for k, (ending, kind) in enumerate(kinds.items()):
        Image.fromarray(rng.integers(0, 256, (20, 30), np.uint8)).save(films / "viral" / f"v9_{k}{ending}", kind)
    acquire.run(source="mine")
    prepare.run()
    manifest = read_manifest(project.prepared / "manifest.csv")
    assert {f"mine/viral/v9_{k}" for k in range(7)} <= set(manifest["image_id"])
    assert pd.read_csv(project.prepared / "problems.csv").empty


def test_masks_inside_class_folders_are_masks(tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The layout of the COVID-19 Radiography Database."""
    names = [f"{kind}/{part}/{kind}-{k}.png" for kind in ("COVID", "Normal") for part in ("images", "masks") for k in range(6)]
    source = {"reader": "folder", "root": str(write_films(tmp_path / "films", *names, size=(40, 40)))}
    labels = {"normal": ["Normal"], "ill": ["COVID"]}
    made = make_project(tmp_path / "project", acquire__sources__mine=source, prepare__sources=["mine"], prepare__labels=labels)
    monkeypatch.chdir(made.root)
    acquire.run(source="mine")
    prepare.run()
    manifest = read_manifest(made.prepared / "manifest.csv")
    assert len(manifest) == 12
    assert manifest["finding"].value_counts().to_dict() == {"COVID": 6, "Normal": 6}
    assert manifest.set_index("image_id").at["mine/COVID/images/COVID-0", "lung_mask"] == "mine/COVID/masks/COVID-0.png"
    assert len(load_masks(made.prepared, "lung_mask", list(manifest["image_id"]))) == 12
    assert pd.read_csv(made.prepared / "problems.csv").empty


def test_a_source_has_one_bit_depth_and_a_film_outside_it_is_told(
    tmp_path: Path, make_project: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for k in range(30):
        values = rng.integers(0, 1024, (20, 30, 1)).astype(np.uint16) * (16 if k == 29 else 1)
        if k % 3 == 0:
            values[0, 0] = 1024
        path = tmp_path / "films" / ("viral" if k % 2 else "normal") / f"p{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png16(values if k < 24 else np.repeat(values, 3, axis=2)))
    source = {"reader": "folder", "root": str(tmp_path / "films")}
    made = make_project(tmp_path / "project", acquire__sources__mine=source, prepare__sources=["mine"], prepare__labels=LABELS)
    monkeypatch.chdir(made.root)
    acquire.run(source="mine")
    prepare.run()
    films = load_films(made.prepared)
    manifest = read_manifest(made.prepared / "manifest.csv")
    means = dict(zip(manifest["image_id"], films[:, 16:48].mean(axis=(1, 2)), strict=True))
    assert all(mean == pytest.approx(127.5, abs=15) for name, mean in means.items() if name != "mine/viral/p29")
    problems = pd.read_csv(made.prepared / "problems.csv")
    assert problems[["image_id", "problem"]].to_numpy().tolist() == [["mine/viral/p29", "outside the bit depth"]]
    assert read_json(made.prepared / "grey_bits.json") == {"mine": 10}
    assert "films of 16 bits, scaled by 10 of them: 30" in (made.prepared / "notes.txt").read_text()
    before = folder_digest(made.prepared)
    capsys.readouterr()
    prepare.run()
    assert folder_digest(made.prepared) == before
    assert "films decoded: 0; from the cache: 30" in capsys.readouterr().out


def test_a_film_that_was_added_to_pinned_ones_is_refused_by_name(project: Workspace, films: Path) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(films / "viral" / "late.png")
    with pytest.raises(ValueError, match=r"but 1 below .* are new, such as viral/late\.png; restore them, or run `dvc repro`"):
        prepare.run()
    (films / "viral" / "v1_3.png").unlink()
    with pytest.raises(ValueError, match=r"1 below .* gone, such as viral/v1_3\.png and 1 below .* are new, such as viral/late"):
        prepare.run()


@pytest.mark.parametrize("written", [".DS_Store", "Thumbs.db", "normal/desktop.ini", "viral/._v1_3.png", "__MACOSX/viral/a.png"])
def test_what_a_system_writes_among_pinned_films_counts_for_nothing(project: Workspace, films: Path, written: str) -> None:
    """Neither as new nor as changed, nor in a pin of an earlier version, which held it."""
    (films / written).parent.mkdir(parents=True, exist_ok=True)
    (films / written).write_text("one")
    pinned = read_json(project.raw("mine") / PINNED)
    verify_pinned(pinned, films)
    verify_pinned({"files": {**pinned["files"], written: "0" * 64}}, films)
    hashes = sorted(pinned["files"].values())
    verify_pinned({"sha256": hashes}, films)
    verify_pinned({"sha256": sorted([*hashes, file_sha256(films / written)])}, films)
    acquire.run(source="mine")
    assert read_json(project.raw("mine") / PINNED) == pinned


def test_the_pin_is_what_is_checked(project: Workspace, films: Path) -> None:
    pinned = read_json(project.raw("mine") / PINNED)
    pinned["files"]["normal/n0_0.png"] = "0" * 64
    with pytest.raises(ValueError, match=r"such as normal/n0_0\.png"):
        verify_pinned(pinned, films)


def change_copies(workspace: Workspace, count: int) -> list[str]:
    """Put changed copies of phantoms, under patients of their own, beside the films; returns the image_ids of both."""
    raw = workspace.raw("phantom")
    table = pd.read_csv(raw / "metadata.csv", dtype=str, keep_default_na=False)
    rows = table.drop_duplicates("patient_id").head(count)
    for row in rows.itertuples():
        with Image.open(raw / row.path) as film:
            CHANGES["all together"](film, np.random.default_rng(1)).save(raw / "films" / f"copy-{row.image_id}.png")
    copies = rows.assign(
        image_id="copy-" + rows["image_id"],
        patient_id="copy-" + rows["patient_id"],
        path=[f"films/copy-{name}.png" for name in rows["image_id"]],
        lung_mask="",
        lesion_mask="",
    )
    pd.concat([table, copies]).to_csv(raw / "metadata.csv", index=False)
    return [f"phantom/{name}" for name in (*rows["image_id"], *copies["image_id"])]


def test_changed_copies_are_kept_listed_and_link_their_patients(own_copy: Workspace) -> None:
    names = change_copies(own_copy, 6)
    prepare.run()
    near = read_table(own_copy.prepared / "near_duplicates.csv")
    strangers = near[near["patient_id"] != near["other_patient"]]
    assert {frozenset(ends) for ends in strangers[["image_id", "other"]].values.tolist()} == {
        frozenset(ends) for ends in zip(names[:6], names[6:], strict=True)
    }
    assert set(names) <= set(read_manifest(own_copy.prepared / "manifest.csv")["image_id"])
    assert len(read_table(own_copy.prepared / "linked_patients.csv")) == 6
    assert "Near duplicates: " in (own_copy.prepared / "notes.txt").read_text()
    split.run()
    part = pd.concat([pd.read_csv(own_copy.split / f"{name}.csv").assign(split=name) for name in ("train", "val", "test")])
    where = part.set_index("image_id")["split"]
    assert [where[one] for one in names[:6]] == [where[other] for other in names[6:]]


def test_near_duplicates_are_not_looked_for_unless_asked(own_copy: Workspace) -> None:
    change_copies(own_copy, 2)
    change(own_copy, "prepare", near_duplicates="none")
    prepare.run()
    assert read_table(own_copy.prepared / "near_duplicates.csv").empty
    assert read_table(own_copy.prepared / "linked_patients.csv").empty


def test_a_group_of_too_many_films_stops_the_stage_and_is_shown(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder_digest(own_copy.prepared)
    monkeypatch.setattr(near_duplicates, "ALIKE", 0.3)  # a measure gone wrong: everything is a copy of everything
    with pytest.raises(ValueError, match=r"at most a share of 0\.05 of the films into one group, got a group of") as caught:
        prepare.run()
    picture = own_copy.cache / prepare.ALARM
    assert str(picture) in str(caught.value)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert folder_digest(own_copy.prepared) == before


def test_what_is_burned_in_odd_films_and_their_sheets_are_written(split_project: Workspace) -> None:
    folder = split_project.prepared
    ids = read_manifest(folder / "manifest.csv")["image_id"].tolist()
    burned_in = read_burned_in(folder)
    assert burned_in["image_id"].tolist() == ids
    assert (burned_in["burned_in"] > 0).mean() >= 0.95  # every phantom film has its hospital's letter
    assert (burned_in["lung_pixels"] != "").all()
    assert list(load_geometry(folder)) == ids
    assert list(read_table(folder / "odd_films.csv").columns) == list(ODD)
    for sheet in ("burned_in", "annotations"):
        with Image.open(folder / f"{sheet}.png") as picture:
            assert picture.width > 600


def test_letters_are_covered_where_the_user_says_so(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, before = load_films(own_copy.prepared).copy(), read_burned_in(own_copy.prepared)
    sheet = (own_copy.prepared / "burned_in.png").read_bytes()
    change(own_copy, "prepare", burned_in="inpaint", burned_in_reader="letters")
    prepare.run()
    cold = folder_digest(own_copy.prepared)
    with monkeypatch.context() as patch:
        patch.setattr(images, "read_levels", lambda *arguments, **more: pytest.fail("a film was decoded, for a sheet perhaps"))
        prepare.run()
    assert folder_digest(own_copy.prepared) == cold
    removed, after = load_films(own_copy.prepared), read_burned_in(own_copy.prepared)
    pd.testing.assert_frame_equal(before.drop(columns=LEFT), after.drop(columns=LEFT))
    assert (before[LEFT] == "").all(axis=None)
    assert (after["left"] == "0").mean() >= 0.95
    marked = (before["burned_in"] > 0).to_numpy()
    changed = (kept != removed).any(axis=(1, 2))
    np.testing.assert_array_equal(changed, marked)
    assert (kept != removed).mean() < 0.03
    lungs = load_masks(own_copy.prepared, "lung_mask", list(after["image_id"]))
    for row, name in enumerate(after["image_id"]):
        assert ((kept[row] != removed[row]) & lungs[name]).sum() <= int(after["lung_pixels"].iloc[row])
    assert sheet != (own_copy.prepared / "burned_in.png").read_bytes()
    assert sum(len(find_letters(film)) > 0 for film in removed) <= 3


@pytest.fixture
def with_names(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> tuple[Workspace, list[str]]:
    """The project, with a name on three of its films, enlarged so that it can be read; and their image_ids."""
    manifest = read_manifest(own_copy.prepared / "manifest.csv").iloc[[3, 20, 41]]
    for seed, path in enumerate(manifest["path"]):
        file = own_copy.root / "data" / "raw" / path
        with Image.open(file) as film:
            large = np.asarray(film.convert("L").resize((320, 320)))
        Image.fromarray(write_on(large, Writing(0.04, "sans", 0, "strong", "edge", ("MEYER, ANNA", "03.11.1987")), seed)[0]).save(
            file
        )
    return own_copy, manifest["image_id"].tolist()


def test_names_are_covered_and_looked_for_again(with_names: tuple[Workspace, list[str]]) -> None:
    """Before, `inpaint` said that letters were removed, and the names still stood in films.npy."""
    project, named = with_names
    bare = gather(load_films(project.prepared), list(load_geometry(project.prepared)), named)
    bare = {name: film.astype(int) for name, film in bare.items()}  # before the folder is written anew
    change(project, "prepare", burned_in="keep")
    prepare.run()
    kept = gather(load_films(project.prepared), list(load_geometry(project.prepared)), named)
    change(project, "prepare", burned_in="inpaint")
    prepare.run()
    covered = gather(load_films(project.prepared), list(load_geometry(project.prepared)), named)
    table = read_burned_in(project.prepared).set_index("image_id")
    assert (table.loc[named, "left"] == "0").all()
    assert (table.loc[named, "area_share"] > 0.02).all()
    for name in named:
        written = np.abs(kept[name].astype(int) - bare[name]) > 50
        assert written.sum() > 20
        assert (covered[name] != kept[name])[written].mean() > 0.8


@pytest.mark.parametrize("left", ["keep", "exclude", "stop"])
def test_films_where_something_is_still_found_are_listed_and_can_be_left_out(
    own_copy: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: str
) -> None:
    ids = read_manifest(own_copy.prepared / "manifest.csv")["image_id"].tolist()
    films = load_films(own_copy.prepared).copy()
    told = {films[row].tobytes() for row in (4, 9)}
    place = BurnedIn(letters=np.array([[20.0, 30.0, 8.0, 10.0]]))
    monkeypatch.setattr(second_look, "find_burned_in", lambda film, reader: place if film.tobytes() in told else BurnedIn())
    monkeypatch.setattr(second_look, "cover_burned_in", lambda film, found: film)  # a covering that covers nothing
    change(own_copy, "prepare", burned_in="inpaint", burned_in_left=left)
    before = folder_digest(own_copy.prepared)
    if left == "stop":
        with pytest.raises(ValueError, match="got 2 films where it is still found after covering") as caught:
            prepare.run()
        picture = own_copy.cache / "burned_in_left.png"
        assert str(picture) in str(caught.value)
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert folder_digest(own_copy.prepared) == before
        return
    prepare.run()
    assert (own_copy.prepared / "burned_in_left.png").is_file()
    problems = read_table(own_copy.prepared / "problems.csv")
    listed = problems[problems["problem"] == "burned-in text still found"]
    assert listed["image_id"].tolist() == [ids[4], ids[9]]
    stay = [name for name in ids if left == "keep" or name not in listed["image_id"].tolist()]
    assert read_manifest(own_copy.prepared / "manifest.csv")["image_id"].tolist() == stay
    assert read_burned_in(own_copy.prepared)["image_id"].tolist() == stay
    said = capsys.readouterr().out
    assert "still found on 2 films" + (", which are left out" if left == "exclude" else "") in said
    assert "removed" not in said
    split.run()
    page = (own_copy.split / "report.html").read_text()
    assert "Burned-in text that is still found" in page
    assert "still found on 2 films" in page


def test_an_inverted_film_is_listed_and_stays(own_copy: Workspace) -> None:
    manifest = read_manifest(own_copy.prepared / "manifest.csv")
    path = own_copy.root / "data" / "raw" / manifest["path"].iloc[7]
    with Image.open(path) as film:
        inverted = ImageOps.invert(film.convert("L"))
    inverted.save(path)
    prepare.run()
    odd = read_table(own_copy.prepared / "odd_films.csv")
    assert odd[["image_id", "reason"]].to_numpy().tolist() == [[manifest["image_id"].iloc[7], "inverted"]]
    assert len(read_manifest(own_copy.prepared / "manifest.csv")) == len(manifest)


NAMES = (b"Andr\xe9.png", b"a\nb.png", b"c\rd.png", b"e\xe2\x80\xa8f.png", b"=1+1.png", b"$\\frac$.png", b'g,"h".png', b"-x.png")


def test_films_are_prepared_whatever_their_names_hold(project: Workspace, films: Path) -> None:
    """Bytes that are no UTF-8, line breaks of every kind, formulas, TeX, quotes; and a broken one is named like that."""
    rng = np.random.default_rng(7)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 256, (20, 30), np.uint8)).save(films / "viral" / os.fsdecode(name))
    (films / "viral" / os.fsdecode(b"broken\xe9.png")).write_bytes(b"no picture")
    (films / "viral" / os.fsdecode(b"other\xe9.tif")).write_bytes(b"II*\0")
    change(project, "prepare", broken_share=0.5)
    source = {"reader": "folder", "root": str(films), "mode": "reference"}
    change(project, "acquire", sources={**yaml.safe_load(project.params.read_text())["acquire"]["sources"], "mine": source})
    acquire.run(source="mine")
    prepare.run()
    manifest = read_manifest(project.prepared / "manifest.csv")
    assert len(manifest) == 12 + len(NAMES)
    assert {"mine/viral/Andr\\udce9.png", "mine/viral/c\\x0dd.png", "mine/viral/a\nb.png", "mine/viral/=1+1.png"} <= set(
        manifest["path"]
    )
    assert len(load_films(project.prepared)) == len(manifest)
    problems = read_table(project.prepared / "problems.csv")
    assert "mine/viral/broken\\udce9.png" in set(problems["path"])


def test_a_mask_is_found_whatever_its_name_holds(project: Workspace, films: Path) -> None:
    name = os.fsdecode(b"viral/Andr\xe9.png")
    (films / "lung_masks" / "viral").mkdir(parents=True)
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (20, 30), np.uint8)).save(films / name)
    Image.fromarray(np.full((20, 30), 255, np.uint8)).save(films / "lung_masks" / name)
    source = {"reader": "folder", "root": str(films), "mode": "reference"}
    change(project, "acquire", sources={**yaml.safe_load(project.params.read_text())["acquire"]["sources"], "mine": source})
    acquire.run(source="mine")
    prepare.run()
    manifest = read_manifest(project.prepared / "manifest.csv").set_index("path")
    assert manifest.loc["mine/viral/Andr\\udce9.png", "lung_mask"] == "mine/lung_masks/viral/Andr\\udce9.png"
