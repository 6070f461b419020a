"""LIME: a linear model of the prediction over superpixels that are shown or hidden."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import (
    BATCH,
    ExplainedModel,
    OnFilm,
    Predict,
    check_films,
    check_settings,
    check_targets,
    numbers_of,
)
from hilum.records import Attribution, Images, Labels

if TYPE_CHECKING:
    from lime.lime_image import LimeImageExplainer

SEGMENTATION = ("superpixels", "compactness", "sigma")  # the settings of `segment`


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """LIME's weight of each superpixel for the target's probability, painted on the superpixel's pixels.

    images: (N, H, W, 1) float32 grey levels 0-255, as the model takes them; targets: (N,) class indices.
    settings: samples (perturbed films), superpixels (asked for, about) with compactness and sigma as for `superpixels`, features
    (superpixels with a weight) and selection (lime's way to choose them: auto, highest_weights, forward_selection, lasso_path or
    none, which takes all), kernel_width (of the cosine distance), hide (what a hidden superpixel becomes: `mean`, its own mean
    grey level, which leaves an evenly opaque region nearly as it was; `film`, the mean of the whole film; or a grey level 0-255).
    Signed values; regions: (N, H, W) superpixels. numbers: local_fit (weighted R2 of the linear model, NaN where the
    probability never moves), superpixels (found), intercept, local_prediction (of the linear model for the whole film),
    spread (largest minus smallest probability seen) and zero = 1 where every weight is 0.

    The seed sets the perturbations, the same for every film; the superpixels (slic) have no randomness.
    Raises: ValueError for wrong shapes or settings.
    Source: Ribeiro et al. 2016, arXiv 1602.04938; Achanta et al. 2012, doi 10.1109/TPAMI.2012.120.
    """
    check_films(images, targets)
    check_settings("lime", settings, [*SEGMENTATION, "samples", "features", "selection", "kernel_width", "hide"])
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    regions = np.zeros(images.shape[:3], np.int32)  # (N, H, W)
    rows = []
    for i, film in enumerate(images[..., 0]):
        regions[i] = segment(film, **{key: settings[key] for key in SEGMENTATION})
        explainer = fast_explainer(float(settings["kernel_width"]), str(settings["selection"]), seed, explained)
        target, predictions = int(targets[i]), _RecordedPredictions(explained.predict)
        explanation = explainer.explain_instance(
            np.repeat(film[..., np.newaxis], 3, axis=-1),
            predictions,
            labels=(target,),
            hide_color=_hidden_grey(settings["hide"], film),
            top_labels=None,
            num_features=int(settings["features"]),
            num_samples=int(settings["samples"]),
            batch_size=BATCH,
            segmentation_fn=lambda _, found=regions[i]: found,
            random_seed=seed,
        )
        check_targets(targets, predictions.classes)
        weights = np.zeros(regions[i].max() + 1, np.float32)
        for region, weight in explanation.local_exp[target]:
            weights[region] = weight
        spread = predictions.spread(target)
        if spread == 0:  # a constant probability cannot be fitted; ridge leaves rounding errors
            weights[:] = 0
        values[i] = weights[regions[i]]
        rows.append(
            {
                "local_fit": float(explanation.score) if spread > 0 else np.nan,
                "superpixels": float(len(weights)),
                "intercept": float(explanation.intercept[target]),
                "local_prediction": float(explanation.local_pred[0]),
                "spread": spread,
                "zero": float(not weights.any()),
            }
        )
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="lime",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={**settings, "seed": seed, "segmentation": "slic"},
        numbers=numbers_of(rows),
        regions=regions,
    )


def segment(film: NDArray[np.float32], superpixels: int, compactness: float, sigma: float) -> NDArray[np.int32]:
    """About this many superpixels of one film, numbered from 0 without gaps; the grey scale's range does not matter.

    film: (H, W) grey levels; gives (H, W) int32. compactness and sigma (pixels of smoothing) are slic's, on the film stretched to
    0-1: with little of either, noise pulls superpixels apart until few are left.
    """
    from skimage.segmentation import slic

    low, high = float(film.min()), float(film.max())
    stretched = (film.astype(np.float64) - low) / (high - low if high > low else 1.0)
    found = slic(stretched, n_segments=superpixels, compactness=compactness, sigma=sigma, start_label=0, channel_axis=None)
    return np.unique(found, return_inverse=True)[1].reshape(film.shape).astype(np.int32)


def show_superpixels(
    explained: ExplainedModel,
    shown: NDArray[np.bool_],
    regions: NDArray[np.int32],
    film: NDArray[np.float32],
    hidden: NDArray[np.float32],
) -> Images:
    """Copies of a film, in reused memory: shown (B, M) says which of its superpixels each copy shows; (B, H, W, 1)."""
    copies = explained.copies(len(shown), film.shape)
    for row, copy in zip(shown, copies[..., 0], strict=True):
        copy[:] = hidden
        np.copyto(copy, film, where=row[regions])
    return copies


def fast_explainer(kernel_width: float, selection: str, seed: int, explained: ExplainedModel) -> "LimeImageExplainer":
    """lime's explainer with its loop over samples and superpixels replaced by one indexing; draws and results stay equal."""
    from lime.lime_image import LimeImageExplainer

    class Vectorised(LimeImageExplainer):
        def data_labels(  # type: ignore[no-untyped-def]
            self, image, fudged_image, segments, classifier_fn, num_samples, batch_size=10
        ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
            count = len(np.unique(segments))
            data = self.random_state.randint(0, 2, num_samples * count).reshape(num_samples, count)
            data[0, :] = 1
            shown = data.astype(bool)
            film, hidden = image[..., 0], fudged_image[..., 0]
            predictions = [
                classifier_fn(show_superpixels(explained, shown[i : i + batch_size], segments, film, hidden))
                for i in range(0, num_samples, batch_size)
            ]
            return data, np.concatenate(predictions)

    return Vectorised(kernel_width=kernel_width, feature_selection=selection, random_state=seed)


class _RecordedPredictions:
    """A predict function that records the range of each class and takes grey or three equal channels."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._kept: list[NDArray[np.float64]] = []

    def __call__(self, films: NDArray[np.float32]) -> NDArray[np.float64]:
        self._kept.append(np.asarray(self._predict(np.asarray(films[..., :1], np.float32)), np.float64))
        return self._kept[-1]

    @property
    def classes(self) -> int:
        return self._kept[0].shape[1]

    def spread(self, target: int) -> float:
        column = np.concatenate([predictions[:, target] for predictions in self._kept])
        return float(column.max() - column.min())


def _hidden_grey(hide: Any, film: NDArray[np.float32]) -> float | None:
    """lime's value for the grey of a hidden superpixel: None is its own mean."""
    if hide == "mean":
        return None
    if hide == "film":
        return float(film.mean())
    if isinstance(hide, bool) or not isinstance(hide, int | float) or not 0 <= hide <= 255:
        raise ValueError(f"explain.lime.hide must be mean, film or a grey level 0-255, got {hide!r}")
    return float(hide)
