"""Films of another set that the task shows: found by bytes, pixels, patient and likeness, and nothing else is."""

import numpy as np
import pandas as pd

from hilum.data.quality.alike.leaks import FilmSet, find_leaks

SIZE = 48


def make_set(source: str, patients: list[str], seed: int) -> FilmSet:
    films = np.random.default_rng(seed).integers(0, 256, (len(patients), SIZE, SIZE), np.uint8)
    names = [f"{source}/{k}" for k in range(len(patients))]
    manifest = pd.DataFrame(
        {
            "image_id": names,
            "path": names,
            "source": source,
            "patient_id": [f"{source}/{patient}" for patient in patients],
            "label": "normal",
            "sha256": [f"{source} bytes {k}" for k in range(len(patients))],
            "pixel_sha256": [f"{source} pixels {k}" for k in range(len(patients))],
            "width": SIZE,
            "height": SIZE,
        }
    )
    return FilmSet(films, manifest)


def leaks(own: FilmSet, task: FilmSet, alike: bool = False, same_people: tuple[str, ...] = ()) -> dict[str, str]:
    table = find_leaks(own, task, "pad", alike, same_people, workers=1)
    return dict(zip(table["image_id"], table["detail"], strict=True))


def test_unrelated_films_are_no_leak() -> None:
    assert leaks(make_set("own", ["1", "2", "3"], 1), make_set("task", ["1", "2", "3"], 2), alike=True) == {}


def test_patients_count_as_the_same_only_where_their_names_mean_the_same() -> None:
    own, task = make_set("own", ["1", "2", "2"], 1), make_set("task", ["2", "9"], 2)
    assert leaks(own, task) == {}
    told = "the same patient as task/0 of the task"
    assert leaks(own, task, same_people=("task",)) == {"own/1": told, "own/2": told}


def test_the_details_name_the_other_set() -> None:
    own, first = make_set("own", ["1", "1"], 1), make_set("first", ["7"], 2)
    own.manifest.loc[0, "sha256"] = first.manifest.loc[0, "sha256"]
    table = find_leaks(own, first, "pad", False, (), workers=1, whose="pretraining")
    assert table["problem"].tolist() == ["shared with pretraining"] * 2
    assert table["detail"].tolist() == [
        "the same bytes as first/0 of pretraining",
        "its patient is one of pretraining, as own/0 shows",
    ]


def test_equal_pixels_count_at_one_size_and_equal_bytes_at_any() -> None:
    own, task = make_set("own", ["1", "2"], 1), make_set("task", ["7", "8"], 2)
    own.manifest.loc[0, "pixel_sha256"] = task.manifest.loc[1, "pixel_sha256"]
    assert leaks(own, task) == {"own/0": "the same pixels as task/1 of the task"}
    small = FilmSet(own.films[:, ::2, ::2], own.manifest)
    assert leaks(small, task) == {}
    own.manifest.loc[0, "sha256"] = task.manifest.loc[1, "sha256"]
    assert leaks(small, task) == {"own/0": "the same bytes as task/1 of the task"}


def test_a_flipped_copy_is_found_across_sets_prepared_at_different_sizes_whichever_name_comes_first() -> None:
    task = make_set("task", [str(k) for k in range(12)], 2)
    blurred = np.kron(task.films[:, ::4, ::4], np.ones((4, 4), np.uint8))
    task = FilmSet(blurred, task.manifest)
    for source in ("a", "z"):
        own = make_set(source, [str(k) for k in range(12)], 1)
        films = own.films.copy()
        films[5] = blurred[3, :, ::-1]
        large = np.kron(films, np.ones((2, 2), np.uint8))
        assert leaks(FilmSet(large, own.manifest), task) == {}, "not asked for likeness"
        found = leaks(FilmSet(large, own.manifest), task, alike=True)
        assert list(found) == [f"{source}/5"] and found[f"{source}/5"].startswith("nearly the same film as task/3 of the task")
