"""Recipes: each holds over params.yaml, reaches DVC unchanged, and those of several sources go from real films to a split."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from small_films import write_films, write_lines

from hilum.data.prepared.loading import read_manifest
from hilum.project.faults import find_faults
from hilum.project.overrides import apply_overrides, list_changes, put
from hilum.settings.params import check_params
from hilum.stages import acquire, check, prepare, split
from hilum.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path.stem for path in (ROOT / "recipes").glob("*.yaml"))
WRITTEN = yaml.safe_load((ROOT / "params.yaml").read_text())


def run_data_stages(folder: Path, recipe: str, monkeypatch: pytest.MonkeyPatch, **roots: str) -> Workspace:
    values = apply_overrides(WRITTEN, ROOT, recipe, "prepare.size=48 arms.baseline.weights=none arms.finetuned.weights=none", [])
    folder.mkdir()
    (folder / "roots.yaml").write_text(yaml.safe_dump(roots))
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    (folder / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(folder)
    check.run()
    for source in values["prepare"]["sources"]:
        acquire.run(source=source)
    prepare.run()
    split.run()
    return Workspace(folder, folder)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_holds_over_params(recipe: str) -> None:
    assert find_faults(check_params(apply_overrides(WRITTEN, ROOT, recipe, "", []))) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_dvc_is_handed_is_what_the_recipe_says(recipe: str) -> None:
    wanted = apply_overrides(WRITTEN, ROOT, recipe, "", [])
    reached = copy.deepcopy(WRITTEN)
    for override in OverridesParser.create().parse_overrides(list_changes(WRITTEN, wanted)):
        key = override.key_or_group
        if override.is_delete():
            *path, last = key.split(".")
            place: Any = reached
            for step in path:
                place = place[step]
            del place[last]
        else:
            put(reached, key, override.value())
    assert reached == wanted


def test_two_real_sources_with_rules_of_their_own(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    data = shared / "data"
    workspace = run_data_stages(
        tmp_path / "p", "covid", monkeypatch, covid=str(data / "covid-chestxray"), nih=str(data / "nih-boxes")
    )
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    counts = manifest.groupby(["label", "source"]).size().to_dict()
    assert counts == {("covid", "covid"): 33, ("other", "covid"): 2, ("other", "nih"): 20}
    findings = pd.read_csv(workspace.split / "findings.csv", keep_default_na=False)
    assert findings["films"].sum() == 79
    assert findings.set_index(["finding", "source"])["label"][("todo", "covid")] == "excluded"
    problems = pd.read_csv(workspace.prepared / "problems.csv")
    assert problems["problem"].value_counts().to_dict() == {"excluded finding": 24}
    ways = pd.read_csv(workspace.split / "sources.csv").values.tolist()
    assert ways == [["covid", "kept", 35], ["covid", "excluded finding", 24], ["nih", "kept", 20]]
    said = capsys.readouterr().out
    assert "The class covid comes from the source covid only" in said
    assert "rules that cover no film: prepare.labels_by_source.covid.covid: 'Pneumonia/Viral/COVID-19'" in said
    page = (workspace.split / "report.html").read_text()
    assert "left out by rule" in page
    assert "The class covid comes from the source covid only" in page


def test_three_real_sources_and_what_goes_together_with_the_class(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    data = shared / "data"
    children = tmp_path / "kermany"
    for pattern in ("IM-*", "person*_bacteria_*", "person*_virus_*"):  # 40 of each; the whole set takes minutes
        for film in sorted((data / "pediatric-pneumonia" / "train").rglob(pattern))[:40]:
            (children / film.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(film, children / film.parent.name)
    workspace = run_data_stages(
        tmp_path / "p",
        "merged",
        monkeypatch,
        covid=str(data / "covid-chestxray"),
        nih=str(data / "nih-boxes"),
        kermany=str(children),
    )
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    assert manifest.groupby(["label", "source"]).size().to_dict() == {
        ("covid", "covid"): 33,
        ("normal", "covid"): 2,
        ("normal", "kermany"): 40,
        ("pneumonia", "covid"): 2,
        ("pneumonia", "kermany"): 80,
        ("pneumonia", "nih"): 20,
    }
    counted = pd.read_csv(workspace.split / "contingency.csv").query("factor == 'source'")
    assert counted["films"].sum() == len(manifest), "the table of confounding holds every film"
    confounding = pd.read_csv(workspace.split / "confounding.csv").set_index("factor")
    assert confounding.loc["source", "judgement"] == confounding.loc["size", "judgement"] == "strong"
    said = capsys.readouterr().out
    assert "The class covid comes from the source covid only" in said and "The class pneumonia comes" not in said
    assert "The class and the source go together" in (workspace.split / "report.html").read_text()


def test_an_official_split_is_kept_from_the_tables_to_the_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{patient:08d}_00{film}.png" for patient in range(1, 25) for film in range(2)]
    root = write_films(tmp_path / "nih", *(f"images/{name}" for name in names), size=(20, 30))
    cycle = ["No Finding", "Pneumonia|Effusion", "No Finding", "Mass"]
    rows = [f"{name},{cycle[int(name[:8]) % 4]},0,{int(name[:8])},40,F,PA" for name in names]
    write_lines(
        root / "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position",
        *rows,
    )
    write_lines(root / "test_list.txt", *(name for name in names if int(name[:8]) > 16))
    write_lines(root / "train_val_list.txt", *(name for name in names if int(name[:8]) <= 16))
    workspace = run_data_stages(tmp_path / "p", "nih", monkeypatch, nih=str(root))
    test = pd.read_csv(workspace.split / "test.csv")
    assert sorted(test["label"].value_counts().to_dict().items()) == [("normal", 8), ("pneumonia", 4)]
    assert set(test["patient_id"]) == {f"nih/{patient}" for patient in range(17, 25) if patient % 4 != 3}
    problems = pd.read_csv(workspace.prepared / "problems.csv")
    assert problems["problem"].value_counts().to_dict() == {"excluded finding": 12}
