"""The sanity gate: a method whose maps stay similar when every weight of the model is permuted does not show what it learned."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.explain.explained_model import ROUNDING, ExplainedModel
from hilum.explain.measures.evaluation_case import Remake
from hilum.explain.measures.randomisation import permuted_models
from hilum.explain.measures.similarity import own_values, rank_correlation
from hilum.explain.measures.summary import patient_mean
from hilum.explain.methods.registry import METHODS
from hilum.explain.sanity.verdicts import FAILS, NO_EVIDENCE, PASSES
from hilum.records import Attribution, Images, Keep, Labels, Maps, make_now
from hilum.settings.explain import Sanity

RemakeOf = Callable[[str, Labels], Remake]  # a method and the classes to explain -> how its maps are made again
OnSeed = Callable[[int, int], None]  # permutations done, permutations in all


def choose_gate_films(patient_ids: Sequence[str], count: int) -> NDArray[np.int64]:
    """Indices of the first film of each patient, in their order, up to `count`: further films narrow no interval."""
    _, first = np.unique(np.asarray(patient_ids), return_index=True)
    return np.sort(first).astype(np.int64)[:count]


def correlate_permuted(
    explained: ExplainedModel,
    images: Images,
    found: Mapping[str, Attribution],
    remake_of: RemakeOf,
    patient_ids: Sequence[str],
    settings: Sanity,
    seed: int,
    on_seed: OnSeed,
    keep: Keep = make_now,
) -> pd.DataFrame:
    """Each method's maps against those of the same network with the values of every weight tensor permuted within it.

    images: (N, H, W, 1) float32 grey levels 0-255; found: the methods' maps of these films; patient_ids: (N,); the permuted
    models, one per seed, are shared by all methods. The explained model itself is not changed.
    Columns method, film (index), patient_id, seed (0, 1, ...), spearman at the method's own resolution: -1 to 1, NaN where one
    of the two maps is constant.
    Raises: ValueError if there is no model to permute.
    Source: Adebayo et al. 2018, arXiv 1810.03292.
    """
    quick, costly = (choose_gate_films(patient_ids, count) for count in (settings.films, settings.costly_films))
    permuted = _Permuted(explained)

    def correlations(name: str, k: int, chosen: NDArray[np.int64]) -> list[float]:
        attribution = found[name]
        maps = remake_of(name, attribution.targets[chosen])(permuted.by(seed + k), images[chosen], seed)
        again = np.zeros_like(attribution.values)  # at the films' positions, like regions
        again[chosen] = maps
        return [correlate(attribution, again, i) for i in chosen.tolist()]

    rows = []
    for k in range(settings.seeds):
        for name in found:
            chosen = quick if METHODS[name].quick else costly
            values = keep(f"sanity-{k}-{name}", partial(correlations, name, k, chosen))
            rows += [(name, i, patient_ids[i], k, value) for i, value in zip(chosen.tolist(), values, strict=True)]
        on_seed(k + 1, settings.seeds)
    return pd.DataFrame(rows, columns=["method", "film", "patient_id", "seed", "spearman"])


class _Permuted:
    """A model with its weights permuted, made for a seed when it is first asked for; one copy of the model serves all seeds."""

    def __init__(self, explained: ExplainedModel) -> None:
        self.explained = explained
        self.model: ExplainedModel | None = None
        self.seed = -1

    def by(self, seed: int) -> ExplainedModel:
        if self.model is None or self.seed != seed:
            ((_, self.model),) = permuted_models(self.explained, 1, seed, self.model)
            self.seed = seed
        return self.model


def correlate(attribution: Attribution, again: Maps, index: int) -> float:
    """Spearman correlation of a method's two maps of one film at its own resolution; NaN where one of them is constant."""
    pair = [own_values(attribution, maps, index) for maps in (attribution.values, again)]
    probability = METHODS[attribution.method].output == "probability" and "members" not in attribution.parameters
    if probability and min(np.ptp(values) for values in pair) < ROUNDING:
        return float("nan")
    return rank_correlation(*pair)


def judge(pairs: pd.DataFrame, settings: Sanity, resamples: int, confidence: float, seed: int) -> pd.DataFrame:
    """A verdict per method, from the mean |Spearman| with its percentile interval over patients.

    pairs: of `correlate_permuted`. Columns method, verdict, spearman (mean |Spearman| over patients, each by the mean of its
    pairs), low, high, films, patients (that have a value), pairs, empty (pairs without a value).
    FAILS where the interval reaches `limit`; NO_EVIDENCE where it is below but fewer than `evidence` of the pairs have a value,
    or where fewer than two patients have one, whatever the value; PASSES otherwise.
    """
    rows = []
    for method, part in pairs.groupby("method", sort=False):
        known = part.dropna(subset=["spearman"]).assign(size=lambda table: table["spearman"].abs())
        value, low, high = patient_mean(known, "size", resamples, confidence, seed)
        patients = known["patient_id"].nunique()
        if patients > 1 and np.isnan(high):  # all patients have one value
            low = high = value
        counts = known["film"].nunique(), patients, len(part), len(part) - len(known)
        verdict = verdict_of(high, patients, len(known) / len(part), settings)
        rows.append((method, verdict, value, low, high, *counts))
    columns = ["method", "verdict", "spearman", "low", "high", "films", "patients", "pairs", "empty"]
    return pd.DataFrame(rows, columns=columns)


def verdict_of(high: float, patients: int, share: float, settings: Sanity) -> str:
    """high: upper end of the interval; patients that have a value; share of pairs that have one."""
    if patients < 2:
        return NO_EVIDENCE
    if high >= settings.limit:
        return FAILS
    return PASSES if share >= settings.evidence else NO_EVIDENCE


def flat_sanity(verdicts: pd.DataFrame) -> dict[str, float]:
    """`explain/sanity_spearman/gradcam` with .low, .high, .films and .empty (share of pairs without a value)."""
    flat: dict[str, float] = {}
    for row in verdicts.to_dict("records"):
        key = f"explain/sanity_spearman/{row['method']}"
        flat |= {key: row["spearman"], f"{key}.low": row["low"], f"{key}.high": row["high"], f"{key}.films": row["films"]}
        flat[f"{key}.empty"] = row["empty"] / row["pairs"]
    return flat
