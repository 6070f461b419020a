"""Activations, studies and folds are kept under the code that decides them: all of it, and nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from architecture import PACKAGE, files_behind, imports_of
from stepping import shrink_arms

from hilum import code_version
from hilum.code_version import made_by
from hilum.settings.params import Params, check_params
from hilum.stages.tune import fixed_part
from hilum.training.kept_folds import FOLD_CODE, FOLD_LIBRARIES, keep_folds
from hilum.training.kept_repeats import REPEAT_CODE, keep_repeats
from hilum.training.kept_trainings import TRAINING_CODE
from hilum.training.learning.features import FEATURE_CODE, FEATURE_LIBRARIES
from hilum.training.searching.search import study_name
from hilum.training.task import FIT_LIBRARIES
from hilum.training.trial import TRIAL_CODE, TRIAL_LIBRARIES
from hilum.workspace import Workspace

SCORING = "hilum.evaluation.scoring"  # handed to training by the stages
LISTS = {  # what is kept -> its list, its libraries, and the modules that make it
    "activations": (FEATURE_CODE, FEATURE_LIBRARIES, ["hilum.training.learning.features"]),
    "study": (
        *(TRIAL_CODE, TRIAL_LIBRARIES),
        ["hilum.training.trial", "hilum.training.trial_films", "hilum.training.searching.search", f"{SCORING}.epochs"],
    ),
    "fold": (
        *(FOLD_CODE, FOLD_LIBRARIES),
        [
            "hilum.training.fold",
            "hilum.training.kept_folds",
            f"{SCORING}.epochs",
            f"{SCORING}.decisions",
            f"{SCORING}.calibration",
        ],
    ),
    "repeat": (
        *(REPEAT_CODE, FIT_LIBRARIES),
        [
            "hilum.training.kept_repeats",
            "hilum.training.plan",
            "hilum.finishing.model",
            "hilum.finishing.training_folder",
            "hilum.finishing.every_folder",
            f"{SCORING}.epochs",
            f"{SCORING}.decisions",
            f"{SCORING}.calibration",
        ],
    ),
}
LISTS["training"] = (
    *(TRAINING_CODE, FIT_LIBRARIES),
    ["hilum.training.kept_trainings", "hilum.training.task", f"{SCORING}.epochs"],
)
STAGES = {"repeat": {"stages/train.py"}}  # a stage that itself writes what is kept; what else it imports lists it not
DECIDE_NOTHING = {  # imported by what makes them, and in no list -> why
    "code_version.py": "makes the hash of the lists",
    "records.py": "names of columns, types of arrays",
    "progress.py": "what a person sees meanwhile",
    "workspace.py": "where files lie",
    "processors.py": "the keys hold what it finds",
    "ownership.py": "which process searches; the trials are the same",
    "addresses.py": "keeps passwords out of lines",
    "cells.py": "texts of tables as they were before they were written; the keys hold the films, labels and parts that they name",
    "models/declared_size.py": "refuses a stranger's file; a model that is loaded is the same",
    "data/prepared/geometry.py": "where a raw film lies in its prepared one: for masks, which no training reads",
    "data/prepared/whole_masks.py": "masks as they were drawn, which no training reads",
    "settings/params.py": "which values are legal; the keys hold the values",
    "settings/training.py": "the same",
    "settings/tune.py": "the same",
    "settings/training_faults.py": "the same",
    "settings/sources.py": "the same",
    "settings/explain.py": "the same",
    "settings/search_space.py": "the same",
    "settings/schema.py": "the same",
    "settings/yaml_text.py": "the same",
    "settings/errors.py": "how a fault in them is told",
}
IN_KEYS_ALONE = {"results.py": "hashes what keys of studies and trainings hold; a fold is read and written by it"}
NOT_OF_STUDIES = {"data/splits.py": "draws parts and folds, which the keys hold as they were drawn; a trial draws its own"}
PACKAGES = {"PIL": "pillow", "imblearn": "imbalanced-learn", "sklearn": "scikit-learn"}
OTHERS = {  # libraries that these files import and no list has -> why
    "h5py": "names the layer that a file of weights does not fit; Keras reads the file",
    "keras_hub": "its version is in the hash of a preset, which the keys hold",
    "pydantic": "holds settings",
    "sqlalchemy": "names a fault of the database",
    "yaml": "reads the values that a search found; the keys hold them",
}


@pytest.mark.parametrize("kept", LISTS)
def test_a_list_holds_what_its_makers_import_but_what_decides_nothing(kept: str) -> None:
    listed, _, makers = LISTS[kept]
    behind = set().union(*(files_behind(maker) for maker in makers))
    left_out = {*DECIDE_NOTHING, *(IN_KEYS_ALONE if kept in ("study", "training") else {})}
    left_out |= set() if kept == "study" else {*NOT_OF_STUDIES}
    assert set(listed) - STAGES.get(kept, set()) == behind - left_out
    assert len(set(listed)) == len(listed)


def test_what_is_left_out_with_a_reason_is_imported() -> None:
    behind = set().union(*(files_behind(maker) for _, _, makers in LISTS.values() for maker in makers))
    assert {*DECIDE_NOTHING, *IN_KEYS_ALONE} <= behind


def test_libraries_that_listed_files_import_are_listed() -> None:
    installed = set(code_version.metadata.packages_distributions())
    for kept, (listed, libraries, _) in LISTS.items():
        imported = {name.split(".")[0] for file in listed for name in imports_of(PACKAGE / file)} & installed
        assert {PACKAGES.get(name, name) for name in imported - {"hilum", *OTHERS}} <= set(libraries), kept


def test_another_version_of_a_library_is_another_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    before = made_by(FEATURE_CODE, FEATURE_LIBRARIES)
    real = code_version.metadata.version
    for library in FEATURE_LIBRARIES:
        with monkeypatch.context() as patch:
            patch.setattr(code_version.metadata, "version", lambda name, other=library: "0" if name == other else real(name))
            assert made_by(FEATURE_CODE, FEATURE_LIBRARIES) != before, library
    assert made_by(FEATURE_CODE, FEATURE_LIBRARIES) == before


@pytest.mark.parametrize(
    ("file", "discarded"),
    [
        ("training/learning/augmentation.py", {"activations", "study", "fold", "training", "repeat"}),
        ("models/forward.py", {"activations", "study", "fold", "training", "repeat"}),
        ("training/learning/fit.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/convex.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/imbalance.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/learner.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/schedules.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/averaging.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/mixup.py", {"study", "fold", "training", "repeat"}),
        ("training/task.py", {"study", "fold", "training", "repeat"}),
        ("settings/meaning.py", {"study", "fold", "training", "repeat"}),
        ("data/prepared/loading.py", {"study", "fold", "training", "repeat"}),
        ("evaluation/scoring/metrics.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/state.py", {"study", "fold", "training", "repeat"}),
        ("training/learning/kept_state.py", {"study", "fold", "training", "repeat"}),
        ("training/kept_trainings.py", {"training"}),
        ("ownership.py", set()),
        ("training/searching/search.py", {"study"}),
        ("training/searching/proposals.py", {"study"}),
        ("training/trial_films.py", {"study"}),
        ("training/workers/executors.py", set()),
        ("training/trial.py", {"study"}),
        ("training/fold.py", {"fold"}),
        ("training/sealed_folders.py", {"fold", "repeat"}),
        ("training/kept_repeats.py", {"repeat"}),
        ("stages/train.py", {"repeat"}),
        ("finishing/model.py", {"repeat"}),
        ("finishing/every_folder.py", {"repeat"}),
        ("finishing/training_folder.py", {"repeat"}),
        ("training/plan.py", {"repeat"}),
        ("data/folds.py", {"study", "fold"}),
        ("data/splits.py", {"study"}),
        ("evaluation/scoring/decisions.py", {"fold", "repeat"}),
        ("evaluation/scoring/calibration.py", {"fold", "repeat"}),
        ("evaluation/scoring/scaling.py", {"fold", "repeat"}),
        ("stages/tune.py", set()),
        ("stages/crossvalidate.py", set()),
        ("evaluation/contradictions.py", set()),  # which a cross-validation draws
        ("evaluation/statistics.py", set()),  # computed anew from the answers of a fold
        ("evaluation/style.py", set()),
        ("explain/drawing/panels.py", set()),
        ("pages/comparison.py", set()),
        ("pages/comparison.html", set()),
        ("evaluation/contact_sheet.py", set()),
        ("settings/params.py", set()),
        ("tracking/open_run.py", set()),
        ("runs.py", set()),
        ("progress.py", set()),
    ],
)
def test_an_edit_discards_what_the_file_decides_and_nothing_else(
    file: str, discarded: set[str], root: Path, tmp_path: Path, edit_code: Callable[[str], None]
) -> None:
    params = check_params(shrink_arms(yaml.safe_load((root / "params.yaml").read_text())))
    workspace = Workspace(tmp_path, tmp_path)
    workspace.pretrained.mkdir(parents=True)
    (workspace.pretrained / f"{params.arms['baseline'].backbone}.weights.h5").write_bytes(b"weights")
    before = names(params, workspace)
    edit_code(file)
    after = names(params, workspace)
    assert {kept for kept in before if before[kept] != after[kept]} == discarded


def names(params: Params, workspace: Workspace) -> dict[str, str]:
    """The names under which the caches keep what they keep."""
    versions = {"data_version": "a", "split_version": "b"}
    return {
        "activations": made_by(FEATURE_CODE, FEATURE_LIBRARIES),
        "study": study_name("baseline", fixed_part(params, "baseline", versions, workspace)),
        "fold": str(keep_folds(workspace.cache, "baseline", {}).folder),
        "training": made_by(TRAINING_CODE, FIT_LIBRARIES),
        "repeat": str(keep_repeats(workspace.cache, "baseline", {}).folder),
    }
