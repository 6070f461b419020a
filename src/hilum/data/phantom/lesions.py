"""How each finding replaces air in the lungs, and which pixels belong to it."""

from collections.abc import Callable

import numpy as np

from hilum.data.phantom.anatomy import Draw, Plane, Thorax, chord, pick, ramp, septa, squared_radius

# What differs between lesions: name -> range, drawn evenly; the same draw serves every finding.
LESION: dict[str, tuple[float, float]] = {
    "severity": (0.0, 1.0),
    "extent": (0.0, 1.0),
    "side": (-1.0, 1.0),
    "lobe": (0.0, 3.0),
    "across": (-0.40, 0.45),
    "along": (0.0, 1.0),
    "angle": (0.0, 3.14),
    "flat": (0.6, 1.0),
    "fissure": (0.0, 1.0),
    "asymmetry": (-1.0, 1.0),
}

HALF_WIDTH, HEIGHT = 0.30, 1.35  # of a typical lung, in halves of the film's side: turns places in the lung into distances


def _consolidation(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    """Water in one lobe's air spaces, soft at its edge unless a fissure bounds it, with open bronchi inside."""
    right_sided = lesion["side"] < 0
    side = thorax.right == right_sided
    lobe = np.floor(lesion["lobe"]).astype(np.int64)  # upper, middle, lower
    lobe = np.where(~right_sided & (lobe == 1), np.where(lesion["along"] < 0.5, 0, 2), lobe)  # the left lung has no middle lobe
    top, deep = np.array([0.20, 0.50, 0.55], np.float32)[lobe], np.array([0.20, 0.10, 0.25], np.float32)[lobe]
    radius = 0.21 + 0.22 * lesion["extent"]
    dx = (thorax.across - lesion["across"]) * HALF_WIDTH
    dy = (thorax.along - top - deep * lesion["along"]) * HEIGHT
    r = np.sqrt(squared_radius(dx, dy, radius, radius * lesion["flat"], lesion["angle"])) + 0.30 * thorax.clouds["patch"]
    body = ramp((1.2 - r) / 0.6)
    cut = np.where(lobe == 0, 0.47 - thorax.along, np.where(lobe == 1, thorax.along - 0.44, 1)) / 0.03
    body = np.where(lesion["fissure"] > 0.5, body * ramp(cut + 0.5), body)
    filled = 1 - 0.35 * np.clip(thorax.vessels, 0, 1) + 0.15 * thorax.clouds["mottle"]
    amount = 0.57 + 0.40 * lesion["severity"]
    return side * body * amount * np.clip(filled, 0.2, 1.5), side * body


def _interstitial(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    """A net of thickened septa in both lungs, denser around the hila and at the bases."""
    zone = np.exp(-(((thorax.across + 0.4) / 0.9) ** 2)) * (0.5 + 0.5 * ramp((thorax.along - 0.1) / 0.5))
    tilt = 1 + 0.3 * lesion["asymmetry"] * pick(thorax.right, 1, -1)
    patchy = np.clip(1 + 0.45 * thorax.clouds["patch"], 0.25, 1.8)
    amount = 0.30 + 0.40 * lesion["severity"]
    reach = zone * tilt * patchy
    return reach * amount * (septa(thorax) - 0.10), reach  # more air between the septa, so that the mean hardly reveals it


def _effusion(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    """Fluid in the lowest pleura of one side, climbing along the chest wall."""
    side = thorax.right == (lesion["side"] < 0)
    height = 0.16 + 0.45 * lesion["severity"]
    climb = 0.10 * np.clip(thorax.across, -0.4, 1) ** 2 + 0.16 * ramp((thorax.across - 0.55) / 0.5)
    level = 1.03 - height - climb
    fluid = side * ramp((thorax.along - level) / 0.07)
    return fluid * 0.9, fluid


def _nodule(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    """One to six round masses of soft tissue, the first the largest."""
    total = np.zeros_like(thorax.lung)
    for number in range(6):
        mirror, shift = (-1) ** number, 0.37 * number
        side = thorax.right == (lesion["side"] * mirror < 0)
        radius = (0.05 + 0.09 * lesion["extent"]) * (1 - 0.09 * number)
        dx = (thorax.across - 0.15 - lesion["across"] * mirror) * HALF_WIDTH
        dy = (thorax.along - 0.22 - 0.58 * ((lesion["along"] + shift) % 1)) * HEIGHT
        ball = side * chord(squared_radius(dx, dy, radius, radius * (0.6 + 0.4 * lesion["flat"]), lesion["angle"] + number))
        total = np.maximum(total, np.where(6 * lesion["fissure"] >= number, ball, 0))
    return total * (0.55 + 0.40 * lesion["severity"]), total


def _nothing(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    return np.zeros_like(thorax.lung), np.zeros_like(thorax.lung)


def _large_heart(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    return np.zeros_like(thorax.lung), (thorax.heart > 0.02).astype(np.float32)


# finding -> (share of the lung's air that it replaces, how far the pixel belongs to it); both (N, H, W), at most about 1
SHADOWS: dict[str, Callable[[Thorax, Draw], tuple[Plane, Plane]]] = {
    "normal": _nothing,
    "bacterial": _consolidation,
    "viral": _interstitial,
    "effusion": _effusion,
    "nodule": _nodule,
    "cardiomegaly": _large_heart,
}
