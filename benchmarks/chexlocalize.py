"""CheXlocalize's localisation scores (mean IoU) of a file of masks, per finding, with intervals over patients.

Run: python benchmarks/chexlocalize.py TRUTH.json FOUND.json [--all] [--resamples 1000] [--confidence 0.95] [--seed 0]

TRUTH and FOUND are in CheXlocalize's formats: film -> finding -> run lengths; TRUTH may hold polygons (with `img_size`) instead.
Without --all only films on which both mark something (true positives) count, as in that project by default.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from hilum.explain.chexlocalize import SIZE, draw_polygons, encode_runs, iou_table, read_film_table, summarise_findings


def main() -> None:
    """Print one row per finding."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("found", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--confidence", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    found = read_film_table(asked.found)
    truth = as_runs(read_film_table(asked.truth), sorted({finding for film in found.values() for finding in film}))
    table = iou_table(truth, found, not asked.all)
    print(summarise_findings(table, asked.resamples, asked.confidence, asked.seed).round(3).to_string())


def as_runs(films: dict[str, dict[str, Any]], findings: list[str]) -> dict[str, dict[str, Any]]:
    """Polygons become masks; a finding that a film's polygons do not name is absent."""
    return {
        name: {finding: encode_runs(draw_polygons(film.get(finding, []), tuple(film[SIZE]))) for finding in findings}
        if SIZE in film
        else film
        for name, film in films.items()
    }


if __name__ == "__main__":
    main()
