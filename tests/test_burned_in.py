"""The benchmark of burned-in names: run tiny, and its counting by hand."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from written_films import ANGLES, CONTRASTS, FONTS, PLACES, SIZES, choose_writings, write_on

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from burned_in import enclose, tabulate

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "burned_in.py"


def run(*arguments: str) -> str:
    command = [sys.executable, str(BENCHMARK), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_it_finds_and_covers_names_on_phantoms(tmp_path: Path) -> None:
    told = run("--films", "6", "--size", "160", "--rows", str(tmp_path / "rows.csv"))
    assert told.startswith("6 films prepared to 160 pixels, reader text:")
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert len(rows) == 6
    assert rows["found"].mean() >= 0.5
    assert (rows.loc[rows["found"], "changed"] > 0).all()
    assert rows["lungs_changed"].between(0, 0.6).all()
    assert (rows["written"] < rows["changed"].max() + 0.2).all()


def test_what_the_search_weighs_can_be_fitted_again() -> None:
    told = run("--fit", "--films", "6")
    lines = told.splitlines()
    assert lines[-1].startswith("CONSTANT = ")
    assert {line.split('"')[1] for line in lines[:-1]} >= {"log sharpness", "gap"}


def test_shares_are_percent_of_the_films_of_a_value() -> None:
    base = {"size": 0.02, "font": "sans", "angle": 0, "contrast": "weak", "place": "edge"}
    rows = pd.DataFrame(
        [
            {**base, "found": True, "told_left": True, "read_after": True},
            {**base, "found": True, "told_left": False, "read_after": True},
            {**base, "found": False, "told_left": False, "read_after": False, "font": "mono"},
            {**base, "found": True, "told_left": False, "read_after": False},
        ]
    ).assign(written=0.1, changed=0.2, lungs_changed=[0.3, np.nan, 0.1, 0.2], alarm=False, alarm_changed=0.0)
    table = tabulate(rows).set_index(["property", "value"])
    assert table.loc[("all", ""), ["films", "found %", "nothing read %", "read and not told"]].tolist() == [4, 75, 50, 1]
    assert table.loc[("all", ""), "lungs changed %"] == 20
    assert table.loc[("font", "mono"), ["films", "found %"]].tolist() == [1, 0]


def test_every_value_comes_equally_often_and_the_whole_writing_is_on_the_film() -> None:
    writings = choose_writings(70, 3)
    for name, values in (("size", SIZES), ("font", FONTS), ("angle", ANGLES), ("contrast", CONTRASTS), ("place", PLACES)):
        counts = pd.Series([getattr(one, name) for one in writings]).value_counts()
        assert set(counts.index) == set(values)
        assert counts.max() - counts.min() <= 1
    for seed, writing in enumerate(writings[:20]):
        written, there = write_on(np.full((200, 240), 90, np.uint8), writing, seed)
        assert there.any() and not there[[0, -1]].any() and not there[:, [0, -1]].any()
        inside = written[there].astype(int)
        assert (inside.mean() < 130) if writing.contrast == "black" else (inside.mean() > 105)


@pytest.mark.parametrize("turn", [0, 30])
def test_the_place_of_a_writing_is_the_rectangle_around_it(turn: int) -> None:
    letters = np.zeros((200, 200), np.uint8)
    cv2.putText(letters, "HHHH", (40, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 1, 2)
    turned = cv2.warpAffine(letters, cv2.getRotationMatrix2D((100, 100), turn, 1.0), (200, 200)) > 0
    across, down = np.flatnonzero(letters.any(0)), np.flatnonzero(letters.any(1))
    assert enclose(turned)[turned].all()
    assert enclose(turned).sum() == pytest.approx(np.ptp(across) * np.ptp(down), rel=0.15)
