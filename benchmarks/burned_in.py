"""How many burned-in names and dates are found and covered so that a text recogniser reads nothing; and at what cost.

Run: python benchmarks/burned_in.py [--root FOLDER] [--larger FOLDER] [--films 200] [--size 512] [--reader text] [--judge]
     python benchmarks/burned_in.py --fit [--root FOLDER] [--larger FOLDER] [--films 200]

--root is the pediatric set (reader `kermany`; films with a lung mask are taken), --larger a folder of films of full resolution,
of which every second one is taken; without them the films are phantoms. A name, mostly with a date of birth, is written on each:
every size, font, angle, contrast and place equally often, in random order. --judge reads each film that was
covered with the extra `ocr`, which must be installed.
--fit prints the weights of `data/burned_in/text.py`, from other films and names than those measured.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from written_films import Writing, choose_writings, write_on

from hilum.data.burned_in.ocr import check_installed, read_lines
from hilum.data.burned_in.strokes import list_parts
from hilum.data.burned_in.text import join_parts, measure_group
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.covered_film import CoveredFilm, prepare_covered
from hilum.data.decoding.images import read_film, read_mask
from hilum.data.phantom.phantom import draw_films
from hilum.data.phantom.population import draw_population
from hilum.data.readers.kermany import read_kermany

FINDINGS = {"normal": 0.36, "bacterial": 0.36, "viral": 0.28}
PHANTOM = 480  # pixels
COVERED = 0.9  # share of the letters' pixels from which a writing counts as found
TEXT = 3  # letters and digits of a line from which it is text of the film's own
SEEDS = {"measure": 1, "fit": 2}
PROPERTIES = ("size", "font", "angle", "contrast", "place")

Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--larger", type=Path)
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--size", type=int, default=512, help="side of the prepared film, pixels")
    parser.add_argument("--reader", default="text")
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--rows", type=Path, help="CSV to write a row per film into")
    asked = parser.parse_args()
    if asked.fit:
        print(fit(asked))
        return
    if asked.judge:
        check_installed()
    found: list[dict[str, object]] = []
    for row in measure(asked):
        found.append(row)
        print(f"{len(found)} of {asked.films}", file=sys.stderr, flush=True)
        if asked.rows:
            pd.DataFrame(found).to_csv(asked.rows, index=False)
    rows = pd.DataFrame(found)
    print(f"{len(rows)} films prepared to {asked.size} pixels, reader {asked.reader}:")
    print(tabulate(rows).to_string(index=False))


def gather(asked: argparse.Namespace, seed: int) -> Iterator[tuple[Grey, Mask | None]]:
    """Films (H, W) and the lung masks of those that have one; the films of different seeds do not overlap."""
    rng, count = np.random.default_rng(seed), asked.films
    if asked.root is None and asked.larger is None:
        rows = draw_population(rng, films=count, findings=FINDINGS, shortcut_finding="viral", shortcut_strength=0.0)
        for i in range(count):
            drawn = draw_films(rows.iloc[i : i + 1], size=PHANTOM, shortcut_kind="none")
            yield drawn.films[0], drawn.lung_masks[0]
        return
    larger = sorted(path for path in asked.larger.rglob("*") if path.is_file())[seed % 2 :: 2] if asked.larger else []
    films: list[tuple[Path, Path | None]] = [(path, None) for path in larger]
    if asked.root is not None:
        table = read_kermany(asked.root)
        table = table[table["lung_mask"] != ""].iloc[seed % 2 :: 2]
        table = table.iloc[rng.permutation(len(table))[: count - len(larger)]]
        films += [(asked.root / path, asked.root / mask) for path, mask in zip(table["path"], table["lung_mask"], strict=True)]
    for row in rng.permutation(len(films)):
        film, mask = films[row]
        yield read_film(film).grey, None if mask is None else read_mask(mask)


def measure(asked: argparse.Namespace) -> Iterator[dict[str, object]]:
    """A row per film: its text, and whether it was found and covered."""
    seed, treatment = SEEDS["measure"], Treatment("inpaint", asked.reader)
    for i, ((grey, lungs), writing) in enumerate(zip(gather(asked, seed), choose_writings(asked.films, seed), strict=False)):
        written, there = write_on(grey, writing, i)
        ready = prepare_covered(png(written), asked.size, "pad", treatment)
        near = ready.geometry.mask_to_prepared(cv2.dilate(there.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0)
        bare = prepare_covered(png(grey), asked.size, "pad", treatment)
        row = {**asdict(writing), "side": max(grey.shape), **tell_covering(ready, there, lungs)}
        row |= {"alarm": len(bare.found.text) > 0, "alarm_changed": float((bare.film != bare.before).mean())}
        if asked.judge:
            row["read_after"] = is_read(ready.film, near)
            row["alarm"] = row["alarm"] and not any(sum(map(str.isalnum, text)) >= TEXT for _, text in read_lines(grey))
        yield row


def tell_covering(ready: CoveredFilm, there: Mask, lungs: Mask | None) -> dict[str, object]:
    """there: the letters, (H, W) raw pixels. lungs: (h, w) of the whole film."""
    changed = ready.film != ready.before
    inside = None if lungs is None else ready.geometry.mask_to_prepared(lungs)
    return {
        "found": bool((ready.found.paint(there.shape)[there] > 0).mean() >= COVERED),
        "told_left": ready.left is not None and len(ready.left) > 0,
        "changed": float(changed.mean()),
        "written": float(ready.geometry.mask_to_prepared(enclose(there)).mean()),
        "lungs_changed": float(changed[inside].mean()) if inside is not None and inside.any() else np.nan,
    }


def enclose(there: Mask) -> Mask:
    """The turned rectangle around the letters."""
    corners = cv2.boxPoints(cv2.minAreaRect(np.argwhere(there)[:, ::-1].astype(np.float32)))
    filled = np.zeros(there.shape, np.uint8)
    cv2.fillPoly(filled, [np.rint(corners).astype(np.int32)], 1)
    return filled > 0


def is_read(film: Grey, near: Mask) -> bool:
    """Whether a line of text can be read that overlaps the writing. near: (size, size)."""
    for corners, _ in read_lines(film):
        line = np.zeros(film.shape, np.uint8)
        cv2.fillPoly(line, [np.rint(corners).astype(np.int32)], 1)
        if near[line > 0].any():
            return True
    return False


def png(film: Grey) -> BytesIO:
    stream = BytesIO()
    Image.fromarray(film).save(stream, "PNG")
    stream.seek(0)
    return stream


def tabulate(rows: pd.DataFrame) -> pd.DataFrame:
    """A line for all films and for each value of each property: shares in percent."""
    parts = [("all", "", rows)]
    parts += [(name, str(value), part) for name in PROPERTIES for value, part in rows.groupby(name, sort=True)]
    return pd.DataFrame([{"property": name, "value": value, **count(part)} for name, value, part in parts])


def count(rows: pd.DataFrame) -> dict[str, object]:
    told: dict[str, object] = {"films": len(rows), "found %": percent(rows["found"]), "told left %": percent(rows["told_left"])}
    if "read_after" in rows:
        read = rows["read_after"].astype(bool)
        told |= {"nothing read %": percent(~read), "read and not told": int((read & ~rows["told_left"].astype(bool)).sum())}
    return told | {
        "written %": percent(rows["written"]),
        "changed %": percent(rows["changed"]),
        "lungs changed %": percent(rows["lungs_changed"]),
        "false alarm %": percent(rows["alarm"]),
        "changed by it %": percent(rows["alarm_changed"]),
    }


def percent(values: pd.Series) -> float:
    return round(100 * float(values.astype(float).mean()), 1)


def fit(asked: argparse.Namespace) -> str:
    """The mean, spread and weight of each measure of `text.measure_group`, and the constant."""
    seed, told = SEEDS["fit"], []
    for i, ((grey, _), writing) in enumerate(zip(gather(asked, seed), choose_writings(asked.films, seed), strict=False)):
        told += [{**row, "film": i, "text": text} for row, text in list_groups(grey, writing, i)]
    table = pd.DataFrame(told)
    names = [name for name in table if name not in ("film", "text")]
    mean, spread = table[names].mean(), table[names].std()
    weight = 1 / table.groupby(["film", "text"])["text"].transform("size")  # each film once with and once without text
    model = LogisticRegression().fit((table[names] - mean) / spread, table["text"], sample_weight=weight)
    rounded = zip(names, mean, spread, model.coef_[0], strict=True)
    lines = [f'    "{name}": ({middle:.3g}, {width:.3g}, {weighs:.2f}),' for name, middle, width, weighs in rounded]
    return "\n".join([*lines, f"CONSTANT = {model.intercept_[0]:.2f}"])


def list_groups(grey: Grey, writing: Writing, seed: int) -> Iterator[tuple[dict[str, float], bool]]:
    """The measures of each group of a film, without and with a writing, and whether it is of the writing; others are left out."""
    written, there = write_on(grey, writing, seed)
    for film, wanted in ((grey, False), (written, True)):
        for parts in list_parts(film):
            for group in join_parts(parts):
                boxes = parts.boxes[group.members] / parts.scale
                corners = np.hstack([boxes[:, :2], np.ceil(boxes[:, :2] + boxes[:, 2:])]).astype(int)
                on = np.mean([there[top:bottom, left:right].any() for left, top, right, bottom in corners])
                if not wanted or on > 0.7:
                    yield measure_group(parts, group), wanted


if __name__ == "__main__":
    main()
