"""Any classifier on any labelled films, outside the pipeline: predicted as `predict` does, measured, and drawn on one page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.annotations import KINDS
from hilum.data.manifest.film_problems import list_left_out, list_notes
from hilum.data.manifest.joined_sources import join_sources
from hilum.data.manifest.labels import map_labels
from hilum.data.prepared.loading import read_manifest
from hilum.data.quality.alike.copies import PROBLEMS, find_copies
from hilum.evaluation.acquisition import source_features
from hilum.evaluation.outside.cross_fitted_baselines import cross_fit_baseline
from hilum.evaluation.outside.frozen import Grouping, group_classes, group_rules, predict_groups
from hilum.evaluation.outside.frozen_tables import FrozenResult, measure_frozen, tell_no_auroc, write_frozen
from hilum.evaluation.outside.seen_films import tell_recalibrated_on
from hilum.evaluation.outside.seen_people import Namings, tell_people
from hilum.evaluation.scoring.decisions import factors_of
from hilum.explain.explained_model import Predict
from hilum.explain.methods.registry import METHODS
from hilum.pages.any_evaluation import PAGE, render_any_evaluation
from hilum.pages.numbers import bounded_text
from hilum.progress import bar, say
from hilum.project.any_maps import add_audit, add_maps
from hilum.project.chosen_films import Adding, Evaluated
from hilum.project.labelled_films import AskedFilms, LabelledFilms, read_data, suggest_labels
from hilum.project.output_folder import check_out, filled_folder
from hilum.project.predicted_films import ReadFilms, read_and_predict
from hilum.records import Predictions, Probabilities
from hilum.results import read_table, write_json, write_table
from hilum.serving.model_facts import Told
from hilum.serving.opening import check_names, open_served
from hilum.settings.meaning import EXCLUDED
from hilum.settings.params import Evaluate, Params
from hilum.workspace import Workspace

MADE = "evaluation.json"  # in every folder that is written here


def evaluate_films(
    model: str,
    facts: Mapping[str, str],
    asked: AskedFilms,
    out: Path,
    explain: str,
    audit: bool,
    workspace: Workspace,
    params: Params,
) -> dict[str, Any]:
    """`evaluate --model --data`: the model from any door, frozen, on the films; prints the headline.

    facts: of the model, as options give them, by the names of `Told`. explain: methods whose maps are added; audit: whether
    the audit is.

    Raises: as `open_served`, `read_data` and `evaluate_any`.
    """
    check_out(out, MADE, "evaluation")
    check_names("--explain", explain, list(METHODS))
    with open_served(model, workspace, params, Told(**facts)) as (explained, described):
        additions = {"explanations": add_maps(explain, explained, described, params)} if explain else {}
        additions |= {"audit": add_audit(explained, described, params)} if audit else {}
        films = read_data(asked, list(described["classes"]), workspace)
        names = {"model": model, "data": asked.data, **({"labels": asked.labels} if asked.labels else {})}
        found = evaluate_any(explained.predict, described, films, out, params.evaluate, names, workspace, additions)
    tell_headline(found)
    return {"model": model, "data": asked.data, **found}


def evaluate_any(
    predict: Predict,
    described: Mapping[str, Any],
    films: LabelledFilms,
    out: Path,
    settings: Evaluate,
    asked: Mapping[str, str],
    workspace: Workspace,
    additions: Mapping[str, Adding],
) -> dict[str, Any]:
    """Predict and measure labelled films, and write the folder `out`: tables, metrics.json and the page.

    predict, described: as `open_served` gives them. asked: `model` and `data` as they were named, for the page.
    additions: folder below `out` -> what fills it.

    Raises:
        ValueError: no film of a class is left.
    """
    classes = list(described["classes"])
    grouping = group_classes(classes, [films.labels, *films.by_source.values()])
    rows, problems, notes = label_films(films, classes, grouping)
    read = read_and_predict(predict, described, rows, settings)
    predictions, read = gather(read, described, grouping)
    notes += [*tell_seen(read.rows, workspace), *tell_seen_by_model(read.rows, films.namings, described), *tell_odd(read.odd)]
    left_out = pd.concat([problems, read.problems], ignore_index=True)
    baselines = predict_baselines(read, predictions, settings.seed)
    measured = measure_frozen(predictions, settings, settings.seed, baselines, bar("patients resampled"))
    facts = {
        "classes": list(grouping.names),
        "model_sha256": described["model_sha256"],
        "threshold": described["threshold"],
        "films": len(predictions.y_true),
        "patients": len(set(predictions.patient_id.tolist())),
        "means_over": measured.present,
        "left_out": {str(name): int(count) for name, count in left_out["problem"].value_counts().items()},
        "notes": [*tell_present(measured), *tell_no_auroc(measured), *notes],
        "page": str(out / PAGE),
    }
    with filled_folder(out) as folder:
        write_frozen(folder, measured, settings)
        write_table(folder / "left_out.csv", left_out[list(PROBLEMS)])
        evaluated, sections, flat = Evaluated(read.rows, read.y_prob, predictions, grouping), [], dict(measured.flat)
        for name, add in additions.items():
            (folder / name).mkdir()
            added = add(folder / name, evaluated)
            sections += added.sections
            facts |= added.facts
            flat |= added.flat
        write_json(folder / MADE, facts)
        write_json(folder / "metrics.json", flat)
        page = render_any_evaluation(measured, facts, left_out, settings, asked, workspace.cache, sections)
        (folder / PAGE).write_text(page)
    return {**facts, "metrics": flat}


def label_films(films: LabelledFilms, classes: Sequence[str], grouping: Grouping) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The films of a class, those that are left out so far, and notes.

    Raises:
        ValueError: no finding belongs to a class; with the findings and the option to give.
    """
    rows = join_sources(films.tables)
    labels = group_rules(films.labels, classes, grouping)
    own = {source: group_rules(rules, classes, grouping) for source, rules in films.by_source.items()}
    ruled = {name for rules in (labels, *own.values()) for name, findings in rules.items() if findings}
    kept = [{name: found for name, found in rules.items() if name in ruled} for rules in (labels, *own.values())]
    named = rows.set_index("image_id")[["finding", "source"]]
    mapping = map_labels(named, kept[0], "exclude", "tell", dict(zip(own, kept[1:], strict=True)), every_class=False)
    rows["label"] = mapping.label.to_numpy()
    taken = ~rows["label"].isin(["", EXCLUDED])
    if not taken.any():
        counts = rows["finding"].value_counts().head(20)
        there = ", ".join(f"{finding!r} ({films})" for finding, films in counts.items())
        raise ValueError(
            f"a finding of the films must belong to a class of the model ({', '.join(classes)}), got none among {there}; say "
            f"which: {suggest_labels(classes, rows['finding'].unique().tolist())}"
        )
    paths = rows.set_index("image_id")["path"]
    left = mapping.problems.assign(path=mapping.problems["image_id"].map(paths))
    left = left[left["problem"] != "rules of two classes"]
    left = left.assign(detail=left["detail"].str.replace("no rule of prepare.labels names", "no rule names"))
    problems = pd.concat([list_left_out(films.tables), left], ignore_index=True)
    notes = [note.replace("prepare.labels.", "") for note in mapping.notes]  # rules of --labels stand in no params.yaml
    return rows[taken].reset_index(drop=True), problems, [*list_notes(films.tables), *notes]


def gather(read: ReadFilms, described: Mapping[str, Any], grouping: Grouping) -> tuple[Predictions, ReadFilms]:
    """The predictions without copies of films, and what belongs to them in the same order."""
    columns = ["image_id", "path", "sha256", "pixel_sha256", "label", "official_split", "patient_id"]
    copies, _ = find_copies(read.rows[columns])
    stays = ~read.rows["image_id"].isin(copies["image_id"]).to_numpy()
    if not stays.any():
        raise ValueError(
            f"at least one film must be left, got {len(read.rows)} that are copies of each other with other labels, such as "
            f"{copies['detail'].iloc[0]}; correct the labels"
        )
    rows, y_prob = read.rows[stays].reset_index(drop=True), read.y_prob[stays]
    summed, predicted = predict_groups(y_prob, described["threshold"], factors_of(described), grouping)
    y_true = np.array(rows["label"].map({name: k for k, name in enumerate(grouping.names)}), np.int64)
    image_id, patient_id = rows["image_id"].to_numpy(str), rows["patient_id"].to_numpy(str)
    predictions = Predictions(image_id, patient_id, y_true, summed, predicted, grouping.names)
    problems = pd.concat([read.problems, copies], ignore_index=True)
    return predictions, ReadFilms(rows, y_prob, read.features[stays], problems, read.odd)


def predict_baselines(read: ReadFilms, predictions: Predictions, seed: int) -> dict[str, Probabilities | None]:
    """The shortcut baselines on these films, cross-fitted over their patients; None where they are undefined.

    There are no training films here, so a baseline learns from the other folds of the same films; `source_only` is undefined
    with one source.
    """
    known = sorted(set(read.rows["source"]))
    sources = source_features(read.rows["source"].tolist(), known) if len(known) > 1 else None
    tried = {"acquisition_only": read.features, "source_only": sources}
    return {name: None if one is None else cross_fit_baseline(one, predictions, seed) for name, one in tried.items()}


def tell_seen(rows: pd.DataFrame, workspace: Workspace) -> list[str]:
    """How many of the films this project's arms were trained, tuned or calibrated on, by their bytes or pixels."""
    manifest = workspace.prepared / "manifest.csv"
    parts = [workspace.split / f"{part}.csv" for part in ("train", "val")]
    if not all(file.is_file() for file in (manifest, *parts)):
        return []
    names = pd.concat([read_table(file)["image_id"] for file in parts])
    own = read_manifest(manifest).set_index("image_id").reindex(names)
    seen = rows["sha256"].isin(own["sha256"]) | rows["pixel_sha256"].isin(own["pixel_sha256"])
    if not seen.any():
        return []
    return [
        f"{seen.sum()} of {len(rows)} films are training or validation films of this project, such as "
        f"{rows['image_id'][seen].iloc[0]}: a model trained here has seen them, and its figures on them are too good"
    ]


def tell_seen_by_model(rows: pd.DataFrame, namings: Namings, described: Mapping[str, Any]) -> list[str]:
    """How many of the films a recalibrated model was fitted to, by their bytes or pixels, and how many are of its patients."""
    people, apart = tell_people(rows, namings, described)
    seen = [*tell_recalibrated_on(rows, described), *people]
    return [*(f"{told}: its figures on them are too good" for told in seen), *apart]


def tell_odd(odd: Mapping[str, str]) -> list[str]:
    """A sentence on unusual files that were read."""
    some = "; ".join(f"{name} ({told})" for name, told in list(odd.items())[:3])
    return [f"unusual files, read anyway: {len(odd)}, such as {some}"] if odd else []


def tell_present(measured: FrozenResult) -> list[str]:
    """A sentence on the classes without a film."""
    absent = [name for name in measured.predictions.classes if name not in measured.present]
    if not absent:
        return []
    return [
        f"no film of {', '.join(absent)}: means of classes are over {', '.join(measured.present)} alone, and what needs "
        "a film of the class is left out"
    ]


def tell_headline(found: Mapping[str, Any]) -> None:
    """The most important numbers on the terminal."""
    metrics = found["metrics"]
    say(f"{found['films']} films of {found['patients']} patients")
    for name in ("auroc_macro", "balanced_accuracy", "ece"):
        value, low, high = (metrics[f"{name}{end}"] for end in ("", ".low", ".high"))
        say(f"{name} {value:.3f} [{low:.3f}, {high:.3f}]" if value == value else f"{name} is undefined on these films")
    for row in found.get("hit_rates", []):
        bounds = bounded_text(*(row[f"hit_rate{end}"] for end in ("", "_low", "_high")))
        say(f"hit rate in a {KINDS[row['annotation']]}, {row['method']}: {bounds} on {row['films']} films")
    for problem, films in found["left_out"].items():
        say(f"left out, {problem}: {films} (left_out.csv)")
    for note in found["notes"]:
        say(note)
    say(f"the page: {found['page']}")
