"""What `evaluate --model` adds on request: maps of some films with their measures, and the audit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hilum.audit.auditee import audit_model
from hilum.audit.drawing import audit_figure
from hilum.audit.evidence import Surroundings
from hilum.audit.evidence import measure as measure_evidence
from hilum.audit.exchange import LEAST
from hilum.audit.regions import regions_of_rectangle
from hilum.audit.rule import FILMS, PROBING, RATES, judge, told_verdict
from hilum.data.annotated import has_annotation
from hilum.data.annotations import no_annotations
from hilum.data.prepared.examples import as_images
from hilum.evaluation.outside.frozen import Grouping
from hilum.evaluation.scoring.decisions import decide, factors_of
from hilum.evaluation.style import to_png
from hilum.explain.drawing.panels import describe_prediction
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.maps import explain_films, remake
from hilum.explain.measures.registry import wanted_measures
from hilum.explain.measures.summary import summarise_measures
from hilum.explain.measures.tables import add_references, measure_maps, tune_levels
from hilum.explain.methods.registry import METHODS
from hilum.explain.outputs import NOT_DRAWN, draw_panels, write_undrawn
from hilum.explain.saved_maps import save_arrays
from hilum.pages.any_evaluation import Section
from hilum.progress import bar, say
from hilum.project.annotated_maps import add_hit_rates
from hilum.project.chosen_films import Added, Adding, Evaluated, choose_rows, read_chosen
from hilum.project.hit_rates import read_annotations
from hilum.records import Films, Labels, Predictions
from hilum.results import write_json, write_table
from hilum.serving.opening import choose_methods
from hilum.settings.params import Params

SHOWN_PANELS = 6  # on the page; the folder has all


def name_truths(predicted: Labels, true: Labels, classes: Sequence[str], grouping: Grouping) -> list[str]:
    """The name of each film's true class, beside which the predicted one is right or wrong.

    That is the predicted class where the true group contains it, else the group. predicted: (N,) classes. true: (N,) groups.
    """
    pairs = zip(predicted.tolist(), true.tolist(), strict=True)
    return [classes[k] if k in grouping.members[group] else grouping.names[group] for k, group in pairs]


def add_maps(asked: str, explained: ExplainedModel, described: Mapping[str, Any], params: Params) -> Adding:
    """Maps of `split.explain_films` films for their predicted class: arrays, panels and measures; annotated films come first.
    Hit rates of the annotated films, as `add_hit_rates` measures them.

    Raises: as `choose_methods`.
    """
    names, _ = choose_methods("--explain", asked, explained, params.explain, sheets=False)
    measures = wanted_measures(params.explain.measures)
    settings = params.explain.model_copy(update={"methods": names, "measures": measures})

    def add(folder: Path, found: Evaluated) -> Added:
        annotated = has_annotation(found.rows).to_numpy(bool)
        rows = choose_rows(found, params.split.explain_films, settings.seed, annotated)
        rows += choose_rows(found, params.split.explain_films - len(rows), settings.seed, ~annotated)
        read = read_chosen(found, rows, described)
        films = np.stack([one.film for one in read])  # (N, H, W)
        y_prob = found.y_prob[rows]
        said = decide(y_prob, described["threshold"], factors_of(described))
        ids, patients = found.predictions.image_id[rows], found.predictions.patient_id[rows]
        groups = [found.grouping.members[k] for k in found.predictions.y_true[rows]]
        true = np.array([k if k in group else group[0] for k, group in zip(said, groups, strict=True)], np.int64)
        chosen = Predictions(ids, patients, true, y_prob, said, tuple(described["classes"]))
        maps = explain_films(explained, films, said, settings, settings.seed)
        save_arrays(folder, maps, list(ids))
        names_of = name_truths(said, found.predictions.y_true[rows], chosen.classes, found.grouping)
        rule = described["threshold"], factors_of(described)
        told = [
            describe_prediction(str(ids[i]), chosen.classes, y_prob[i], int(k), int(k), rule[0], names_of[i], rule[1])
            for i, k in enumerate(said)
        ]
        annotations = [no_annotations(one.geometry) for one in read]
        drawn = [read_annotations(found.rows.iloc[i].to_dict(), one.geometry)[0] for i, one in zip(rows, read, strict=True)]
        if undrawn := write_undrawn(folder, draw_panels(folder, films, maps, told, drawn)):
            say(f"{undrawn} ({folder.name}/{NOT_DRAWN})")
        everything = add_references(maps, said, settings.seed)
        repeats = {name: remake(settings, name, said[: settings.costly_films]) for name in names}
        measured = measure_maps(
            *(explained, as_images(films), everything, repeats, chosen, annotations, tune_levels({}, []), settings),
            settings.seed,
            bar("maps measured"),
        )
        summary = summarise_measures(measured.films, settings.bootstrap, settings.confidence, settings.seed)
        write_table(folder / "measures.csv", measured.films)
        write_table(folder / "summary.csv", summary)
        pictures = [(path.stem, path.read_bytes()) for path in sorted((folder / "panels").glob("*.png"))[:SHOWN_PANELS]]
        titles = ", ".join(METHODS[name].title for name in names)
        text = f"{titles} of {len(rows)} films for the predicted class; nothing here was tested by the sanity gate."
        hits = add_hit_rates(folder, explained, found, described, settings)
        own = Section("Maps", text, summary.dropna(subset=["value"]), pictures)
        return replace(hits, sections=[own, *hits.sections])

    return add


def add_audit(explained: ExplainedModel, described: Mapping[str, Any], params: Params) -> Adding:
    """The audit of the model on at most `audit.films` of the films, with the rectangle `audit.lungs` for the lungs."""
    settings, size = params.audit, int(described["size"])

    def add(folder: Path, found: Evaluated) -> Added:
        if any(len(part) > 1 for part in found.grouping.members):
            raise ValueError("--audit must have films of the model's own classes, got joined ones; give each its own --labels")
        rows = choose_rows(found, settings.films, settings.seed)
        if len(rows) < LEAST:
            raise ValueError(f"--audit must have at least {LEAST} films, got {len(rows)}; leave it out, or give more films")
        films: Films = np.stack([one.film for one in read_chosen(found, rows, described)])
        regions = regions_of_rectangle(**settings.lungs.model_dump(), size=size)
        surroundings = Surroundings(np.array(["films"] * len(rows)), {"films": regions}, found.predictions.patient_id[rows])
        auditee, labels = audit_model(explained, described), found.predictions.y_true[rows]
        evidence = measure_evidence(auditee, films, labels, surroundings, PROBING, settings.seed, bar("probes"))
        verdict, target = judge(evidence.numbers), described["classes"][evidence.ranking.target]
        numbers = {**told_verdict(verdict), "target": target, "films": len(rows)}
        write_json(folder / "audit.json", {**numbers, "numbers": evidence.numbers})
        picture = to_png(audit_figure(films, evidence, regions.around, verdict, target, "Audit"))
        (folder / "audit.png").write_bytes(picture)
        text = (
            f"A local mark outside the lungs: {verdict.mark.shown} ({verdict.mark.why}). The surroundings as a whole: "
            f"{verdict.surroundings.shown} ({verdict.surroundings.why}). {RATES} Here {len(rows)} films, in the "
            f"study {FILMS}, and for the lungs the rectangle audit.lungs."
        )
        return Added([Section("Audit", text, None, [("audit", picture)])])

    return add
