"""The embedded default data set: films of analytic chests whose ground truth is known.

Source: drawn by this project, licence CC0-1.0; no patient's film is in it.
Views: PA. Labels: the finding that was drawn, so without error. Patients: one finding and 1 to 3 films each.
Hospitals: two that differ in letter, noise, scatter and grey curve, whatever the finding.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from hilum.data.phantom.anatomy import CLOUDS, Draw, Plane, Thorax, build_thorax
from hilum.data.phantom.exposure import EXPOSURE, SHORTCUTS, attenuate, burn_letters, expose, plant, shortcut_place
from hilum.data.phantom.lesions import LESION, SHADOWS
from hilum.data.phantom.population import BUILD, FINDINGS, POSITION, check_population, draw_population
from hilum.records import Films, Masks
from hilum.settings.sources import PhantomSource

__all__ = [
    "FINDINGS",
    "SHORTCUTS",
    "DrawnFilms",
    "check_drawing",
    "check_population",
    "draw_films",
    "draw_population",
    "draw_source",
    "read_phantom",
    "write_phantoms",
]

COLUMNS = (
    "image_id",
    "path",
    "patient_id",
    "site",
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
CHUNK = 4  # films drawn at once, so that their planes stay in the processor's cache


@dataclass(frozen=True)
class DrawnFilms:
    """N films with their ground truth.

    films: (N, H, W) uint8; lung_masks, lesion_masks, shortcut_masks: (N, H, W) bool, all False where there is none.
    """

    films: Films
    lung_masks: Masks
    lesion_masks: Masks
    shortcut_masks: Masks


def draw_films(population: pd.DataFrame, *, size: int, shortcut_kind: str, contrast: float = 1.0) -> DrawnFilms:
    """Films of the rows of `draw_population`, `size` x `size` pixels; a film depends on its own row alone.

    Rows may be cut, reordered or edited (another finding, with the shortcut or without): the same seeds give the same chest.
    shortcut_kind: name in SHORTCUTS, planted where `has_shortcut` is True. contrast: factor on what findings replace of the
    lungs' air, above 0 to 1: with less they are harder to see, and as large. Memory grows with the rows: pass a few at a time.

    Raises: ValueError for a size below 64 or an unknown kind.
    """
    check_drawing(size, shortcut_kind)
    patient, film, finding = population["patient_seed"], population["film_seed"], population["finding"].to_numpy()
    lesion = _draw(LESION, patient, 1)
    build = _shape(_draw(BUILD, patient, 0), lesion, finding, population["sex"].to_numpy(), population["age"].to_numpy())
    position, exposure = _draw(POSITION, film, 0), _draw(EXPOSURE, film, 1)
    knots = {name: _noise(patient, 2 + i, n) for i, (name, n) in enumerate(CLOUDS.items())}
    thorax = build_thorax(build, position, knots, size)

    share, belongs = np.zeros_like(thorax.lung), np.zeros_like(thorax.lung)
    for name in sorted(set(finding)):
        rows = finding == name
        share[rows], belongs[rows] = SHADOWS[name](_rows(thorax, rows), {k: v[rows] for k, v in lesion.items()})
    belongs = np.where(thorax.lung_mask | (finding == "cardiomegaly")[:, None, None], belongs, 0)
    lesions = belongs > 0.35 * np.clip(belongs.max(axis=(1, 2), keepdims=True), 1e-6, 1)
    hospitals = population["hospital"].tolist()
    grey = expose(attenuate(thorax, build, np.float32(contrast) * share), exposure, hospitals, _noise(film, 2, size))
    burn_letters(grey, hospitals, exposure)
    shortcuts = shortcut_place(shortcut_kind, size) & population["has_shortcut"].to_numpy(bool)[:, None, None]
    grey = plant(grey, shortcuts, shortcut_kind)
    films = np.rint(np.clip(grey, 0, 1) * 255).astype(np.uint8)
    return DrawnFilms(films, thorax.lung_mask, lesions, shortcuts)


def check_drawing(size: int, shortcut_kind: str) -> None:
    """Raise ValueError for an illegal size or shortcut kind."""
    if size < 64:
        raise ValueError(f"size must be at least 64 pixels, got {size}; use 160 unless the films must be small")
    if shortcut_kind not in SHORTCUTS:
        raise ValueError(f"shortcut kind must be among {', '.join(SHORTCUTS)}, got {shortcut_kind}; use a legal name")


def _draw(ranges: Mapping[str, tuple[float, float]], seeds: pd.Series, stream: int) -> dict[str, NDArray[np.float32]]:
    """Evenly drawn values per seed, each (N, 1, 1)."""
    unit = np.stack([np.random.default_rng((int(seed), stream)).random(len(ranges)) for seed in seeds])  # (N, ranges)
    low, high = np.array(list(ranges.values())).T
    values = (low + (high - low) * unit).astype(np.float32)
    return {name: values[:, i, None, None] for i, name in enumerate(ranges)}


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
    contrast: float = 1.0,
    hospitals: Sequence[str] = (),
) -> None:
    """Write films, masks and metadata.csv below `root`; the same arguments give the same bytes.

    films/ID.png is 8 bit grey, size x size; lung_masks/ID.png, lesion_masks/ID.png (only where there is a lesion) and,
    with a shortcut, shortcut_masks/ID.png are 1 bit. contrast: see `draw_films`. on_film(films done, films) follows each batch.

    Raises: ValueError naming what is wrong with the arguments.
    """
    check_drawing(size, shortcut_kind)
    rng = np.random.default_rng(seed)
    population = draw_population(
        rng,
        films=films,
        findings=findings,
        shortcut_finding=shortcut_finding,
        shortcut_strength=shortcut_strength,
        hospitals=hospitals,
    )
    folders = ["films", "lung_masks", "lesion_masks"] + (["shortcut_masks"] if shortcut_kind != "none" else [])
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    chunks = [population.iloc[start : start + CHUNK] for start in range(0, films, CHUNK)]
    has_lesion: list[bool] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # NumPy and Pillow release the interpreter lock
        for found in pool.map(lambda rows: _write_chunk(root, rows, size, shortcut_kind, contrast), chunks):
            has_lesion.extend(found)
            on_film(len(has_lesion), films)
    _metadata(population, np.array(has_lesion)).to_csv(root / "metadata.csv", index=False, lineterminator="\n")


def draw_source(root: Path, source: PhantomSource, on_film: Callable[[int, int], None]) -> None:
    """Write the films that a source's settings describe. Raises: as `write_phantoms`."""
    write_phantoms(
        root,
        films=source.films,
        size=source.size,
        seed=source.seed,
        findings=source.findings,
        shortcut_kind=source.shortcut.kind,
        shortcut_finding=source.shortcut.finding,
        shortcut_strength=source.shortcut.strength,
        on_film=on_film,
        contrast=source.contrast,
        hospitals=source.hospitals,
    )


def _write_chunk(root: Path, rows: pd.DataFrame, size: int, shortcut_kind: str, contrast: float) -> list[bool]:
    """Draw and write a few films and their masks; returns which of them show a lesion."""
    drawn = draw_films(rows, size=size, shortcut_kind=shortcut_kind, contrast=contrast)
    has_lesion = [bool(mask.any()) for mask in drawn.lesion_masks]
    for i, name in enumerate(rows["image_id"]):
        file = f"{name}.png"
        Image.fromarray(drawn.films[i]).save(root / "films" / file, compress_level=3)
        Image.fromarray(drawn.lung_masks[i]).save(root / "lung_masks" / file)
        if has_lesion[i]:
            Image.fromarray(drawn.lesion_masks[i]).save(root / "lesion_masks" / file)
        if shortcut_kind != "none":
            Image.fromarray(drawn.shortcut_masks[i]).save(root / "shortcut_masks" / file)
    return has_lesion


def _metadata(population: pd.DataFrame, has_lesion: NDArray[np.bool_]) -> pd.DataFrame:
    """The rows of metadata.csv: the manifest's columns first, then the phantom's own ground truth."""
    name = population["image_id"]
    table = population[["image_id", "patient_id", "finding", "age", "sex"]].assign(
        path="films/" + name + ".png",
        site=population["hospital"],
        official_split="",
        view="PA",
        license="CC0-1.0",
        boxes="",
        lung_mask="lung_masks/" + name + ".png",
        lesion_mask=np.where(has_lesion, "lesion_masks/" + name + ".png", ""),
    )
    return pd.concat([table[list(COLUMNS)], population[["hospital", "has_shortcut"]]], axis=1)


def read_phantom(root: Path) -> pd.DataFrame:
    """One row per film, columns COLUMNS as text, paths relative to `root`; an empty string means no information.

    Raises: ValueError if metadata.csv is missing, has no rows or lacks a column.
    """
    path = root / "metadata.csv"
    if not path.is_file():
        raise ValueError(f"a phantom must hold metadata.csv, got none in {root}; use the folder that `hilum acquire` wrote")
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if "site" not in table and "hospital" in table:  # films that an earlier version drew
        table = table.assign(site=table["hospital"])
    missing = [name for name in COLUMNS if name not in table]
    if missing or table.empty:
        evidence = f"no column {', '.join(missing)}" if missing else "no rows"
        rule = f"metadata.csv must have rows and the columns {', '.join(COLUMNS)}"
        raise ValueError(f"{rule}, got {evidence} in {path}; run `hilum acquire` again")
    return table[list(COLUMNS)]
