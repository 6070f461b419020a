from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from hilum.data.burned_in.treatment import Treatment
from hilum.data.manifest.building import build_manifest
from hilum.data.quality.alike.copies import PROBLEMS, find_copies
from hilum.data.readers.folder import read_folder


def film(image_id: str, pixels: str, label: str = "a", part: str = "", patient: str = "", sha256: str = "") -> dict[str, str]:
    return {
        "image_id": image_id,
        "path": f"{image_id}.png",
        "sha256": sha256 or pixels,
        "pixel_sha256": pixels,
        "label": label,
        "official_split": part,
        "patient_id": patient or image_id,
    }


def test_of_copies_the_first_by_name_stays() -> None:
    problems, _ = find_copies(pd.DataFrame([film("c", "x"), film("a", "x"), film("b", "x", sha256="other"), film("d", "y")]))
    assert list(problems.columns) == list(PROBLEMS)
    assert problems["image_id"].tolist() == ["b", "c"]
    assert problems["detail"].tolist() == ["the same pixels as a, which stays", "the same bytes as a, which stays"]


def test_of_copies_the_one_in_the_official_test_part_stays() -> None:
    problems, _ = find_copies(
        pd.DataFrame([film("a", "x", part="train"), film("b", "x", part="test"), film("c", "x", part="test")])
    )
    assert problems["image_id"].tolist() == ["a", "c"]
    assert problems["detail"].tolist() == ["the same bytes as b in the official test part, which stays"] * 2


def test_copies_with_conflicting_labels_are_all_left_out() -> None:
    problems, _ = find_copies(pd.DataFrame([film("a", "x", "ill"), film("b", "x", "well", "test"), film("c", "x", "ill")]))
    assert problems["image_id"].tolist() == ["a", "b", "c"]
    assert set(problems["problem"]) == {"conflicting labels"}
    assert "a (ill), b (well), c (ill)" in problems["detail"][0]


def test_patients_of_copies_are_linked() -> None:
    rows = [film("a", "x", patient="p"), film("b", "x", patient="q"), film("c", "y", patient="q"), film("d", "y", patient="q")]
    _, linked = find_copies(pd.DataFrame(rows))
    assert linked.to_dict("records") == [{"patient_id": "p", "other": "q"}]


def test_films_that_differ_all_stay() -> None:
    problems, linked = find_copies(pd.DataFrame([film("a", "x"), film("b", "y")]))
    assert problems.empty
    assert linked.empty


def test_every_injected_copy_is_found_by_bytes_by_pixels_and_by_patient(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    injected = {}
    for number in range(60):
        finding = "abc"[number % 3]
        (tmp_path / finding).mkdir(exist_ok=True)
        file = tmp_path / finding / f"{number:02d}-1.png"
        Image.fromarray(rng.integers(0, 256, (40, 30), np.uint8)).save(file, compress_level=9)
        if number < 15:
            (tmp_path / finding / f"x{number:02d}-1.png").write_bytes(file.read_bytes())
        elif number < 30:  # other bytes, the same pixels
            with Image.open(file) as film:
                film.save(tmp_path / finding / f"x{number:02d}-1.PNG", compress_level=1)
        if number < 30:
            injected[f"s/{finding}/x{number:02d}-1"] = "bytes" if number < 15 else "pixels"
    table = read_folder(tmp_path, "(?P<patient>x?[0-9]+)-")
    labels = {name: [name] for name in "abc"}
    prepared = build_manifest({"s": (tmp_path, table)}, 32, "pad", labels, "stop", 0.0, Treatment("keep", "letters"), 2)
    assert set(prepared.problems["image_id"]) == set(injected)
    for row in prepared.problems.itertuples():
        assert row.detail.startswith(f"the same {injected[row.image_id]} as ")
    linked = {frozenset(pair) for pair in prepared.linked_patients.itertuples(index=False, name=None)}
    assert linked == {frozenset({f"s/{number:02d}", f"s/x{number:02d}"}) for number in range(30)}
