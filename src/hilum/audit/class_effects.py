"""What of the surroundings goes with the class, for one model: the blamed region, its fine detail, and all of them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.audit.auditee import Auditee, class_probabilities
from hilum.audit.blame import agreement, blame_map, blamed_region
from hilum.audit.contrast import Effect, Predicted, Triples, draw_triples, effects, predict_exchanged, split_patients
from hilum.audit.mixtures import Mixing, Mixtures
from hilum.audit.regions import Blend, Region, Regions, soften
from hilum.audit.rule import Probing
from hilum.records import Films, Labels

UNKNOWN = Effect(*[float("nan")] * 5)


@dataclass(frozen=True)
class Found:
    """numbers: `<part>_<name>` of every part of PARTS and every name of `contrast.Effect`, NaN where all films are of one class.

    Of three and more classes, each part has the numbers of the pair that it moves furthest; held_odds: what all surroundings,
    which hold the blamed region, move of the region's pair. least_films, least_patients: of a class. seams: points of balanced
    accuracy that surroundings of the same class take; above_chance: points.
    agreement: of the blame of both halves, a correlation; blamed_area: share of the film that is exchanged in some film.

    blame: (H, W) log odds, of both halves; blamed: (H, W) pixels to show, with less blame too than those that are exchanged.
    """

    numbers: Mapping[str, float]
    blame: NDArray[np.float32]
    blamed: Region


PARTS = ("mark", "detail", "class")  # the blamed region, its fine detail alone, all surroundings


def measure_class_effects(
    auditee: Auditee,
    films: Films,
    labels: Labels,
    patients: NDArray[np.str_],
    regions: Regions,
    probing: Probing,
    rng: np.random.Generator,
) -> Found:
    """films: (N, H, W) with labels (N,) and patients (N,). The blamed region is found on one half of the patients and measured on
    the other.
    """
    if len(np.unique(labels)) < 2:
        unknown = {f"{part}_{name}": value for part in PARTS for name, value in asdict(UNKNOWN).items()}
        unknown |= dict.fromkeys(("held_odds", "seams", "above_chance", "agreement", "blamed_area"), float("nan"))
        unknown |= {"least_films": 0.0, "least_patients": 0.0}
        return Found(unknown, np.zeros(films.shape[1:], np.float32), np.zeros(films.shape[1:], bool))
    mixtures, margin = Mixtures(films, regions.around), soften(regions.margin)
    halves = split_patients(patients, rng)
    maps = [_blame(auditee, mixtures.detail, labels, patients, np.flatnonzero(halves == h), margin, probing, rng) for h in (0, 1)]
    blamed = [blamed_region(one, regions.margin, probing.share) for one in maps]
    other_half = np.stack([soften(blamed[1 - half]) * margin for half in halves])  # (N, H, W)
    triples = draw_triples(labels, patients, probing.repeats, rng)
    own = _predicted(auditee, class_probabilities(auditee, films))
    ways: dict[str, tuple[Mixing, Blend]] = {
        "mark": (mixtures.fitted, other_half),
        "detail": (mixtures.detail, other_half),
        "class": (mixtures.plain, soften(regions.around)),
    }
    mixed = {part: _predicted(auditee, predict_exchanged(auditee, way[0], triples, way[1])) for part, way in ways.items()}
    measured = {part: effects(labels, own, triples, some) for part, some in mixed.items()}
    strongest = {part: max(found, key=lambda pair: found[pair].odds) for part, found in measured.items()}  # pair of classes
    strongest["detail"] = strongest["mark"]  # the same region
    numbers = {f"{part}_{name}": value for part in PARTS for name, value in asdict(measured[part][strongest[part]]).items()}
    numbers["held_odds"] = measured["class"][strongest["mark"]].odds
    numbers |= _of_all_films(labels, patients, own, triples, mixed["class"])
    numbers |= {"agreement": agreement(maps[0], maps[1], regions.margin), "blamed_area": float((blamed[0] | blamed[1]).mean())}
    blame = np.asarray(np.mean(maps, axis=0, dtype=np.float32))
    return Found(numbers, blame, blamed_region(blame, regions.margin, probing.shown))


def _of_all_films(
    labels: Labels, patients: NDArray[np.str_], own: Predicted, triples: Triples, mixed: Predicted
) -> dict[str, float]:
    """`seams`, `above_chance`, `least_films` and `least_patients`; mixed: with all surroundings of the donors."""
    classes = np.unique(labels)
    right = float(np.mean([(own.classes == labels)[labels == k].mean() for k in classes]))
    truth = labels[triples.rows]
    kept = float(np.mean([(mixed.classes[0] == truth)[truth == k].mean() for k in classes]))
    least = {
        "least_films": float(np.bincount(labels)[classes].min()),
        "least_patients": float(min(len(np.unique(patients[labels == k])) for k in classes)),
    }
    return {"seams": 100 * (right - kept), "above_chance": 100 * (right - 1 / len(classes)), **least}


def _predicted(auditee: Auditee, probabilities: NDArray[np.float64]) -> Predicted:
    flat = auditee.decide(probabilities.reshape(-1, probabilities.shape[-1]))
    return Predicted(probabilities, flat.reshape(probabilities.shape[:-1]))


def _blame(
    auditee: Auditee,
    mixing: Mixing,
    labels: Labels,
    patients: NDArray[np.str_],
    some: NDArray[np.intp],
    margin: Blend,
    probing: Probing,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """The blame of the films in rows `some`, all zero where they are of one class."""
    if len(np.unique(labels[some])) < 2:
        return np.zeros(margin.shape, np.float32)
    drawn = draw_triples(labels[some], patients[some], 1, rng)
    drawn = drawn.take(rng.permutation(len(some))[: probing.pairs])
    triples = Triples(some[drawn.rows], some[drawn.same], some[drawn.other])
    return blame_map(auditee, mixing, labels, triples, margin, probing.steps)
