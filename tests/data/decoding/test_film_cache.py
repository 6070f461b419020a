"""The cache of decoded films: never trusted beyond its key, and what comes out of it is what went in."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from architecture import PACKAGE, imports_of, modules
from PIL import Image
from small_films import write_films

from hilum import code_version
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding import decoding, film_cache, reading
from hilum.data.decoding.decoding import DecodedFilm, decode_film, put_back
from hilum.data.decoding.film_cache import ABANDONED, CODE, drop_oldest, keep, name_entry, recall
from hilum.data.decoding.limits import ResourceLimitError
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import Prepared, write_prepared
from hilum.data.readers.folder import read_folder
from hilum.results import folder_digest

LABELS = {"normal": ["normal"], "ill": ["ill"]}
SETTINGS = {"size": 32, "square": "pad", "treatment": Treatment("keep", "text")}


def lettered(seed: int, mask: bool = False) -> bytes:
    """A film file with a bright letter near its corner, or the file of a mask."""
    film = np.random.default_rng(seed).integers(60, 80, (160, 200)).astype(np.uint8)
    if mask:
        film = np.where(np.indices(film.shape)[1] < 90 + seed, np.uint8(255), np.uint8(0))
    else:
        film[12:26, 14:16] = film[12:14, 14:22] = film[18:20, 14:22] = film[12:20, 20:22] = 230  # P
    stream = BytesIO()
    Image.fromarray(film).save(stream, "PNG")
    return stream.getvalue()


def same(one: DecodedFilm, other: DecodedFilm) -> None:
    for part in fields(DecodedFilm):
        left, right = getattr(one, part.name), getattr(other, part.name)
        assert type(left) is type(right), part.name
        if part.name == "masks":
            assert left.keys() == right.keys()
            pairs = [(left[kind], right[kind]) for kind in left]
        elif part.name == "behind" and left is not None:
            pairs = list(zip(left, right, strict=True))
        elif isinstance(left, np.ndarray):
            pairs = [(left, right)]
        else:
            assert left == right, part.name
            continue
        for mine, yours in pairs:
            assert mine.dtype == yours.dtype
            np.testing.assert_array_equal(mine, yours)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six films of two classes."""
    return write_films(tmp_path / "films", *(f"{kind}/{i}.png" for kind in LABELS for i in range(3)), size=(20, 30))


def build(root: Path, cache: Path | None, **changes: object) -> Prepared:
    given = {**SETTINGS, "labels": LABELS, "unmatched": "stop", "broken_share": 0.5, "workers": 2, **changes}
    return build_manifest({"clinic": (root, read_folder(root))}, cache=cache, **given)  # type: ignore[arg-type]


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file())


def test_what_is_recalled_is_what_was_kept(tmp_path: Path) -> None:
    files = lettered(1), {"lung_mask": lettered(0, mask=True), "lesion_mask": b"no picture"}
    whole = decode_film(*files, size=40, square="pad", treatment=Treatment("inpaint", "text"))
    assert whole.behind is not None
    assert whole.burned_in is not None and whole.burned_in[0] == 1
    assert list(whole.masks) == ["lung_mask"]
    assert "got text" in whole.mask_faults["lesion_mask"]
    for name, film in (("ab1", whole), ("ab2", decode_film(b"no picture", {}, 40, "pad", Treatment("keep", "letters")))):
        keep(tmp_path, name, film)
        found = recall(tmp_path, name)
        assert found is not None
        same(found, film)
    assert recall(tmp_path, "ab3") is None


def test_a_film_is_put_back_as_it_was_before_its_letters_were_covered() -> None:
    kept = decode_film(lettered(1), {}, 40, "pad", Treatment("keep", "letters"))
    cleaned = decode_film(lettered(1), {}, 40, "pad", Treatment("inpaint", "letters"))
    assert kept.film is not None and cleaned.film is not None
    assert (kept.film != cleaned.film).any()
    np.testing.assert_array_equal(put_back(cleaned.film, cleaned.behind), kept.film)
    np.testing.assert_array_equal(put_back(kept.film, kept.behind), kept.film)


def test_every_argument_is_part_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = {"film": "a", "lung_mask": "b"}
    names = {name_entry(hashes, 32, "pad", Treatment("keep", "letters"))}
    keeping = Treatment("keep", "letters")
    names |= {name_entry(hashes, *more, keeping) for more in ((33, "pad"), (32, "stretch"))}
    names |= {name_entry(hashes, 32, "pad", Treatment("inpaint", reader)) for reader in ("letters", "text")}
    assert name_entry(hashes, 32, "pad", Treatment("keep", "text", "exclude")) in names, "where all is kept, letters are counted"
    for other in ({"film": "b", "lung_mask": "a"}, {"film": "a"}, {"film": "a", "lesion_mask": "b"}):
        names.add(name_entry(other, 32, "pad", Treatment("keep", "letters")))
    names |= {name_entry(hashes, 32, "pad", Treatment("keep", "letters"), bits) for bits in ((10,), (12,))}
    monkeypatch.setattr(film_cache, "_version", lambda reader: "other code")
    names.add(name_entry(hashes, 32, "pad", Treatment("keep", "letters")))
    assert len(names) == 11


def test_all_code_that_decodes_and_its_libraries_are_part_of_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known, todo, seen = modules(), ["hilum.data.decoding.film_cache"], set()
    while todo:
        module = todo.pop()
        if module not in seen:
            seen.add(module)
            todo += [name for name in imports_of(known[module]) if name in known and name != "hilum"]
    assert sorted(CODE) == sorted(known[module].relative_to(PACKAGE).as_posix() for module in seen)
    imported = {name.split(".")[0] for module in seen for name in imports_of(known[module])}
    libraries = {"numpy", "cv2", "PIL", "pydicom", "scipy", "pandas"}
    assert imported & {*libraries, "skimage"} == libraries

    folder = tmp_path / "hilum"
    shutil.copytree(PACKAGE, folder)
    monkeypatch.setattr(code_version, "PACKAGE", folder)

    def told() -> str:
        code_version.code_version.cache_clear()
        return film_cache._version.__wrapped__("text")

    before = told()
    assert before == film_cache._version("text")
    for name in CODE:
        (folder / name).write_bytes((PACKAGE / name).read_bytes() + b"\n")
        assert told() != before
        (folder / name).write_bytes((PACKAGE / name).read_bytes())
    assert told() == before
    monkeypatch.setattr(code_version.metadata, "version", lambda name: "0" if name == "pillow" else "1")
    assert film_cache._version.__wrapped__("text") != before
    assert film_cache._version.__wrapped__("ocr") != film_cache._version.__wrapped__("text"), "its recogniser has a version too"


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "empty", "another film's"])
def test_a_damaged_entry_is_noticed_and_remade(root: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    build(root, cache)
    whole = [file.read_bytes() for file in entries(cache)]
    file, content = entries(cache)[0], bytearray(whole[0])
    content[len(content) // 2] ^= 1
    file.write_bytes({"a flipped bit": bytes(content), "cut short": whole[0][:-7], "empty": b""}.get(damage, whole[1]))
    again = build(root, cache)
    assert (again.decoded, again.recalled) == (1, 5)
    assert [file.read_bytes() for file in entries(cache)] == whole


def test_every_bit_of_an_entry_is_watched(tmp_path: Path) -> None:
    keep(tmp_path, "ab", decode_film(lettered(1), {}, 8, "pad", Treatment("keep", "letters")))
    file = tmp_path / "ab" / "ab"
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert recall(tmp_path, "ab") is None, place
    file.write_bytes(whole)
    assert recall(tmp_path, "ab") is not None


def test_only_what_changed_is_decoded(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def watch(film: bytes, *rest: object) -> DecodedFilm:
        decoded.append(film)
        return decode_film(film, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "decode_film", watch)
    cache = tmp_path / "cache"
    first = build(root, cache)
    assert (first.decoded, first.recalled, len(decoded)) == (6, 0, 6)
    decoded.clear()
    write_films(tmp_path, *(f"{seed}.png" for seed in range(7)), size=(20, 30))
    (tmp_path / "6.png").rename(root / "ill" / "new.png")  # of a seed that the others do not have
    second = build(root, cache)
    assert (second.decoded, second.recalled) == (1, 6)
    assert decoded == [(root / "ill" / "new.png").read_bytes()]
    decoded.clear()
    changed = root / "normal" / "1.png"
    stat = changed.stat()
    changed.write_bytes(changed.read_bytes() + b"\0")  # behind the picture's end: the same pixels
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    third = build(root, cache)
    assert (third.decoded, third.recalled) == (1, 6)
    assert decoded == [changed.read_bytes()]
    pd.testing.assert_series_equal(third.manifest["pixel_sha256"], second.manifest["pixel_sha256"])
    changed.rename(root / "normal" / "renamed.png")  # a name is no content
    assert build(root, cache).decoded == 0
    assert build(root, cache, size=33).decoded == 7
    assert build(root, cache, treatment=Treatment("inpaint", "letters")).decoded == 7
    assert build(root, cache, square="stretch").decoded == 7
    assert build(root, cache).decoded == 0


def table_with_masks(root: Path) -> pd.DataFrame:
    root.mkdir()
    rows = []
    for i in range(6):
        kind = "normal" if i < 3 else "ill"
        (root / f"{i}.png").write_bytes(lettered(i))
        (root / f"lungs{i}.png").write_bytes(lettered(i, mask=True))
        rows.append({"image_id": str(i), "path": f"{i}.png", "finding": kind, "lung_mask": f"lungs{i}.png", "lesion_mask": ""})
    table = pd.DataFrame(rows)
    table.loc[4, "lesion_mask"] = "lungs4.png"
    table.loc[5, "lesion_mask"] = "nowhere.png"
    (root / "lungs0.png").write_bytes(b"no picture")
    (root / "1.png").write_bytes(lettered(1)[:500])
    return table


@pytest.mark.parametrize("do", ["keep", "inpaint"])
def test_films_masks_and_faults_come_out_of_the_cache_byte_for_byte(tmp_path: Path, do: str) -> None:
    root, digests, reports = tmp_path / "films", [], []
    table = table_with_masks(root)
    for folder, cache in (("none", None), ("cold", tmp_path / "cache"), ("warm", tmp_path / "cache")):
        prepared = build_manifest({"s": (root, table)}, 64, "pad", LABELS, "stop", 0.5, Treatment(do, "text"), 2, cache=cache)
        write_prepared(prepared, tmp_path / folder)
        digests.append(folder_digest(tmp_path / folder))
        reports.append(
            (
                prepared.decoded,
                prepared.recalled,
                {name: put_back(prepared.films[0], one).sum() for name, one in prepared.behind.items()},
            )
        )
    assert digests[0] == digests[1] == digests[2]
    assert [report[:2] for report in reports] == [(6, 0), (6, 0), (0, 6)]
    assert reports[0][2] == reports[1][2] == reports[2][2]
    assert len(reports[0][2]) == (5 if do == "inpaint" else 0)
    problems = pd.read_csv(tmp_path / "warm" / "problems.csv").set_index("image_id")["problem"].to_dict()
    assert problems == {"s/1": "broken film", "s/0": "broken lung_mask", "s/5": "broken lesion_mask"}


def test_a_changed_mask_is_decoded_with_its_film(tmp_path: Path) -> None:
    root, cache = tmp_path / "films", tmp_path / "cache"
    table = table_with_masks(root)
    arguments = ({"s": (root, table)}, 64, "pad", LABELS, "stop", 0.5, Treatment("keep", "letters"), 2)
    before = build_manifest(*arguments, cache=cache)
    (root / "lungs2.png").write_bytes(lettered(20, mask=True))
    (root / "nowhere.png").write_bytes(lettered(3, mask=True))
    after = build_manifest(*arguments, cache=cache)
    assert after.decoded == 2
    assert (before.masks["lung_mask"].bits != after.masks["lung_mask"].bits).any()
    assert after.masks["lesion_mask"].image_id.tolist() == ["s/4", "s/5"]


def test_a_film_that_met_its_limit_is_tried_again(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:

        def refuse(*arguments: object) -> None:
            raise ResourceLimitError("took too long")

        patch.setattr(decoding, "prepare_covered", refuse)
        with pytest.raises(ValueError, match="took too long"):
            build(root, tmp_path / "cache")
    assert entries(tmp_path / "cache") == []
    assert build(root, tmp_path / "cache").decoded == 6


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = decode_film(lettered(1), {}, 16, "pad", Treatment("keep", "letters"))
    with monkeypatch.context() as patch:

        def stop(self: Path, content: bytes) -> None:
            with self.open("wb") as file:
                file.write(content[:100])
            raise KeyboardInterrupt

        patch.setattr(Path, "write_bytes", stop)
        with pytest.raises(KeyboardInterrupt):
            keep(tmp_path, "ab", film)
    assert entries(tmp_path) == []
    keep(tmp_path, "ab", film)
    assert recall(tmp_path, "ab") is not None


def test_runs_that_write_at_once_do_not_meet(tmp_path: Path) -> None:
    film = decode_film(lettered(1), {}, 64, "pad", Treatment("keep", "letters"))
    keep(tmp_path, "ab", film)

    def work(number: int) -> bool:
        keep(tmp_path, "ab", film)
        return recall(tmp_path, "ab") is not None

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(200)))
    assert entries(tmp_path) == [tmp_path / "ab" / "ab"]


def test_those_used_longest_ago_go_first(tmp_path: Path) -> None:
    film = decode_film(lettered(1), {}, 16, "pad", Treatment("keep", "letters"))
    for age, name in enumerate(["newest", "newer", "old", "oldest"]):
        keep(tmp_path, name, film)
        os.utime(tmp_path / name[:2] / name, (time.time() - 1000 - age, time.time() - 1000 - age))
    recall(tmp_path, "oldest")
    size = (tmp_path / "ol" / "old").stat().st_size
    (tmp_path / "ol" / "left.partial").write_bytes(b"")
    (tmp_path / "ol" / "busy.partial").write_bytes(b"")
    os.utime(tmp_path / "ol" / "left.partial", (0, time.time() - ABANDONED - 1))
    drop_oldest(tmp_path, 2 * size)
    assert [file.name for file in entries(tmp_path)] == ["newest", "busy.partial", "oldest"]


def test_a_cache_that_is_full_never_stops_a_run(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LIMIT", 2 * 1600)
    prepared = build(root, tmp_path / "cache")
    assert len(prepared.manifest) == 6
    assert 0 < len(entries(tmp_path / "cache")) < 6
    assert build(root, tmp_path / "cache").recalled == len(entries(tmp_path / "cache"))
