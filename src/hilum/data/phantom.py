"""The embedded default data set: films of analytic chests whose truth is known.

Source: made by this file, licence CC0-1.0. Views: PA. Labels: the finding that was drawn, so without error. No patient's film is in it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, uniform_filter

from hilum.data.anatomy import BUILD, CLOUDS, LESION, POSITION, SHADOWS, Draw, Plane, Thorax, build_thorax, ramp, septa
from hilum.records import Films, Masks

FINDINGS: tuple[str, ...] = tuple(SHADOWS)
SHORTCUTS = ("none", "letter", "border", "texture")
COLUMNS = (
    "image_id",
    "path",
    "patient_id",
    "official_split",
    "view",
    "finding",
    "age",
    "sex",
    "license",
    "boxes",
    "lung_mask",
    "lesion_mask",
)
CHUNK = 4  # films drawn at once: their planes stay in the processor's cache
EXPOSURE: dict[str, tuple[float, float]] = {
    "dose": (0.7, 1.4),
    "low": (-0.05, 0.06),  # jitter of the window's lower end
    "high": (-0.10, 0.08),
    "gamma": (0.95, 1.30),
    "scatter": (0.25, 0.60),
    "letter_x": (0.05, 0.14),
    "letter_y": (0.04, 0.12),
}
# The two hospitals: letter burnt in, noise, extra scatter, grey curve. Which one a patient visits has nothing to do with the finding.
HOSPITALS: dict[str, tuple[str, float, float, float]] = {"north": ("R", 0.008, 0.0, 1.06), "south": ("L", 0.014, 0.20, 0.92)}
GLYPHS = {
    "R": ("####.", "#...#", "#...#", "####.", "#.#..", "#..#.", "#...#"),
    "L": ("#....", "#....", "#....", "#....", "#....", "#....", "#####"),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
}


@dataclass(frozen=True)
class DrawnFilms:
    """Films with their truth: films (N, H, W) uint8; masks (N, H, W) bool of the lungs, of the finding and of the planted mark."""

    films: Films
    lung_masks: Masks
    lesion_masks: Masks
    mark_masks: Masks


def draw_population(
    rng: np.random.Generator, *, films: int, findings: Mapping[str, float], shortcut_finding: str, shortcut_strength: float
) -> pd.DataFrame:
    """One row per film: who was filmed, with which finding, where, and whether the film carries the planted mark.

    Columns: image_id, patient_id, finding, age, sex, hospital, marked, patient_seed, film_seed.
    Films per finding are exact up to rounding; a patient has one finding and 1 to 3 films.
    """
    check_population(films, findings, shortcut_finding, shortcut_strength)
    groups = [(name, size) for name, count in film_counts(films, findings).items() for size in _films_per_patient(rng, count)]
    order = rng.permutation(len(groups))
    sizes = np.array([groups[i][1] for i in order])
    patients = pd.DataFrame(
        {
            "patient_id": [f"p{i + 1:04d}" for i in range(len(order))],
            "finding": [groups[i][0] for i in order],
            "age": rng.integers(18, 90, len(order)),
            "sex": rng.choice(["F", "M"], len(order)),
            "hospital": rng.choice(list(HOSPITALS), len(order)),
            "patient_seed": rng.integers(2**62, size=len(order)),
        }
    )
    rows = patients.loc[patients.index.repeat(sizes)].reset_index(drop=True)
    number = np.concatenate([np.arange(1, size + 1) for size in sizes])
    rows.insert(0, "image_id", [f"{p}-{n}" for p, n in zip(rows["patient_id"], number, strict=True)])
    rows["film_seed"] = rng.integers(2**62, size=films)
    chance = findings.get(shortcut_finding, 0.0)
    wanted = np.where(rows["finding"] == shortcut_finding, chance + (1 - chance) * shortcut_strength, chance * (1 - shortcut_strength))
    rows["marked"] = rng.random(films) < wanted
    return rows


def film_counts(films: int, findings: Mapping[str, float]) -> dict[str, int]:
    """Films per finding: shares of `films`, rounded by largest remainder so that they add up."""
    exact = {name: films * share for name, share in findings.items()}
    counts = {name: int(np.floor(value + 1e-9)) for name, value in exact.items()}
    rest = films - sum(counts.values())
    for name in sorted(exact, key=lambda n: counts[n] - exact[n])[:rest]:
        counts[name] += 1
    return counts


def _films_per_patient(rng: np.random.Generator, films: int) -> list[int]:
    """1 to 3 films each until there are `films`."""
    ends = np.minimum(np.cumsum(rng.choice([1, 2, 3], films, p=[0.5, 0.3, 0.2])), films)
    return [int(n) for n in np.diff(ends, prepend=0) if n]


def check_population(films: int, findings: Mapping[str, float], shortcut_finding: str, shortcut_strength: float) -> None:
    """Raise ValueError naming every argument that cannot make a population."""
    faults = []
    if unknown := sorted(set(findings) - set(FINDINGS)):
        faults.append(f"findings must be among {', '.join(FINDINGS)}, got {', '.join(unknown)}; use a legal name")
    if any(share < 0 for share in findings.values()) or abs(sum(findings.values()) - 1) > 1e-6:
        faults.append(f"shares of findings must be >= 0 and sum to 1, got {dict(findings)}; use shares such as 0.5 and 0.5")
    if films < max(1, len(findings)):
        faults.append(f"films must be at least one per finding ({len(findings)}), got {films}; use more films")
    if shortcut_finding not in FINDINGS:
        faults.append(f"shortcut finding must be among {', '.join(FINDINGS)}, got {shortcut_finding}; use a legal name")
    if not 0 <= shortcut_strength <= 1:
        faults.append(f"shortcut strength must lie in 0..1, got {shortcut_strength}; use 0 for chance and 1 for always")
    if faults:
        raise ValueError("\n".join(faults))


def draw_films(population: pd.DataFrame, *, size: int, shortcut_kind: str) -> DrawnFilms:
    """Films of the rows of `draw_population`, `size` x `size` pixels; a film depends on its own row alone.

    Rows may be cut, reordered or edited (another finding, marked or not): the same seeds give the same chest.
    """
    check_drawing(size, shortcut_kind)
    build = _draw(BUILD, population["patient_seed"], 0)
    lesion = _draw(LESION, population["patient_seed"], 1)
    position = _draw(POSITION, population["film_seed"], 0)
    exposure = _draw(EXPOSURE, population["film_seed"], 1)
    finding = population["finding"].to_numpy()
    build = _shape(build, lesion, finding, population["sex"].to_numpy(), population["age"].to_numpy())
    knots = {name: _noise(population["patient_seed"], 2 + i, n) for i, (name, n) in enumerate(CLOUDS.items())}
    thorax = build_thorax(build, position, knots, size)

    share, belongs = np.zeros_like(thorax.lung), np.zeros_like(thorax.lung)
    for name in sorted(set(finding)):
        rows = finding == name
        share[rows], belongs[rows] = SHADOWS[name](_rows(thorax, rows), {k: v[rows] for k, v in lesion.items()})
    lesions = (belongs > 0.35) & (thorax.lung_mask | (finding == "cardiomegaly")[:, None, None])
    hospitals = [HOSPITALS[name] for name in population["hospital"]]
    grey = _expose(_attenuation(thorax, build, share), exposure, hospitals, _noise(population["film_seed"], 2, size))
    marks = np.zeros(grey.shape, bool)
    _burn_letters(grey, hospitals, exposure)
    if shortcut_kind != "none":
        marks = mark_place(shortcut_kind, size) & population["marked"].to_numpy(bool)[:, None, None]
        grey = _plant(grey, marks, shortcut_kind)
    films = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    return DrawnFilms(films, thorax.lung_mask, lesions, marks)


def check_drawing(size: int, shortcut_kind: str) -> None:
    """Raise ValueError if films cannot be drawn so."""
    if size < 64:
        raise ValueError(f"size must be at least 64 pixels, got {size}; use 160 unless the films must be small")
    if shortcut_kind not in SHORTCUTS:
        raise ValueError(f"shortcut kind must be among {', '.join(SHORTCUTS)}, got {shortcut_kind}; use a legal name")


def _draw(ranges: Mapping[str, tuple[float, float]], seeds: pd.Series, stream: int) -> dict[str, NDArray[np.float32]]:
    """Evenly drawn values per seed, each (N, 1, 1)."""
    unit = np.stack([np.random.default_rng((int(seed), stream)).random(len(ranges)) for seed in seeds])
    return {
        name: (low + (high - low) * unit[:, i]).astype(np.float32)[:, None, None] for i, (name, (low, high)) in enumerate(ranges.items())
    }


def _noise(seeds: pd.Series, stream: int, side: int) -> Plane:
    return np.stack([np.random.default_rng((int(seed), stream)).standard_normal((side, side), np.float32) for seed in seeds])


def _shape(build: Draw, lesion: Draw, finding: NDArray[np.str_], sex: NDArray[np.str_], age: NDArray[np.int64]) -> Draw:
    """What follows from sex, age and finding: breasts, brittle bones, a wide aorta, a large heart."""
    woman, old = (sex == "F")[:, None, None], ((age - 50) / 40)[:, None, None].astype(np.float32)
    large = (finding == "cardiomegaly")[:, None, None]
    return {
        **build,
        "breast": build["breast"] * np.where(woman, np.float32(1), np.float32(0.15)),
        "bone": build["bone"] * (1 - 0.15 * old),
        "aorta": build["aorta"] + 0.012 * old,
        "heart": np.where(large, build["heart"] + 0.18 + 0.30 * lesion["severity"], build["heart"]),
    }


def _rows(thorax: Thorax, rows: NDArray[np.bool_]) -> Thorax:
    parts = {k: v[rows] for k, v in vars(thorax).items() if k != "clouds"}
    return Thorax(**parts, clouds={k: v[rows] for k, v in thorax.clouds.items()})


def _attenuation(thorax: Thorax, build: Draw, share: Plane) -> Plane:
    """Optical depth along each ray; `share` of the lung's air is replaced by the finding."""
    scar_r = np.hypot(thorax.x - np.sign(build["old_scar_side"]) * build["old_scar_x"], thorax.y - build["old_scar_y"])
    scar = np.clip(build["old_scar"], 0, None) * 0.08 * np.exp(-((scar_r / build["old_scar_size"]) ** 2))
    dot = np.hypot(thorax.x - np.sign(build["granuloma_side"]) * build["granuloma_x"], thorax.y - build["granuloma_y"])
    stone = np.clip(build["granuloma"], 0, None) * 0.04 * ramp((0.028 - dot) / 0.012)
    blunt = np.clip(build["blunting"], 0, None) * ramp((thorax.along - 0.86) / 0.1) * ramp((thorax.across - 0.2) / 0.6)
    tissue = build["density"] + np.sign(thorax.x) * build["uneven"] + 0.13 * build["vessels"] * thorax.vessels + 0.035 * build["mottle"] * thorax.clouds["mottle"]
    tissue = tissue + 0.05 * thorax.clouds["patch"] * build["mottle"] + 0.07 * build["interstitium"] * septa(thorax) + scar + 0.6 * blunt
    left = np.clip((1 - tissue) * (1 - share), 0, 1)
    return 1.9 * np.clip(thorax.trunk - thorax.lung * left - thorax.air, 0, None) + 6.0 * (thorax.bone + stone)


def _spread(planes: Plane) -> Plane:
    """Each plane smoothed over about a fifth of its side."""
    width = (0, round(0.16 * planes.shape[1]), round(0.16 * planes.shape[2]))
    return uniform_filter(uniform_filter(planes, width, mode="nearest"), width, mode="nearest")


def _expose(depth: Plane, exposure: Draw, hospitals: list[tuple[str, float, float, float]], noise: Plane) -> Plane:
    """Beer-Lambert, scatter, detector blur, quantum noise, and a window set on each film's own grey levels."""
    size = depth.shape[1]
    site = np.array([h[1:] for h in hospitals], dtype=np.float32)[:, :, None, None]  # (N, 3, 1, 1)
    light = np.exp(-depth)
    light = light + (exposure["scatter"] + site[:, 1]) * _spread(light)
    light = gaussian_filter(light, (0, 0.0035 * size, 0.0035 * size), mode="nearest")
    dark = -np.log(light + np.float32(0.004))
    dark = dark + noise * site[:, 0] * np.exp(0.35 * dark) / exposure["dose"]
    dark = dark - 0.40 * _spread(dark)  # as film digitisers do, so that lungs and abdomen both show their detail
    middle = dark[:, size // 6 : -size // 8 : 3, size // 6 : -size // 6 : 3]
    low, high = np.percentile(middle, [4, 97], axis=(1, 2)).astype(np.float32)[:, :, None, None]
    span = high - low
    grey = (dark - low + exposure["low"] * span) / (span * (1 + exposure["high"]))
    return np.clip(grey * 0.85 + 0.08, 0, 1) ** (exposure["gamma"] * site[:, 2])


def _burn_letters(grey: Plane, hospitals: list[tuple[str, float, float, float]], exposure: Draw) -> None:
    """Write each hospital's letter in its corner: R on the image's left, L on its right."""
    size = grey.shape[1]
    for i, (letter, *_) in enumerate(hospitals):
        glyph = letter_shape(letter, size)
        height, width = glyph.shape
        top, edge = int(float(exposure["letter_y"][i, 0, 0]) * size), int(float(exposure["letter_x"][i, 0, 0]) * size)
        left = edge if letter == "R" else size - edge - width
        place = grey[i, top : top + height, left : left + width]
        place[glyph] = np.maximum(place[glyph], 0.93)


def letter_shape(letter: str, size: int) -> NDArray[np.bool_]:
    """A letter's pixels on a film of `size` pixels: seven rows of five dots, enlarged."""
    dots = np.array([[c == "#" for c in row] for row in GLYPHS[letter]])
    scale = max(1, round(size / 110))
    return np.kron(dots, np.ones((scale, scale), bool)).astype(bool)


def mark_place(kind: str, size: int) -> NDArray[np.bool_]:
    """(size, size) pixels that a planted mark of this kind may change: the lower right corner, the left edge or a band at the foot."""
    place = np.zeros((size, size), bool)
    if kind == "letter":
        glyph = letter_shape("P", size)
        margin = round(0.04 * size)
        place[-margin - glyph.shape[0] : -margin, -margin - glyph.shape[1] : -margin] = glyph
    elif kind == "border":
        place[:, : max(2, round(0.02 * size))] = True
    elif kind == "texture":
        place[round(0.86 * size) : round(0.97 * size)] = True
    return place


def _plant(grey: Plane, marks: Masks, kind: str) -> Plane:
    if kind == "texture":
        stripes = np.where(np.arange(grey.shape[2]) // 2 % 2 == 0, np.float32(0.05), np.float32(-0.05))
        return np.where(marks, grey + stripes, grey)
    return np.where(marks, np.maximum(grey, np.float32(0.93)), grey)


def write_phantoms(
    root: Path,
    *,
    films: int,
    size: int,
    seed: int,
    findings: Mapping[str, float],
    shortcut_kind: str,
    shortcut_finding: str,
    shortcut_strength: float,
    on_film: Callable[[int, int], None],
) -> None:
    """Write films, masks and metadata.csv below `root`; the same arguments give the same bytes.

    films/ID.png: 8 bit grey, size x size. lung_masks/, lesion_masks/ (not for normal films) and, with a shortcut, mark_masks/: 1 bit.
    on_film(done, films) is called after each chunk.

    Raises: ValueError naming what is wrong with the arguments.
    """
    check_drawing(size, shortcut_kind)
    rng = np.random.default_rng(seed)
    population = draw_population(
        rng, films=films, findings=findings, shortcut_finding=shortcut_finding, shortcut_strength=shortcut_strength
    )
    folders = ["films", "lung_masks", "lesion_masks"] + (["mark_masks"] if shortcut_kind != "none" else [])
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    has_lesion = np.zeros(films, bool)
    for start in range(0, films, CHUNK):
        rows = population.iloc[start : start + CHUNK]
        drawn = draw_films(rows, size=size, shortcut_kind=shortcut_kind)
        has_lesion[start : start + CHUNK] = drawn.lesion_masks.any(axis=(1, 2))
        for i, name in enumerate(rows["image_id"]):
            Image.fromarray(drawn.films[i]).save(root / "films" / f"{name}.png", compress_level=3)
            for folder, masks in zip(folders[1:], (drawn.lung_masks, drawn.lesion_masks, drawn.mark_masks), strict=False):
                if folder != "lesion_masks" or has_lesion[start + i]:
                    Image.fromarray(masks[i]).save(root / folder / f"{name}.png")
        on_film(start + len(rows), films)
    _metadata(population, has_lesion).to_csv(root / "metadata.csv", index=False, lineterminator="\n")


def _metadata(population: pd.DataFrame, has_lesion: NDArray[np.bool_]) -> pd.DataFrame:
    """The rows of metadata.csv: the manifest's columns first, then the phantom's own truth."""
    name = population["image_id"]
    table = population[["image_id", "patient_id", "finding", "age", "sex"]].assign(
        path="films/" + name + ".png",
        official_split="",
        view="PA",
        license="CC0-1.0",
        boxes="",
        lung_mask="lung_masks/" + name + ".png",
        lesion_mask=np.where(has_lesion, "lesion_masks/" + name + ".png", ""),
    )
    return pd.concat([table[list(COLUMNS)], population[["hospital", "marked"]]], axis=1)


def read_phantom(root: Path) -> pd.DataFrame:
    """One row per film, columns COLUMNS as text, paths relative to `root`; an empty string means no information.

    Raises: ValueError if metadata.csv is missing, has no rows or lacks a column.
    """
    path = root / "metadata.csv"
    if not path.is_file():
        raise ValueError(f"a phantom must hold metadata.csv, got none in {root}; use the folder that `hilum acquire` wrote")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    missing = [name for name in COLUMNS if name not in table]
    if missing or table.empty:
        evidence = f"no column {', '.join(missing)}" if missing else "no rows"
        raise ValueError(f"metadata.csv must have rows and the columns {', '.join(COLUMNS)}, got {evidence}; run `hilum acquire` again")
    return table[list(COLUMNS)]
