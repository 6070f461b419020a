"""XRAI: regions of the film ranked by how densely Integrated Gradients lie in them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm, check_films, check_model, check_settings, numbers_of
from hilum.explain.methods.integrated_gradients import gradient_of, integrate
from hilum.records import Attribution, Images, Labels

# Of the authors' own code, for films of 224 px in the range -1 to 1.
SIDE, SCALES, SMOOTHING, SMALLEST = 224, (50, 100, 150, 250, 500, 1200), 0.8, 150
LEAST_NEW = 0.001  # share of the film that a region must add to what is covered; the authors' 50 pixels of 224 x 224


def explain(
    explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
) -> Attribution:
    """Each pixel takes the mean Integrated Gradient of the part that its region added to the regions before it.

    images: (N, H, W, 1) float32 grey levels 0-255; targets: (N,) class indices; settings: baselines and steps (of the gradients),
    dilation (how far regions are grown beyond their edges, as a share of the side).
    Signed values in logits per pixel. Overlapping regions of six segmentations (felzenszwalb) are taken in turn, always the one
    whose new part has the highest mean; regions: (N, H, W) the number of the turn in which a pixel was covered, from 0.
    numbers: regions (taken); those of `integrated_gradients`; zero = 1 where the map is all 0.
    Nothing is random, so the seed is not used.
    Raises: ValueError for wrong shapes or settings.
    Source: Kapishnikov et al. 2019, arXiv 1906.02825; Felzenszwalb & Huttenlocher 2004, doi 10.1023/B:VISI.0000022288.19776.77.
    """
    check_films(images, targets)
    check_settings("xrai", settings, ["baselines", "steps", "dilation"])
    gradient = gradient_of(explained, check_model("xrai", explained, targets))
    values = np.zeros(images.shape[:3], np.float32)  # (N, H, W)
    regions = np.zeros(images.shape[:3], np.int32)  # (N, H, W)
    rows = []
    for i, film in enumerate(images[..., 0]):
        pixels, numbers = integrate(gradient, film, int(targets[i]), list(settings["baselines"]), int(settings["steps"]))
        masks = segment(film, round(float(settings["dilation"]) * film.shape[0]))
        values[i], regions[i] = rank_regions(pixels, masks, max(1, round(LEAST_NEW * film.size)))
        rows.append(
            {
                "regions": float(regions[i].max() + 1),
                **numbers,
                "zero": float(not values[i].any()),
            }
        )
        on_film(i + 1, len(images))
    return Attribution(
        values=values,
        method="xrai",
        targets=np.asarray(targets, np.int64),
        signed=True,
        parameters={**settings, "segmentation": "felzenszwalb", "scales": list(SCALES)},
        numbers=numbers_of(rows),
        regions=regions,
    )


def rank_regions(
    pixels: NDArray[np.float32], masks: NDArray[np.bool_], least: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Cover the film region by region, the densest new part first.

    pixels: (H, W) attribution; masks: (M, H, W) overlapping regions; least: pixels that a region must add to be taken.
    Gives (H, W) the mean of the part that covered each pixel, and (H, W) the number of its turn; what no region covers is the
    last part.
    """
    flat = pixels.ravel().astype(np.float64)
    members = [np.flatnonzero(mask) for mask in masks]
    open_ = np.ones(flat.size, bool)
    heat, turns = np.zeros(flat.size, np.float64), np.zeros(flat.size, np.int32)
    turn = 0
    while members:
        members = [kept for kept in (member[open_[member]] for member in members) if len(kept) >= least]
        if not members:
            break
        densities = [float(flat[member].mean()) for member in members]
        best = int(np.argmax(densities))
        chosen = members.pop(best)
        heat[chosen], turns[chosen] = densities[best], turn
        open_[chosen] = False
        turn += 1
    if open_.any():
        heat[open_], turns[open_] = flat[open_].mean(), turn
    return heat.reshape(pixels.shape).astype(np.float32), turns.reshape(pixels.shape)


def segment(film: NDArray[np.float32], dilation: int) -> NDArray[np.bool_]:
    """(M, H, W) regions of six segmentations from fine to coarse, each grown by `dilation` pixels.

    film: (H, W) grey levels 0-255.
    """
    from scipy.ndimage import binary_dilation
    from skimage.morphology import disk
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    fine = resize(film / 127.5 - 1.0, (SIDE, SIDE), order=1, anti_aliasing=True)
    masks = []
    for scale in SCALES:
        labels = felzenszwalb(fine, scale=scale, sigma=SMOOTHING, min_size=SMALLEST, channel_axis=None)
        own = resize(labels, film.shape, order=0, preserve_range=True, anti_aliasing=False).astype(np.int32)
        masks += [own == label for label in np.unique(own)]
    if dilation:
        masks = [binary_dilation(mask, disk(dilation)) for mask in masks]
    return np.stack(masks)
