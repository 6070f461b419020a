import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.images import prepare_film
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.joined_sources import join_sources
from hilum.data.manifest.prepared_set import Prepared
from hilum.data.masks import PackedMasks
from hilum.data.prepared.loading import read_manifest
from hilum.data.readers.folder import read_folder
from hilum.data.readers.kermany import read_kermany
from hilum.records import MANIFEST

LABELS = {"normal": ["normal"], "ill": ["pneumonia"]}


def write_film(path: Path, seed: int, size: tuple[int, int] = (20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, size, np.uint8)).save(path)
    return path


def write_root(root: Path) -> Path:
    for number in range(3):
        write_film(root / "normal" / f"p{number}.png", number)
        write_film(root / "pneumonia" / "viral" / f"q{number}.PNG", 10 + number)
    return root


def build(tables: dict[str, Path], **settings: object) -> Prepared:
    given = {
        "size": 16,
        "square": "pad",
        "labels": LABELS,
        "unmatched": "stop",
        "broken_share": 0.5,
        "treatment": Treatment("keep", "text"),
        "workers": 2,
        **settings,
    }
    return build_manifest({name: (root, read_folder(root)) for name, root in tables.items()}, **given)  # type: ignore[arg-type]


def test_a_row_per_film_with_every_column(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    prepared = build({"clinic": root})
    assert list(prepared.manifest.columns) == list(MANIFEST)
    assert prepared.manifest["image_id"].is_monotonic_increasing
    row = prepared.manifest.iloc[-1].to_dict()
    assert row["image_id"] == "clinic/pneumonia/viral/q2"
    assert row["path"] == "clinic/pneumonia/viral/q2.PNG"
    assert row["patient_id"] == "clinic/pneumonia/viral/q2.PNG"
    assert (row["source"], row["finding"], row["label"]) == ("clinic", "pneumonia/viral", "ill")
    assert (row["width"], row["height"]) == (30, 20)
    assert row["age"] == row["sex"] == row["view"] == row["boxes"] == row["lung_mask"] == ""


def test_hashes_and_films_are_those_of_the_files(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    prepared = build({"clinic": root})
    assert prepared.films.shape == (6, 16, 16)
    assert prepared.films.dtype == np.uint8
    for film, row in zip(prepared.films, prepared.manifest.itertuples(), strict=True):
        file = root / row.path.removeprefix("clinic/")
        assert row.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        np.testing.assert_array_equal(film, prepare_film(file, 16, "pad")[0])
        assert row.pixel_sha256 == hashlib.sha256(film.tobytes()).hexdigest()


def test_sources_are_joined_under_their_names(tmp_path: Path) -> None:
    one, two = write_root(tmp_path / "one"), tmp_path / "two"
    write_film(two / "normal" / "p0.png", 99)
    prepared = build({"one": one, "two": two})
    assert prepared.manifest["source"].value_counts().to_dict() == {"one": 6, "two": 1}
    assert {"one/normal/p0", "two/normal/p0"} <= set(prepared.manifest["image_id"])
    assert {note.split(":")[0] for note in prepared.notes} == {"one", "two"}


def test_workers_and_repetition_change_nothing(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    first, second = build({"clinic": root}, workers=1), build({"clinic": root}, workers=4)
    pd.testing.assert_frame_equal(first.manifest, second.manifest)
    np.testing.assert_array_equal(first.films, second.films)


def test_progress_is_reported_film_by_film(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    build({"clinic": write_root(tmp_path)}, on_film=lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_a_broken_film_is_listed_with_its_reason_and_shifts_no_row(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    (root / "normal" / "p1.png").write_bytes(b"")
    (root / "pneumonia" / "viral" / "q0.PNG").write_bytes((root / "pneumonia" / "viral" / "q1.PNG").read_bytes()[:200])
    prepared = build({"clinic": root})
    broken = prepared.problems.set_index("image_id")
    assert broken.index.tolist() == ["clinic/normal/p1", "clinic/pneumonia/viral/q0"]
    assert set(broken["problem"]) == {"broken film"}
    assert "empty file" in broken.loc["clinic/normal/p1", "detail"]
    assert broken.loc["clinic/normal/p1", "path"] == "clinic/normal/p1.png"
    for film, row in zip(prepared.films, prepared.manifest.itertuples(), strict=True):
        np.testing.assert_array_equal(film, prepare_film(root / row.path.removeprefix("clinic/"), 16, "pad")[0])


def test_a_file_that_vanished_is_broken(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    table = read_folder(root)
    (root / "normal" / "p0.png").unlink()
    prepared = build_manifest({"clinic": (root, table)}, 16, "pad", LABELS, "stop", 0.5, Treatment("keep", "letters"), 1)
    assert prepared.problems["detail"].tolist() == ["the file is missing"]


def test_a_file_that_cannot_be_read_is_broken_and_its_reason_does_not_say_where_it_is(tmp_path: Path) -> None:
    root = write_root(tmp_path / "machine")
    table = read_folder(root)
    (root / "normal" / "p0.png").unlink()
    (root / "normal" / "p0.png").mkdir()
    prepared = build_manifest({"clinic": (root, table)}, 16, "pad", LABELS, "stop", 0.5, Treatment("keep", "letters"), 1)
    assert prepared.problems["detail"].tolist() == ["the file cannot be read: Is a directory"]


def test_too_many_broken_films_stop_the_stage(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    (root / "normal" / "p1.png").write_bytes(b"")
    assert len(build({"clinic": root}, broken_share=1 / 6).manifest) == 5
    with pytest.raises(ValueError, match=r"got 1 of 6: clinic/normal/p1\.png: a film must hold a picture"):
        build({"clinic": root}, broken_share=0.1)


def test_an_unmatched_finding_stops_or_is_left_out(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    write_film(root / "covid-19" / "c.png", 50)
    with pytest.raises(ValueError, match=r"'covid-19' \(1 films, such as clinic/covid-19/c\)"):
        build({"clinic": root})
    prepared = build({"clinic": root}, unmatched="exclude")
    assert prepared.problems["problem"].tolist() == ["unmatched finding"]
    assert prepared.problems["path"].tolist() == ["clinic/covid-19/c.png"]
    assert len(prepared.manifest) == len(prepared.films) == 6
    assert prepared.findings.set_index("finding").loc["covid-19"].to_dict() == {"label": "", "source": "clinic", "films": 1}


def test_what_a_reader_left_out_is_in_the_problem_list_under_its_source(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    table = read_folder(root)
    gone = {"image_id": "x/gone", "path": "x/gone.png", "problem": "row without a film", "detail": "not there"}
    table.attrs["left_out"] = [gone]
    prepared = build_manifest({"clinic": (root, table)}, 16, "pad", LABELS, "stop", 0.5, Treatment("keep", "letters"), 1)
    assert prepared.problems.to_dict("records") == [{**gone, "image_id": "clinic/x/gone", "path": "clinic/x/gone.png"}]
    assert len(prepared.manifest) == 6


def test_an_excluded_finding_is_listed_and_counted(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    write_film(root / "todo" / "c.png", 50)
    prepared = build({"clinic": root}, labels={**LABELS, "excluded": ["todo"]})
    assert prepared.problems[["image_id", "problem"]].values.tolist() == [["clinic/todo/c", "excluded finding"]]
    assert set(prepared.manifest["label"]) == {"normal", "ill"}
    assert prepared.findings.set_index("finding").loc["todo", "label"] == "excluded"


def test_copies_leave_and_link_their_patients(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    (root / "normal" / "z.png").write_bytes((root / "normal" / "p0.png").read_bytes())
    Image.open(root / "normal" / "p1.png").save(root / "normal" / "y.png", compress_level=1)  # other bytes, the same pixels
    prepared = build({"clinic": root})
    assert prepared.manifest["pixel_sha256"].is_unique
    assert len(prepared.manifest) == len(prepared.films) == 6
    details = prepared.problems.set_index("image_id")["detail"].to_dict()
    assert details == {
        "clinic/normal/y": "the same pixels as clinic/normal/p1, which stays",
        "clinic/normal/z": "the same bytes as clinic/normal/p0, which stays",
    }
    linked = set(prepared.linked_patients.itertuples(index=False, name=None))
    assert linked == {
        ("clinic/normal/p0.png", "clinic/normal/z.png"),
        ("clinic/normal/p1.png", "clinic/normal/y.png"),
    }


def test_a_class_that_loses_all_its_films_is_refused(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    for number in range(3):
        (root / "normal" / f"p{number}.png").write_bytes((root / "pneumonia" / "viral" / "q0.PNG").read_bytes())
    with pytest.raises(ValueError, match="every class must keep a film, got none for normal"):
        build({"clinic": root})


def test_masks_are_packed_in_the_manifest_order_and_a_broken_one_is_listed(tmp_path: Path) -> None:
    root = write_root(tmp_path)
    left = np.zeros((40, 60), np.uint8)
    left[:, :30] = 255
    for name in ("normal/p1", "pneumonia/viral/q2"):
        path = root / "lung_masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(left).save(path)
    (root / "lung_masks" / "normal" / "p0.png").write_bytes(b"")
    prepared = build({"clinic": root}, size=20, square="stretch")
    masks = prepared.masks["lung_mask"]
    assert masks.image_id.tolist() == ["clinic/normal/p1", "clinic/pneumonia/viral/q2"]
    assert masks.bits.shape == (2, 20, 3)
    expected = np.zeros((1, 20, 20), bool)
    expected[:, :, :10] = True
    np.testing.assert_array_equal(masks.unpack(["clinic/pneumonia/viral/q2"]), expected)
    assert prepared.problems["problem"].tolist() == ["broken lung_mask"]
    listed = prepared.manifest.set_index("image_id")["lung_mask"]
    assert listed["clinic/normal/p1"] == "clinic/lung_masks/normal/p1.png"
    assert listed["clinic/normal/p0"] == ""
    assert prepared.masks["lesion_mask"].unpack([]).shape == (0, 20, 20)
    with pytest.raises(ValueError, match="such as clinic/normal/p0"):
        masks.unpack(["clinic/normal/p0"])


def test_packed_masks_keep_the_asked_order() -> None:
    masks = np.random.default_rng(0).random((3, 11, 11)) > 0.5
    packed = PackedMasks(np.array(["a", "b", "c"]), np.packbits(masks, axis=-1), 11)
    np.testing.assert_array_equal(packed.unpack(["c", "a"]), masks[[2, 0]])


def test_a_manifest_survives_its_csv(tmp_path: Path) -> None:
    prepared = build({"clinic": write_root(tmp_path / "root")})
    prepared.manifest.to_csv(tmp_path / "manifest.csv", index=False)
    pd.testing.assert_frame_equal(read_manifest(tmp_path / "manifest.csv"), prepared.manifest)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (pd.DataFrame(columns=["image_id"]), "got 0 rows"),
        (pd.DataFrame({"image_id": ["a"], "path": ["a.png"], "label_text": ["x"]}), "label_text"),
        (pd.DataFrame({"image_id": ["a", "a"], "path": ["a.png", "a.png"]}), "a second s/a"),
        (pd.DataFrame({"image_id": ["a"], "path": ["a.png"], "official_split": ["val"]}), "train, test or empty, got val"),
    ],
)
def test_a_reader_that_breaks_the_contract_is_refused(table: pd.DataFrame, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=reason):
        join_sources({"s": (tmp_path, table)})


def test_no_source_and_a_wrong_square_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one source"):
        join_sources({})
    with pytest.raises(ValueError, match="pad, stretch"):
        build({"clinic": write_root(tmp_path)}, square="crop")


def test_a_film_without_a_patient_is_a_patient_of_its_own(tmp_path: Path) -> None:
    rows = join_sources(
        {"s": (tmp_path, pd.DataFrame({"image_id": ["a", "b"], "path": ["a.png", "b.png"], "patient_id": ["", None]}))}
    )
    assert rows["patient_id"].tolist() == ["s/a", "s/b"]


def test_a_slice_of_the_real_films(shared: Path, tmp_path: Path) -> None:
    root = shared / "data" / "pediatric-pneumonia"
    table = read_kermany(root)
    twins = table["path"].str.contains("person1159_virus_194")  # 1944 and 1945 are the same bytes
    part = pd.concat([table[twins], table[::150]]).drop_duplicates("image_id")
    labels = {"normal": ["normal"], "bacterial": ["pneumonia/bacterial"], "viral": ["pneumonia/viral"]}
    prepared = build_manifest({"kermany": (root, part)}, 64, "pad", labels, "stop", 0.0, Treatment("keep", "letters"), 2)
    assert "kermany/train/PNEUMONIA/person1159_virus_1945" in set(prepared.problems["image_id"])
    assert set(prepared.problems["problem"]) == {"copy"}
    assert len(prepared.manifest) == len(part) - len(prepared.problems)
    assert set(prepared.manifest["width"]) == {224}
    masks = prepared.masks["lung_mask"]
    share = masks.unpack(list(masks.image_id)).mean(axis=(1, 2))
    assert len(share) > 3
    assert 0.1 < share.min() < share.max() < 0.7
