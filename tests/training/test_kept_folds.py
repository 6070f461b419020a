"""An interrupted cross-validation goes on with the folds it has, and takes none that other settings, code or bytes made."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from stepping import take_steps

from hilum.records import Predictions
from hilum.results import folder_digest
from hilum.stages import check, crossvalidate, split, tune
from hilum.training.kept_folds import KeptFolds, keep_folds
from hilum.workspace import Workspace

CLASSES = ("normal", "viral")
PREDICTIONS = Predictions(
    np.array(["a/1", "a/2"]),
    np.array(["p1", "p2"]),
    np.array([0, 1]),
    np.array([[0.7, 0.3], [1 / 3, 2 / 3]], np.float32),
    np.array([0, 1]),
    CLASSES,
)
HISTORY = pd.DataFrame({"step": [0, 1], "val/auroc_macro": [0.1 + 0.2, np.nan], "phase": [0, 0], "fold": ["1", "1"]})


def shorten(workspace: Workspace) -> None:
    values = take_steps(yaml.safe_load(workspace.params.read_text()))
    values["split"]["folds"] = 2
    values["crossvalidate"]["arms"] = ["baseline"]
    values["tune"]["trials"] = 0
    values["evaluate"]["bootstrap"] = 20
    values["train"]["augment"]["views"] = 1
    values["arms"]["baseline"]["weights"] = "none"
    values["arms"]["baseline"]["phases"][0]["epochs"] = 2
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))
    check.run()
    split.run()
    tune.run("baseline")


def test_what_was_kept_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    keep_folds(tmp_path, "baseline", {"seed": 1}).save("1", PREDICTIONS, HISTORY)
    found = keep_folds(tmp_path, "baseline", {"seed": 1}).load("1", CLASSES)
    assert found is not None
    for name in ("image_id", "patient_id", "y_true", "y_prob", "y_pred"):
        kept, given = getattr(found[0], name), getattr(PREDICTIONS, name)
        assert kept.dtype == given.dtype and (kept == given).all(), name
    assert found[0].classes == CLASSES
    pd.testing.assert_frame_equal(found[1], HISTORY, check_exact=True)
    assert keep_folds(tmp_path, "baseline", {"seed": 1}).load("2", CLASSES) is None


def test_other_settings_other_code_and_other_bytes_are_not_taken(tmp_path: Path, edit_code: Callable[[str], None]) -> None:
    kept = keep_folds(tmp_path, "baseline", {"seed": 1})
    kept.save("1", PREDICTIONS, HISTORY)
    kept.save("2", PREDICTIONS, HISTORY)
    file = kept.folder / "1" / "answers.npz"
    file.write_bytes(file.read_bytes()[:-9] + b"x" * 9)
    assert kept.load("1", CLASSES) is None, "a file that is not what was written"
    (kept.folder / "2.kept.json").unlink()
    assert kept.load("2", CLASSES) is None, "cut off while it was written"
    kept.save("1", PREDICTIONS, HISTORY)
    assert keep_folds(tmp_path, "finetuned", {"seed": 1}).load("1", CLASSES) is None
    assert kept.load("1", CLASSES) is not None
    assert keep_folds(tmp_path, "baseline", {"seed": 2}).load("1", CLASSES) is None
    assert kept.load("1", CLASSES) is not None, "another experiment may be at it"
    edit_code("evaluation/contradictions.py")
    assert keep_folds(tmp_path, "baseline", {"seed": 1}).load("1", CLASSES) is not None, "a caption"
    edit_code("training/fold.py")
    assert keep_folds(tmp_path, "baseline", {"seed": 1}).load("1", CLASSES) is None


@pytest.mark.parametrize("damage", ["cut", "empty", "no JSON", "another form", "no folder", "no answers"])
def test_a_damaged_fold_is_told_by_name_and_kept_anew(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    kept = keep_folds(tmp_path, "baseline", {"seed": 1})
    kept.save("1", PREDICTIONS, HISTORY)
    seal, place = kept.folder / "1.kept.json", kept.folder / "1"
    if damage == "no folder":
        shutil.rmtree(place)
    elif damage == "no answers":
        (place / "answers.npz").unlink()
    else:
        seal.write_bytes({"cut": seal.read_bytes()[:-9], "empty": b"", "no JSON": b"\xff", "another form": b"[1]"}[damage])
    assert kept.load("1", CLASSES) is None
    assert f"{place} is damaged" in capsys.readouterr().out
    kept.save("1", PREDICTIONS, HISTORY)
    assert kept.load("1", CLASSES) is not None


def test_a_fold_that_cannot_be_kept_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "folds").write_bytes(b"")
    with pytest.raises(OSError, match=r"/1; make room on that disk or make .* writable"):
        keep_folds(tmp_path, "baseline", {"seed": 1}).save("1", PREDICTIONS, HISTORY)


def test_an_interrupted_cross_validation_goes_on_and_ends_in_the_same_bytes(
    own_copy: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shorten(own_copy)
    trained: list[str] = []
    real = crossvalidate.run_fold

    def watched(shared: object, films: object, name: str, *rest: object) -> object:
        if name in stops:
            raise KeyboardInterrupt
        trained.append(name)
        return real(shared, films, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(crossvalidate, "run_fold", watched)
    stops = {"2"}
    with pytest.raises(KeyboardInterrupt):
        crossvalidate.run("baseline")
    folder = own_copy.arm("baseline", "crossvalidation")
    assert trained == ["1"] and not folder.exists()
    stops = set()
    crossvalidate.run("baseline")
    assert trained == ["1", "2"]
    assert "fold 1: taken from an earlier cross-validation" in capsys.readouterr().out
    continued = folder_digest(folder)
    assert not list((own_copy.cache / "folds" / "baseline").iterdir()), "the results hold all folds now"
    shutil.rmtree(folder)
    crossvalidate.run("baseline")
    assert trained == ["1", "2", "1", "2"] and folder_digest(folder) == continued


def test_a_fold_kept_under_other_numbers_is_trained_again(own_copy: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[KeptFolds] = []
    monkeypatch.setattr(crossvalidate, "run_fold", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    real = crossvalidate.keep_folds
    monkeypatch.setattr(crossvalidate, "keep_folds", lambda *given: found.append(real(*given)) or found[-1])
    shorten(own_copy)
    values = yaml.safe_load(own_copy.params.read_text())
    for section, key, value in (
        (None, None, None),
        ("train", "batch_size", 16),
        ("train", "threshold_rule", "half"),
        ("train", "calibration", "none"),
        ("train", "decision", "balanced"),
        ("split", "folds", 3),
        ("evaluate", "bootstrap", 30),
    ):
        if section:
            values[section][key] = value
            own_copy.params.write_text(yaml.safe_dump(values, sort_keys=False))
            split.run()
        with pytest.raises(KeyboardInterrupt):
            crossvalidate.run("baseline")
    keys = [kept.folder.name for kept in found]
    assert len(set(keys[:6])) == 6, "numbers that decide what a fold gives"
    assert keys[6] == keys[5], "resamples are drawn anew in any case"
