"""All that the audit measures of one model on one set of films, in the order in which the probes depend on each other."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.audit.auditee import Auditee, class_probabilities
from hilum.audit.class_effects import measure_class_effects
from hilum.audit.exchange import Ranking, draw_pairs, measure_shift, rank_donors
from hilum.audit.probes import CORNERS, LETTERS, fill, mean_grey, with_letter, without_letters
from hilum.audit.regions import Region, Regions, join_regions, ring_of, soften
from hilum.audit.rule import Probing
from hilum.data.prepared.examples import as_images
from hilum.records import Films, Keep, Labels, T, make_now

CENTRE = 0.2  # of the side, on each side: hidden in centre only
FEW = 48  # films that letters are pasted into and heat is drawn for


@dataclass(frozen=True)
class Surroundings:
    """sources: (N,) source of each film; regions: of every source; patients: (N,) of the films, None: one film each."""

    sources: NDArray[np.str_]
    regions: Mapping[str, Regions]
    patients: NDArray[np.str_] | None = None


@dataclass(frozen=True)
class Evidence:
    """numbers: name -> value, see `measure`. blame: (H, W) log odds; blamed: (H, W) pixels.

    ranking: of the films by the effect of their surroundings.
    """

    numbers: Mapping[str, float]
    blame: NDArray[np.float32]
    blamed: Region
    ranking: Ranking


def measure(
    auditee: Auditee,
    films: Films,
    labels: Labels,
    surroundings: Surroundings,
    probing: Probing,
    seed: int,
    on_probe: Callable[[int, int], None] = lambda done, total: None,
    keep: Keep = make_now,
) -> Evidence:
    """Probe a model on films (N, H, W) uint8 with labels (N,).

    numbers: those of `class_effects`, and, shifts in points of 100 (0 to 50), accuracies balanced and in points:
    region_verdicts, region_probability: shift where the blamed region alone is exchanged; around_verdicts, around_probability:
    where all surroundings are. spread: effect of surroundings on the log odds as a share of the films' own spread.
    accuracy: on the films as they are; lungs_out, border_out, centre_only, markers_out: with that part hidden.
    letter: the largest mean change of probability, in points, that a letter pasted into one corner makes.
    heat_around: share of the heat that lies around the lungs, by that of the area: 1 for an even map.
    """
    rng = np.random.default_rng(seed)
    done = itertools.count(1)

    def probe(name: str, make: Callable[[], T]) -> T:
        """What a probe found, and the random numbers where it has left them, so that the next goes on from there."""
        found, state = keep(name, lambda: (make(), rng.bit_generator.state))
        rng.bit_generator.state = state
        on_probe(next(done), 5)
        return found

    regions = join_regions(surroundings.regions.values())
    around = soften(regions.around)
    ranking = probe("donors", lambda: rank_donors(auditee, films, around, probing.donors, rng))
    pairs = draw_pairs(ranking, len(films), 1, rng)
    whole = probe("surroundings", lambda: measure_shift(auditee, films, pairs, ranking.target, around))
    patients = each = np.array([f"film {i}" for i in range(len(films))])
    if surroundings.patients is not None:
        patients = np.where(surroundings.patients == "", each, surroundings.patients)  # unknown ones are not one patient
    found = probe("class-effects", lambda: measure_class_effects(auditee, films, labels, patients, regions, probing, rng))
    blamed = soften(found.blamed) * soften(regions.margin)
    part = probe("region", lambda: measure_shift(auditee, films, pairs, ranking.target, blamed))
    hidden = probe("hidden-parts", lambda: hide_parts(auditee, films, labels, surroundings))
    few = np.unique(np.linspace(0, len(films) - 1, FEW).round().astype(int))  # spread over the table, which is sorted by class
    numbers = {
        "region_verdicts": part.verdicts,
        "region_probability": part.probability,
        "around_verdicts": whole.verdicts,
        "around_probability": whole.probability,
        "spread": ranking.spread / max(ranking.own, 1e-6),
        **hidden,
        **found.numbers,
        "letter": keep("letters", lambda: letter_shift(auditee, films[few])),
        "heat_around": keep("heat", lambda: heat_share(auditee, films[few], regions.around)),
    }
    return Evidence(numbers, found.blame, found.blamed, ranking)


def hide_parts(auditee: Auditee, films: Films, labels: Labels, surroundings: Surroundings) -> dict[str, float]:
    """Balanced accuracy in points on the films as they are, and with one part hidden.

    Lungs are filled with the mean grey of the lungs of the film's own source, one region for all its films.
    """
    size = films.shape[1]
    edge = round(CENTRE * size)
    outer = np.ones((size, size), bool)
    outer[edge:-edge, edge:-edge] = False
    lungless = films.copy()
    for source, regions in surroundings.regions.items():
        own = surroundings.sources == source
        lungless[own] = fill(films[own], regions.lungs, mean_grey(films[own], regions.lungs))
    changed = {
        "accuracy": films,
        "lungs_out": lungless,
        "border_out": fill(films, ring_of(size), 0.0),
        "centre_only": fill(films, outer, mean_grey(films, outer)),
        "markers_out": without_letters(films),
    }
    return {name: balanced(auditee.decide(class_probabilities(auditee, some)), labels) for name, some in changed.items()}


def balanced(predicted: Labels, labels: Labels) -> float:
    """Balanced accuracy in points: the mean over the classes that occur of the share predicted correctly."""
    return 100 * float(np.mean([(predicted[labels == k] == k).mean() for k in np.unique(labels)]))


def letter_shift(auditee: Auditee, films: Films) -> float:
    """The largest mean change of any class's probability, in points, over letters and corners."""
    own = class_probabilities(auditee, films)
    moved = [
        np.abs((class_probabilities(auditee, with_letter(films, letter, corner)) - own).mean(axis=0)).max()
        for letter in LETTERS
        for corner in CORNERS
    ]
    return 100 * float(max(moved))


def heat_share(auditee: Auditee, films: Films, around: Region) -> float:
    """Mean share of the predicted class's heat around the lungs, by the share of the area; 0 where there is no heat."""
    heat = auditee.heat(as_images(films), auditee.decide(class_probabilities(auditee, films)))
    whole = heat.sum(axis=(1, 2))
    shares = np.divide(heat[:, around].sum(axis=1), whole, out=np.zeros_like(whole), where=whole > 0)
    return float(shares.mean() / max(around.mean(), 1e-6))
