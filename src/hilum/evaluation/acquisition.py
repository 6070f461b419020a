"""The shortcut baselines: classifiers of a film's class by source, size, proportion and rim alone, without the lungs."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hilum.data.prepared.geometry import Geometry, fit_square
from hilum.records import Films, Labels, Probabilities

ITERATIONS = 2000  # of the solver, which warns if it needs more


def acquisition_features(
    films: Films, rows: Sequence[int], widths: Sequence[int], heights: Sequence[int], square: str, ring: float, bins: int
) -> NDArray[np.float64]:
    """How a film was taken, (N, 3 + bins): logarithms of width, height and proportion, and the grey levels of its rim.

    films: (M, size, size) uint8, prepared with `square`; read one by one, so they may lie in a file. rows: (N,) which of them.
    widths, heights: (N,) of the raw films, pixels.
    ring: share of the film's width and height that the rim takes on each side, 0 to 0.5. bins: of the histogram of 0-255,
        each bin as the share of the rim's pixels. The rim is that of the film: padding is no part of it.
    """
    size = films.shape[1]
    rims = {shape: rim_mask(fit_square(*shape, size, square), ring) for shape in set(zip(widths, heights, strict=True))}
    level = (np.arange(256) * bins // 256).astype(np.intp)
    features = np.empty((len(rows), 3 + bins))  # (N, 3 + bins)
    for place, (row, width, height) in enumerate(zip(rows, widths, heights, strict=True)):
        grey = level[films[row][rims[width, height]]]
        features[place, :3] = np.log(width), np.log(height), np.log(width / height)
        features[place, 3:] = np.bincount(grey, minlength=bins) / len(grey)
    return features


def rim_mask(geometry: Geometry, ring: float) -> NDArray[np.bool_]:
    """The prepared pixels (size, size) of a film's outer ring, `ring` of its width or height on each side.

    Where the film is padded, the pixels that its edge meets and their neighbours are left out: resizing mixed padding into them.
    At least one row or column of pixels is left on each side.
    """
    corners = geometry.to_prepared(np.array([[0.0, 0.0], [geometry.width, geometry.height]]))
    inside, rim = [], []
    for low, high in corners.T:
        padded = low > 0 or high < geometry.size
        first, last = (int(np.ceil(low)) + 1, int(np.floor(high)) - 1) if padded else (0, geometry.size)
        last = max(last, first + 1)
        wide = max(1, round(ring * (high - low)) - (1 if padded else 0))
        place = np.arange(geometry.size)
        inside.append((place >= first) & (place < last))
        rim.append((place < first + wide) | (place >= last - wide))
    return inside[1][:, None] & inside[0] & (rim[1][:, None] | rim[0])


def source_features(sources: Sequence[str], known: Sequence[str]) -> NDArray[np.float64]:
    """One column per known source, (N, S), 1 where a film is from it; a film of another source has none."""
    return (np.asarray(sources, str)[:, None] == np.asarray(known, str)).astype(np.float64)


def predict_by_features(train: NDArray[np.float64], labels: Labels, films: NDArray[np.float64], classes: int) -> Probabilities:
    """A logistic regression's probabilities (N, K) for `films` (N, F), scaled and fitted on the training rows alone.

    train: (M, F). labels: (M,) class indices; every class has a row. Features that are constant in training have no effect.
    """
    model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cg", max_iter=ITERATIONS))
    model.fit(train, labels)
    predictions = np.zeros((len(films), classes))  # (N, K)
    predictions[:, model[-1].classes_] = model.predict_proba(films)
    return predictions / predictions.sum(axis=1, keepdims=True)
