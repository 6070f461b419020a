"""One table of every selected measure of every method and of the reference maps, on the same films."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from hilum.data.annotations import KINDS, FilmAnnotations
from hilum.explain.explained_model import ExplainedModel, OnFilm
from hilum.explain.measures.evaluation_case import EvaluationCase, Remake
from hilum.explain.measures.faithfulness import Numbers
from hilum.explain.measures.localization import tune_level
from hilum.explain.measures.reference_maps import centre_maps, random_maps
from hilum.explain.measures.registry import MEASURES, column
from hilum.records import Attribution, Images, Keep, Labels, Maps, Predictions, make_now
from hilum.settings.explain import Explain

OF_CLASS = ("lesion", "box")  # annotations of the finding: used where the explained class is the true one


@dataclass(frozen=True)
class MapMeasures:
    """The measured tables.

    films: one row per film and method: image_id, patient_id, method, target, then a column per measure, NaN where it does not
    exist. levels: method, annotation, level (share of the maximum), films: the thresholds of `iou_tuned`.
    randomisation: method, image_id, seed, stop, layer, spearman, ssim; empty unless asked for.
    """

    films: pd.DataFrame
    levels: pd.DataFrame
    randomisation: pd.DataFrame


def add_references(found: Mapping[str, Attribution], targets: Labels, seed: int) -> dict[str, Attribution]:
    """The methods' maps and, for the same films, those of REFERENCES."""
    shape = next(iter(found.values())).values.shape
    maps = {"random": random_maps(shape, np.random.default_rng(seed)), "centre": centre_maps(shape)}
    return {**found, **{name: Attribution(values, name, targets, False, {}) for name, values in maps.items()}}


def tune_levels(tuning: Mapping[str, Attribution], annotations: Sequence[FilmAnnotations]) -> pd.DataFrame:
    """For each method and kind of annotation the threshold with the best mean IoU on annotated validation films.

    tuning: maps of those films, for their true class, with REFERENCES. Columns method, annotation, level, films; a level is
    NaN where no film has such an annotation.
    """
    rows = []
    for name, attribution in tuning.items():
        for kind in KINDS:
            having = [i for i, one in enumerate(annotations) if kind in one.kinds]
            pairs = (
                (annotations[i].geometry.map_to_raw(attribution.values[i]), annotations[i].at_raw_size(kind)) for i in having
            )
            rows.append((name, kind, tune_level(pairs), len(having)))
    return pd.DataFrame(rows, columns=["method", "annotation", "level", "films"])


def measure_maps(
    explained: ExplainedModel,
    images: Images,
    found: Mapping[str, Attribution],
    remakes: Mapping[str, Remake],
    chosen: Predictions,
    annotations: Sequence[FilmAnnotations],
    levels: pd.DataFrame,
    settings: Explain,
    seed: int,
    on_film: OnFilm,
    keep: Keep = make_now,
) -> MapMeasures:
    """Measure all methods.

    images: (N, H, W, 1) float32 grey levels 0-255; found: of `add_references`; remakes: repeat each method, for the
    costly measures, with targets of the first `explain.costly_films` films; chosen: the model's predictions for the films.
    """
    wanted = [name for name in MEASURES if name in settings.measures]
    known = {(str(row["method"]), str(row["annotation"])): float(row["level"]) for row in levels.to_dict("records")}
    costly = slice(0, settings.costly_films)

    def measure(name: str, attribution: Attribution) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """The rows of one method, and of its maps of the randomised model, where they are asked for."""
        remake = remakes.get(name) or _reference_remake(name, seed)
        case = EvaluationCase(explained, images, attribution, remake, settings, seed)
        few = replace(case, images=images[costly], attribution=_first(attribution, costly))
        columns = _film_values(wanted, case, few) | _annotation_values(wanted, attribution, annotations, chosen, known)
        head = {
            "image_id": chosen.image_id,
            "patient_id": chosen.patient_id,
            "method": name,
            "target": np.array(chosen.classes)[attribution.targets],
        }
        rows = pd.DataFrame({**head, **columns})
        if not any(MEASURES[one].question == "model" for one in wanted):
            return rows, None
        curve = few.randomisation.assign(method=name, image_id=lambda rows: chosen.image_id[rows["film"]])
        return rows, curve[["method", "image_id", "seed", "stop", "layer", "spearman", "ssim"]]

    tables, curves = [], []
    for done, (name, attribution) in enumerate(found.items(), 1):
        rows, curve = keep(f"measures-{name}", partial(measure, name, attribution))
        tables.append(rows)
        curves += [] if curve is None else [curve]
        on_film(done, len(found))
    return MapMeasures(
        pd.concat(tables, ignore_index=True), levels, pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
    )


def _film_values(wanted: Sequence[str], case: EvaluationCase, few: EvaluationCase) -> dict[str, Numbers]:
    """Measures that need no annotation; the costly ones of the first few films, NaN for the others."""
    columns = {}
    for name in wanted:
        film, costly = MEASURES[name].film, MEASURES[name].costly
        if film is not None:
            values = film(few if costly else case)
            columns[name] = np.pad(values, (0, len(case.images) - len(values)), constant_values=np.nan)
    return columns


def _annotation_values(
    wanted: Sequence[str],
    attribution: Attribution,
    annotations: Sequence[FilmAnnotations],
    chosen: Predictions,
    levels: Mapping[tuple[str, str], float],
) -> dict[str, Numbers]:
    """Each measure against each kind of annotation that some film has."""
    asked = {name: MEASURES[name].annotation for name in wanted}
    against = {name: measured for name, measured in asked.items() if measured is not None}
    kinds = [kind for kind in KINDS if any(kind in one.kinds for one in annotations)]
    columns = {column(name, kind): np.full(len(annotations), np.nan) for kind in kinds for name in against}
    for i, one in enumerate(annotations if against else ()):
        heat = one.geometry.map_to_raw(attribution.values[i])
        for kind in one.kinds:
            if kind in OF_CLASS and attribution.targets[i] != chosen.y_true[i]:
                continue
            annotation, level = one.at_raw_size(kind), levels.get((attribution.method, kind), float("nan"))
            for name, measured in against.items():
                columns[column(name, kind)][i] = measured(heat, annotation, level)
    return columns


def _first(attribution: Attribution, few: slice) -> Attribution:
    return replace(
        attribution,
        values=attribution.values[few],
        targets=attribution.targets[few],
        numbers={key: value[few] for key, value in attribution.numbers.items()},
        regions=None if attribution.regions is None else attribution.regions[few],
    )


def _reference_remake(name: str, seed: int) -> Remake:
    """How a reference map is made again: random maps are redrawn, the centre map stays."""
    rng = np.random.default_rng([seed, 1])

    def remake(explained: ExplainedModel, images: Images, seed: int) -> Maps:
        return centre_maps(images.shape[:3]) if name == "centre" else random_maps(images.shape[:3], rng)

    return remake
