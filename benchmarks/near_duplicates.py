"""How many changed copies of films are found, and how many pairs of unchanged films are mistaken for copies.

Run: python benchmarks/near_duplicates.py [--root FOLDER] [--films 1500] [--each 150] [--size 128] [--square pad]

FOLDER is the pediatric set (reader `kermany`); without it the films are phantoms. `--each` copies with each change, of
different films, are added to all unchanged films; then the search runs once, as in `prepare`. A copy is found if it is in
the group of its own film, which keeps both in one split. False pairs are unchanged films of different patients, per 1,000
films. The threshold in `hilum.data.quality.alike.near_duplicates` was chosen on one half of the patients (--half first); the
other half (--half second) measures it.
"""

import argparse
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
from changed_copies import CHANGES
from PIL import Image

from hilum.data.decoding.images import prepare_film
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.quality.alike import near_duplicates
from hilum.data.quality.alike.near_duplicates import find_near_duplicates
from hilum.data.quality.alike.near_groups import group_films
from hilum.data.readers.kermany import read_kermany

SEED, DRAWN = 1, 160  # pixels of a phantom
FINDINGS = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
ReadFilm = Callable[[int], Image.Image]


def main() -> None:
    """Print the table of changes, the false pairs, the largest group and the scores of copies and others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--films", type=int, default=1500, help="phantoms to draw")
    parser.add_argument("--each", type=int, default=150, help="copies of each change")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--square", default="pad", choices=("pad", "stretch"))
    parser.add_argument("--half", default="both", choices=("both", "first", "second"))
    asked = parser.parse_args()
    table, read = read_root(asked.root) if asked.root else draw(asked.films)
    order = np.random.default_rng(SEED).permutation(sorted(set(table["patient_id"])))
    parts = {"both": order, "first": order[: len(order) // 2], "second": order[len(order) // 2 :]}
    rows = np.flatnonzero(table["patient_id"].isin(parts[asked.half]))
    measure(table.iloc[rows].reset_index(drop=True), lambda row: read(int(rows[row])), asked)


def measure(table: pd.DataFrame, read: ReadFilm, asked: argparse.Namespace) -> None:
    """Add changed copies to the films, search, and print what was found."""
    each = min(asked.each, len(table) // len(CHANGES))
    chosen = np.random.default_rng(SEED).permutation(len(table))[: each * len(CHANGES)]
    names = np.repeat(list(CHANGES), each)
    tasks = [partial(keep, row) for row in range(len(table))]
    tasks += [partial(alter, int(row), str(name)) for row, name in zip(chosen, names, strict=True)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        done = list(threads.map(lambda task: prepare_film(task(read), asked.size, asked.square), tasks))
    original = np.concatenate([np.arange(len(table)), chosen])
    manifest = table.iloc[original][["patient_id", "label"]].reset_index(drop=True)
    manifest["image_id"] = [f"{row:06d}" for row in range(len(done))]
    manifest["width"] = [geometry.width for _, geometry in done]
    manifest["height"] = [geometry.height for _, geometry in done]

    near_duplicates.ALIKE, threshold = -1.0, near_duplicates.ALIKE  # every pair with its score; the threshold is applied below
    films = np.stack([film for film, _ in done])
    pairs = find_near_duplicates(films, manifest, asked.square, os.cpu_count() or 1)
    one, other = pairs["image_id"].astype(int).to_numpy(), pairs["other"].astype(int).to_numpy()
    score = pairs["score"].to_numpy()
    own = (original[one] == original[other]) & (one < len(table))
    group = {name: number for number, names in enumerate(group_films(pairs[score >= threshold])) for name in names}
    copies = manifest["image_id"][len(table) :]
    found = np.array([group.get(one, -1) == group.get(f"{row:06d}", -2) for one, row in zip(copies, chosen, strict=True)])
    best = np.full(len(done), np.nan)
    np.fmax.at(best, other[own], score[own])
    best = best[len(table) :]
    whose = f"{len(table)} films of {table['patient_id'].nunique()} patients (half: {asked.half})"
    print(f"\n{whose}, {asked.size} px, {asked.square}")
    print(f"{each} copies of each change; threshold {threshold}\n")
    print("| change | found | least score |\n|---|---|---|")
    for name in CHANGES:
        part = names == name
        print(f"| {name} | {found[part].mean():.1%} | {np.nanmin(best[part]):.3f} |")
    strangers = (pairs["patient_id"] != pairs["other_patient"]).to_numpy() & (other < len(table))
    false = strangers & (score >= threshold)
    groups = group_films(pairs[(other < len(table)) & (score >= threshold)])
    print(f"\nfalse pairs per 1,000 films: {1000 * false.sum() / len(table):.2f} ({false.sum()} pairs)")
    print(f"most alike films of different patients: {np.sort(score[strangers])[::-1][:5].round(3).tolist()}")
    untouched = pairs[(other < len(table)) & (score >= threshold)]
    print(f"pairs among the untouched films: {len(untouched)}; largest group: {len(groups[0]) if groups else 0} films")
    for row in pairs[false].to_dict("records"):
        first, second = (table["image_id"][row[name]] for name in ("image_id", "other"))
        print(f"  {first} and {second}: {row['score']:.3f}")


def keep(row: int, read: ReadFilm) -> BytesIO:
    return encode(read(row))


def alter(row: int, name: str, read: ReadFilm) -> BytesIO:
    return encode(CHANGES[name](read(row), np.random.default_rng((SEED, row))))


def encode(film: Image.Image) -> BytesIO:
    """As a lossless file."""
    stream = BytesIO()
    film.save(stream, "PNG", compress_level=1)
    stream.seek(0)
    return stream


def read_root(root: Path) -> tuple[pd.DataFrame, ReadFilm]:
    """The pediatric films, and a function to open one. Byte-identical files stay in: they are near duplicates too."""
    table = read_kermany(root).rename(columns={"finding": "label"})
    paths = [root / path for path in table["path"]]

    def read(row: int) -> Image.Image:
        with Image.open(paths[row]) as film:
            return film.convert("L")

    return table, read


def draw(films: int) -> tuple[pd.DataFrame, ReadFilm]:
    """Phantoms in memory, and a function to open one."""
    population = draw_population(
        np.random.default_rng(SEED), films=films, findings=FINDINGS, shortcut_finding="viral", shortcut_strength=0.0
    )
    chunks = [population.iloc[start : start + 2] for start in range(0, films, 2)]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        drawn = list(threads.map(lambda rows: draw_films(rows, size=DRAWN, shortcut_kind="none").films, chunks))
    grey = np.concatenate(drawn)
    return population.rename(columns={"finding": "label"}), lambda row: Image.fromarray(grey[row])


if __name__ == "__main__":
    main()
