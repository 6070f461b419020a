"""How fast films are decoded and resized: over all cores against one thread, and against `keras.utils.load_img` film by film.

Run: python benchmarks/decoding.py [--root ../shared/data/full-resolution] [--size 128] [--rounds 5]

Every way reads the same JPEG files from the disk's cache and brings them to the same size; the ways take turns, and the best of
the rounds counts. hilum's films are grey, padded and anti-aliased. `load_img` is called as its documentation does (colour,
nearest pixel), and once more asked for what hilum gives: grey, bilinear (still one after the other and of full resolution). With
the search for letters is what `prepare` does to each film that is not in its cache. Ratios are of the clock, and mean something
only on a machine that does nothing else; what the processors spend is told beside it.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import keras

from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import decode_film
from hilum.data.decoding.images import prepare_film
from hilum.data.decoding.limits import read_bounded

ROOT = Path(__file__).resolve().parents[2] / "shared" / "data" / "full-resolution"
KINDS = (".jpeg", ".jpg")

KEEP = Treatment("keep", "letters")


def main() -> None:
    """Print milliseconds per film of every way, and the ratios of the ways that answer the same question."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT)
    parser.add_argument("--size", type=int, default=128, help="side of the prepared film, pixels")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    files = sorted(path for path in asked.root.rglob("*") if path.suffix.lower() in KINDS)
    size, cores = asked.size, os.cpu_count() or 1

    def bare(file: Path) -> object:
        return prepare_film(file, size, "pad")

    def searched(file: Path) -> object:
        return decode_film(read_bounded(file), {}, size, "pad", KEEP)

    def plain(file: Path) -> object:
        return keras.utils.load_img(file, target_size=(size, size))

    def alike(file: Path) -> object:
        return keras.utils.load_img(file, color_mode="grayscale", target_size=(size, size), interpolation="bilinear")

    with ThreadPoolExecutor(cores) as threads:
        ways: dict[str, Callable[[], object]] = {
            "one thread": lambda: [bare(file) for file in files],
            "all cores": lambda: list(threads.map(bare, files)),
            "one thread, letters searched": lambda: [searched(file) for file in files],
            "all cores, letters searched": lambda: list(threads.map(searched, files)),
            "load_img": lambda: [plain(file) for file in files],
            "load_img, grey and bilinear": lambda: [alike(file) for file in files],
        }
        rounds = [{name: measure(way) for name, way in ways.items()} for _ in range(asked.rounds)]
    best = {
        name: tuple(1e3 * min(spent) / len(files) for spent in zip(*(one[name] for one in rounds), strict=True)) for name in ways
    }
    print(f"{len(files)} films to {size} px on {cores} cores, best of {asked.rounds}, milliseconds per film:")
    print(f"  {'':30}  clock  processors")
    print("\n".join(f"  {name:30} {clock:6.2f} {processors:11.2f}" for name, (clock, processors) in best.items()))
    for way, told in (("all cores", "decode and resize"), ("all cores, letters searched", "with the search for letters")):
        against = {name: best[name][0] / best[way][0] for name in (way.replace("all cores", "one thread"), *list(ways)[-2:])}
        print(f"{told}: all cores are " + ", ".join(f"{ratio:.2f} times as fast as {name}" for name, ratio in against.items()))


def measure(way: Callable[[], object]) -> tuple[float, float]:
    """Seconds that it takes on the clock, and on the processors."""
    start = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - start[0], time.process_time() - start[1]


if __name__ == "__main__":
    main()
