"""Memory of `predict` over a folder: of the call and its workers together, by the number of films.

Run: python benchmarks/folder_memory.py [--films 1000 20000] [--workers 2] [--size 96]

A small network with random weights predicts folders of noise; the largest sum of resident sizes is sampled five times a second.
Prints a table in Markdown.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import psutil
from PIL import Image

from hilum.models.classifier import build_classifier, save_classifier

ROOT = Path(__file__).resolve().parents[1]
DIFFERENT = 500  # films of different content; the others are links to them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, nargs="+", default=[1000, 20000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=96)
    given = parser.parse_args()
    print(f"| films | peak of all {given.workers} workers and the call, MB | of the call alone, MB | films a second |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        model = place / "model.keras"
        save_classifier(build_classifier("mobilenet_025", given.size, 3, None, 0.0, 0.0, np.log(np.ones(3) / 3), 0), model)
        for count in given.films:
            whole, own, seconds = predict(model, write_films(place, count, given.size), given, place / f"{count}.csv")
            print(f"| {count:,} | {whole:.0f} | {own:.0f} | {count / seconds:.0f} |", flush=True)


def write_films(place: Path, count: int, size: int) -> Path:
    """A folder of so many films."""
    folder = place / str(count)
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        file = folder / f"{number:06d}.png"
        if number < DIFFERENT:
            Image.fromarray(rng.integers(0, 256, (size, size), dtype=np.uint8)).save(file)
        else:
            file.hardlink_to(folder / f"{number % DIFFERENT:06d}.png")
    return folder


def predict(model: Path, films: Path, given: argparse.Namespace, out: Path) -> tuple[float, float, float]:
    """The peak of all processes and of the call alone in MB, and how long it took in seconds."""
    facts = ["--classes", "a,b,c", "--size", str(given.size), "--square", "pad"]
    command = [
        "predict",
        "--model",
        str(model),
        "--images",
        str(films),
        "--out",
        str(out),
        "--workers",
        str(given.workers),
        *facts,
    ]
    begun, whole, own = time.monotonic(), 0, 0
    process = subprocess.Popen([sys.executable, str(ROOT / "src" / "hilum"), *command], cwd=ROOT, stdout=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        sizes = []
        for one in (watched, *watched.children(recursive=True)):
            try:
                sizes.append(one.memory_info().rss)
            except psutil.Error:  # it has just ended
                sizes.append(0)
        whole, own = max(whole, sum(sizes)), max(own, sizes[0])
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.returncode)
    return whole / 1e6, own / 1e6, time.monotonic() - begun


if __name__ == "__main__":
    main()
