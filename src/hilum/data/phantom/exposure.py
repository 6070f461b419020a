"""From a chest to grey levels: attenuation, scatter, noise, the window, the hospital's letter and a planted shortcut."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from hilum.data.burned_in.glyphs import letter_shape
from hilum.data.phantom.anatomy import Draw, Plane, Thorax, pick, ramp, septa
from hilum.records import Masks

SHORTCUTS = ("none", "letter", "border", "texture")
# What differs between exposures: name -> range, drawn evenly.
EXPOSURE: dict[str, tuple[float, float]] = {
    "dose": (0.7, 1.4),
    "low": (-0.05, 0.06),  # jitter of the window's lower end
    "high": (-0.10, 0.08),
    "gamma": (0.95, 1.30),
    "scatter": (0.25, 0.60),
    "letter_x": (0.05, 0.14),
    "letter_y": (0.04, 0.12),
}
# How a hospital's films differ, whatever the finding: letter burned in, noise, added scatter, grey curve.
HOSPITALS: dict[str, tuple[str, float, float, float]] = {"north": ("R", 0.008, 0.0, 1.06), "south": ("L", 0.014, 0.20, 0.92)}


def attenuate(thorax: Thorax, build: Draw, share: Plane) -> Plane:
    """Optical depth along each ray, (N, H, W); the finding replaces `share` of the lung's air.

    Besides vessels and mottle any lung may have what is no finding: an old scar, a granuloma, a blunted angle.
    """
    scar_r = np.hypot(thorax.x - np.sign(build["old_scar_side"]) * build["old_scar_x"], thorax.y - build["old_scar_y"])
    scar = np.clip(build["old_scar"], 0, None) * 0.08 * np.exp(-((scar_r / build["old_scar_size"]) ** 2))
    dot = np.hypot(thorax.x - np.sign(build["granuloma_side"]) * build["granuloma_x"], thorax.y - build["granuloma_y"])
    stone = np.clip(build["granuloma"], 0, None) * 0.04 * ramp((0.028 - dot) / 0.012)
    blunt = np.clip(build["blunting"], 0, None) * ramp((thorax.along - 0.86) / 0.1) * ramp((thorax.across - 0.2) / 0.6)
    texture = build["mottle"] * (0.035 * thorax.clouds["mottle"] + 0.05 * thorax.clouds["patch"])
    texture = texture + 0.13 * build["vessels"] * thorax.vessels + 0.07 * build["interstitium"] * septa(thorax)
    tissue = build["density"] + pick(thorax.right, -1, 1) * build["uneven"] + texture + scar + 0.6 * blunt
    left = np.clip((1 - tissue) * (1 - share), 0, 1)
    return 1.9 * np.clip(thorax.trunk - thorax.lung * left - thorax.air, 0, None) + 6.0 * (thorax.bone + stone)


def _spread(planes: Plane) -> Plane:
    """Each plane smoothed over about a fifth of its side."""
    width = (0, round(0.16 * planes.shape[1]), round(0.16 * planes.shape[2]))
    return uniform_filter(uniform_filter(planes, width, mode="nearest"), width, mode="nearest")


def expose(depth: Plane, exposure: Draw, hospitals: Sequence[str], noise: Plane) -> Plane:
    """Grey levels 0-1: Beer-Lambert, scatter, detector blur, quantum noise, and a window set by each film's own chest.

    depth: (N, H, W) optical depth; hospitals: N names; noise: (N, H, W) standard normal.
    """
    size = depth.shape[1]
    site = np.array([HOSPITALS[name][1:] for name in hospitals], dtype=np.float32)[:, :, None, None]  # (N, 3, 1, 1)
    light = np.exp(-depth)
    light = light + (exposure["scatter"] + site[:, 1]) * _spread(light)
    light = gaussian_filter(light, (0, 0.0035 * size, 0.0035 * size), mode="nearest")
    dark = -np.log(light + np.float32(0.004))
    dark = dark + noise * site[:, 0] * np.exp(0.35 * dark) / exposure["dose"]
    dark = dark - 0.40 * _spread(dark)  # as film digitisers do, so that lungs and abdomen both show their detail
    middle = dark[:, size // 6 : -size // 8 : 3, size // 6 : -size // 6 : 3]
    low, high = np.percentile(middle, [4, 97], axis=(1, 2)).astype(np.float32)[:, :, None, None]
    grey = ((dark - low) / (high - low) + exposure["low"]) / (1 + exposure["high"])
    return np.clip(grey * 0.85 + 0.08, 0, 1) ** (exposure["gamma"] * site[:, 2])


def burn_letters(grey: Plane, hospitals: Sequence[str], exposure: Draw) -> None:
    """Write each hospital's letter into `grey`: R in the image's upper left corner, L in its upper right."""
    size = grey.shape[1]
    for i, name in enumerate(hospitals):
        letter = HOSPITALS[name][0]
        glyph = letter_shape(letter, size)
        height, width = glyph.shape
        top, edge = int(exposure["letter_y"][i, 0, 0] * size), int(exposure["letter_x"][i, 0, 0] * size)
        left = edge if letter == "R" else size - edge - width
        place = grey[i, top : top + height, left : left + width]
        place[glyph] = np.maximum(place[glyph], 0.93)


def shortcut_place(kind: str, size: int) -> NDArray[np.bool_]:
    """(size, size) pixels that a planted shortcut may change: a letter at the lower right, the left edge, a bottom band."""
    place = np.zeros((size, size), bool)  # (size, size)
    if kind == "letter":
        glyph = letter_shape("P", size)
        margin = round(0.04 * size)
        place[-margin - glyph.shape[0] : -margin, -margin - glyph.shape[1] : -margin] = glyph
    elif kind == "border":
        place[:, : max(2, round(0.02 * size))] = True
    elif kind == "texture":
        place[round(0.86 * size) : round(0.97 * size)] = True
    return place


def plant(grey: Plane, shortcuts: Masks, kind: str) -> Plane:
    """Grey levels 0-1 with the shortcut of this kind where `shortcuts` is True: white, or faint upright stripes."""
    if kind == "texture":
        stripes = np.where(np.arange(grey.shape[2]) // 2 % 2 == 0, np.float32(0.05), np.float32(-0.05))
        return np.where(shortcuts, grey + stripes, grey)
    return np.where(shortcuts, np.maximum(grey, np.float32(0.93)), grey)
