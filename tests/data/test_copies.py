import pandas as pd

from hilum.data.copies import PROBLEMS, find_copies


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
