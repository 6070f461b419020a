"""How many odd films are listed for review, with which reason, and how many normal films are listed with them.

Run: python benchmarks/odd_films.py [--root FOLDER] [--films 400] [--share 0.05] [--rounds 5] [--size 96]

FOLDER is the pediatric set (reader `kermany`); without it the films are phantoms. Every round draws other films at random, a
share of them is changed, and all are listed as in `prepare`, without their views. Lateral films are painted by
code, because no real ones are available; none is in the drawings from which the search learns.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from spoilt_films import CHANGES, NO_CHEST, list_odd, spoil

from hilum.data.decoding.images import prepare_film
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.readers.kermany import read_kermany
from hilum.records import Films

FINDINGS = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}


def main() -> None:
    """Print a row per change: listed with the right reason, listed at all, normal films listed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--films", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.05, help="of the films that are changed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=96)
    asked = parser.parse_args()
    sets = [gather(asked, np.random.default_rng(seed)) for seed in range(asked.rounds)]
    print(f"{asked.rounds} sets of {len(sets[0])} films, {asked.share:.1%} of each changed:")
    print(f"  {'change':36} {'right reason':>14} {'listed':>14} {'others listed':>16}")
    for change in CHANGES:
        counts = np.sum([count(films, change, asked.share, seed) for seed, films in enumerate(sets)], axis=0)
        right, listed, changed, others, good = (int(number) for number in counts)
        cells = f"{right:5} of {changed:<5} {listed:5} of {changed:<5} {others:5} of {good:<5}"
        print(f"  {change:36} {cells}  ({right / changed:.0%}, {listed / changed:.0%}, {others / good:.1%})", flush=True)


def gather(asked: argparse.Namespace, rng: np.random.Generator) -> Films:
    """Films (N, size, size) of one round."""
    if asked.root is None:
        rows = draw_population(rng, films=asked.films, findings=FINDINGS, shortcut_finding="viral", shortcut_strength=0.0)
        parts = [draw_films(rows.iloc[i : i + 4], size=asked.size, shortcut_kind="none").films for i in range(0, len(rows), 4)]
        return np.concatenate(parts)
    paths = read_kermany(asked.root)["path"].to_numpy(str)
    chosen = np.sort(rng.choice(len(paths), min(asked.films, len(paths)), replace=False))
    return np.stack([prepare_film(asked.root / path, asked.size, "pad")[0] for path in paths[chosen]])


def count(films: Films, change: str, share: float, seed: int) -> tuple[int, int, int, int, int]:
    """Changed films listed with the right reason, listed at all, their number; other films listed, their number."""
    places = np.random.default_rng(seed).choice(len(films), max(1, round(share * len(films))), replace=False)
    odd = list_odd(spoil(films, change, places, seed)).set_index("image_id")["reason"]
    told = odd.reindex([f"s/{place:04d}" for place in places])
    right = (told == ("unlike the others" if change in NO_CHEST else change)).sum()
    return int(right), int(told.notna().sum()), len(places), len(odd) - int(told.notna().sum()), len(films) - len(places)


if __name__ == "__main__":
    main()
