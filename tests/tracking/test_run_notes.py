"""What a run's description says, from the files of results."""

from pathlib import Path

import fake_results as fake
import pandas as pd
import pytest
from PIL import Image

from hilum.results import write_json, write_table
from hilum.tracking.run_notes import COMMAND, again, arm_note, comparison_note, search_note
from hilum.tracking.run_tags import COMMIT
from hilum.tracking.store import Store
from hilum.workspace import Workspace

METRICS = {"test/auroc_macro": 0.87, "test/auroc_macro.low": 0.838, "test/auroc_macro.high": 0.903, "test/ece": None}
HELD = {"digest.evaluation": "e", "digest.explanations": "x", "digest.audit": "a", "mlflow.source.git.commit": "0123456789abcdef"}


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    """An arm's folders with an evaluation, a panel, verdicts of gate and audit."""
    workspace = Workspace(tmp_path, tmp_path)
    fake.write_measured(workspace, "baseline", "evaluation", METRICS, params={"evaluate.confidence": 0.9})
    folder = fake.write_measured(workspace, "baseline", "explanations", {})
    (folder / "panels").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "panels" / "phantom__p 1.png")
    write_table(folder / "sanity.csv", pd.DataFrame({"method": ["gradcam", "lime"], "verdict": ["passes", "fails sanity"]}))
    fake.write_measured(workspace, "baseline", "audit", {}, tags={"audit": "honest"})
    return workspace.arm("baseline", "evaluation").parent


def test_an_arm_says_its_headline_verdicts_a_panel_the_page_and_how_to_run_it_again(arm: Path) -> None:
    note = arm_note(arm, "r1", HELD)
    assert note.startswith("**Test films: AUROC 0.870 [0.838, 0.903] (90 % intervals over patients).**"), (
        "what is undefined is left out"
    )
    assert "Sanity gate: gradcam passes, lime fails sanity. Audit: honest." in note
    assert "![The maps of phantom__p 1](get-artifact?path=note/maps.png&run_uuid=r1)" in note
    assert "`results/comparison/comparison.html`" in note
    assert note.endswith("To run it again: `git checkout 0123456789ab && dvc repro`.")


def test_an_arm_says_nothing_of_folders_that_its_run_does_not_hold(arm: Path) -> None:
    note = arm_note(arm, "r1", {})
    assert note.startswith("**Not evaluated yet.**") and "Sanity" not in note and "get-artifact" not in note


def test_the_command_is_that_of_the_experiment_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "hilum experiment trials=0")
    assert (
        again({"git_dirty": "true"}) == "To run it again: `hilum experiment trials=0` (tracked files differed from that commit)."
    )


def test_a_run_of_a_git_address_needs_no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND, "mlflow run https://host/hilum.git --version c0ffee")
    assert again({COMMIT: "c0ffee"}) == "To run it again: `mlflow run https://host/hilum.git --version c0ffee`."


def test_a_run_of_a_git_address_names_no_file_of_a_project_that_is_gone(arm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(arm / "comparison" / "metrics.json", {})

    def notes() -> list[str]:
        return [arm_note(arm, "r1", {}), comparison_note(arm / "comparison", "r2", {}, "7")]

    assert all("`results/comparison/comparison.html`" in note for note in notes())
    monkeypatch.setenv(COMMAND, "mlflow run https://host/hilum.git --version c0ffee")
    assert not [note for note in notes() if "results/" in note or "comparison/comparison.html" not in note]


def test_a_comparison_says_the_differences_and_where_the_page_is(tmp_path: Path) -> None:
    name = "difference/finetuned/auroc_macro"
    write_json(tmp_path / "metrics.json", {name: 0.097, f"{name}.low": 0.069, f"{name}.high": 0.126})
    note = comparison_note(tmp_path, "r1", {"reference": "baseline"}, "7")
    assert note.startswith("**AUROC on test films: finetuned - baseline +0.097 [+0.069, +0.126].**")
    assert "(#/experiments/7/runs/r1/artifacts/comparison/comparison.html)" in note


def test_a_search_says_its_trials_and_best_values(tmp_path: Path) -> None:
    note = search_note(fake.write_tuning(Workspace(tmp_path, tmp_path), "baseline"), {})
    assert note.startswith("**2 trials (1 complete, 1 pruned), nested below.**") and "head.dropout: 0.25" in note


def test_a_failed_run_says_why_and_an_interrupted_one_that_it_was(either: Store) -> None:
    for failure, name, told in (
        (ValueError("no films are left"), "baseline, failed", "**This run failed** at 20"),
        (KeyboardInterrupt(), "baseline, interrupted", "**This run was interrupted** at 20"),
    ):
        with pytest.raises(type(failure)), either.start("baseline", {"mlflow.note.content": "One model."}) as run:
            raise failure
        ended = either.client.get_run(run.id)
        assert ended.info.run_name == name
        note = ended.data.tags["mlflow.note.content"]
        assert note.startswith(told) and note.endswith("Call the stage again to go on.\n\nOne model.")
        assert ("`no films are left`" in note) == isinstance(failure, ValueError)


def test_a_run_that_something_was_added_to_in_part_keeps_its_name_and_says_so(either: Store) -> None:
    with either.start("baseline", {}) as first:
        first.describe("All is well.")
    with pytest.raises(ValueError, match="disk"), either.resume(first.id, "audit"):
        raise ValueError("disk full")
    ended = either.client.get_run(first.id)
    assert ended.info.run_name == "baseline"
    assert ended.data.tags["mlflow.note.content"].startswith("**Adding audit to this run failed** at 20")
    assert "Files of audit may be missing here." in ended.data.tags["mlflow.note.content"]
