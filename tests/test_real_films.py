"""A slice of the real pediatric films through the whole pipeline: real names, real patients, real lung masks, real weights."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from stepping import NETWORK, SOLVED

from project import SMALL, Project, make_project

pytestmark = pytest.mark.slow
KINDS = {"normal": "*IM-*", "bacterial": "*_bacteria_*", "viral": "*_virus_*"}
CLASSES = {"normal": ["normal"], "bacterial": ["pneumonia/bacterial"], "viral": ["pneumonia/viral"]}


def copy_slice(source: Path, root: Path, of_each: int) -> int:
    """Films of each kind, those with a lung mask first, one of them twice and one broken; returns how many files."""
    masks = {path.stem: path for path in (source / "lung_masks").glob("*.png")}
    copied = 0
    for pattern in KINDS.values():
        films = sorted((source / "train").rglob(f"{pattern}.jpeg"), key=lambda film: (film.stem not in masks, film.name))[
            :of_each
        ]
        for film in films:
            place = root / film.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(film, place)
            if film.stem in masks:
                (root / "lung_masks").mkdir(exist_ok=True)
                shutil.copy(masks[film.stem], root / "lung_masks" / f"{film.stem}.png")
        copied += len(films)
    shutil.copy(films[0], films_twin(root, films[0]))
    films_twin(root, films[1]).write_bytes(films[1].read_bytes()[:900])
    return copied + 2


def films_twin(root: Path, film: Path) -> Path:
    """A second file of the same patient."""
    return root / "train" / "PNEUMONIA" / film.name.replace("virus_", "virus_9")


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of real films after `dvc repro`, on MobileNet weights from ImageNet."""
    films = tmp_path_factory.mktemp("films")
    files = copy_slice(shared / "data/pediatric-pneumonia", films, 40)
    assert files == 122
    made = make_project(tmp_path_factory.mktemp("real"))
    weights = str(shared / "weights/mobilenet_2_5_224_tf_no_top.h5")
    made.set(
        {
            **SMALL,
            "acquire.sources": {"kermany": {"reader": "kermany", "root": "films/kermany", "mode": "reference"}},
            "prepare.sources": ["kermany"],
            "prepare.labels": CLASSES,
            "pretrain.source": "kermany",
            "arms.baseline": {**NETWORK, "weights": weights, "phases": [SOLVED]},
            "arms.finetuned.weights": weights,
        }
    )
    (made.root / "roots.yaml").write_text(f"kermany: {films}\n")
    made.run("git", "commit", "-q", "-a", "-m", "real films")
    made.run("dvc", "repro")
    return made


def test_the_problems_of_real_files_are_listed_and_the_copy_left_out(real: Project) -> None:
    problems = pd.read_csv(real.root / "data/prepared/problems.csv")
    assert problems["problem"].tolist().count("broken film") == 1
    assert problems["problem"].tolist().count("copy") == 1
    manifest = pd.read_csv(real.root / "data/prepared/manifest.csv", dtype=str)
    assert len(manifest) == 120
    assert set(manifest["label"]) == set(CLASSES)
    assert manifest["patient_id"].map(lambda key: re.fullmatch(r"kermany/(b|v|n1-|n2-)\d+", key) is not None).all()


def test_no_real_patient_is_on_both_sides(real: Project) -> None:
    parts = [set(pd.read_csv(real.root / f"data/split/{part}.csv")["patient_id"]) for part in ("train", "val", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts))


def test_both_arms_are_compared_on_real_films(real: Project) -> None:
    arms = json.loads((real.root / "results/comparison/arms.json").read_text())
    assert set(arms) == {"baseline", "finetuned"}
    assert all(0 <= arms[arm]["test"]["auroc_macro"] <= 1 for arm in arms)
    assert (real.root / "results/comparison/comparison.html").stat().st_size > 100_000


def test_the_maps_of_real_films_are_finite_and_measured_inside_real_lungs(real: Project) -> None:
    for arm in ("baseline", "finetuned"):
        folder = real.root / "results/arms" / arm / "explanations"
        for method in ("gradcam", "lime", "shap"):
            with np.load(folder / f"{method}.npz") as stored:
                assert np.isfinite(stored["values"]).all()
                assert stored["values"].shape[1:] == (64, 64)
        summary = pd.read_csv(folder / "summary.csv")
        inside = summary[(summary["measure"] == "relevance_mass_lungs") & summary["method"].isin(["gradcam", "lime", "shap"])]
        assert (inside["films"] > 0).all() and inside["value"].between(0, 1).all() and len(inside) == 3


def test_nothing_that_was_made_says_where_the_films_are(real: Project) -> None:
    films = yaml.safe_load((real.root / "roots.yaml").read_text())["kermany"].encode()
    made = [path for part in ("data", "results", "mlruns") for path in (real.root / part).rglob("*") if path.is_file()]
    assert len(made) > 200
    stores = [real.root / "dvc.lock", real.root / "mlflow.db"]
    assert [str(path) for path in [*made, *stores] if films in path.read_bytes()] == []


def test_nothing_of_the_roots_films_was_touched_and_nothing_runs_again(real: Project) -> None:
    again = set(re.findall(r"Running stage '([^']+)'", real.run("dvc", "repro").stdout))
    assert again == {"check"}
