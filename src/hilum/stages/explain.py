"""explain: one arm's predictions for the chosen films: arrays, panels, sheets, grids, and the quality of the maps.

With --image, a model's prediction for one film; with --films, its predictions and panels for a folder of films.
"""

import shutil
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.annotations import FilmAnnotations, load_annotations
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.evaluation.scoring.decisions import factors_of
from hilum.explain.drawing.panels import prediction_of
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.maps import background_films, draw_background, explain_films, remake
from hilum.explain.measures.agreement import agreement_by_chance, compare_methods, find_disagreement
from hilum.explain.measures.registry import wanted_measures
from hilum.explain.measures.summary import summarise_measures, summarise_pairs
from hilum.explain.measures.tables import add_references, measure_maps, tune_levels
from hilum.explain.methods.shap_gradients import hash_films
from hilum.explain.outputs import NOT_DRAWN, draw_grids, draw_panels, draw_sheets, keep_files, write_undrawn
from hilum.explain.sanity.gate import correlate_permuted, flat_sanity, judge
from hilum.explain.sanity.verdicts import stamp_sanity, verdicts_of
from hilum.explain.saved_maps import save_arrays
from hilum.explain.sheets.registry import SheetFilms, first_films
from hilum.explain.shown_films import save_shown_films
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.records import Attribution, Films, Keep, Labels, Predictions, make_now
from hilum.results import flatten, pick_films, read_json, read_predictions, run_key, write_json, write_table
from hilum.runs import arm_run, fits, log_results
from hilum.serving.folder import panels_beside
from hilum.serving.folder_workers import Workers, choose_workers
from hilum.serving.keras_folder import predict_by_keras
from hilum.serving.model_facts import Told
from hilum.serving.one_film import explain_image
from hilum.settings.explain import PREDICTED, TRUE, Explain
from hilum.settings.params import Params, read_params
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace, find_workspace

SECONDS = "config/seconds.json"  # artifact of the run: what each method took


def run(
    arm: str,
    image: str,
    model: str,
    methods: str,
    target: str,
    out: str,
    films: str = "",
    workers: str = "",
    executor: str = "",
    threads: str = "",
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    if sum(map(bool, (arm, image, films))) != 1:
        raise ValueError(
            "explain takes one of --arm (the films chosen by `split`), --image (one film, with --model) and --films (a folder of "
            "films, with --model)"
        )
    told = Told(classes, size, square, scaling, threshold)
    if arm and told != Told():
        raise ValueError(
            "--classes, --size, --square, --scaling and --threshold belong to --image and --films; an arm's own model.json has "
            "them"
        )
    if not films and (workers or executor or threads):
        raise ValueError("--workers, --executor and --threads belong to --films, whose films are shared out among workers")
    if arm:
        explain_arm(arm, workspace, params)
    elif films:
        explain_folder(Path(films), model, told, methods, target, Path(out), choose_workers(executor, workers, threads), params)
    else:
        asked = methods or ",".join([*params.explain.methods, *params.explain.sheets])
        explain_image(Path(image), model, told, asked, target, Path(out), workspace, params)


def explain_folder(
    films: Path, model: str, told: Told, methods: str, target: str, out: Path, chosen: Workers, params: Params
) -> None:
    """A panel for each film below a folder, and predictions.csv, in the folder `out`; what is there already is kept."""
    if not films.is_dir():
        raise ValueError(f"--films must be a folder of films, got {films}")
    if target != PREDICTED:
        raise ValueError(
            f"--target must be {PREDICTED} for --films, whose panels are of each film's predicted class, got {target!r}"
        )
    asked = methods or ",".join(params.explain.methods)
    predict_by_keras(model, films, out / "predictions.csv", asked, told, chosen, "--methods")
    say(f"panels: {panels_beside(out / 'predictions.csv')}")


def explain_arm(arm: str, workspace: Workspace, params: Params) -> None:
    """The stage: every chosen film under one arm."""
    settings = params.explain.model_copy(update={"measures": wanted_measures(params.explain.measures)})
    training = workspace.arm(arm, "training")
    description = read_json(training / "model.json")
    classes = description["classes"]
    trained = read_json(training / "settings.json")
    check_evaluated(arm, workspace, trained)
    store = open_store(workspace, params.tracking)
    folder = workspace.arm(arm, "explanations")
    shutil.rmtree(folder, ignore_errors=True)
    with arm_run(store, workspace, arm, "explanations", params.tracking.model, flatten(params.explain)) as opened:
        model = load_classifier(training / "model.keras")
        train = load_split(workspace.prepared, workspace.split, "train", classes)
        background = draw_background(train, background_films(settings), settings.seed)
        explained = ExplainedModel(predictor(model), model, background)
        listed = load_split(workspace.prepared, workspace.split, "explain", classes)
        films = listed.examples.films  # (N, H, W)
        predictions = read_predictions(workspace.arm(arm, "evaluation") / "predictions.csv", "test", tuple(classes))
        chosen = pick_films(predictions, list(listed.table["image_id"]))
        targets = choose_targets(settings.target, chosen)
        seconds: dict[str, float] = {}  # in the run, not in its files, whose bytes are the same each time
        found = explain_films(explained, films, targets, settings, settings.seed, seconds.__setitem__, opened.keep)
        save_arrays(folder, found, list(chosen.image_id))
        annotations = store_films(folder, films, list(chosen.image_id), workspace)
        levels = tune_on_validation(explained, classes, settings, workspace, settings.seed, opened.keep)
        metrics = measure(explained, films, found, chosen, annotations, levels, settings, folder, settings.seed, opened.keep)
        start = time.perf_counter()
        sanity = judge_sanity(explained, films, found, chosen, settings, folder, settings.seed, opened.keep)
        seconds["sanity"] = time.perf_counter() - start
        write_json(folder / "metrics.json", {**metrics, **flat_sanity(sanity)})
        verdicts = verdicts_of(sanity)
        found = stamp_sanity(found, verdicts)
        rule = description["threshold"], factors_of(description)
        predicted = [prediction_of(chosen, i, int(k), *rule) for i, k in enumerate(targets)]
        shown = SheetFilms(explained, films, as_images(films), targets, chosen.y_prob, classes, predicted, annotations, found)
        undrawn = draw_films(folder, shown, settings, opened.keep)
        grids = partial(draw_grids, folder, explained, workspace, predictions, settings, settings.seed, verdicts)
        keep_files(opened.keep, "grids", folder, grids)
        made_from = {
            "model_sha256": description["model_sha256"],
            "run_key": run_key(trained),
            "background_sha256": hash_films(background),
        }
        write_json(folder / "settings.json", {"arm": arm, **made_from, "params": flatten(settings, "explain")})
        log_results(opened, folder, "explanations")
        opened.log_dict(seconds, SECONDS)
    say(f"{arm}: {len(chosen.image_id)} films explained by {', '.join(settings.methods)}")
    if undrawn:
        say(f"{arm}: {undrawn} ({folder / NOT_DRAWN})")
    say(f"{arm}: sanity gate: {', '.join(f'{name} {told}' for name, told in verdicts.items())}")


def store_films(folder: Path, films: Films, image_ids: list[str], workspace: Workspace) -> list[FilmAnnotations]:
    """The annotations of the explained films, after both are written beside the maps."""
    annotations = load_annotations(workspace.prepared, image_ids)
    save_shown_films(folder, films, image_ids, annotations)
    return annotations


def check_evaluated(arm: str, workspace: Workspace, trained: Mapping[str, Any]) -> None:
    """Raises ValueError unless the arm's evaluation is of this training."""
    if not fits(workspace.arm(arm, "evaluation"), trained):
        raise ValueError(
            f"{arm} must be evaluated before it is explained, but its evaluation is of another training or lost; run `dvc repro`"
        )


def draw_films(folder: Path, shown: SheetFilms, settings: Explain, keep: Keep = make_now) -> str:
    """A panel per film, and the sheets of the first of them; which could not be drawn, as `write_undrawn` says."""
    panels = partial(draw_panels, folder, shown.films, shown.found, shown.predictions, shown.annotations)
    faults = keep_files(keep, "panels", folder, panels)
    few = first_films(shown, settings.sheet_films)
    for name in settings.sheets:
        sheet = partial(draw_sheets, folder, few, [one.film for one in few.predictions], [name], settings, settings.seed)
        faults = keep_files(keep, f"sheet-{name}", folder, sheet) | faults
    return write_undrawn(folder, faults)


def choose_targets(target: str, chosen: Predictions) -> Labels:
    """The class that each film's maps explain: the predicted one, the true one, or one for all."""
    if target == TRUE:
        return chosen.y_true
    return chosen.y_pred if target == PREDICTED else np.full(len(chosen.y_pred), chosen.classes.index(target))


def judge_sanity(
    explained: ExplainedModel,
    films: Films,
    found: Mapping[str, Attribution],
    chosen: Predictions,
    settings: Explain,
    folder: Path,
    seed: int,
    keep: Keep,
) -> pd.DataFrame:
    """A verdict per method on whether its maps depend on what the model learned; tables sanity.csv and sanity_maps.csv."""
    pairs = correlate_permuted(
        explained,
        as_images(films),
        found,
        lambda name, targets: remake(settings, name, targets),
        list(chosen.patient_id),
        settings.sanity,
        seed,
        bar("permutations of the weights"),
        keep,
    )
    verdicts = judge(pairs, settings.sanity, settings.bootstrap, settings.confidence, seed)
    pairs.insert(1, "image_id", chosen.image_id[pairs["film"].to_numpy()])
    write_table(folder / "sanity_maps.csv", pairs.drop(columns="film"))
    write_table(folder / "sanity.csv", verdicts)
    return verdicts


def tune_on_validation(
    explained: ExplainedModel, classes: list[str], settings: Explain, workspace: Workspace, seed: int, keep: Keep
) -> pd.DataFrame:
    """The thresholds of `iou_tuned`, from maps of annotated validation films for their true class."""
    films = load_split(workspace.prepared, workspace.split, "explain_val", classes)
    if "iou_tuned" not in settings.measures or not len(films.table):
        return tune_levels({}, [])
    targets = films.labels
    maps = explain_films(explained, films.examples.films, targets, settings, seed, keep=keep, part="validation-maps")
    found = add_references(maps, targets, seed)
    annotations = load_annotations(workspace.prepared, list(films.table["image_id"]))
    return tune_levels(found, annotations)


def measure(
    explained: ExplainedModel,
    films: Films,
    found: Mapping[str, Attribution],
    chosen: Predictions,
    annotations: Sequence[FilmAnnotations],
    levels: pd.DataFrame,
    settings: Explain,
    folder: Path,
    seed: int,
    keep: Keep,
) -> dict[str, float]:
    """Tables of every measure and of the agreement of methods; returns their means as metrics."""
    targets = next(iter(found.values())).targets
    everything = add_references(found, targets, seed)
    measured = measure_maps(
        explained,
        as_images(films),
        everything,
        {name: remake(settings, name, targets[: settings.costly_films]) for name in settings.methods},
        chosen,
        annotations,
        levels,
        settings,
        seed,
        bar("maps measured"),
        keep,
    )
    maps = {name: attribution.values for name, attribution in everything.items()}
    pairs = keep("agreement", lambda: compare_methods(maps, list(chosen.image_id), list(chosen.patient_id)))
    own = pairs[pairs["first"].isin(list(found)) & pairs["second"].isin(list(found))]
    chance = agreement_by_chance(films.shape[1:], seed)
    summary = summarise_measures(measured.films, settings.bootstrap, settings.confidence, seed)
    agreement = summarise_pairs(pairs, settings.bootstrap, settings.confidence, seed)
    tables = {
        "measures": measured.films,
        "summary": summary,
        "levels": measured.levels,
        "pairs": pairs,
        "agreement": agreement,
        "disagreement": find_disagreement(own, chance),
    }
    if len(measured.randomisation):
        tables["randomisation"] = measured.randomisation
    for name, table in tables.items():
        write_table(folder / f"{name}.csv", table)
    write_json(folder / "chance.json", {"spearman": chance})
    return {**flat_summary(summary), **flat_agreement(agreement)}


def flat_summary(summary: pd.DataFrame) -> dict[str, float]:
    """`explain/hit_rate_lesion/gradcam` with .low, .high and .films."""
    flat: dict[str, float] = {}
    for row in summary.to_dict("records"):
        key = f"explain/{row['measure']}/{row['method']}"
        flat |= {key: row["value"], f"{key}.low": row["low"], f"{key}.high": row["high"], f"{key}.films": row["films"]}
    return flat


def flat_agreement(agreement: pd.DataFrame) -> dict[str, float]:
    """`explain/agreement_spearman/gradcam-lime` with .low, .high and .films."""
    named = agreement.assign(measure="agreement_" + agreement["measure"], method=agreement["first"] + "-" + agreement["second"])
    return flat_summary(named)
