"""The house: imports go down only, rooms form no circle, heavy libraries stay at home, dvc.yaml declares what stages import."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from architecture import PACKAGE, SRC, files_behind, imports_of, modules

from hilum.project.earlier_stages import OF_ENSEMBLES

TESTS = Path(__file__).parent
FLOORS = [  # from the top; parts of one floor do not import each other
    {"__main__"},
    {"cli"},
    {"completion", "examples", "options"},
    {"stages"},
    {"app"},
    {"doctor"},
    {"project"},
    {"pages"},
    {"reading"},
    {"audit", "finishing", "serving"},
    {"training", "evaluation", "explain", "runs"},
    {"ensembles"},
    {"models"},
    {"data"},
    {"tracking"},
    {"results", "commit", "progress", "pictures", "code_version", "ownership", "packages", "masked_output"},
    {"workspace", "addresses", "cells", "exits", "full_disk", "loading", "processors", "whole_files"},
    {"settings", "records"},
]
ROOMS = {  # the floors inside a part; "": the files that stand in no room of their own
    "data": [{"manifest"}, {""}, {"readers", "quality"}, {"decoding", "phantom"}, {"burned_in"}, {"prepared"}],
    "evaluation": [{"outside"}, {""}, {"scoring"}],
    "explain": [
        *(
            {"outputs", "maps", "chexlocalize"},
            {"saved_maps", "shown_films"},
            {"sheets"},
            {"drawing"},
            {"sanity"},
            {"measures"},
            {"methods"},
        ),
        {"explained_model", "map_layers"},
    ],
    "pages": [{""}, {"data_report"}, {"chart_script", "film_pictures", "levels", "templates"}, {"numbers"}],
    "settings": [
        *({"roots"}, {"params"}, {"training_faults"}, {"meaning"}, {"tune"}, {"training", "explain", "sources", "errors"}),
        {"schema"},
        {"search_space", "yaml_text"},
    ],
    "training": [{""}, {"searching", "learning", "workers"}],
}
HOMES = {
    "mlflow": {"tracking"},
    "optuna": {"training"},
    "dask": {"training"},
    "distributed": {"training"},
    "dask_jobqueue": {"training"},
    "imblearn": {"training"},
    "cv2": {"data"},
    "rapidocr": {"data"},
    "shap": {"explain"},
    "lime": {"explain"},
    "tf_keras_vis": {"explain"},
    "skimage": {"explain"},
    "pydicom": {"data"},
    "jinja2": {"pages"},
    "dvc": {"project"},
    "shtab": {"completion"},
    "streamlit": {"app"},
    "starlette": {"app"},
    "altair": {"pages"},
    "vl_convert": {"pages"},
    "tensorflow": {"models", "training", "explain", "audit", "tracking"},
    "keras_hub": {"models"},
    "keras": {"models", "ensembles", "training", "explain", "audit", "tracking", "reading"},
}
NOT_IN_TRAINING = (  # what no edit of may train a model anew
    *("data/readers", "data/decoding", "data/quality", "data/burned_in", "data/phantom", "explain", "pages", "audit", "serving"),
    "project",
)
EXEMPT = {  # decide no result, so an edit re-runs nothing
    *(
        "settings/params.py",
        "settings/training.py",
        "settings/tune.py",
        "settings/explain.py",
        "settings/sources.py",
        "settings/errors.py",
    ),
    *("settings/roots.py", "settings/schema.py", "settings/training_faults.py", "settings/yaml_text.py"),
    *("settings/search_space.py", "workspace.py", "cli.py", "runs.py", "progress.py"),
    "pages/search.py",  # what it makes is logged in the run of a search, and is in no folder of results
    *(path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "tracking").glob("*.py")),
}
ONLY_HERE = {  # what one file does for the whole house, by the words that would do it elsewhere
    ".savefig(": "pictures.py",
    "rcParams.update(": "pictures.py",
    "b64encode": "pages/templates.py",
    "Environment(": "pages/templates.py",
    "import keras_hub": "models/hub.py",
    "import RapidOCR": "data/burned_in/ocr.py",
}
FROM_EXEMPT = {  # all that other files take from exempt ones that do more than check values: none of it is written into an output
    "runs": {
        *("MEASURED", "arm_run", "code_tags", "fits", "fold_metrics", "log_films", "log_history", "log_measured", "log_results"),
        *("log_joined", "log_search", "log_training"),
    },
    "tracking.connection": {"is_server"},
    "tracking.links": {"PORT", "compare_link", "page_address"},
    # what pages of any runs are made from
    "tracking.found_runs": {"FoundRun", "START_OF_ID", "WHOLE_ID", "fetch_results", "look_up_run", "search_arms"},
    "tracking.open_run": {"Run"},
    "tracking.opening": {"open_store", "read_store", "store_uri"},  # store_uri: for a line on the terminal
    "tracking.project_run": {"VARIABLE", "describe_project_run", "project_run"},
    "tracking.repeat_runs": {"log_measured_repeats", "log_repeat", "log_repeats", "repeat_tags"},
    "tracking.run_notes": {"COMMAND", "comparison_note"},  # the latter for a run's description
    "tracking.saved_views": {"find_views", "link_views", "save_views"},
    "tracking.stage_keys": {"stage_key"},
    "tracking.store": {"Store"},
    "tracking.stored_models": {"fetch_model", "find_model"},
    "tracking.tensorboard": {"name_curves", "with_curves"},
    "tracking.ui_server": {"check_port", "serve"},
    "settings.params": {
        *("Audit", "Compare", "Evaluate", "Params", "Tracking", "check_compared", "check_params", "find_arm", "find_ensemble"),
        "read_params",
    },
    "settings.yaml_text": {"FLOAT", "INT", "Loader", "read_int", "read_yaml"},
    "settings.roots": {"FILE", "VARIABLE", "check_roots", "read_external_roots", "read_roots"},
    "pages.search": {"log_page"},
    "progress": {"bar", "lines_to", "say", "say_wrapped", "steps", "tell_bytes", "tell_seconds", "tell_time_left"},
    "workspace": {"Workspace", "find_workspace", "home"},
}
OUTSIDE = {  # imported by a stage for what it does outside of the graph
    "evaluate": ("project", "`evaluate --model` measures any model on any films, which no stage does"),
    "explain": ("serving", "`explain --image` explains one film, which no stage does"),
}
BEYOND = {  # declared though not all of it is imported, so that the list can be read: stage -> folder -> why
    "prepare": {"data/quality": "all but what pretraining alone asks; the films come from the cache"},
    "compare": {
        "evaluation": "figures of all arms, external tests; a few seconds",
        "explain/measures": "the page prints the registry of measures, whose rows lead to nearly all of the room",
        "pages": "all but the data report's confounding, and the pages of any model on any films and of a search",
    },
}
JOINS = {"ensemble"}  # makes a model of models
TRAINS = {"pretrain", "tune", "train", "crossvalidate"}
MEASURES = {"evaluate", "explain", "audit", "external", "compare"}
PREPARES = {"prepare", "pretrain", "external"}  # films of a source
RERUN = {  # a changed byte in this file re-runs exactly these stages; of a room, these stages read something
    "data/readers": {"acquire", *PREPARES},
    "data/readers/kermany.py": PREPARES,
    "data/readers/identity.py": {"acquire", *PREPARES},
    "data/readers/table_files.py": PREPARES,
    "data/decoding/levels.py": PREPARES,
    "data/decoding/dicom_values.py": PREPARES,
    "data/decoding/limits.py": PREPARES,
    "data/readers/listing.py": PREPARES,
    "data/decoding/links.py": {"acquire", *PREPARES},
    "data/burned_in": {"acquire", "split", "audit", *PREPARES},
    "data/phantom": {"acquire", *PREPARES},
    "data/prepared/loading.py": {"prepare", "split", *JOINS, *TRAINS, *MEASURES},
    "data/masks.py": {*PREPARES, "explain", "audit", "compare"},
    "data/quality/oddities.py": {"prepare"},
    "data/quality/alike/leaks.py": PREPARES,
    "data/manifest": PREPARES,
    "data/same_people.py": {"external"},
    "evaluation/outside": {"external", "compare"},
    "data/fingerprints.py": {"acquire"},
    "data/readers/system_files.py": {"acquire", *PREPARES},
    "data/splits.py": {"split", "pretrain", "tune", "crossvalidate"},
    "data/folds.py": {"split", "tune", "crossvalidate"},
    "data/sheets.py": {"prepare"},
    "data/annotations.py": {"explain", "compare"},
    "data/prepared": {"prepare", "split", *JOINS, *TRAINS, *MEASURES},
    "data/decoding": {"acquire", *PREPARES},
    "data/quality": {"split", *PREPARES},
    "explain/methods": {"explain", "audit", "compare"},
    "explain/methods/members.py": {"explain", "audit", "compare"},
    "ensembles": {"ensemble", "explain", "audit", "compare"},
    "ensembles/members.py": {"ensemble"},
    "ensembles/graph.py": {"ensemble", "explain", "audit", "compare"},
    "explain/measures": {"explain", "compare"},
    "explain/drawing": {"explain", "audit", "compare"},
    "audit": {"audit", "compare"},
    "pages": {"split", "compare"},
    "training": {*TRAINS, "evaluate"},
    "models": {*JOINS, *TRAINS, *MEASURES},
    "models/declared_size.py": {*JOINS, *TRAINS, *MEASURES},
    "code_version.py": {*PREPARES, *TRAINS},
    "training/learning/fit.py": TRAINS,
    "training/learning/convex.py": TRAINS,
    "training/learning/sealed_arrays.py": TRAINS,
    "training/trial.py": {"tune"},
    "training/fold.py": {"crossvalidate"},
    "training/learning/augmentation.py": {*TRAINS, "evaluate"},  # which draws views
    "training/searching": {"tune"},
    "ownership.py": TRAINS,
    "training/kept_folds.py": {"crossvalidate"},
    "training/kept_trainings.py": TRAINS - {"tune"},
    "training/task.py": TRAINS,
    "training/kept_repeats.py": {"train"},
    "training/plan.py": {"train"},
    "training/sealed_folders.py": {"train", "crossvalidate"},
    "evaluation/repeats.py": {"evaluate", "compare"},
    "pages/repeats.py": {"compare"},
    "training/learning/learner.py": TRAINS,
    "evaluation/scoring/metrics.py": {*JOINS, *TRAINS, "evaluate", "audit", "external", "compare"},
    "evaluation/scoring/epochs.py": {*JOINS, *TRAINS, "evaluate", "compare"},
    "evaluation/figures.py": {"evaluate", "compare"},
    "evaluation/contact_sheet.py": {"evaluate", "compare"},
    "evaluation/arm_figures.py": {"compare"},
    "evaluation/contradictions.py": {"crossvalidate", "compare"},
    "explain/methods/lime_superpixels.py": {"explain", "compare"},
    "explain/methods/gradcam.py": {"explain", "audit", "compare"},
    "explain/measures/faithfulness.py": {"explain", "compare"},
    "explain/measures/tables.py": {"explain", "compare"},
    "explain/sanity/gate.py": {"explain"},
    "explain/shown_films.py": {"explain", "compare"},
    "evaluation/shared_films.py": {"compare"},
    "evaluation/simultaneous.py": {"compare"},
    "explain/drawing/panels.py": {"explain", "compare"},
    "explain/drawing/file_names.py": {"explain", "compare"},
    "explain/drawing/cells.py": {"explain"},
    "explain/sheets": {"explain"},
    "explain/outputs.py": {"explain"},
    "audit/evidence.py": {"audit"},
    "audit/rule.py": {"audit", "compare"},
    "pages/comparison.py": {"compare"},
    "pages/external.py": {"compare"},
    "pages/any_evaluation.py": {"compare"},
    "pages/levels.py": {"split", "compare"},
    "pages/comparison.html": {"compare"},
    "pages/film_room.py": {"compare"},
    "pages/charts.py": {"compare"},
    "pages/chart_parts.py": {"compare"},
    "project/comparison_files.py": {"compare"},
    "pages/page.js": {"split", "compare"},
    "pages/data_report": {"split", "compare"},
    "pages/chart_script.py": {"split", "compare"},
    "pages/templates.py": {"split", "compare"},
    "pages/style.html": {"split", "compare"},
    "pictures.py": {"prepare", "split", "tune", "crossvalidate", *MEASURES} - {"external"},
    "serving": set(),
    "reading": set(),
    "project/faults.py": set(),
    "project/publication.py": set(),
    "settings/meaning.py": {"split", "compare", *PREPARES, *TRAINS},
    "settings/params.py": set(),
    "commit.py": {"compare"},
    "settings/roots.py": set(),
    "tracking": set(),
    "addresses.py": set(),
    "runs.py": set(),
}
NEIGHBOURS = {  # files without a test of their name: the test that has them as its subject, and loads or starts them
    "audit/test_evidence.py": ("audit/auditee.py", "audit/blame.py", "audit/exchange.py"),
    "finishing/test_training_folder.py": ("finishing/every_folder.py",),
    "models/test_own_backbone.py": ("models/own_layers.py",),
    "training/learning/test_kept_state.py": ("training/learning/state.py",),
    "pages/test_audit.py": ("audit/drawing.py",),
    "pages/test_comparison.py": ("pages/headline.py",),
    "pages/test_film_room.py": ("pages/chart_parts.py", "pages/chart_script.py"),
    "pages/data_report/test_film_sheet.py": ("pages/film_pictures.py", "pages/data_report/confounding_charts.py"),
    "project/test_chosen_runs.py": ("project/any_runs.py", "project/comparison_parts.py", "tracking/found_runs.py"),
    "pages/data_report/test_report.py": ("data/quality/pair_sheet.py",),
    "pages/test_search.py": ("pages/parallel_axes.py", "pages/search_charts.py", "pages/searched_trials.py"),
    "pages/test_page_words.py": ("pages/arm_results.py",),
    "data/manifest/test_building.py": (
        *("data/manifest/film_problems.py", "data/manifest/joined_sources.py", "data/manifest/prepared_set.py"),
    ),
    "data/burned_in/test_covering.py": ("data/burned_in/glyphs.py", "data/burned_in/letters.py", "data/decoding/covered_film.py"),
    "data/burned_in/test_text.py": ("data/burned_in/strokes.py",),
    "data/burned_in/test_ocr.py": ("data/burned_in/search.py",),
    "data/decoding/test_bombs.py": ("data/decoding/codestream.py", "data/decoding/limits.py", "data/decoding/images.py"),
    "data/decoding/test_dicom.py": ("data/decoding/dicom_header.py",),
    "data/decoding/test_formats.py": (
        *("data/decoding/film_read.py", "data/decoding/kinds.py", "data/decoding/netpbm.py", "data/decoding/tiff.py"),
    ),
    "data/decoding/test_film_cache.py": ("data/decoding/decoding.py", "data/decoding/reading.py", "code_version.py"),
    "data/phantom/test_phantom.py": (
        *("data/phantom/anatomy.py", "data/phantom/exposure.py", "data/phantom/lesions.py", "data/phantom/population.py"),
    ),
    "data/prepared/test_loading.py": ("data/masks.py", "data/prepared/whole_masks.py"),
    "data/quality/test_oddities.py": ("data/quality/lateral.py", "data/quality/trunk.py"),
    "data/readers/test_dicom_folder.py": ("data/readers/dicom_listing.py", "data/readers/dicom_marks.py"),
    "data/readers/test_folder.py": ("data/readers/sidecar.py",),
    "data/readers/test_found_files.py": ("data/readers/system_files.py",),
    "data/readers/test_registry.py": ("data/readers/kermany.py", "data/readers/listing.py"),
    "evaluation/test_repeat_tables.py": ("evaluation/repeat_figures.py",),
    "evaluation/test_figures.py": ("evaluation/arm_figures.py", "evaluation/style.py"),
    "evaluation/scoring/test_metrics.py": ("evaluation/scoring/checks.py",),
    "explain/drawing/test_panels.py": ("explain/drawing/annotations.py",),
    "explain/measures/test_registry.py": (
        *("explain/measures/evaluation_case.py", "explain/measures/reference_maps.py", "explain/measures/tables.py"),
    ),
    "explain/methods/test_cams.py": (
        *("explain/methods/gradcam_plus_plus.py", "explain/methods/layercam.py", "explain/methods/scorecam.py"),
    ),
    "explain/methods/test_registry.py": ("explain/explained_model.py", "explain/methods/captions.py"),
    "explain/methods/test_shapley.py": ("explain/methods/shap_partition.py",),
    "explain/sanity/test_gate.py": ("explain/sanity/verdicts.py", "explain/drawing/stamp.py"),
    "explain/sheets/test_registry.py": (
        *("explain/sheets/channel_drawing.py", "explain/sheets/lime_drawing.py", "explain/drawing/tiles.py"),
    ),
    "settings/test_params.py": (
        *("settings/errors.py", "settings/meaning.py", "settings/search_space.py", "settings/sources.py"),
        *("settings/training.py", "settings/training_faults.py", "settings/tune.py"),
    ),
    "doctor/test_registry.py": (
        *("doctor/environment.py", "doctor/finding.py", "doctor/inputs.py", "doctor/interruptions.py", "doctor/machine.py"),
        *("doctor/pipeline.py", "doctor/processes.py", "doctor/stores.py", "stages/doctor.py"),
        *("tracking/left_runs.py", "training/left_trials.py"),
    ),
    "app/test_app.py": (
        *("app/export_buttons.py", "app/fields.py", "app/film_page.py", "app/known_models.py", "app/main.py"),
        *("app/map_section.py", "app/prediction_bars.py", "app/session.py", "app/sidebar.py", "app/styles.py"),
    ),
    "app/test_film_maps.py": ("app/film_predictions.py", "app/served_models.py"),
    "app/test_server.py": ("app/startup.py",),
    "test_cli.py": ("options.py", "completion.py", "examples.py", "exits.py"),
    "app/test_blinded.py": (*("app/blinded_reveal.py", "app/blinded_task.py", "app/marking.py", "app/marking_reader.py"),),
    "reading/test_agreement.py": ("reading/answered_films.py",),
    "reading/test_references.py": ("reading/features.py", "reading/unlike.py"),
    "reading/test_store.py": ("reading/records.py",),
    "stages/test_reading.py": ("project/readings.py",),
    "serving/test_export.py": ("loading.py", "serving/engines.py", "stages/export.py"),
    "serving/test_folder.py": (*("serving/predictions.py", "serving/folder_panels.py", "stages/predict.py"),),
    "models/test_backbones.py": ("models/body.py", "models/cuts.py"),
    "models/test_hub.py": ("models/dinov2.py",),
    "stages/test_compare.py": ("project/comparison_files.py",),
    "stages/test_check.py": ("project/faults.py", "project/own_backbones.py"),
    "stages/test_experiment.py": ("project/overrides.py",),
    "stages/test_evaluate.py": ("evaluation/written_figures.py",),
    "stages/test_explain.py": (*("explain/measures/summary.py", "serving/one_film.py", "serving/verdicts.py"),),
    "stages/test_external.py": (
        *("data/same_people.py", "evaluation/outside/cross_fitted_baselines.py", "evaluation/outside/external.py"),
    ),
    "project/test_any_evaluation.py": (
        *("pages/any_evaluation.py", "evaluation/outside/frozen_tables.py", "project/any_maps.py", "project/chosen_films.py"),
        "project/predicted_films.py",
    ),
    "project/test_hit_rates.py": ("project/annotated_maps.py",),
    "project/test_labelled_films.py": ("project/table_columns.py",),
    "project/test_recalibration.py": (
        *("project/recalibrated_model.py", "project/recalibration_words.py", "project/site_version.py", "stages/recalibrate.py"),
    ),
    "evaluation/test_site_learning_curve.py": ("evaluation/site_figures.py",),
    "stages/test_acquire.py": ("data/decoding/links.py",),
    "stages/test_prepare.py": ("data/readers/raw_films.py",),
    "stages/test_train.py": ("training/plan.py",),
    "stages/test_ensemble.py": ("stages/fingerprint.py", "ensembles/members.py", "pages/ensembles.py"),
    "stages/test_ui.py": ("project/desktop.py", "tracking/ui_server.py"),
    "tracking/test_contact.py": ("tracking/connection.py",),
    "training/searching/test_search.py": ("training/searching/proposals.py", "training/searching/pruning.py"),
    "training/test_kept_folds.py": ("training/sealed_folders.py",),
    "training/test_kept_repeats.py": ("tracking/repeat_runs.py",),
    "training/learning/test_fit.py": ("training/learning/feed.py", "data/prepared/examples.py"),
    "evaluation/test_statistics.py": ("records.py",),
    "test_pipeline.py": ("stages/publish.py",),
    "test_remote.py": ("stages/verify.py",),
}
LONGEST = 50  # lines of a function from `def` to its end, signature included, docstring left out: it holds the shapes
MAY_BE_LONGER = {  # function -> why
    "explain/methods/lime_superpixels.py explain": "one idea: the one call of LIME for each film, an argument a line",
}


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def floor_of(module: str) -> tuple[int, int]:
    """How far down a module stands: of its part in the house, of its room in the part."""
    part, *rest = module.split(".")[1:]
    house = next(i for i, floor in enumerate(FLOORS) if part in floor)
    rooms = ROOMS.get(part, [{""}])
    named = rest[0] if rest and any(rest[0] in floor for floor in rooms) else ""
    inside = next((i for i, floor in enumerate(rooms) if named in floor), None)
    assert inside is not None or not rest, f"{module} stands in no room of {part}"
    return house, inside or 0


def room_of(module: str) -> str:
    """`data.decoding` for a module in a folder of a part, else `data`; a file that ROOMS names is a room of its own."""
    part, *rest = module.split(".")[1:]
    named = rest and (len(rest) > 1 or any(rest[0] in floor for floor in ROOMS.get(part, [])))
    return f"{part}.{rest[0]}" if named else part


@functools.cache
def stage_bodies() -> dict[str, dict]:
    """The text of every stage; those of ensembles, which have that of arms, are left out."""
    stages = yaml.safe_load((SRC.parent / "dvc.yaml").read_text())["stages"]
    return {name: body.get("do", body) for name, body in stages.items() if not name.endswith(OF_ENSEMBLES)}


def declared_code(verb: str) -> set[str]:
    """The files and folders of code that dvc.yaml declares for a stage, below the package."""
    return {dep.removeprefix("src/hilum/") for dep in stage_bodies()[verb].get("deps", []) if dep.startswith("src/")}


def is_below(file: str, place: str) -> bool:
    return file == place or file.startswith(f"{place}/")


def wanted_code(verb: str) -> set[str]:
    """The files that decide what a stage makes."""
    outside, _ = OUTSIDE.get(verb, ("", ""))
    left_out = {path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / outside).glob("*.py")} if outside else set()
    return files_behind(f"hilum.stages.{verb}", {*EXEMPT, *left_out})


ALL = [module for module in modules() if module != "hilum" and modules()[module].name != "__init__.py"]


@pytest.mark.parametrize("module", ALL)
def test_imports_go_down_only(module: str) -> None:
    own = floor_of(module)
    for name in imports_of(modules()[module]):
        if name in ALL and room_of(name) != room_of(module):
            there = floor_of(name)
            assert there > own and (there[0] > own[0] or part_of(name) == part_of(module)), (
                f"{module} imports {name}, which stands above or beside it"
            )


@pytest.mark.parametrize("what", ["file", "room"])
def test_nothing_goes_in_a_circle(what: str) -> None:
    """Neither files nor rooms, imports inside functions included."""
    graph: dict[str, set[str]] = {}
    for module in ALL:
        for name in imports_of(modules()[module]):
            if name in ALL:
                ends = (module, name) if what == "file" else (room_of(module), room_of(name))
                if ends[0] != ends[1]:
                    graph.setdefault(ends[0], set()).add(ends[1])
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("module", [module for module in ALL if part_of(module) == "stages"])
def test_no_stage_imports_another(module: str) -> None:
    assert not [name for name in imports_of(modules()[module]) if part_of(name) == "stages"]


@pytest.mark.parametrize("module", ALL)
def test_heavy_libraries_stay_at_home(module: str) -> None:
    for name in imports_of(modules()[module]):
        top = name.split(".")[0]
        assert part_of(module) in HOMES.get(top, {part_of(module)}), f"{module} imports {name}; its home is {HOMES.get(top)}"


@pytest.mark.parametrize("words", ONLY_HERE)
def test_one_file_does_this_for_all(words: str) -> None:
    """A PNG of a figure, the look that a figure is drawn under, an embedded picture, the environment of all templates."""
    found = {path.relative_to(PACKAGE).as_posix() for path in modules().values() if words in path.read_text()}
    assert found == {ONLY_HERE[words]}


def test_every_module_has_a_floor_and_there_are_no_stray_folders() -> None:
    for module in ALL:
        floor_of(module)
    assert not [p for p in PACKAGE.rglob("*") if p.stem in {"utils", "helpers", "common", "base", "manager"}]


@pytest.mark.parametrize("verb", sorted(stage_bodies()))
def test_dvc_declares_the_code_that_a_stage_imports(verb: str) -> None:
    if verb == "check":  # runs at every call
        assert not declared_code(verb)
        return
    declared, wanted = declared_code(verb), wanted_code(verb)
    covered = {
        file.relative_to(PACKAGE).as_posix()
        for place in declared
        for file in ([PACKAGE / place] if (PACKAGE / place).is_file() else (PACKAGE / place).rglob("*"))
        if file.suffix in (".py", ".html", ".js") and (PACKAGE / place == file or file.name != "__init__.py")
    }
    beyond = BEYOND.get(verb, {})
    superfluous = {file for file in covered - wanted if not any(is_below(file, place) for place in beyond)}
    assert wanted <= covered and not superfluous, f"missing: {sorted(wanted - covered)}; superfluous: {sorted(superfluous)}"
    assert set(beyond) <= declared, "a reason is given for what is not declared"
    assert not [a for a in declared for b in declared if a != b and is_below(a, b)], "declared twice"


@pytest.mark.parametrize("exempt", FROM_EXEMPT)
def test_what_decides_results_does_not_come_from_files_that_re_run_nothing(exempt: str) -> None:
    """A new name belongs in the table only if nothing that it gives is written into an output; else its place is elsewhere."""
    assert f"{exempt.replace('.', '/')}.py" in EXEMPT
    taken = {
        alias.name
        for module in ALL
        if f"{module.removeprefix('hilum.').replace('.', '/')}.py" not in EXEMPT
        for node in ast.walk(ast.parse(modules()[module].read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == f"hilum.{exempt}"
        for alias in node.names
    }
    assert taken == FROM_EXEMPT[exempt]


def test_the_code_that_stages_declare_can_be_read() -> None:
    assert sum(len(declared_code(verb)) for verb in stage_bodies()) < 300


def test_ensembles_are_measured_by_the_stages_of_arms() -> None:
    """By the very same text, which names no other arm: adding one runs its own stages, and those that read all arms."""
    stages = yaml.safe_load((SRC.parent / "dvc.yaml").read_text())["stages"]
    own = {name.removesuffix(OF_ENSEMBLES): stage for name, stage in stages.items() if name.endswith(OF_ENSEMBLES)}
    assert set(own) == MEASURES - {"compare"}
    for verb, stage in own.items():
        assert stage == {"foreach": "${ensembles}", "do": stages[verb]["do"]}
    reads = {name for name, body in stage_bodies().items() if "ensembles" in str(body.get("params", []))}
    assert reads == {"ensemble", "compare"}


@pytest.mark.parametrize("place", RERUN)
def test_a_changed_byte_re_runs_exactly_these_stages(place: str) -> None:
    """By dvc.yaml: a stage runs again where it declares the file or a folder above it; of a folder, some byte below it counts."""
    assert (PACKAGE / place).exists()
    rerun = {verb for verb in stage_bodies() if any(is_below(place, dep) or is_below(dep, place) for dep in declared_code(verb))}
    assert rerun == RERUN[place]


@pytest.mark.parametrize("verb", sorted(TRAINS - {"pretrain"}))  # which prepares films of its own
def test_no_reader_decoder_drawing_or_page_can_train_a_model_anew(verb: str) -> None:
    assert not [file for file in wanted_code(verb) if any(is_below(file, room) for room in NOT_IN_TRAINING)]
    if verb not in ("crossvalidate", "tune"):  # which draw: one what it trained, the other its search, into the run alone
        for library in ("matplotlib", "ImageDraw"):
            assert not [file for file in wanted_code(verb) if library in (PACKAGE / file).read_text()]
    if verb != "tune":
        assert not [file for file in wanted_code(verb) if is_below(file, "training/searching")]


def test_training_stands_on_no_reader_decoder_drawing_or_page() -> None:
    for module in ALL:
        if part_of(module) == "training":
            assert not [file for file in files_behind(module) if any(is_below(file, room) for room in NOT_IN_TRAINING)], module


@pytest.mark.parametrize(
    "module", ["hilum.cli", "hilum.settings.params", "hilum.evaluation.scoring.metrics", "hilum.explain.methods.registry"]
)
def test_light_modules_do_not_load_tensorflow(module: str) -> None:
    code = f"import sys; import {module}; sys.exit('tensorflow' in sys.modules or 'mlflow' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SRC), "PATH": ""}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr


def functions_of(path: Path) -> dict[str, int]:
    """Every function of a file, and how many lines it has without its docstring."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            told = 0 if ast.get_docstring(node) is None else (first.end_lineno or 0) - first.lineno + 1
            found[node.name] = max((node.end_lineno or 0) - node.lineno + 1 - told, found.get(node.name, 0))
    return found


def test_a_function_fits_a_screen() -> None:
    lengths = {
        f"{path.relative_to(PACKAGE).as_posix()} {name}": lines
        for path in modules().values()
        for name, lines in functions_of(path).items()
    }
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST and name not in MAY_BE_LONGER} == {}
    assert {name for name in MAY_BE_LONGER if lengths.get(name, 0) <= LONGEST} == set(), "they fit by now"


def own_test(module: str) -> Path:
    file = modules()[module].relative_to(PACKAGE)
    return TESTS / file.parent / f"test_{file.name}"


@pytest.mark.parametrize("module", [module for module in ALL if module != "hilum.__main__"])
def test_tests_mirror_the_source_tree(module: str) -> None:
    """A file has a test of its name in the same place, or a neighbour that NEIGHBOURS tells; never both."""
    file = modules()[module].relative_to(PACKAGE).as_posix()
    named = [test for test, files in NEIGHBOURS.items() if file in files]
    assert len(named) == (not own_test(module).is_file()), f"{file} is tested by {own_test(module)} or one row of NEIGHBOURS"


@pytest.mark.parametrize(("test", "file"), [(test, file) for test, files in NEIGHBOURS.items() for file in files])
def test_a_neighbour_loads_or_starts_what_it_tests(test: str, file: str) -> None:
    assert (PACKAGE / file).is_file() and (TESTS / test).is_file()
    texts = [TESTS / test, *(TESTS / "support" / f"{name}.py" for name in imports_of(TESTS / test))]
    names = {name for path in texts if path.is_file() for name in imports_of(path)}
    loaded = {other for name in names if name in modules() for other in files_behind(name)}
    verb = Path(file).stem if file.startswith("stages/") else ""
    assert file in loaded or (verb and f'"{verb}"' in (TESTS / test).read_text()), f"{test} never comes to {file}"


def test_only_named_stages_open_the_test_rows() -> None:
    allowed = {"split", "evaluate", "explain", "audit"}  # external tests films of its own
    for verb, body in stage_bodies().items():
        opens = any("test.csv" in dep or dep == "data/split" for dep in body.get("deps", []))
        assert not opens or verb in {*allowed, "compare"}, f"{verb} depends on the test rows"
    for verb in ("tune", "train", "pretrain", "crossvalidate", "ensemble"):
        for file in (f"stages/{verb}.py", "training/task.py", "training/fold.py"):
            text = (PACKAGE / file).read_text()
            assert '"test"' not in text and "test.csv" not in text


def test_every_picture_of_a_map_carries_the_stamp_of_the_sanity_gate() -> None:
    """A file that lays maps over films also calls what says on the picture that a method failed."""

    def called(path: Path) -> set[str]:
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        return {func.id for func in calls if isinstance(func, ast.Name)}

    drawing = {path.stem: called(path) for path in modules().values() if "draw_heat" in called(path)}
    assert drawing
    for name, calls in drawing.items():
        assert calls & {"stamp_map", "stamp_title"}, f"{name} draws maps and does not call stamp_map or stamp_title"
