"""The analytic chest: how far each ray runs through air, soft tissue and bone.

Lengths are in halves of the film's side. x grows to the image's right, which is the patient's left; y grows downwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.records import Masks

Plane = NDArray[np.floating[Any]]  # (N, H, W) float32
Draw = Mapping[str, Plane]  # name -> (N, 1, 1) float32

# Smooth noise, different in every chest: name -> knots per film side.
CLOUDS: dict[str, int] = {"warp": 11, "patch": 10, "mottle": 24, "mesh": 38, "weave": 38}


@dataclass(frozen=True)
class Thorax:
    """Path lengths through N chests, each (N, H, W) float32, and the positions of structures.

    x, y: position in the patient. right: True on the patient's right, the image's left.
    trunk: the body as if without air; lung: the lungs; heart, bone: as named; air: windpipe and stomach.
    vessels: 0 to about 1, in proportion to their thickness; clouds: name in CLOUDS -> smooth noise.
    across: -1 (mediastinum) to 1 (chest wall) in each lung; along: 0 (apex) to 1 (base).
    lung_mask: the visible lungs, without the parts behind the heart and below the diaphragm.
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
    lung_mask: Masks


def ramp(values: Plane) -> Plane:
    """Smooth step from 0 to 1 as values run from 0 to 1."""
    t = np.clip(values, 0, 1)
    smooth = 3 - 2 * t
    smooth *= t  # in place: a large share of a film's time is spent here
    smooth *= t
    return smooth


def chord(values: Plane) -> Plane:
    """Path through a unit ball at squared distance `values` from its centre, as a share of its diameter."""
    return np.sqrt(np.clip(1 - values, 0, None))


def pick(right: Masks, first: float, second: float) -> Plane:
    """One number for the patient's right side, another for the left."""
    return np.where(right, np.float32(first), np.float32(second))


def squared_radius(x: Plane, y: Plane, a: Plane | float, b: Plane | float, angle: Plane | float) -> Plane:
    """Squared distance from an ellipse's centre, 1 on its edge."""
    c, s = np.cos(angle, dtype=np.float32), np.sin(angle, dtype=np.float32)
    return ((x * c + y * s) / a) ** 2 + ((y * c - x * s) / b) ** 2


def cloud(knots: Plane, x: Plane, y: Plane) -> Plane:
    """Smooth noise of about unit variance: Gaussian bumps on a lattice of random heights.

    knots: (N, K, K); x: (N, 1, W) and y: (N, H, 1) positions, -1.2 to 1.2 inside the lattice.
    """
    n = knots.shape[1]
    places = np.linspace(-1.2, 1.2, n, dtype=np.float32)
    width = 0.7 * (places[1] - places[0])
    across = np.exp(-(((np.swapaxes(x, 1, 2) - places) / width) ** 2))  # (N, W, K)
    down = np.exp(-(((y - places) / width) ** 2))  # (N, H, K)
    columns = (knots / np.float32(0.877)) @ np.swapaxes(across, 1, 2)  # 0.877: root of the summed squared bumps at this width
    # a few rows at a time: BLAS would start threads for a larger product, which block each other when the cores are busy
    step = max(1, 2**18 // columns[0].size)
    return np.concatenate([down[:, i : i + step] @ columns for i in range(0, down.shape[1], step)], axis=1)


def build_thorax(build: Draw, position: Draw, knots: Mapping[str, Plane], size: int) -> Thorax:
    """Path lengths through N chests of `size` x `size` pixels.

    build, position: draws of `patients.BUILD` and `patients.POSITION`, each (N, 1, 1).
    knots: name in CLOUDS -> (N, K, K) standard normal.
    """
    b = build
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size / 2) - np.float32(1)  # (W,) and (H,)
    x = (axis[None, None, :] - position["shift_x"]) / position["zoom"]  # (N, 1, W)
    level = (axis[None, :, None] - position["shift_y"]) / position["zoom"]  # (N, H, 1)
    y = level + position["tilt"] * x  # (N, H, W)
    right = x < 0
    xs = np.abs(x)  # (N, 1, W)
    clouds = {name: cloud(k, x, level) for name, k in knots.items()}

    base = b["base"] + position["breath"]
    lung, outer, across, along, dome = _lungs(b, xs, y, base, right)
    heart = _heart(b, x, y, base)
    filled = np.maximum(heart, _mediastinum(b, x, y))
    mask = (across * across < 1) & (along > 0) & (y < dome) & (filled < 0.22)
    lung = np.maximum(lung - 1.4 * filled, 0.12 * lung)
    return Thorax(
        x=np.broadcast_to(x, y.shape),
        y=y,
        right=np.broadcast_to(right, y.shape),
        trunk=_trunk(b, x, xs, y, dome),
        lung=lung,
        heart=heart,
        bone=b["bone"] * _bones(b, x, xs, y, outer, right, along),
        air=_airways(b, x, xs, y, dome, right),
        vessels=_vessels(b, xs, y, clouds["warp"], right),
        clouds=clouds,
        across=across,
        along=along,
        lung_mask=mask,
    )


def _lungs(b: Draw, xs: Plane, y: Plane, base: Plane, right: Masks) -> tuple[Plane, Plane, Plane, Plane, Plane]:
    """The lungs without the heart's displacement, their outer edge, the places across and along, and the diaphragm's dome."""
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
    return lung, outer, across, along, dome


def _trunk(b: Draw, x: Plane, xs: Plane, y: Plane, dome: Plane) -> Plane:
    """The body as if without air."""
    width = b["chest"] + b["flank"] + 0.5 * ramp((-0.05 - y) / 0.55)
    trunk = 2 * b["depth"] * chord((x / width) ** 2)
    top = b["shoulder"] + 0.02 + 0.30 * ramp((xs - 0.20) / 1.2) - 0.6 * ramp((0.34 - xs) / 0.2)
    trunk *= ramp((y - top) / 0.07) * (0.55 + 0.45 * ramp((y + 0.85) / 0.6))
    trunk += _breast(b, xs, y) + 0.12 * ramp((y - dome) / 0.3) * chord((x / width) ** 2)
    return trunk


def _heart(b: Draw, x: Plane, y: Plane, base: Plane) -> Plane:
    scale = b["heart"]
    low = base - 0.42 * scale + 0.02
    cx = x - b["axial"]
    ventricle = chord(squared_radius(cx - 0.13 * scale, y - low, 0.37 * scale, 0.255 * scale, b["heart_angle"]))
    atrium = chord(squared_radius(cx + 0.05, y - low + 0.02, 0.165 * scale, 0.27 * scale, 0.0))
    return np.maximum(0.62 * scale * ventricle, 0.5 * scale * atrium)


def _mediastinum(b: Draw, x: Plane, y: Plane) -> Plane:
    cx = x - 0.6 * b["axial"]
    width = b["mediastinum"] * (1 + 0.5 * ramp((-0.55 - y) / 0.4) + 0.25 * ramp((y + 0.1) / 0.4))
    band = 0.5 * chord((cx / width) ** 2)
    knob = 0.42 * chord(((cx - 0.75 * b["mediastinum"]) ** 2 + (y + 0.26) ** 2) / b["aorta"] ** 2)
    pulmonary = 0.36 * chord(squared_radius(cx - 0.10, y + 0.06, 0.075, 0.12, 0.3))
    return np.maximum(np.maximum(band, knob), pulmonary)


def _breast(b: Draw, xs: Plane, y: Plane) -> Plane:
    inside = ((xs - 0.46) / 0.33) ** 2 + ((y - b["breast_y"]) / 0.30) ** 2
    return b["breast"] * chord(inside) * ramp((y - b["breast_y"] + 0.25) / 0.4)


def _airways(b: Draw, x: Plane, xs: Plane, y: Plane, dome: Plane, right: Masks) -> Plane:
    cx = x - 0.7 * b["axial"]
    windpipe = chord((cx / 0.042) ** 2) * ramp((-0.20 - y) / 0.05)
    slope = pick(right, 1.25, 0.95)
    reach = np.abs(cx)
    bronchus = chord(((y + 0.23 - slope * reach) / 0.05) ** 2) * ramp((0.22 - reach) / 0.06)
    bubble = chord(squared_radius(x - 0.36, y - dome - 0.13, 0.17, 0.085, 0.0)) * ramp((y - dome - 0.03) / 0.03)
    return 0.24 * np.maximum(windpipe, 0.7 * bronchus) + 2 * np.clip(b["gas"] - 0.08, 0, None) * bubble


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
    inner = xs - pick(right, -1, 1) * 0.8 * b["axial"]
    line = b["clavicle"] - 0.14 * inner + 0.05 * np.sin(inner * 6.5 - 0.3)
    near = ((y - line) / (0.030 + 0.012 * np.cos(inner * 8))) ** 2
    bones += 0.085 * (chord(near) - 0.45 * chord(near / 0.5)) * ramp((inner - 0.05) / 0.03) * ramp((0.98 - inner) / 0.05)
    edge = b["scapula"] * b["chest"] + 0.10 + 0.18 * (y + 0.25) ** 2 - 0.14 * ramp((-0.30 - y) / 0.4)
    blade = ramp((xs - edge) / 0.015) * ramp((edge + 0.26 - xs) / 0.06) * ramp((y + 0.66) / 0.06) * ramp((0.14 - y) / 0.12)
    head = chord(((xs - 0.985) ** 2 + (y + 0.60) ** 2) / 0.14**2)
    return bones + 0.022 * blade + 0.10 * head


def _vessels(b: Draw, xs: Plane, y: Plane, warp: Plane, right: Masks) -> Plane:
    """Branching vessels: nearest spoke around the hilum, twice, bent by smooth noise."""
    dx, dy = xs - 0.135, y - b["hilum_y"] - pick(right, 0.02, -0.03)
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


def septa(thorax: Thorax) -> Plane:
    """The lungs' net of fine lines, 0 between them and 1 on them."""
    return np.exp(-((np.minimum(np.abs(thorax.clouds["mesh"]), np.abs(thorax.clouds["weave"])) / 0.28) ** 2))
