"""Films to review: blank, inverted, turned, lateral, or unlike the other films of their source."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hilum.data.prepared.geometry import Geometry
from hilum.data.quality.lateral import find_lateral_films, shrink_films
from hilum.records import Films

ODD = ("image_id", "path", "reason", "score", "detail")  # columns of data/prepared/odd_films.csv
SIDE = 24  # films are compared as thumbnails of this many pixels a side, without their padding
FIT = 400  # films of one half of a set from which the other half is evaluated, at most
LEAST = 20  # films of a source; smaller sources are pooled
FEWEST = 10  # films of a set, below which only blank films and the view are checked
MANY = 100  # films of a set, from which pixels may show lateral films: of 20 mixed films of adults, a quarter seemed lateral
WAYS = [(inverted, turns) for inverted in (False, True) for turns in range(4)]  # turns: quarters, counter-clockwise
BLANK = 16  # grey levels between the 1st and the 99th percentile
UPRIGHT = 0.1  # probability of the others' orientation, below which a film is listed
ALIKE = 0.3  # correlation with the median film
NEARLY = 0.7  # correlation below which a film is listed if it is also far from the others
FAR = 3.5  # robust standard deviations of the logarithm of the residual from the others' components
COMPONENTS = 12

Halves = list[tuple[NDArray[np.int64], NDArray[np.int64]]]
Thumbnails = NDArray[np.float32]  # (N, SIDE, SIDE), mean 0 and standard deviation 1 each


def list_odd_films(manifest: pd.DataFrame, films: Films, geometry: Mapping[str, Geometry]) -> pd.DataFrame:
    """Films to review with the reason, most striking first: columns ODD. None is left out because of it.

    Each half of a source is evaluated by the other. A discriminant analysis trained on one half, turned and inverted in all ways,
    predicts the orientation of the other half's films; it counts where restoring it brings the film closer to the median film. A
    film is unlike the others if it then neither correlates with that median nor is explained by the others' principal components.
    It assumes that most films of a set are correct. A given view is trusted; where none is given, and the set is large enough to
    learn its frontal films, lateral films are found by their pixels (`lateral`).

    manifest: columns image_id, path, source, patient_id, view; films: (N, size, size) in its order.
    geometry: image_id -> where the raw film lies in the prepared one.
    score: blank: 1 - range / 255; turned or inverted: probability; lateral: 1 if by the view, else 0 to 1;
    unlike: 1 - correlation with the median film.
    """
    crops = [_crop(film, geometry[name]) for film, name in zip(films, manifest["image_id"], strict=True)]
    ranges = np.array([float(np.subtract(*np.percentile(crop, [99, 1]))) for crop in crops])
    thumbnails = shrink_films(crops, SIDE)
    blank = ranges < BLANK
    rows = [(row, "blank", 1 - ranges[row] / 255, f"{ranges[row]:.0f} grey levels of 255") for row in np.flatnonzero(blank)]
    views = manifest["view"].str.upper().str.strip()
    lateral = (views.isin(["L", "LL", "RL"]) | views.str.startswith("LAT")).to_numpy() & ~blank
    rows += [(row, "lateral", 1.0, f"its view is {manifest['view'].iloc[row]}") for row in np.flatnonzero(lateral)]
    patients = pd.factorize(manifest["patient_id"])[0]
    unknown = (views == "").to_numpy()
    for members in _sets(manifest["source"].to_numpy(str), ~(blank | lateral)):
        found = _find_odd(thumbnails[members], patients[members], unknown[members])
        rows += [(members[place], *rest) for place, *rest in found]
    named = manifest[["image_id", "path"]].to_numpy()
    table = pd.DataFrame([(*named[row], *rest) for row, *rest in rows], columns=list(ODD))
    return table.sort_values(["score", "image_id"], ascending=[False, True], ignore_index=True).round({"score": 3})


def _crop(film: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """The part of a prepared film that is not padding."""
    corners = geometry.to_prepared(np.array([[0, 0], [geometry.width, geometry.height]], float))
    (left, top), (right, bottom) = corners.round().clip(0, geometry.size).astype(int)
    return film[top : max(bottom, top + 1), left : max(right, left + 1)]


def _sets(sources: NDArray[np.str_], chosen: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Rows of each source with enough films, and of the small sources together."""
    parts = {str(name): np.flatnonzero((sources == name) & chosen) for name in np.unique(sources)}
    large = [rows for rows in parts.values() if len(rows) >= LEAST]
    small = [rows for rows in parts.values() if 0 < len(rows) < LEAST]
    rest = np.sort(np.concatenate(small)) if small else np.array([], np.int64)
    return [*large, *([rest] if len(rest) >= FEWEST else [])]


def _find_odd(films: Thumbnails, patients: NDArray[np.int64], unknown: NDArray[np.bool_]) -> list[tuple[int, str, float, str]]:
    """Place, reason, score and detail of the odd films of one set; unknown: those without a view."""
    halves = _halves(patients)
    chances = _guess_ways(films, halves)
    upright = chances[:, 0] >= 0.5
    if all(upright[learn].sum() > 1 for learn, _ in halves):  # again, trained only on those oriented like most
        chances = _guess_ways(films, [(learn[upright[learn]], other) for learn, other in halves])
    way = np.where(chances[:, 0] < UPRIGHT, chances.argmax(1), 0)
    laid = np.stack([_lay(film[None], WAYS[k], back=True)[0] for film, k in zip(films, way, strict=True)])
    better = _correlate(laid, films) > _correlate(films, films)  # the analysis is overconfident about films upside down
    way, laid = np.where(better, way, 0), np.where(better[:, None, None], laid, films)
    alike, far = _compare(laid, halves)
    lateral = np.zeros(len(films))  # (N,)
    if unknown.any() and len(films) >= MANY:
        lateral[unknown] = find_lateral_films(films, patients)[unknown]
    lateral[(way > 0) & (alike >= NEARLY)] = 0.0  # restored, it is a frontal film
    odd = []
    for place in range(len(films)):
        if lateral[place]:
            detail = "no view is given, and it looks like a lateral film"
            odd.append((place, "lateral", float(lateral[place]), detail))
        elif alike[place] < ALIKE or (alike[place] < NEARLY and far[place] > FAR):
            detail = f"correlation {alike[place]:.2f} with the median film, {far[place]:.1f} deviations from the others"
            odd.append((place, "unlike the others", 1 - float(alike[place]), detail))
        elif way[place]:
            detail = f"probability {chances[place, way[place]]:.2f}"
            odd.append((place, _name(*WAYS[way[place]]), 1 - float(chances[place, 0]), detail))
    return odd


def _name(inverted: bool, turns: int) -> str:
    turned = f"rotated by {90 * turns} degrees" if turns else ""
    return " and ".join(part for part in ("inverted" if inverted else "", turned) if part)


def _lay(films: Thumbnails, way: tuple[bool, int], back: bool = False) -> Thumbnails:
    inverted, turns = way
    laid = np.rot90(films, -turns if back else turns, (1, 2))
    return -laid if inverted else laid


def _halves(patients: NDArray[np.int64]) -> Halves:
    """(rows to train on, rows to evaluate), twice: every film is evaluated by films of other patients."""
    side = np.unique(patients, return_inverse=True)[1] % 2
    if min(np.bincount(side, minlength=2)) < 2:
        side = np.arange(len(patients)) % 2  # one patient only, or one plus a single film
    first, second = np.flatnonzero(side == 0), np.flatnonzero(side == 1)
    return [(_spread(first), second), (_spread(second), first)]


def _spread(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most FIT of the rows, evenly over the set."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(FIT, len(rows))).round().astype(int))]


def _guess_ways(films: Thumbnails, halves: Halves) -> NDArray[np.float64]:
    """(N, 8) probability of each of WAYS."""
    chances = np.zeros((len(films), len(WAYS)))  # (N, ways)
    for learn, other in halves:
        turned = np.concatenate([_lay(films[learn], way) for way in WAYS]).reshape(len(WAYS) * len(learn), -1)
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(turned, np.repeat(np.arange(len(WAYS)), len(learn)))
        chances[other] = model.predict_proba(films[other].reshape(len(other), -1))
    return chances


def _correlate(films: Thumbnails, others: Thumbnails) -> NDArray[np.float64]:
    """(N,) correlation of each film with the median of the others."""
    flat, median = films.reshape(len(films), -1), np.median(others.reshape(len(others), -1), axis=0)
    return np.asarray(flat @ median / (np.linalg.norm(flat, axis=1) * np.linalg.norm(median) + 1e-9), np.float64)


def _compare(films: Thumbnails, halves: Halves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N,) correlation with the median film, and (N,) deviations of the residual from the usual one."""
    flat = films.reshape(len(films), -1)  # (N, H * W)
    alike = _correlate(films, films)
    usual = alike >= np.median(alike) - 2 * _spread_of(alike)
    left = np.zeros(len(flat))
    for learn, other in halves:
        teachers = flat[learn[usual[learn]]]
        mean = teachers.mean(0)
        parts = np.linalg.svd(teachers - mean, full_matrices=False)[2][: min(COMPONENTS, max(1, len(teachers) // 4))]
        apart = flat[other] - mean
        left[other] = ((apart - apart @ parts.T @ parts) ** 2).mean(1)
    amount = np.log(left + 1e-9)
    return alike, (amount - np.median(amount)) / _spread_of(amount)


def _spread_of(values: NDArray[np.float64]) -> float:
    """Standard deviation estimated from the median absolute deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values)))) + 1e-9
