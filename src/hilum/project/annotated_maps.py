"""Hit rates of a model's maps on the annotated films of an evaluation: tables, and a section of its page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.data.annotated import has_annotation
from hilum.data.annotations import KINDS
from hilum.evaluation.scoring.decisions import decide, factors_of
from hilum.evaluation.signed_numbers import signed_interval
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.maps import explain_films
from hilum.explain.measures.tables import OF_CLASS
from hilum.explain.methods.registry import METHODS
from hilum.pages.any_evaluation import Section
from hilum.pages.levels import tell_resamples
from hilum.pages.numbers import bounded_text
from hilum.project.chosen_films import Added, Evaluated, choose_rows, read_chosen
from hilum.project.hit_rates import (
    CENTRE,
    ENDS,
    RANDOM,
    AnnotatedFilms,
    flat_hits,
    list_hits,
    read_annotations,
    summarise_hits,
)
from hilum.results import write_table
from hilum.settings.explain import Explain

MOST = 100  # annotated films whose maps are made
TITLE = "Hit rates"


def add_hit_rates(
    folder: Path,
    explained: ExplainedModel,
    found: Evaluated,
    described: Mapping[str, Any],
    settings: Explain,
) -> Added:
    """hits.csv and hit_rates.csv of the annotated films, and their section; no file where no film has an annotation.

    At most MOST films; those with a lesion or a box come before those with lungs alone.
    """
    annotated, drawn = (has_annotation(found.rows, kinds).to_numpy(bool) for kinds in (KINDS, OF_CLASS))
    rows = choose_rows(found, MOST, settings.seed, drawn)
    rows += choose_rows(found, MOST - len(rows), settings.seed, annotated & ~drawn)
    read = read_chosen(found, rows, described)
    both = [read_annotations(found.rows.iloc[i].to_dict(), one.geometry) for i, one in zip(rows, read, strict=True)]
    faults = [fault for _, of_film in both for fault in of_film]
    having = [j for j, (one, _) in enumerate(both) if one.kinds]
    if not having:
        text = " ".join(["No film has a box or a mask of an expert: there is no hit rate.", *faults])
        return Added([Section(TITLE, text, None, [])], {"annotated_films": 0, "hit_rates": []})
    rows, films = [rows[j] for j in having], np.stack([read[j].film for j in having])  # (N, H, W)
    members = [found.grouping.members[k] for k in found.predictions.y_true[rows]]
    y_prob, classes = found.y_prob[rows], np.array(described["classes"])
    targets = np.array([max(part, key=lambda k: row[k]) for part, row in zip(members, y_prob, strict=True)], np.int64)
    said = decide(y_prob, described["threshold"], factors_of(described))
    ids, patients = found.predictions.image_id[rows], found.predictions.patient_id[rows]
    chosen = AnnotatedFilms(ids, patients, classes[targets], classes[said], [both[j][0] for j in having])
    hits = list_hits(chosen, explain_films(explained, films, targets, settings, settings.seed))
    rates = summarise_hits(hits, settings.bootstrap, settings.confidence, settings.seed)
    write_table(folder / "hits.csv", hits)
    write_table(folder / "hit_rates.csv", rates)
    text = tell_hit_rates(chosen, int(annotated.sum()), settings.confidence, settings.bootstrap)
    section = Section(TITLE, " ".join([text, *faults]), tabulate_rates(rates), [])
    return Added([section], {"annotated_films": len(rows), "hit_rates": rates.to_dict("records")}, flat_hits(rates))


def tell_hit_rates(films: AnnotatedFilms, annotated: int, confidence: float, resamples: int) -> str:
    """What the table of hit rates is of. annotated: films with an annotation, of which these are some."""
    some = "" if annotated == len(films.image_id) else f", of {annotated} that have any"
    return (
        f"{len(films.image_id)} films with an expert's annotation{some}: the share of maps for the true class whose maximum lies "
        f"inside it. The model predicts that class for {int((films.target == films.predicted).sum())} of them. Value and "
        f"{tell_resamples(confidence, resamples)}; where all patients agree, Wilson's. random: what a place drawn at random "
        "hits; centre: what the middle of the film hits."
    )


def tabulate_rates(rates: pd.DataFrame) -> pd.DataFrame:
    """The table as the page shows it."""
    own = rates["method"].isin(list(METHODS))
    above = {
        f"above {name}": [
            signed_interval(*row) if mine else ""
            for mine, row in zip(own, rates[[f"above_{name}{end}" for end in ENDS]].to_numpy(float), strict=True)
        ]
        for name in (RANDOM, CENTRE)
    }
    return pd.DataFrame(
        {
            "annotation": rates["annotation"].map(KINDS),
            "method": [METHODS[name].title if name in METHODS else name for name in rates["method"]],
            "films": rates["films"],
            "patients": rates["patients"],
            "hit rate": [bounded_text(*row) for row in rates[[f"hit_rate{end}" for end in ENDS]].to_numpy(float)],
            **above,
        }
    )
