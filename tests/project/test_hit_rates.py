"""Hit rates of maps on annotated films from elsewhere: by hand, on planted squares, and on the small real set with boxes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from own_models import SIZE
from PIL import Image
from scipy.stats import binomtest

from hilum.cli import main
from hilum.data.annotations import FilmAnnotations
from hilum.data.prepared.geometry import fit_square
from hilum.project.annotated_maps import MOST
from hilum.project.hit_rates import (
    AnnotatedFilms,
    flat_hits,
    list_hits,
    read_annotations,
    summarise_hits,
    wilson_interval,
)
from hilum.records import Attribution
from hilum.results import read_json, read_table
from hilum.workspace import Workspace

L = keras.layers
SIDE = 12  # pixels of a planted square
TWO = ("--classes", "dark,bright", "--size", str(SIZE), "--square", "pad")


def seeker() -> keras.Model:
    """Bright if some 5 x 5 pixels are: the gradient lies where the film is brightest, for either class."""
    film = keras.Input((SIZE, SIZE, 1))
    window = L.Conv2D(1, 5, use_bias=False, name="window")
    end = L.Dense(2, activation="softmax")
    model = keras.Model(film, end(L.GlobalMaxPooling2D()(window(L.Rescaling(1 / 255)(film)))))
    window.set_weights([np.full((5, 5, 1, 1), 1 / 25)])
    end.set_weights([np.array([[-8.0, 8.0]]), np.array([4.0, -4.0])])
    return model


def plant(path: Path, x: int, y: int, level: int, seed: int) -> None:
    """Noise with a square at x, y."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film = np.random.default_rng(seed).integers(0, 40, (SIZE, SIZE)).astype(np.uint8)
    film[y : y + SIDE, x : x + SIDE] = level
    Image.fromarray(film).save(path)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project", evaluate__bootstrap=60, explain__bootstrap=200)
    monkeypatch.chdir(workspace.root)
    seeker().save("model.keras")
    return workspace


def evaluate(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    status = main(["evaluate", "--model", "model.keras", *TWO, "--json", *options])
    found = json.loads(capsys.readouterr().out)
    print(found.get("refused", ""))
    return status, found


def annotate(boxes: list[list[float]]) -> FilmAnnotations:
    return FilmAnnotations(fit_square(20, 10, 10, "pad"), {}, {}, np.array(boxes, float), ("",) * len(boxes))


def test_hits_by_hand() -> None:
    """Films of 20 x 10 pixels in a square of 10: a map's maximum at raw (3, 5), and one in the padding, which is cut away."""
    left, right = annotate([[0, 0, 8, 10]]), annotate([[10, 0, 5, 10]])
    heat = np.zeros((3, 10, 10), np.float32)
    heat[:, 5, 1] = 1
    maps = {"saliency": Attribution(heat, "saliency", np.zeros(3, np.int64), False, {})}
    names = np.array(["a", "b", "c"])
    films = AnnotatedFilms(names, np.array(["p", "p", "q"]), np.array(["ill"] * 3), names, [left, right, left])
    hits = list_hits(films, maps)
    wide = hits.pivot(index="image_id", columns="method", values="hit")
    assert wide["saliency"].tolist() == [1, 0, 1] and wide["random"].tolist() == [0.4, 0.25, 0.4]
    assert set(hits["annotation"]) == {"box"} and wide["centre"].tolist() == [0, 0.5, 0]  # its top lies on pixels 9 and 10
    rates = summarise_hits(hits, 200, 0.95, 0).set_index("method")
    assert rates.at["saliency", "hit_rate"] == 0.75 and rates.at["saliency", "patients"] == 2  # of the means 0.5 and 1
    assert rates.at["saliency", "above_random"] == pytest.approx((0.5 - 0.325 + 1 - 0.4) / 2)
    assert rates.loc[["random", "centre"], ["above_random", "above_centre"]].isna().all(axis=None)
    flat = flat_hits(rates.reset_index())
    assert flat["hit_rate_box/saliency"] == 0.75 and flat["above_centre_box/saliency.low"] <= flat["above_centre_box/saliency"]
    assert "above_random_box/random" not in flat


def test_where_all_patients_agree_the_interval_is_wilsons() -> None:
    for hit in (0.0, 1.0):
        rows = [(f"film{i}", f"p{i}", "ill", "ill", "box", "saliency", hit) for i in range(12)]
        rows += [(f"film{i}", f"p{i}", "ill", "ill", "box", other, 0.2) for i in range(12) for other in ("random", "centre")]
        hits = pd.DataFrame(rows, columns=["image_id", "patient_id", "target", "predicted", "annotation", "method", "hit"])
        row = summarise_hits(hits, 100, 0.95, 0).set_index("method").loc["saliency"]
        wanted = binomtest(int(12 * hit), 12).proportion_ci(0.95, "wilson")
        assert (row["hit_rate"], row["hit_rate_low"], row["hit_rate_high"]) == pytest.approx((hit, wanted.low, wanted.high))
    assert wilson_interval(0.25, 16, 0.9) == pytest.approx(tuple(binomtest(4, 16).proportion_ci(0.9, "wilson"))[:2])


def test_masks_are_read_and_one_that_cannot_be_is_told(tmp_path: Path) -> None:
    Image.fromarray(np.eye(10, dtype=np.uint8) * 255).save(tmp_path / "lungs.png")
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(b"none")
    row = {"image_id": "a", "root": str(tmp_path), "boxes": "", "box_findings": "", "lung_mask": "s/lungs.png"}
    row |= {"lesion_mask": "s/broken.png", "lung_mask_file": "lungs.png", "lesion_mask_file": "broken.png"}
    found, faults = read_annotations(row, fit_square(10, 10, 10, "pad"))
    assert found.kinds == ["lungs"] and len(faults) == 1 and "s/broken.png of a is not read" in faults[0]
    assert read_annotations({**row, "lung_mask_file": "black.png"}, fit_square(10, 10, 10, "pad"))[0].kinds == []


@pytest.mark.parametrize("columns", ["x,y,width,height", "Bbox [x,y,w,h]", "left,top,across,down"])
def test_maps_that_find_planted_squares_hit_every_box(
    project: Workspace, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    rng, rows = np.random.default_rng(0), [f"image,label,patient,{columns}"]
    sides = [SIDE + i // 4 for i in range(12)]  # of the boxes
    for i, side in enumerate(sides):
        x, y = (int(one) for one in rng.integers(0, SIZE - SIDE - 2, 2))
        plant(project.root / "films" / f"f{i}.png", x, y, 255 if i % 2 else 120, i)
        rows.append(f"f{i}.png,{'bright' if i % 2 else 'dark'},p{i // 2},{x},{y},{side},{side}")
    plant(project.root / "films" / "f99.png", 3, 3, 255, 99)  # a film without a box
    (project.root / "films" / "list.csv").write_text("\n".join([*rows, "f99.png,bright,p99,,,,"]))
    named = ("--columns", f"boxes={columns}") if columns.startswith("left") else ()
    options = ("--data", "films/list.csv", *named, "--explain", "saliency")
    status, found = evaluate(capsys, *options)
    assert status == 0 and found["annotated_films"] == 12 <= MOST and found["films"] == 13
    rates = {row["method"]: row for row in found["hit_rates"]}
    assert rates["saliency"]["hit_rate"] == 1 and rates["saliency"]["hit_rate_low"] == pytest.approx(
        wilson_interval(1, 6, 0.95)[0]
    )
    assert rates["random"]["hit_rate"] == pytest.approx(np.mean(np.square(sides)) / SIZE**2)
    assert 0.5 < rates["saliency"]["above_random_low"] < rates["saliency"]["above_random_high"] < 1
    assert found["metrics"]["hit_rate_box/saliency"] == 1 and found["metrics"]["hit_rate_box/saliency.high"] == 1
    out = Path("evaluated")
    assert read_json(out / "metrics.json")["hit_rate_box/saliency"] == 1
    hits = read_table(out / "explanations" / "hits.csv")
    assert hits["image_id"].nunique() == 12 and set(hits["method"]) == {"saliency", "random", "centre"}
    assert read_table(out / "explanations" / "hit_rates.csv")["patients"].tolist() == [6, 6, 6]
    shown = read_table(out / "explanations" / "measures.csv")["image_id"]
    assert not any("f99" in one for one in shown), "annotated films are shown first"
    page = (out / "evaluation.html").read_text()
    assert "Hit rates" in page and "12 films with an expert" in page and "above random" in page


def test_without_annotations_there_is_no_hit_rate(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(4):
        plant(project.root / "films" / ("bright" if i % 2 else "dark") / f"{i}.png", 3, 3, 255 if i % 2 else 120, i)
    status, found = evaluate(capsys, "--data", "films", "--explain", "saliency")
    assert status == 0 and found["hit_rates"] == [] and not Path("evaluated/explanations/hits.csv").exists()
    assert "there is no hit rate" in Path("evaluated/evaluation.html").read_text()


def test_the_small_real_set_gives_a_hit_rate_and_no_auroc(
    project: Workspace, capsys: pytest.CaptureFixture[str], shared: Path
) -> None:
    """Boxed films of one class through a network that was trained on nothing: that it runs, and where its maps lie."""
    table = shared / "data" / "nih-boxes" / "BBox_List_2017.csv"
    findings = sorted(set(pd.read_csv(table)["Finding Label"]))[1:]  # films with the first one are left out
    options = ("--labels", f"bright={','.join(findings)}", "--pattern", r"(?P<patient>\d{8})_", "--explain", "saliency")
    status, found = evaluate(capsys, "--data", str(table), *options)
    assert (
        status == 0 and 10 <= found["annotated_films"] == found["films"] < 20 and set(found["left_out"]) == {"unmatched finding"}
    )
    rates = {row["method"]: row for row in found["hit_rates"]}
    assert set(rates) == {"saliency", "random", "centre"} and 0 < rates["random"]["hit_rate"] < 0.5
    assert all(0 <= row["hit_rate_low"] <= row["hit_rate"] <= row["hit_rate_high"] <= 1 for row in rates.values())
    assert rates["saliency"]["hit_rate_low"] < rates["saliency"]["hit_rate_high"]
    assert found["metrics"]["auroc_macro"] is None and found["metrics"]["auprc_macro"] is None
    said = next(note for note in found["notes"] if note.startswith("no AUROC is given: every film is of bright"))
    assert "these films show that the model runs" in said
    page = Path("evaluated/evaluation.html").read_text()
    assert "no AUROC is given" in page and '<a href="#hit-rates">Hit rates</a>' in page and '<h2 id="hit-rates">' in page
    assert "prepare.labels" not in page
