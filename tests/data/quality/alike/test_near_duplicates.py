"""Near duplicates: changed copies of phantoms and real films are found, other exposures are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from changed_copies import CHANGES
from PIL import Image

from hilum.data.decoding.images import prepare_film
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.quality.alike.near_duplicates import find_near_duplicates
from hilum.data.quality.alike.near_groups import NEAR, group_films, link_patients
from hilum.data.readers.kermany import read_kermany
from hilum.records import Films

SIZE = 96


def prepare(pictures: list[Image.Image], folder: Path, square: str = "pad") -> tuple[Films, list[tuple[int, int]]]:
    """Pictures as `prepare` brings them in: through a file, squared and resized."""
    films = []
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")
        films.append(prepare_film(folder / f"{number}.png", SIZE, square))
    return np.stack([film for film, _ in films]), [(geometry.width, geometry.height) for _, geometry in films]


def describe_rows(names: list[str], patients: list[str], sizes: list[tuple[int, int]]) -> pd.DataFrame:
    table = pd.DataFrame({"image_id": names, "patient_id": patients, "label": "a"})
    return table.assign(width=[width for width, _ in sizes], height=[height for _, height in sizes])


@pytest.fixture(scope="module")
def phantoms() -> tuple[pd.DataFrame, list[Image.Image]]:
    """120 phantoms of 120 patients."""
    population = draw_population(
        np.random.default_rng(3),
        films=220,
        findings={"normal": 0.5, "viral": 0.5},
        shortcut_finding="viral",
        shortcut_strength=0.0,
    )
    population = population.drop_duplicates("patient_id").head(120).reset_index(drop=True)
    chunks = [population.iloc[start : start + 2] for start in range(0, len(population), 2)]
    films = np.concatenate([draw_films(rows, size=128, shortcut_kind="none").films for rows in chunks])
    return population, [Image.fromarray(film) for film in films]


@pytest.mark.parametrize("square", ["pad", "stretch"])
def test_every_changed_copy_of_a_phantom_is_found_and_nothing_else(
    phantoms: tuple[pd.DataFrame, list[Image.Image]], square: str, tmp_path: Path
) -> None:
    population, pictures = phantoms
    copies = {}
    for row in range(4 * len(CHANGES)):
        name = list(CHANGES)[row % len(CHANGES)]
        copies[row] = CHANGES[name](pictures[row], np.random.default_rng(row))
    films, sizes = prepare([*pictures, *copies.values()], tmp_path, square)
    names = [*(f"film{row:03d}" for row in range(len(pictures))), *(f"zcopy{row:03d}" for row in copies)]
    patients = [*population["patient_id"], *(f"stranger{row}" for row in copies)]
    near = find_near_duplicates(films, describe_rows(names, patients, sizes), square, workers=2)
    assert list(near.columns) == list(NEAR)
    assert set(zip(near["image_id"], near["other"], strict=True)) == {(f"film{row:03d}", f"zcopy{row:03d}") for row in copies}
    flipped = near.set_index("other")["mirrored"].to_dict()
    wanted = {f"zcopy{row:03d}": list(CHANGES)[row % len(CHANGES)] for row in copies}
    assert {name for name, told in flipped.items() if told == "yes"} == {
        name for name, change in wanted.items() if change == "flipped" or change.startswith("all")
    }
    assert len(link_patients(near)) == len(copies)


def test_the_place_of_a_known_cut_is_found(phantoms: tuple[pd.DataFrame, list[Image.Image]], tmp_path: Path) -> None:
    population, pictures = phantoms
    cut = pictures[5].resize((500, 500), Image.Resampling.BICUBIC).crop((20, 0, 500, 490))  # 4 % at the left, 2 % at the foot
    films, sizes = prepare([*pictures, cut], tmp_path)
    names = [f"film{row:03d}" for row in range(len(films))]
    near = find_near_duplicates(films, describe_rows(names, [*population["patient_id"], "x"], sizes), "pad", workers=1)
    assert near[["image_id", "other"]].values.tolist() == [["film005", "film120"]]
    # u from -1 to 1 over the film lies in the cut film at (u - middle of the cut) / share that is left
    assert near["scale_x"][0] == pytest.approx(1 / 0.96, abs=0.01)
    assert near["shift_x"][0] == pytest.approx(-0.04 / 0.96, abs=0.01)
    assert near["scale_y"][0] == pytest.approx(1 / 0.98, abs=0.01)
    assert near["shift_y"][0] == pytest.approx(0.02 / 0.98, abs=0.01)


def test_workers_and_repetition_change_nothing_and_progress_is_reported(
    phantoms: tuple[pd.DataFrame, list[Image.Image]], tmp_path: Path
) -> None:
    population, pictures = phantoms
    films, sizes = prepare(
        [*pictures[:30], *(CHANGES["all together"](p, np.random.default_rng(1)) for p in pictures[:5])], tmp_path
    )
    rows = describe_rows([f"{i:02d}" for i in range(35)], [*population["patient_id"][:30], *"vwxyz"], sizes)
    told: dict[str, list[tuple[int, int]]] = {"film": [], "pair": []}
    first = find_near_duplicates(films, rows, "pad", 1, *(lambda *now, kind=kind: told[kind].append(now) for kind in told))
    assert told["film"][-1] == (35, 35)
    assert told["pair"][-1][0] == told["pair"][-1][1] > 35
    pd.testing.assert_frame_equal(first, find_near_duplicates(films, rows, "pad", 4))
    assert len(first) == 5


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_films_are_no_trouble(count: int, phantoms: tuple[pd.DataFrame, list[Image.Image]], tmp_path: Path) -> None:
    rows = describe_rows(["a", "b"][:count], ["p", "q"][:count], [(128, 128)] * count)
    films = np.stack([np.asarray(picture) for picture in phantoms[1][:2]])[:count]
    assert find_near_duplicates(films, rows, "pad", 2).empty


def test_blank_films_are_no_copies_of_each_other() -> None:
    films = np.zeros((3, 64, 64), np.uint8)
    films[1:, 2:5, 2:5] = [[[200]], [[90]]]
    rows = describe_rows(list("abc"), list("pqr"), [(64, 64)] * 3)
    assert find_near_duplicates(films[:, ::-1], rows, "pad", 1).query("image_id == 'a' or other == 'a'").empty


def test_full_resolution_films_are_joined_to_their_stretched_copies(shared: Path) -> None:
    small = shared / "data" / "pediatric-pneumonia"
    table = read_kermany(small)
    large = sorted((shared / "data" / "full-resolution").rglob("*.jpeg"))
    stem = table["path"].map(lambda path: Path(path).stem)
    originals = table[stem.isin({path.stem for path in large})]
    others = table[~stem.isin({path.stem for path in large})].iloc[::20]
    rows = pd.concat([originals, others], ignore_index=True)
    files = [*(small / path for path in rows["path"]), *large]
    read = [prepare_film(file, 128, "pad") for file in files]
    names = [*(f"small/{Path(path).stem}" for path in rows["path"]), *(f"large/{path.stem}" for path in large)]
    patients = [*rows["patient_id"], *(f"large/{path.stem}" for path in large)]
    manifest = describe_rows(names, patients, [(geometry.width, geometry.height) for _, geometry in read])
    near = find_near_duplicates(np.stack([film for film, _ in read]), manifest, "pad", 2)
    joined = {(row.image_id, row.other) for row in near.itertuples()}
    assert {(f"large/{path.stem}", f"small/{path.stem}") for path in large} <= joined | {pair[::-1] for pair in joined}
    across = near[near["patient_id"] != near["other_patient"]]
    assert across["image_id"].str.startswith("large/").ne(across["other"].str.startswith("large/")).all()
    assert len(group_films(near)[0]) <= 4  # a byte-identical pair, and the large films of both
