"""The time to log the arrays and sheets of explained films in MLflow, and its ratio to film-by-film logging, in one process.

Run: python benchmarks/mlflow_logging.py [--films 100] [--size 224] [--methods gradcam,lime,shap] [--rounds 5]

The folder holds the output of `explain`: arrays of all films packed per method, a sheet per film, metrics; random maps in a real
panel. The stage's own function logs it into a new SQLite store; key pictures, which `mlflow ui` shows beside those of
other runs, are timed apart. Film by film means a file of arrays per film and method and `log_image` of each sheet. The best of
the rounds counts.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
from PIL import Image

from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import FilmPrediction, draw_panel
from hilum.explain.measures.registry import MEASURES
from hilum.explain.saved_maps import save_arrays
from hilum.records import Attribution, Cells
from hilum.results import write_json
from hilum.runs import log_results
from hilum.settings.params import read_params
from hilum.tracking.open_run import Run
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

PREDICTION = FilmPrediction("a film", "viral", 0.8, "viral", 0.8, "the most probable class decides", "viral")


def main() -> None:
    """Print the seconds for the folder and for its key pictures, and how many times as long film by film takes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--films", type=int, default=100)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--methods", default="gradcam,lime,shap")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    methods = asked.methods.split(",")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ["MLFLOW_EXPERIMENT_NAME"] = "benchmark"
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        found = {name: draw_maps(name, asked.films, asked.size) for name in methods}
        sheet = make_folder(home / "explanations", found, asked.films, asked.size)
        (home / "keys" / "keys").mkdir(parents=True)
        write_json(home / "keys" / "settings.json", {})
        for name in methods:
            for label in ("normal", "bacterial", "viral"):
                (home / "keys" / "keys" / f"{file_name(f'{name}/{label}')}.png").write_bytes(sheet)
        store = open_store(Workspace(home, home), read_params(Path(__file__).resolve().parents[1] / "params.yaml").tracking)
        with store.start("benchmark", {}) as run:
            log_results(run, home / "keys", "warm")  # one-time imports
            packed = time_best(asked.rounds, lambda: log_results(run, home / "explanations", "explanations"))
            keys = time_best(asked.rounds, lambda: log_results(run, home / "keys", "keys"))
            files = sum(1 for file in (home / "explanations").rglob("*") if file.is_file())
            print(
                f"{asked.films} films of {asked.size} px, {asked.methods} in {files} files: {packed[0]:.2f} s (processor time "
                f"{packed[1]:.2f} s); {3 * len(methods)} key pictures {keys[0]:.2f} s",
                flush=True,
            )
            single = time_best(1, lambda: log_film_by_film(run, home, found, sheet))
    print(f"film by film takes {single[0] / packed[0]:.1f} times as long (processor time {single[1] / packed[1]:.1f})")


def draw_maps(method: str, films: int, size: int) -> Attribution:
    """Incompressible maps."""
    rng = np.random.default_rng(len(method))
    values = rng.normal(size=(films, size, size)).astype(np.float32)
    numbers = {
        name: np.ones(films) for name in ("maximum", "local_fit", "superpixels", "spread", "additivity_error", "difference")
    }
    parameters = {"layer": "conv", "background": 50, "features": 10, "hide": "film"}
    return Attribution(values, method, np.zeros(films, int), True, parameters, numbers, cells=Cells(7, 7, "conv"))


def make_folder(folder: Path, found: dict[str, Attribution], films: int, size: int) -> bytes:
    """Write these maps as `explain` does; returns the sheet used for every film."""
    ids = [f"films/{i:04d}" for i in range(films)]
    save_arrays(folder, found, ids)
    grey = np.random.default_rng(0).integers(0, 256, (size, size), dtype=np.uint8)
    sheet = png_bytes(draw_panel(grey, list(found.values()), 0, PREDICTION))
    (folder / "panels").mkdir()
    for name in ids:
        (folder / "panels" / f"{file_name(name)}.png").write_bytes(sheet)
    ends = ("", ".low", ".high", ".films")
    write_json(folder / "metrics.json", {f"explain/{m}/{name}{end}": 0.5 for m in MEASURES for name in found for end in ends})
    write_json(folder / "settings.json", {"params": {f"explain.{name}.layer": "last" for name in found}})
    return sheet


def log_film_by_film(run: Run, home: Path, found: dict[str, Attribution], sheet: bytes) -> None:
    picture = home / "sheet.png"
    picture.write_bytes(sheet)
    pixels = np.asarray(Image.open(picture).convert("RGB"))
    for i, (name, values) in films_of(found):
        file = home / f"{name}_{i}.npz"
        np.savez_compressed(file, values=values)
        run.log_file(file, "single")
        file.unlink()
    for i in range(len(next(iter(found.values())).values)):
        run.log_image(pixels, f"sheet_{i}")


def films_of(found: dict[str, Attribution]) -> Iterator[tuple[int, tuple[str, np.ndarray]]]:
    for name, one in found.items():
        for i, values in enumerate(one.values):
            yield i, (name, values)


def time_best(rounds: int, log: Callable[[], None]) -> tuple[float, float]:
    """Seconds of wall-clock and processor time, the smallest of the rounds; other work distorts the second less."""
    wall, processor = [], []
    for _ in range(rounds):
        start, busy = time.perf_counter(), time.process_time()
        log()
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    return min(wall), min(processor)


if __name__ == "__main__":
    main()
