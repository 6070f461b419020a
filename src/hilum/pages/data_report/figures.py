"""The pictures of the data report: bars of counts, sizes of the raw films; and the choice of its sample films."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hilum.pictures import plain
from hilum.records import SPLITS

SPLIT_COLOURS = {"train": "#3f6491", "val": "#d99a3d", "test": "#8b3f55", "": "#8a929c"}


def choose_samples(manifest: pd.DataFrame, classes: Sequence[str], per_class: int, seed: int) -> dict[str, list[str]]:
    """The image_ids of at most `per_class` films of each class, drawn without replacement, one per patient where possible."""
    rng = np.random.default_rng(seed)
    chosen = {}
    for label in classes:
        films = manifest[manifest["label"] == label].sort_values("image_id")
        films = films.iloc[rng.permutation(len(films))]
        again = films["patient_id"].duplicated()
        chosen[label] = [*films["image_id"][~again], *films["image_id"][again]][:per_class]
    return chosen


@plain
def draw_counts(counts: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A bar per class and source, split by colour. counts: from `count_films`. classes: in class order."""
    table = counts.pivot_table(index=["label", "source"], columns="split", values="films", aggfunc="sum", fill_value=0)
    table = table.reindex(list(classes), level="label")[[split for split in (*SPLITS, "") if split in table]][::-1]
    several = counts["source"].nunique() > 1
    names = [f"{label}  ({source})" if several else label for label, source in table.index]
    figure = Figure(figsize=(7.5, 0.9 + 0.42 * len(table)), dpi=110, layout="constrained")
    axis = figure.subplots()
    left = np.zeros(len(table))  # (bars,)
    for split, films in table.items():
        axis.barh(names, films, left=left, color=SPLIT_COLOURS[str(split)], label=split or "no official split", height=0.65)
        left = left + films.to_numpy()
    for place, total in enumerate(left):
        axis.text(total, place, f" {total:,.0f}", va="center", fontsize=9)
    axis.set_xlim(0, left.max() * 1.12)
    axis.set_xlabel("films")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper right", ncols=len(SPLITS), frameon=False, fontsize=9)
    return figure


@plain
def draw_sizes(manifest: pd.DataFrame) -> Figure:
    """Width and height of every raw film, a colour per source."""
    figure = Figure(figsize=(5.2, 4.2), dpi=110, layout="constrained")
    axis = figure.subplots()
    for source in sorted(set(manifest["source"])):
        part = manifest[manifest["source"] == source]
        spots = part.groupby(["width", "height"]).size().reset_index(name="films")
        axis.scatter(spots["width"], spots["height"], s=8 + 40 * spots["films"] / spots["films"].max(), alpha=0.5, label=source)
    longest = 1.08 * max(manifest["width"].max(), manifest["height"].max())
    axis.plot([0, longest], [0, longest], color="#b8bfc7", linewidth=0.8, zorder=0)
    axis.set(xlim=(0, longest), ylim=(0, longest), xlabel="width (pixels)", ylabel="height (pixels)", aspect="equal")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure
