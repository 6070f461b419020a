"""What `reading` does with readers' records: annotations for a source, readers against truth and model, references."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from hilum.data.prepared.loading import load_geometry, load_split
from hilum.explain.explained_model import ExplainedModel
from hilum.progress import bar, say
from hilum.project.output_folder import check_out, filled_folder
from hilum.reading.agreement import EVERY, Bootstrap, compare_readers, list_differences
from hilum.reading.answered_films import gather_answers
from hilum.reading.features import make_features
from hilum.reading.references import References, make_references, references_file, write_references
from hilum.reading.source_annotations import write_annotations
from hilum.reading.store import Readings, blind_records, read_readings
from hilum.results import read_json, write_table
from hilum.serving.model_facts import Told
from hilum.serving.opening import open_served
from hilum.settings.params import Evaluate, Params
from hilum.workspace import Workspace

FIGURES, DIFFERENCES = "readers.csv", "differences.csv"


def describe_readings(folder: Path) -> dict[str, Any]:
    """Print a line per reader."""
    readings = _read(folder)
    blind = {record.id for record in blind_records(readings)}
    found: dict[str, Any] = {}
    for reader in sorted({record.reader for record in readings.records}):
        own = [record for record in readings.records if record.reader == reader]
        counts = Counter(
            answers=sum(record.answer is not None and not record.second_thought for record in own),
            second_thoughts=sum(record.second_thought for record in own),
            marks=sum(len(record.shapes) for record in own),
            blind=sum(record.id in blind for record in own),
        )
        found[reader] = dict(counts)
        say(
            f"{reader}: {len(own)} records of {len({record.film.sha256 for record in own})} films, {counts['blind']} blind; "
            f"{counts['answers']} answers, {counts['second_thoughts']} second thoughts, {counts['marks']} boxes and polygons"
        )
    if not found:
        say(f"no records below {folder}; `hilum app` makes them")
    return {"readers": found, "faults": list(readings.faults)}


def mark_source(folder: Path, root: Path, table: str, column: str) -> dict[str, Any]:
    """Write blind marks as annotations of the source at `root`; the first table's facts, and all tables under `tables`."""
    written = write_annotations(blind_records(_read(folder)), root, table, column)
    for one in written:
        for line in one.left_out:
            say(line)
        say(f"{one.films} films with marks in {one.table}; give the source in params.yaml: {', '.join(one.settings)}")
    facts = [{"table": str(one.table), "films": one.films, "settings": list(one.settings)} for one in written]
    return {**facts[0], "tables": facts}


def compare_with_truth(folder: Path, truth: Path, predictions: Path | None, out: Path, settings: Evaluate) -> dict[str, Any]:
    """Write readers.csv and differences.csv into `out`."""
    check_out(out, FIGURES, "reading")
    answered = gather_answers(_read(folder), truth, predictions)
    figures = compare_readers(answered, Bootstrap(settings.bootstrap, settings.confidence, settings.seed))
    differences = list_differences(answered)
    with filled_folder(out) as made:
        write_table(made / FIGURES, figures)
        write_table(made / DIFFERENCES, differences)
    for note in answered.notes:
        say(note)
    for row in figures[figures["metric"].isin(["accuracy", "kappa"])].to_dict("records"):
        interval = f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        told = "undefined, as both name one class" if np.isnan(row["value"]) else interval
        say(f"{row['who']} against {row['against']}: {row['metric']} {told}, {row['films']} films")
    if len(answered.readers) > 1 and EVERY not in set(figures["who"]):
        say(f"no figures of {EVERY}: there is no film with a known truth that each of {', '.join(answered.readers)} answered")
    say(f"{len(differences)} films on which they differ; tables in {out}")
    return {"films": len(answered.known), "differences": len(differences), "out": str(out)}


def store_references(model: str, workspace: Workspace, params: Params) -> dict[str, Any]:
    """Compute and store the references of a model whose training films are in data/prepared."""
    with open_served(model, workspace, params, Told()) as (explained, described):
        stored = compute_references(explained, described, workspace)
    file = references_file(workspace, described["model_sha256"])
    write_references(file, stored)
    say(
        f"references of {stored.counts[0]} training films in {file}; of the test films {stored.unlike:.1%} are called unlike the "
        f"training films (set for {stored.rate:.0%}) and {stored.odd:.1%} odd"
    )
    return {"file": str(file), "unlike": stored.unlike, "odd": stored.odd}


def compute_references(explained: ExplainedModel, described: dict[str, Any], workspace: Workspace) -> References:
    """The references of an opened model.

    Raises:
        ValueError: data/prepared and data/split are not those that the model was trained on.
    """
    versions = read_json(workspace.split / "versions.json")
    for key in ("data_version", "split_version"):
        if described.get(key) != versions[key]:
            raise ValueError(
                f"references need the films that the model was trained on, got another {key} in {workspace.split}: "
                f"{versions[key][:12]} instead of {str(described.get(key))[:12]}; check out its commit, then `dvc checkout`"
            )
    if explained.model is None:
        raise ValueError("references need a Keras model, whose features can be read, got an exported one; name the original")
    parts = {
        name: load_split(workspace.prepared, workspace.split, name, versions["classes"]) for name in ("train", "val", "test")
    }
    features = make_features(explained.model)
    geometry, digest = load_geometry(workspace.prepared), described["model_sha256"]
    return make_references(digest, features, parts, geometry, len(versions["classes"]), bar("films for references"))


def _read(folder: Path) -> Readings:
    readings = read_readings(folder)
    for fault in readings.faults:
        say(fault)
    return readings
