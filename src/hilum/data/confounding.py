"""What is associated with the class: source, view, age, sex, size, proportion and what is burned into the films."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

NOT_TOLD = "not told"  # no information: a value of its own, because what a source leaves out may be associated with the class
COMMON = 0.05  # share of the films from which a size is a value of its own
STRONG, PRESENT = 0.3, 0.1  # Cramer's V, by its lower bound
CHUNK = 64  # resamples at once
COLUMNS = ("factor", "values", "films", "patients", "not_told", "one_class", "cramers_v", "low", "high", "undefined", "judgement")


@dataclass(frozen=True)
class Confounding:
    """The result of `measure_confounding`.

    table: one row per factor, columns COLUMNS. not_told: films without information; one_class: films whose value occurs in one
        class only; undefined: share of the resamples in which V was undefined (left out). V, low and high are 0 (independent) to
        1 (each determines the other), NaN where undefined.
    cells: columns factor, value, label, films, patients; the contingency tables, values by films, empty cells left out.
    """

    table: pd.DataFrame
    cells: pd.DataFrame


def name_factors(manifest: pd.DataFrame, burned_in: pd.DataFrame | None, age_groups: Sequence[float]) -> pd.DataFrame:
    """The value of each factor for each film, as words: one column per factor, index as the manifest's.

    manifest: columns of records.MANIFEST. burned_in: columns image_id, burned_in (number of places in the film); None: not
    searched, and there is no column for it. age_groups: lower bounds in years, ascending.
    """
    named = {name: make(manifest) for name, make in FACTORS.items()}
    named["age group"] = group_ages(manifest["age"], age_groups)
    if burned_in is not None:
        counts = manifest["image_id"].map(burned_in.set_index("image_id")["burned_in"])
        named[BURNED_IN] = pd.Series(np.where(counts.isna(), NOT_TOLD, np.where(counts > 0, "some", "none")), manifest.index)
    return pd.DataFrame(named)


def group_ages(ages: pd.Series, age_groups: Sequence[float]) -> pd.Series:
    """`under 1`, `1 to 4`, ..., `80 and over` from ages in years as text; what is no number is `unreadable`."""
    years = pd.to_numeric(ages, errors="coerce")
    bounds = [f"{bound:g}" for bound in age_groups]
    between = [f"{low} to under {high}" for low, high in pairwise(bounds)]
    names = np.array([f"under {bounds[0]}", *between, f"{bounds[-1]} and over"])
    group = names[np.searchsorted(np.asarray(age_groups, float), years.fillna(0).to_numpy(float), side="right")]
    return pd.Series(np.where(ages == "", NOT_TOLD, np.where(years.isna(), "unreadable", group)), ages.index)


def group_sizes(manifest: pd.DataFrame) -> pd.Series:
    """`1024 x 1024` for a size that at least a share COMMON of the films has, else its octave: `other, 0.5 to 1 megapixels`."""
    exact = manifest["width"].astype(str) + " x " + manifest["height"].astype(str)
    octave = np.floor(np.log2(manifest["width"] * manifest["height"] / 1e6))
    other = [f"other, {2.0**power:.2g} to {2.0 ** (power + 1):.2g} megapixels" for power in octave]
    return exact.where(exact.map(exact.value_counts(normalize=True)) >= COMMON, other)


def group_aspects(manifest: pd.DataFrame) -> pd.Series:
    """Width by height, rounded to a tenth."""
    return (manifest["width"] / manifest["height"]).map("{:.1f}".format)


def _as_told(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda manifest: manifest[column].where(manifest[column] != "", NOT_TOLD)


BURNED_IN = "burned-in text"
FACTORS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {  # `age group` and BURNED_IN need more than the manifest
    "source": _as_told("source"),
    "view": _as_told("view"),
    "sex": _as_told("sex"),
    "size": group_sizes,
    "aspect": group_aspects,
}


def measure_confounding(
    manifest: pd.DataFrame, factors: pd.DataFrame, resamples: int, confidence: float, seed: int
) -> Confounding:
    """The association of each factor with the class: Cramer's V with an interval over patients.

    manifest: columns label, patient_id. factors: from `name_factors`, the same index.
    The interval is the percentile one of resampled patients, all films of a patient together, moved by the resamples' mean
    excess: a resample of a table has chance association on top of the table's own.
    """
    patients, patient = np.unique(manifest["patient_id"], return_inverse=True)
    labels, label = np.unique(manifest["label"], return_inverse=True)
    coded = {str(name): np.unique(column, return_inverse=True) for name, column in factors.items()}
    by_patient = {
        name: csr_matrix(
            (np.ones(len(patient)), (patient, code * len(labels) + label)), (len(patients), len(values) * len(labels))
        )
        for name, (values, code) in coded.items()
    }
    drawn: dict[str, list[NDArray[np.float64]]] = {name: [] for name in coded}
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, CHUNK):
        times = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), min(CHUNK, resamples - start))
        for name, cells in by_patient.items():
            drawn[name].append((cells.T @ times.T).T)
    rows = []
    for name, (values, _) in coded.items():
        counts = np.asarray(by_patient[name].sum(axis=0)).reshape(len(values), len(labels))
        resampled = np.concatenate(drawn[name]).reshape(-1, *counts.shape)
        value, low, high, undefined = _bound(counts, resampled, len(patients), confidence)
        untold = int((factors[name] == NOT_TOLD).sum())
        alone = int(counts[(counts > 0).sum(axis=1) == 1].sum())
        judgement = judge(value, low, high)
        rows.append((name, len(values), len(manifest), len(patients), untold, alone, value, low, high, undefined, judgement))
    cells = [
        manifest.assign(factor=str(name), value=column).groupby(["factor", "value", "label"], as_index=False).agg(
            films=("patient_id", "size"), patients=("patient_id", "nunique"))
        for name, column in factors.items()
    ]  # fmt: skip
    return Confounding(pd.DataFrame(rows, columns=list(COLUMNS)), pd.concat(cells, ignore_index=True))


def cramers_v(counts: NDArray[np.float64], observations: int) -> NDArray[np.float64]:
    """Bias-corrected Cramer's V (...,) of contingency tables (..., R, C); NaN where a table has one row or column only.

    observations: the number of independent ones. Films of one patient are not independent, so it is the number of patients; with
    one film per patient that is Bergsma's n.

    Source: Bergsma 2013, doi 10.1016/j.jkss.2012.10.002, equations 5 and 6.
    """
    return _corrected(*_phi_squared(counts), observations)


def judge(value: float, low: float, high: float) -> str:
    """The judgement of Cramer's V by its interval: strong, present, weak, none seen (at most weak), unclear or undefined."""
    if np.isnan(value) or np.isnan(low):
        return "undefined"
    if low > 0:
        return "strong" if low >= STRONG else "present" if low >= PRESENT else "weak"
    return "none seen" if high < PRESENT else "unclear"


def tell_confounding(found: Confounding) -> list[str]:
    """A sentence for each factor that is strong, and one where burned-in text was not searched."""
    warnings = [
        f"The class and the {row.factor} go together: Cramer's V {row.cramers_v:.2f} [{row.low:.2f}, {row.high:.2f}]. A model "
        f"can predict by the {row.factor} without looking at the lungs"
        for row in found.table.itertuples()
        if row.judgement == "strong"
    ]
    if BURNED_IN not in set(found.table["factor"]):
        warnings.append("Burned-in text was not searched: the table of confounding has no row for it")
    return warnings


def _bound(
    counts: NDArray[np.float64], resampled: NDArray[np.float64], patients: int, confidence: float
) -> tuple[float, float, float, float]:
    value = float(cramers_v(counts, patients))
    whole = float(_phi_squared(counts)[0])
    phi, rows, columns = _phi_squared(resampled)
    drawn = _corrected(phi - (phi.mean() - whole), rows, columns, patients)
    undefined = np.isnan(drawn)
    if np.isnan(value) or undefined.all():
        return value, np.nan, np.nan, float(undefined.mean())
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn[~undefined], [tail, 1 - tail])
    return value, float(low), float(high), float(undefined.mean())


def _phi_squared(counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Pearson's chi-squared per film, and the rows and columns that are not empty."""
    by_row, by_column = counts.sum(axis=-1), counts.sum(axis=-2)
    products = by_row[..., :, None] * by_column[..., None, :]
    shares = np.divide(counts**2, products, out=np.zeros_like(products, float), where=products > 0)
    return shares.sum(axis=(-2, -1)) - 1, (by_row > 0).sum(axis=-1), (by_column > 0).sum(axis=-1)


def _corrected(
    phi: NDArray[np.float64], rows: NDArray[np.int64], columns: NDArray[np.int64], observations: int
) -> NDArray[np.float64]:
    if observations < 2:
        return np.full(np.shape(phi), np.nan)
    free = observations - 1
    above = np.maximum(0.0, phi - (rows - 1) * (columns - 1) / free)
    most = np.minimum(rows - 1 - (rows - 1) ** 2 / free, columns - 1 - (columns - 1) ** 2 / free)
    return np.sqrt(np.minimum(1.0, np.divide(above, most, out=np.full(np.shape(phi), np.nan), where=most > 0)))
