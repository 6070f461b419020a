"""The phantom's films are repeatable, in the asked proportions, and what their masks say about them is true."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.data.phantom.exposure import SHORTCUTS, shortcut_place
from hilum.data.phantom.phantom import COLUMNS, DrawnFilms, draw_films, read_phantom, write_phantoms
from hilum.data.phantom.population import FINDINGS, draw_population, film_counts

TASK = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
ALL = dict.fromkeys(FINDINGS, 1 / len(FINDINGS))


def population(films: int = 24, seed: int = 1, findings: dict[str, float] = TASK, strength: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return draw_population(rng, films=films, findings=findings, shortcut_finding="viral", shortcut_strength=strength)


def write(root: Path, **changes: Any) -> Path:
    settings: dict[str, Any] = {
        "films": 20,
        "size": 64,
        "seed": 1,
        "findings": TASK,
        "shortcut_kind": "none",
        "shortcut_finding": "viral",
        "shortcut_strength": 0.0,
        "on_film": lambda done, films: None,
    }
    write_phantoms(root, **{**settings, **changes})
    return root


def digests(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def everyone() -> tuple[pd.DataFrame, DrawnFilms]:
    rows = population(films=48, findings=ALL)
    return rows, draw_films(rows, size=96, shortcut_kind="none")


@pytest.mark.parametrize(
    ("films", "expected"),
    [
        (100, {"normal": 36, "bacterial": 36, "viral": 28}),
        (
            10,
            {"normal": 4, "bacterial": 3, "viral": 3},
        ),  # 3.6, 3.6, 2.8: two films are left over, for viral and the first of the others
        (1500, {"normal": 540, "bacterial": 540, "viral": 420}),
    ],
)
def test_shares_become_whole_films(films: int, expected: dict[str, int]) -> None:
    assert film_counts(films, TASK) == expected
    assert population(films)["finding"].value_counts().to_dict() == expected


def test_a_patient_has_one_finding_one_hospital_and_up_to_three_films() -> None:
    groups = population(films=300).groupby("patient_id")
    for column in ("finding", "hospital", "age", "sex", "patient_seed"):
        assert (groups[column].nunique() == 1).all()
    assert set(groups.size()) == {1, 2, 3}
    assert population(films=300)["film_seed"].is_unique


def test_hospital_age_and_sex_say_nothing_about_the_finding() -> None:
    patients = population(films=6000).drop_duplicates("patient_id")
    assert pd.crosstab(patients["finding"], patients["hospital"], normalize="index")["north"].between(0.45, 0.55).all()
    assert pd.crosstab(patients["finding"], patients["sex"], normalize="index")["F"].between(0.45, 0.55).all()
    assert patients.groupby("finding")["age"].mean().between(51, 57).all()


def test_same_arguments_same_bytes_and_another_seed_other_patients(tmp_path: Path) -> None:
    first = digests(write(tmp_path / "a", shortcut_kind="letter"))
    assert first == digests(write(tmp_path / "b", shortcut_kind="letter"))
    other = digests(write(tmp_path / "c", shortcut_kind="letter", seed=2))
    films = {value for name, value in first.items() if name.startswith("films/")}
    assert len(films) == 20
    assert not films & set(other.values())


def test_a_film_depends_on_its_own_row_alone() -> None:
    rows = population(films=9, findings=ALL)
    together = draw_films(rows, size=64, shortcut_kind="none").films
    alone = [draw_films(rows.iloc[[i]], size=64, shortcut_kind="none").films[0] for i in range(len(rows))]
    np.testing.assert_array_equal(together, np.stack(alone))


def test_films_of_one_patient_differ_but_show_one_chest() -> None:
    rows = population(films=300)
    pair = rows[rows.duplicated("patient_id", keep=False)].head(2)
    films = draw_films(pair, size=96, shortcut_kind="none").films.astype(float)
    assert (films[0] != films[1]).mean() > 0.5
    strangers = draw_films(rows.drop_duplicates("patient_id").head(12), size=96, shortcut_kind="none").films.astype(float)
    assert np.corrcoef(films[0].ravel(), films[1].ravel())[0, 1] > 0.6
    assert len({film.tobytes() for film in strangers}) == 12


def test_bones_are_white_and_air_is_dark(everyone: tuple[pd.DataFrame, DrawnFilms]) -> None:
    rows, drawn = everyone
    normal = np.flatnonzero(rows["finding"] == "normal")
    for i in normal:
        film, lung = drawn.films[i], drawn.lung_masks[i]
        abdomen = film[-15:, 30:66]
        assert np.median(film[lung]) < np.median(abdomen) - 40


def test_with_less_contrast_a_finding_changes_its_place_less_and_nothing_else() -> None:
    rows = population(films=48, findings=TASK)
    whole, half = (draw_films(rows, size=96, shortcut_kind="none", contrast=share) for share in (1.0, 0.5))
    healthy = draw_films(rows.assign(finding="normal"), size=96, shortcut_kind="none").films.astype(float)
    for masks in ("lung_masks", "lesion_masks"):
        np.testing.assert_array_equal(getattr(whole, masks), getattr(half, masks))
    for finding in TASK:
        own = (rows["finding"] == finding).to_numpy()
        much, less = (np.abs(drawn.films[own] - healthy[own])[whole.lesion_masks[own]] for drawn in (whole, half))
        if finding == "normal":
            np.testing.assert_array_equal(whole.films[own], half.films[own])
        else:
            assert 0.35 < less.mean() / much.mean() < 0.65


def test_both_lungs_lie_inside_the_film(everyone: tuple[pd.DataFrame, DrawnFilms]) -> None:
    _, drawn = everyone
    for lung in drawn.lung_masks:
        assert 0.10 < lung.mean() < 0.45
        assert lung[:, :48].sum() > 400
        assert lung[:, 48:].sum() > 300
        assert not (lung[0].any() or lung[-1].any() or lung[:, 0].any() or lung[:, -1].any())


def test_lesions_lie_where_the_finding_can_be(everyone: tuple[pd.DataFrame, DrawnFilms]) -> None:
    rows, drawn = everyone
    for finding, lesion, lung in zip(rows["finding"], drawn.lesion_masks, drawn.lung_masks, strict=True):
        if finding == "normal":
            assert not lesion.any()
            continue
        assert lesion.any()
        if finding != "cardiomegaly":
            assert not (lesion & ~lung).any()
        left_half, right_half = (lesion & lung)[:, :46].any(), (lesion & lung)[:, 50:].any()
        if finding in ("bacterial", "effusion"):
            assert left_half != right_half
        if finding == "viral":
            assert left_half
            assert right_half


@pytest.mark.parametrize("finding", [name for name in FINDINGS if name != "normal"])
def test_a_finding_brightens_its_lesion_in_the_same_patient(finding: str) -> None:
    rows = population(films=16, findings={finding: 1.0})
    ill = draw_films(rows, size=96, shortcut_kind="none")
    well = draw_films(rows.assign(finding="normal"), size=96, shortcut_kind="none")
    outside = ~ill.lesion_masks & ill.lung_masks
    change = ill.films.astype(float) - well.films
    gains = [change[i][ill.lesion_masks[i]].mean() - change[i][outside[i]].mean() for i in range(len(rows))]
    assert min(gains) > 0
    assert np.median(gains) > 4


def test_shortcuts_follow_the_finding_by_their_strength() -> None:
    chance = population(films=6000, strength=0.0)
    assert chance.groupby("finding")["has_shortcut"].mean().between(0.25, 0.31).all()
    half = population(films=6000, strength=0.5).groupby("finding")["has_shortcut"].mean()
    assert half["viral"] == pytest.approx(0.64, abs=0.04)  # 0.28 + 0.72 / 2
    assert half["normal"] == pytest.approx(0.14, abs=0.03)
    always = population(films=600, strength=1.0)
    assert (always["has_shortcut"] == (always["finding"] == "viral")).all()


@pytest.mark.parametrize("kind", [name for name in SHORTCUTS if name != "none"])
def test_a_shortcut_changes_its_own_place_and_nothing_else(kind: str) -> None:
    rows = population(films=12, strength=1.0)
    plain = draw_films(rows, size=96, shortcut_kind="none")
    has_shortcut = draw_films(rows, size=96, shortcut_kind=kind)
    changed = plain.films != has_shortcut.films
    viral = (rows["finding"] == "viral").to_numpy()
    assert not plain.shortcut_masks.any()
    assert changed[viral].any(axis=(1, 2)).all()
    assert not changed[~viral].any()
    assert not (changed & ~has_shortcut.shortcut_masks).any()
    assert 0 < shortcut_place(kind, 96).mean() < 0.15
    assert not (has_shortcut.shortcut_masks & plain.lung_masks).any()


def test_written_films_read_back(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    root = write(tmp_path, shortcut_kind="border", shortcut_strength=1.0, on_film=lambda done, films: seen.append((done, films)))
    table = read_phantom(root)
    assert tuple(table.columns) == COLUMNS
    assert seen[-1] == (20, 20)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert table["image_id"].is_unique
    assert table["finding"].value_counts().to_dict() == film_counts(20, TASK)
    for row in table.itertuples():
        film, lung = Image.open(root / row.path), Image.open(root / row.lung_mask)
        assert (film.mode, film.size, lung.mode) == ("L", (64, 64), "1")
        assert (row.lesion_mask == "") == (row.finding == "normal")
        if row.lesion_mask:
            assert np.asarray(Image.open(root / row.lesion_mask)).any()
        shortcut = np.asarray(Image.open(root / "shortcut_masks" / f"{row.image_id}.png"))
        assert shortcut.any() == (row.finding == "viral")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"findings": {"normal": 0.5, "covid": 0.5}}, "covid.*|normal, bacterial"),
        ({"findings": {"normal": 0.5, "viral": 0.4}}, "sum to 1"),
        ({"findings": {"normal": 1.5, "viral": -0.5}}, ">= 0"),
        ({"shortcut_strength": 1.2}, "0..1.*1.2"),
        ({"shortcut_kind": "sticker"}, "none, letter, border, texture"),
        ({"shortcut_finding": "covid"}, "covid"),
        ({"size": 63}, "64"),
        ({"films": 2}, "at least one per finding"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        write(tmp_path / "phantom", **changes)
    assert not (tmp_path / "phantom").exists()


def test_reading_refuses_a_folder_without_films(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"metadata\.csv"):
        read_phantom(tmp_path)
    (tmp_path / "metadata.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(ValueError, match="no rows"):
        read_phantom(tmp_path)
    (tmp_path / "metadata.csv").write_text("image_id\np0001-1\n")
    with pytest.raises(ValueError, match="no column path"):
        read_phantom(tmp_path)
