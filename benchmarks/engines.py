"""`predict` by each engine: memory, the time of a first film, and of every further one, in processes of their own.

Run: python benchmarks/engines.py [--backbone mobilenetv2] [--size 224] [--films 100]

A network with random weights is saved, exported to LiteRT and ONNX, and each file predicts one film, then a folder of films
of noise. Prints a table in Markdown: the file, seconds of the whole call for one film, seconds of each further film, peak memory.
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
from PIL import Image

from hilum.models.classifier import build_classifier, save_classifier
from hilum.serving.engines import ENGINES

ROOT = Path(__file__).resolve().parents[1]
FACTS = ["--classes", "a,b,c", "--square", "pad"]
CALL = """
import sys
from pathlib import Path
from hilum.cli import main
status = main(sys.argv[1:])
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) / 1024)
sys.exit(status)
"""


def main() -> None:
    """Save, export, predict and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="mobilenetv2")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--films", type=int, default=100)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        network = build_classifier(asked.backbone, asked.size, 3, None, 0.0, 0.0, np.log(np.full(3, 1 / 3)), 1)
        save_classifier(network, place / "model.keras")
        facts = [*FACTS, "--size", str(asked.size)]
        write_films(place / "one", 1, asked.size)
        write_films(place / "many", asked.films + 1, asked.size)
        rows = [("keras", place / "model.keras", facts)]
        for name, engine in ENGINES.items():
            call(["export", "--model", str(place / "model.keras"), "--format", name, "--out", str(place / name), *facts])
            rows.append((name, place / name / engine.file, []))
        print("| engine | MB of the file | one film, s | further films, s each | peak memory, MB |\n|---|---|---|---|---|")
        for name, file, more in rows:
            first, _ = predict(file, place / "one", place / f"{name}_one.csv", more)
            all_, peak = predict(file, place / "many", place / f"{name}_many.csv", more)
            size = file.stat().st_size / 1e6
            print(f"| {name} | {size:.1f} | {first:.2f} | {(all_ - first) / asked.films:.4f} | {peak:.0f} |", flush=True)


def predict(file: Path, films: Path, out: Path, more: list[str]) -> tuple[float, float]:
    """Seconds and peak memory in MiB of a call in a process of its own."""
    begun = time.perf_counter()
    peak = call(["predict", "--model", str(file), "--images", str(films), "--out", str(out), *more])
    return time.perf_counter() - begun, peak


def call(arguments: list[str]) -> float:
    """Run a verb in a process of its own, within this project; its peak memory in MiB."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ended = subprocess.run([sys.executable, "-c", CALL, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(ended.stderr)
    return float(ended.stdout.splitlines()[-1])


def write_films(folder: Path, films: int, size: int) -> None:
    """Films of noise as PNG."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for k in range(films):
        Image.fromarray(draw.integers(0, 256, (size, size), dtype=np.uint8)).save(folder / f"{k}.png")


if __name__ == "__main__":
    main()
