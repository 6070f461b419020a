"""A contact sheet of near duplicates, to check by eye whether two films are one exposure."""

import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hilum.pictures import plain
from hilum.records import Films

SHOWN = 24  # pairs on a sheet
ACROSS = 3  # pairs in a row
SAME = "#5d6875"
DIFFERENT = "#8b3f55"  # pairs of two patients


def choose_pairs(near: pd.DataFrame) -> pd.DataFrame:
    """The pairs to review first: those of two patients, then the least alike; at most `SHOWN`."""
    doubtful = near.assign(same=near["patient_id"] == near["other_patient"])
    return doubtful.sort_values(["same", "score", "image_id", "other"], kind="stable").head(SHOWN).drop(columns="same")


@plain
def draw_pairs(near: pd.DataFrame, manifest: pd.DataFrame, films: Films, splits: Mapping[str, str] | None = None) -> Figure:
    """Near duplicates side by side, each with its name and patient; above a pair, its score and transformation.

    near: columns near_groups.NEAR, at least one row. films: (N, H, W) uint8 in the manifest's order.
    splits: image_id -> split, shown where given.
    """
    chosen = choose_pairs(near)
    row_of = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    rows = -(-len(chosen) // ACROSS)
    figure = Figure(figsize=(4.1 * min(ACROSS, len(chosen)), 2.75 * rows + 0.35), dpi=100, layout="constrained")
    figure.suptitle(f"{len(chosen)} of {len(near)} pairs, those of two patients (red) and the least alike first", fontsize=8)
    for place, part in enumerate(figure.subfigures(rows, min(ACROSS, len(chosen)), squeeze=False).flat):
        if place >= len(chosen):
            continue
        pair = chosen.iloc[place]
        colour = SAME if pair["patient_id"] == pair["other_patient"] else DIFFERENT
        part.suptitle(_tell_change(pair), fontsize=8, color=colour)
        sides = (("image_id", "patient_id", "label"), ("other", "other_patient", "other_label"))
        for axis, (name, patient, label) in zip(part.subplots(1, 2), sides, strict=True):
            axis.imshow(films[row_of[pair[name]]], cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[], anchor="N")
            where = f" ({splits[pair[name]]})" if splits and pair[name] in splits else ""
            texts = [f"{pair[name]}{where}", f"patient {pair[patient]}, {pair[label]}"]
            axis.set_xlabel("\n".join(_wrap(line) for line in texts), fontsize=6)
            for spine in axis.spines.values():
                spine.set_edgecolor(colour)
    return figure


def _wrap(text: str) -> str:
    """Lines of at most 36 letters, broken at slashes where that is possible."""
    return textwrap.fill(text.replace("/", "/ "), 36, break_on_hyphens=False).replace("/ ", "/")


def _tell_change(pair: pd.Series) -> str:
    texts = [f"score {pair['score']:.3f}"]
    if pair["mirrored"] == "yes":
        texts.append("flipped")
    sizes = np.array([pair["scale_x"], pair["scale_y"]]) - 1
    if (np.abs(sizes) >= 0.005).any():
        texts.append(f"content {sizes[0]:+.1%} wide, {sizes[1]:+.1%} high")
    return ", ".join(texts)
