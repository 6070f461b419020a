"""external: one frozen arm on films that nothing was trained, tuned or calibrated on, and how far it drops there."""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.annotated import has_annotation
from hilum.data.manifest.building import build_manifest
from hilum.data.manifest.prepared_set import Prepared, write_prepared
from hilum.data.model_treatment import read_treatment
from hilum.data.phantom.phantom import draw_source
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_films, read_manifest
from hilum.data.quality.alike.leaks import FilmSet, find_leaks
from hilum.data.quality.still_burned_in import stop_where_left
from hilum.data.readers.raw_films import read_films, read_source
from hilum.data.same_people import find_same_people, list_namings
from hilum.evaluation.acquisition import acquisition_features
from hilum.evaluation.outside.external import SOURCES, ExternalResult, flat_external, measure_external, write_external
from hilum.evaluation.outside.frozen import Grouping, group_classes, group_rules
from hilum.evaluation.outside.frozen_tables import tell_no_auroc
from hilum.evaluation.outside.seen_films import tell_recalibrated_on
from hilum.evaluation.outside.seen_people import tell_people
from hilum.evaluation.signed_numbers import signed_interval
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.progress import bar, say
from hilum.records import Images, Predictions, Probabilities
from hilum.results import flatten, read_json, read_predictions, run_key, write_json, write_table
from hilum.runs import arm_run, fits, log_results
from hilum.settings.params import Evaluate, Params, check_compared, read_params
from hilum.settings.roots import read_external_roots, read_roots
from hilum.settings.sources import ExternalSource, PhantomSource, Source
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace, find_workspace

NOTES = "notes.txt"


@dataclass(frozen=True)
class Frozen:
    """An arm as it is tested. described: its model.json; internal: its predictions on the internal test films."""

    arm: str
    described: Mapping[str, Any]
    predict: Callable[[Images], Probabilities]
    internal: Predictions


@dataclass(frozen=True)
class Seen:
    """Films that an arm has seen. what: whose they are, in words; sources: name -> settings and root."""

    what: str
    films: FilmSet
    sources: Mapping[str, tuple[Source, Path]]


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    check_compared(params, arm)
    folder = workspace.arm(arm, "external")
    shutil.rmtree(folder, ignore_errors=True)
    if not params.external.sources:
        write_json(folder / SOURCES, {})
        say(f"{arm}: no external test, as external.sources is empty")
        return
    training = workspace.arm(arm, "training")
    trained, described = read_json(training / "settings.json"), read_json(training / "model.json")
    if not fits(workspace.arm(arm, "evaluation"), trained):
        raise ValueError(f"{arm} must be evaluated before its external test, but its evaluation is of another training or lost; "
                         "run `dvc repro`")  # fmt: skip
    store = open_store(workspace, params.tracking)
    with arm_run(store, workspace, arm, "external", params.tracking.model, decided_by(params, workspace)) as opened:
        predict = predictor(load_classifier(training / "model.keras"))
        predictions = workspace.arm(arm, "evaluation") / "predictions.csv"
        frozen = Frozen(arm, described, predict, read_predictions(predictions, "test", tuple(described["classes"])))
        seen = list_seen(arm, described, params, workspace)
        told: dict[str, Any] = {}
        flat: dict[str, float] = {}
        for name, source in params.external.sources.items():
            told[name], result = test_source(frozen, seen, name, source, folder / name, params, workspace)
            flat |= flat_external(name, result)
            tell_result(arm, name, result)
        write_json(folder / SOURCES, told)
        write_json(folder / "metrics.json", flat)
        made_from = {"arm": arm, "model_sha256": described["model_sha256"], "run_key": run_key(trained)}
        write_json(folder / "settings.json", {**made_from, "params": flatten(params.external, "external")})
        log_results(opened, folder, "external")


def decided_by(params: Params, workspace: Workspace) -> dict[str, Any]:
    """What decides the external test besides the arm, with the content of its films."""
    read = {"external", "prepare", "acquire", "evaluate"}
    films = read_json(workspace.facts).get("external") if workspace.facts.is_file() else None
    return {**params.model_dump(include=read), "films": films}


def test_source(
    frozen: Frozen,
    seen: Sequence[Seen],
    name: str,
    source: ExternalSource,
    folder: Path,
    params: Params,
    workspace: Workspace,
) -> tuple[dict[str, Any], ExternalResult]:
    """Prepare a source's films, check that the arm has seen none, predict them, and write what came out."""
    described, classes = frozen.described, list(frozen.described["classes"])
    rules = dict(source.labels or params.prepare.labels)
    grouping = group_classes(classes, [rules])
    prepared = prepare_source(name, source, group_rules(rules, classes, grouping), described, params, workspace)
    notes = [*check_unseen(frozen, seen, name, source, prepared, params, workspace), *prepared.notes]
    y_prob = frozen.predict(as_images(prepared.films))
    report = bar(f"{name}: patients resampled")
    features = describe_acquisition(prepared, described["square"], params.evaluate)
    result = measure_external(y_prob, prepared.manifest, grouping, frozen.internal, described, params.evaluate, features, report)
    write_external(folder, result, params.evaluate)
    return describe_source(prepared, grouping, result, described, notes), result


def prepare_source(
    name: str,
    source: ExternalSource,
    rules: Mapping[str, list[str]],
    described: Mapping[str, Any],
    params: Params,
    workspace: Workspace,
) -> Prepared:
    """The source's films, prepared as the arm's own were, also written below data/external. rules: of the grouped classes."""
    folder = workspace.external(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}.") as temporary:
        made = Path(temporary) / name
        treatment = read_treatment(described, params.prepare.burned_in_left)
        prepared = build_manifest(
            {name: gather_films(name, source, made / "raw", params, workspace)},
            size=described["size"],
            square=described["square"],
            labels={label: findings for label, findings in rules.items() if findings},
            unmatched="exclude",
            unused_rules="tell",
            broken_share=params.prepare.broken_share,
            treatment=treatment,
            workers=os.cpu_count() or 1,
            on_film=bar(f"{name}: films prepared"),
            cache=workspace.decoded_films,
            on_deep=bar(f"{name}: films of 16 bits measured"),
            every_class=False,
        )
        stop_where_left(prepared.still_burned_in, treatment)
        write_prepared(prepared, made)
        write_table(made / "findings.csv", prepared.findings)
        (made / NOTES).write_text("".join(f"{note}\n" for note in prepared.notes))
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)
    return prepared


def gather_films(
    name: str, source: ExternalSource, drawn: Path, params: Params, workspace: Workspace
) -> tuple[Path, pd.DataFrame]:
    """The root of a source's films and the reader's table. drawn: folder for films that are generated."""
    if isinstance(source.films, PhantomSource):
        draw_source(drawn, source.films, bar(f"{name}: films drawn"))
        return read_films(source.films, drawn, drawn)
    root = workspace.at_home(read_external_roots(params, workspace.home)[name])
    return read_films(source.films, root, root)


def list_seen(arm: str, described: Mapping[str, Any], params: Params, workspace: Workspace) -> list[Seen]:
    """The films of the task, and those of pretraining where the arm starts from them."""
    known, roots = params.acquire.sources, read_roots(params, workspace.home)
    places = {name: (known[name], workspace.at_home(roots.get(name, ""))) for name in known}
    task = FilmSet(load_films(workspace.prepared), read_manifest(workspace.prepared / "manifest.csv"))
    seen = [Seen("the task", task, {name: places[name] for name in params.prepare.sources})]
    weights = str(read_json(workspace.arm(arm, "training") / "settings.json")["params"].get("weights"))
    if "pretrained" in weights.split(", "):  # an ensemble names those of all members
        first = params.pretrain.source
        seen.append(Seen("pretraining", prepare_first(first, described, params, workspace), {first: places[first]}))
    return seen


def check_unseen(
    frozen: Frozen,
    seen: Sequence[Seen],
    name: str,
    source: ExternalSource,
    prepared: Prepared,
    params: Params,
    workspace: Workspace,
) -> list[str]:
    """Notes on which patients cannot be compared, and on a given model, whose films are not known.

    Raises:
        ValueError: films, near duplicates or patients of this source are among the films of the task or of pretraining, or films
            among those of a recalibration.
    """
    words = "has a given model among its members" if "ensemble" in frozen.described else "is a given model"
    notes = (
        [f"{frozen.arm} {words}: it is not known whether it was trained on these films."] if "given" in frozen.described else []
    )
    if known := tell_recalibrated_on(prepared.manifest, frozen.described):
        raise ValueError(
            f"external.sources.{name} must hold no film that {frozen.arm} has seen: {known[0]}; take them out of this source"
        )
    own, square = FilmSet(prepared.films, prepared.manifest), frozen.described["square"]
    root = workspace.at_home(read_external_roots(params, workspace.home).get(name, ""))
    people, foreign = tell_people(prepared.manifest, {name: list_namings(source.films, root)}, frozen.described)
    if people:
        raise ValueError(
            f"external.sources.{name} must hold no patient whose films {frozen.arm} has seen: {people[0]}; take their films out "
            "of this source"
        )
    others = {one: both for there in seen for one, both in there.sources.items()}
    same, apart = find_same_people(source.films, root, others)
    for there in seen:
        people = [one for one in same if one in there.sources]
        leaks = find_leaks(own, there.films, square, True, people, os.cpu_count() or 1, there.what)
        if len(leaks):
            example = leaks.iloc[0]
            raise ValueError(
                f"external.sources.{name} must hold no film that {frozen.arm} has seen, got {len(leaks)} of "
                f"{len(prepared.manifest)} films that are among those of {there.what} or of their patients, such as "
                f"{example['image_id']}: {example['detail']}; take them out of this source"
            )
    return [*notes, *apart, *foreign]


def prepare_first(name: str, described: Mapping[str, Any], params: Params, workspace: Workspace) -> FilmSet:
    """The films of the source that backbones were pretrained on, as large as those of the task."""
    root, table = read_source(name, params, workspace)
    single = table[table["finding"] != ""]
    prepared = build_manifest(
        {name: (root, single)},
        size=described["size"],
        square=described["square"],
        labels={finding: [finding] for finding in sorted(set(single["finding"]))},
        unmatched="exclude",
        broken_share=params.prepare.broken_share,
        treatment=read_treatment(described),
        workers=os.cpu_count() or 1,
        on_film=bar(f"{name}: films of pretraining prepared"),
        unused_rules="tell",
        cache=workspace.decoded_films,
        every_class=False,
    )
    return FilmSet(prepared.films, prepared.manifest)


def describe_acquisition(prepared: Prepared, square: str, settings: Evaluate) -> NDArray[np.float64]:
    """(N, F) what the shortcut baseline sees of a source's films."""
    widths, heights = (prepared.manifest[side].astype(int).tolist() for side in ("width", "height"))
    rows, ring, bins = range(len(prepared.manifest)), settings.acquisition.ring, settings.acquisition.bins
    return acquisition_features(prepared.films, rows, widths, heights, square, ring, bins)


def describe_source(
    prepared: Prepared, grouping: Grouping, result: ExternalResult, described: Mapping[str, Any], notes: list[str]
) -> dict[str, Any]:
    """What sources.json says of one source."""
    manifest = prepared.manifest
    sites = manifest["site"][manifest["site"] != ""].value_counts()
    return {
        "films": len(manifest),
        "patients": int(manifest["patient_id"].nunique()),
        "classes": list(grouping.names),
        "means_over": result.found.present,
        "sites": {str(site): int(films) for site, films in sites.items()},
        "left_out": {str(what): int(films) for what, films in prepared.problems["problem"].value_counts().items()},
        "threshold": described["threshold"],
        "notes": [*tell_no_auroc(result.found), *notes, *tell_annotated(manifest)],
    }


def tell_annotated(manifest: pd.DataFrame) -> list[str]:
    """Where the hit rate of maps on annotated films is found."""
    count = has_annotation(manifest).sum()
    told = "films have an expert's boxes or masks: `hilum evaluate --model ... --data ... --explain gradcam` gives the hit rate"
    return [f"{count} {told} of maps on them"] if count else []


def tell_result(arm: str, name: str, result: ExternalResult) -> None:
    """The headline of one source on the terminal."""
    for metric in ("auroc_macro", "balanced_accuracy"):
        inside, found, drop = result.internal[metric], result.found.intervals[metric], result.drop[metric]
        if found.value == found.value:
            say(
                f"{arm} on {name}: {metric} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}], internal test "
                f"{inside.value:.3f}: {signed_interval(drop.value, drop.low, drop.high)}"
            )
