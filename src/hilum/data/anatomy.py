"""The analytic chest: how far each ray runs through air, soft tissue and bone, and what a finding puts in its way.

Lengths are in halves of the film's side. x grows to the image's right, which is the patient's left; y grows downwards.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilum.records import Masks

Plane = NDArray[np.float32]  # (N, H, W)
Draw = Mapping[str, NDArray[np.float32]]  # name -> (N, 1, 1)

# What differs between patients: name -> lowest and highest value, drawn evenly. New rows go last, so that old films stay as they are.
BUILD: dict[str, tuple[float, float]] = {
    "chest": (0.66, 0.80),  # half width inside the ribs
    "flank": (0.08, 0.24),  # chest wall beside the ribs
    "depth": (0.62, 0.86),  # half depth of the trunk
    "apex": (-0.80, -0.70),
    "base": (0.56, 0.74),  # costophrenic angle
    "lift_right": (0.22, 0.34),  # height of the diaphragm's dome
    "lift_left": (0.17, 0.28),
    "axial": (-0.05, 0.05),  # rotation about the long axis: heart and clavicles against the spine
    "heart": (0.80, 1.00),
    "heart_angle": (0.45, 0.95),
    "aorta": (0.075, 0.115),
    "mediastinum": (0.095, 0.135),
    "bone": (0.70, 1.35),
    "rib_drop": (0.50, 0.72),
    "rib_gap": (0.128, 0.152),
    "rib_start": (-1.02, -0.90),
    "clavicle": (-0.70, -0.56),
    "vessels": (0.5, 1.4),
    "interstitium": (0.0, 1.0),
    "mottle": (0.15, 1.0),
    "breast": (0.0, 0.30),
    "breast_y": (0.18, 0.42),
    "scapula": (0.80, 1.00),
    "gas": (0.0, 0.22),
    "vessel_phase_right": (0.0, 6.28),
    "vessel_phase_left": (0.0, 6.28),
    "hilum_y": (-0.08, 0.06),
    "shoulder": (-1.06, -0.94),
    "old_scar": (-1.0, 1.0),  # below 0: none
    "old_scar_x": (0.15, 0.65),
    "old_scar_y": (-0.55, 0.45),
    "old_scar_size": (0.06, 0.22),
    "old_scar_side": (-1.0, 1.0),
    "granuloma": (-2.0, 1.0),  # below 0: none
    "granuloma_x": (0.2, 0.6),
    "granuloma_y": (-0.5, 0.4),
    "granuloma_side": (-1.0, 1.0),
    "blunting": (-1.0, 0.5),  # old pleural scar in the costophrenic angle
    "density": (0.12, 0.32),  # share of the lung that is tissue
    "uneven": (-0.07, 0.07),  # the same, one side against the other
}
# What differs between films of one patient.
POSITION: dict[str, tuple[float, float]] = {
    "shift_x": (-0.08, 0.08),
    "shift_y": (-0.10, 0.08),
    "zoom": (0.90, 1.04),
    "tilt": (-0.045, 0.045),
    "breath": (-0.05, 0.05),  # moves the diaphragm
}
# What differs between lesions; the same draw serves every finding.
LESION: dict[str, tuple[float, float]] = {
    "severity": (0.0, 1.0),
    "extent": (0.0, 1.0),
    "side": (-1.0, 1.0),
    "lobe": (0.0, 3.0),
    "across": (-0.55, 0.45),
    "along": (0.0, 1.0),
    "angle": (0.0, 3.14),
    "flat": (0.6, 1.0),
    "fissure": (0.0, 1.0),
    "asymmetry": (-1.0, 1.0),
    "sparing": (0.0, 1.0),
}
CLOUDS: dict[str, int] = {"warp": 11, "patch": 10, "mottle": 24, "mesh": 38, "weave": 38}  # texture -> knots per film side


@dataclass(frozen=True)
class Thorax:
    """Path lengths through N chests, each (N, H, W) float32, and where things lie.

    trunk: body with its lungs filled; lung: air-holding lung; heart, bone: as named; vessels, mesh: texture 0-1 inside the lungs.
    across: -1 (mediastinal) to 1 (chest wall) in each lung; along: 0 (apex) to 1 (base).
    right: True on the patient's right, the image's left.
    """

    x: Plane
    y: Plane
    right: Masks
    trunk: Plane
    lung: Plane
    heart: Plane
    bone: Plane
    air: Plane
    vessels: Plane
    clouds: Mapping[str, Plane]
    across: Plane
    along: Plane
    dome: Plane
    lung_mask: Masks


def ramp(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smooth step from 0 to 1 as values run from 0 to 1."""
    t = np.clip(values, 0, 1)
    return t * t * (3 - 2 * t)


def chord(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Path through a unit ball at squared distance `values` from its centre, as a share of its diameter."""
    return np.sqrt(np.clip(1 - values, 0, None))


def _pick(right: Masks, first: float, second: float) -> Plane:
    """One number for the patient's right side, another for the left."""
    return np.where(right, np.float32(first), np.float32(second))


def _squared_radius(x: Plane, y: Plane, a: Plane, b: Plane, angle: Plane) -> Plane:
    """Squared distance from an ellipse's centre, 1 on its edge."""
    c, s = np.cos(angle), np.sin(angle)
    return ((x * c + y * s) / a) ** 2 + ((y * c - x * s) / b) ** 2


def cloud(knots: NDArray[np.float32], x: Plane, y: Plane) -> Plane:
    """Smooth noise of about unit variance: Gaussian bumps on a lattice of random heights.

    knots: (N, K, K); x: (N, 1, W) and y: (N, H, 1) positions, -1.2 to 1.2 inside the lattice.
    """
    n = knots.shape[1]
    places = np.linspace(-1.2, 1.2, n, dtype=np.float32)
    width = 0.7 * (places[1] - places[0])
    across = np.exp(-(((np.swapaxes(x, 1, 2) - places) / width) ** 2))  # (N, W, K)
    down = np.exp(-(((y - places) / width) ** 2))  # (N, H, K)
    # einsum, not @: a threaded matrix product of such small planes spends its time waiting when the cores are busy
    rows = np.einsum("nhj,nkj->nhk", down, np.ascontiguousarray(np.swapaxes(knots, 1, 2)))
    return np.einsum("nhk,nwk->nhw", rows, across) / np.float32(0.877)  # 0.877: root of the summed squared bumps at this width


def build_thorax(build: Draw, position: Draw, knots: Mapping[str, NDArray[np.float32]], size: int) -> Thorax:
    """Path lengths through N chests of `size` x `size` pixels.

    build, position: draws from BUILD and POSITION, each (N, 1, 1); knots: name in CLOUDS -> (N, K, K) standard normal.
    """
    b = build
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size / 2) - np.float32(1)
    x = (axis[None, None, :] - position["shift_x"]) / position["zoom"]  # (N, 1, W)
    level = (axis[None, :, None] - position["shift_y"]) / position["zoom"]  # (N, H, 1)
    y = level + position["tilt"] * x
    right = x < 0
    xs = np.abs(x)
    clouds = {name: cloud(k, x, level) for name, k in knots.items()}

    base = b["base"] + position["breath"]
    along = (y - b["apex"]) / (base - b["apex"])
    centre = 0.42 * b["chest"]
    rise = 1 - np.clip(along / 0.85, 0, 1)
    outer = centre + (b["chest"] - centre) * np.sqrt(1 - rise * rise * (0.4 + 0.6 * rise))
    narrow = 1 - np.clip(along / 0.2, 0, 1)
    inner = 0.085 + (centre - 0.085) * narrow * narrow
    across = (2 * xs - outer - inner) / (outer - inner + 1e-3)
    peak = 0.5 * b["chest"]
    fall = np.where(xs > peak, (xs - peak) / (b["chest"] - peak), (peak - xs) / (1.9 * peak))
    fall = fall * fall
    dome = base - np.where(right, b["lift_right"], b["lift_left"]) * (1 - np.minimum(fall * (0.6 + 0.4 * fall), 1.15))
    above = ramp((dome - y) / 0.025 + 0.5)
    lung = above * 0.9 + ramp((dome + 0.13 - y) / 0.09) * 0.1
    across2 = across * across
    lung *= np.sqrt(np.clip(1 - across2 * across2, 0, 1)) * np.sqrt(np.clip(along / 0.35, 0, 1)) * (1.35 * b["depth"])

    heart = _heart(b, x, y, base)
    middle = _mediastinum(b, x, y)
    filled = np.maximum(heart, middle)
    mask = (across2 < 1) & (along > 0) & (y < dome) & (filled < 0.22)
    lung = np.maximum(lung - 1.4 * filled, 0.12 * lung)

    width = b["chest"] + b["flank"] + 0.5 * ramp((-0.05 - y) / 0.55)
    trunk = 2 * b["depth"] * chord((x / width) ** 2)
    top = b["shoulder"] + 0.02 + 0.30 * ramp((xs - 0.20) / 1.2) - 0.6 * ramp((0.34 - xs) / 0.2)
    trunk *= ramp((y - top) / 0.07) * (0.55 + 0.45 * ramp((y + 0.85) / 0.6))
    trunk += _breast(b, xs, y) + 0.12 * ramp((y - dome) / 0.3) * chord((x / width) ** 2)
    bone = b["bone"] * _bones(b, x, xs, y, outer, right, along)
    air = _airways(b, x, xs, y, dome, right)
    vessels = _vessels(b, xs, y, clouds["warp"], right)
    return Thorax(*np.broadcast_arrays(x, y), np.broadcast_to(right, y.shape), trunk, lung, heart, bone, air, vessels, clouds,
                  across, along, dome, mask)  # fmt: skip


def _heart(b: Draw, x: Plane, y: Plane, base: Plane) -> Plane:
    scale = b["heart"]
    low = base - 0.42 * scale + 0.02
    cx = x - b["axial"]
    ventricle = chord(_squared_radius(cx - 0.13 * scale, y - low, 0.37 * scale, 0.255 * scale, b["heart_angle"]))
    atrium = chord(_squared_radius(cx + 0.05, y - low + 0.02, 0.165 * scale, 0.27 * scale, np.zeros_like(scale)))
    return np.maximum(0.62 * scale * ventricle, 0.5 * scale * atrium)


def _mediastinum(b: Draw, x: Plane, y: Plane) -> Plane:
    cx = x - 0.6 * b["axial"]
    width = b["mediastinum"] * (1 + 0.5 * ramp((-0.55 - y) / 0.4) + 0.25 * ramp((y + 0.1) / 0.4))
    band = 0.5 * chord((cx / width) ** 2)
    knob = 0.42 * chord(((cx - 0.75 * b["mediastinum"]) ** 2 + (y + 0.26) ** 2) / b["aorta"] ** 2)
    trunk = 0.36 * chord(_squared_radius(cx - 0.10, y + 0.06, 0.075 * np.ones_like(width), 0.12 * np.ones_like(width), 0.3 * np.ones_like(width)))
    return np.maximum(np.maximum(band, knob), trunk)


def _breast(b: Draw, xs: Plane, y: Plane) -> Plane:
    inside = ((xs - 0.46) / 0.33) ** 2 + ((y - b["breast_y"]) / 0.30) ** 2
    return b["breast"] * chord(inside) * ramp((y - b["breast_y"] + 0.25) / 0.4)


def _airways(b: Draw, x: Plane, xs: Plane, y: Plane, dome: Plane, right: Masks) -> Plane:
    cx = x - 0.7 * b["axial"]
    windpipe = chord((cx / 0.042) ** 2) * ramp((-0.20 - y) / 0.05)
    slope = _pick(right, 1.25, 0.95)
    reach = np.abs(cx)
    bronchus = chord(((y + 0.23 - slope * reach) / 0.05) ** 2) * ramp((0.22 - reach) / 0.06)
    bubble = chord(_squared_radius(x - 0.36, y - dome - 0.13, 0.17, 0.085, np.zeros_like(b["gas"])))
    return 0.24 * np.maximum(windpipe, 0.7 * bronchus) + np.clip(b["gas"] - 0.08, 0, None) * 2 * bubble * ramp((y - dome - 0.03) / 0.03)


def _bones(b: Draw, x: Plane, xs: Plane, y: Plane, outer: Plane, right: Masks, along: Plane) -> Plane:
    """Ribs as tilted rings, so that the back halves arch up and the front halves arch down; spine, clavicles, shoulder blades."""
    gap, drop = b["rib_gap"], b["rib_drop"]
    t = np.clip(xs / (outer + 0.015), 0, 1)
    bow = np.sqrt(1 - t * t)
    steep = np.minimum(0.5 * drop * t / (np.maximum(bow, 0.12) * b["chest"]), 2.5)
    shrink = 1 / np.sqrt(1 + steep * steep)
    inside = xs < outer + 0.03
    bones = np.zeros_like(y)
    for half, weight, radius in ((-1, ramp((xs - 0.05) / 0.05), 0.027), (1, 0.7 * ramp((t - 0.42) / 0.25), 0.033)):
        place = (y - b["rib_start"] - 0.5 * drop * (1 + half * bow)) / gap
        number = np.rint(place)
        near = (place - number) * gap * shrink / radius
        near *= near
        tube = chord(near) - 0.62 * chord(near / 0.58)  # cortex around marrow
        edge = 1 + 0.6 * np.clip((t - 0.85) / 0.15, 0, 1)
        bones += np.where((number >= 0) & (number <= 9) & inside, tube * edge * weight * (2.6 * radius), 0)
    disc = 0.72 + 0.28 * np.cos((y - b["rib_start"]) * (2 * np.pi) / gap)
    pedicle = np.exp(-(((xs - 0.045) / 0.014) ** 2)) * np.exp(-((np.sin((y - b["rib_start"]) * np.pi / gap) / 0.4) ** 2))
    bones += 0.07 * chord((x / 0.078) ** 2) * disc + 0.03 * pedicle
    inner = xs - _pick(right, -1, 1) * 0.8 * b["axial"]
    line = b["clavicle"] - 0.14 * inner + 0.05 * np.sin(inner * 6.5 - 0.3)
    near = ((y - line) / (0.030 + 0.012 * np.cos(inner * 8))) ** 2
    bones += 0.085 * (chord(near) - 0.45 * chord(near / 0.5)) * ramp((inner - 0.05) / 0.03) * ramp((0.98 - inner) / 0.05)
    edge = b["scapula"] * b["chest"] + 0.10 + 0.18 * (y + 0.25) ** 2 - 0.14 * ramp((-0.30 - y) / 0.4)
    blade = ramp((xs - edge) / 0.015) * ramp((edge + 0.26 - xs) / 0.06) * ramp((y + 0.66) / 0.06) * ramp((0.14 - y) / 0.12)
    head = chord(((xs - 0.985) ** 2 + (y + 0.60) ** 2) / 0.14**2)
    return bones + 0.022 * blade + 0.10 * head


def _vessels(b: Draw, xs: Plane, y: Plane, warp: Plane, right: Masks) -> Plane:
    """Branching vessels: nearest spoke around the hilum, twice, bent by smooth noise."""
    dx, dy = xs - 0.135, y - b["hilum_y"] - _pick(right, 0.02, -0.03)
    r = np.sqrt(dx * dx + dy * dy)
    theta = np.arctan2(dy, dx)
    phase = np.where(right, b["vessel_phase_right"], b["vessel_phase_left"])
    bend = warp * np.minimum(r, 0.5)
    total = np.zeros_like(y)
    for spokes, start, width, bending in ((7, -0.05, 0.020, 2.2), (12, 0.14, 0.014, 3.2)):
        turns = (spokes * theta + phase * spokes + bending * bend * spokes * 0.35) / np.float32(2 * np.pi)
        off = (turns - np.rint(turns)) * (2 * np.pi / spokes) * r
        w = width * np.clip(1 - 0.75 * r / 0.65, 0.3, 1)
        total += np.exp(-((off / w) ** 2)) * (w / 0.022) * ramp((r - start) / 0.1) * ramp((0.72 - r) / 0.5)
    return total + 0.9 * np.exp(-((r / 0.085) ** 2))


def _consolidation(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    """Water in one lobe's air spaces, soft at its edge unless a fissure bounds it, with open bronchi inside."""
    right_sided = lesion["side"] < 0
    side = thorax.right == right_sided
    lobe = np.floor(lesion["lobe"])
    lobe = np.where(~right_sided & (lobe == 1), np.where(lesion["along"] < 0.5, 0, 2), lobe)  # the left lung has no middle lobe
    top = np.choose(lobe.astype(np.int64), [0.20, 0.50, 0.55]).astype(np.float32)
    deep = np.choose(lobe.astype(np.int64), [0.20, 0.10, 0.25]).astype(np.float32)
    v0 = top + deep * lesion["along"]
    # the lesion's place in lung coordinates becomes a distance in film lengths
    radius = 0.18 + 0.20 * lesion["extent"]
    dx = (thorax.across - lesion["across"]) * 0.30
    dy = (thorax.along - v0) * 1.35
    r = np.sqrt(_squared_radius(dx, dy, radius, radius * lesion["flat"], lesion["angle"])) + 0.22 * thorax.clouds["patch"]
    body = ramp((1.15 - r) / 0.45)
    cut = np.where(lobe == 0, 0.47 - thorax.along, np.where(lobe == 1, thorax.along - 0.44, 1)) / 0.03
    body = np.where(lesion["fissure"] > 0.5, body * ramp(cut + 0.5), body)
    air = 1 - 0.45 * np.clip(thorax.vessels, 0, 1) + 0.22 * thorax.clouds["mottle"]
    amount = 0.60 + 0.38 * lesion["severity"]
    return side * body * amount * np.clip(air, 0.2, 1.6), side * body


def _interstitial(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    """A net of thickened septa in both lungs, denser around the hila and at the bases."""
    zone = np.exp(-(((thorax.across + 0.4) / 0.9) ** 2)) * (0.5 + 0.5 * ramp((thorax.along - 0.1) / 0.5))
    tilt = 1 + 0.3 * lesion["asymmetry"] * _pick(thorax.right, 1, -1)
    patchy = np.clip(1 + 0.45 * thorax.clouds["patch"], 0.25, 1.8)
    amount = 0.22 + 0.36 * lesion["severity"]
    net = septa(thorax)
    return zone * tilt * patchy * amount * (net + 0.18), zone * tilt * patchy


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
        dx = (thorax.across - lesion["across"] * mirror * 1.2) * 0.30
        dy = (thorax.along - 0.22 - 0.58 * ((lesion["along"] + shift) % 1)) * 1.35
        ball = side * chord(_squared_radius(dx, dy, radius, radius * (0.6 + 0.4 * lesion["flat"]), lesion["angle"] + number))
        total = np.maximum(total, np.where(6 * lesion["fissure"] >= number, ball, 0))
    return total * (0.55 + 0.40 * lesion["severity"]), total


def _nothing(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    return np.zeros_like(thorax.lung), np.zeros_like(thorax.lung)


def _large_heart(thorax: Thorax, lesion: Draw) -> tuple[Plane, Plane]:
    return np.zeros_like(thorax.lung), (thorax.heart > 0.02).astype(np.float32)


def septa(thorax: Thorax) -> Plane:
    """The lungs' net of fine lines, 0 between them and 1 on them."""
    return np.exp(-((np.minimum(np.abs(thorax.clouds["mesh"]), np.abs(thorax.clouds["weave"])) / 0.28) ** 2))


# finding -> (share of the lung's air that it replaces, how much of the pixel belongs to it 0-1)
SHADOWS: dict[str, Callable[[Thorax, Draw], tuple[Plane, Plane]]] = {
    "normal": _nothing,
    "bacterial": _consolidation,
    "viral": _interstitial,
    "effusion": _effusion,
    "nodule": _nodule,
    "cardiomegaly": _large_heart,
}
