"""What a person should know of the data before training: counts, findings, sizes, samples and everything that was left out."""

import base64
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from hilum.data.quality.near_groups import tell_near_duplicates
from hilum.data.quality.pair_sheet import draw_pairs
from hilum.records import SPLITS, Films
from hilum.settings.meaning import EXCLUDED

SHOWN_PROBLEMS = 200  # rows of the problem list on the page; problems.csv has all
SPLIT_COLOURS = {"train": "#3f6491", "val": "#d99a3d", "test": "#8b3f55", "": "#8a929c"}
OPTIONAL = ("view", "age", "sex", "offset", "license", "boxes", "lung_mask", "lesion_mask")


@dataclass(frozen=True)
class Sheet:
    """A further section of the page. picture: PNG bytes, empty for none; table: None for none."""

    title: str
    text: str
    picture: bytes
    table: pd.DataFrame | None


def count_films(manifest: pd.DataFrame, splits: pd.DataFrame | None = None) -> pd.DataFrame:
    """Films and patients of each class, source and split: columns label, source, split, films, patients.

    splits: columns image_id, split; films that are in none are not counted. Without it the official split stands in.
    """
    films = manifest.assign(split=manifest["official_split"]) if splits is None else manifest.merge(splits, on="image_id")
    cells = films.groupby(["label", "source", "split"])
    return cells.agg(films=("image_id", "size"), patients=("patient_id", "nunique")).reset_index()


def count_knowledge(manifest: pd.DataFrame) -> pd.DataFrame:
    """How many films of each source have information in the columns that may be empty: one row per source."""
    table = (manifest[list(OPTIONAL)] != "").groupby(manifest["source"]).sum()
    table.insert(0, "films", manifest.groupby("source").size())
    return table.reset_index()


def count_ways(manifest: pd.DataFrame, problems: pd.DataFrame) -> pd.DataFrame:
    """What became of the films and rows of each source: columns source, what, films.

    `kept` are those that the splits may use; then each reason of the problem list, the commonest first. Rows of tables that name
    no film count as well; films of `rules of two classes` are among the kept ones.
    """
    kept = manifest.groupby("source").size().rename("films").reset_index().assign(what="kept")
    rest = problems.assign(source=problems["image_id"].str.split("/").str[0], what=problems["problem"])
    counted = rest.groupby(["source", "what"]).size().rename("films").reset_index()
    table = pd.concat([kept, counted.sort_values(["films", "what"], ascending=[False, True])], ignore_index=True)
    return table.sort_values("source", kind="stable", ignore_index=True)[["source", "what", "films"]]


def measure_sizes(manifest: pd.DataFrame) -> pd.DataFrame:
    """Width and height in pixels and their proportion: columns source, measure, smallest, median, largest."""
    sizes = manifest[["source", "width", "height"]].assign(height_by_width=manifest["height"] / manifest["width"])
    told = sizes.melt("source", var_name="measure").groupby(["source", "measure"], sort=False)["value"]
    table = told.agg(smallest="min", median="median", largest="max").round(2).reset_index()
    return table.sort_values("source", kind="stable", ignore_index=True)


def warn_of_confounding(manifest: pd.DataFrame) -> list[str]:
    """A sentence for each class whose films come from one source only: there, class and source cannot be told apart."""
    sources = {str(label): sorted(set(part["source"])) for label, part in manifest.groupby("label")}
    single = {label: names[0] for label, names in sources.items() if len(names) == 1}
    if manifest["source"].nunique() == 1:
        return [f"Every class comes from the one source {manifest['source'].iloc[0]}: no film shows how a model does elsewhere"]
    return [
        f"The class {label} comes from the source {source} only: a model can tell it by the source; "
        "compare with a classifier that knows nothing but the source"
        for label, source in single.items()
    ]


def choose_samples(manifest: pd.DataFrame, classes: Sequence[str], per_class: int, seed: int) -> dict[str, list[str]]:
    """The image_ids of at most `per_class` films of each class, drawn without replacement, one per patient as far as they go."""
    rng = np.random.default_rng(seed)
    chosen = {}
    for label in classes:
        films = manifest[manifest["label"] == label].sort_values("image_id")
        films = films.iloc[rng.permutation(len(films))]
        again = films["patient_id"].duplicated()
        chosen[label] = [*films["image_id"][~again], *films["image_id"][again]][:per_class]
    return chosen


def draw_samples(manifest: pd.DataFrame, films: Films, samples: Mapping[str, Sequence[str]]) -> Figure:
    """A row of films per class with their image_ids; a cell without a film says so.

    films: (N, H, W) uint8 in the manifest's order. samples: class -> image_ids, from `choose_samples`.
    """
    row_of = {image_id: row for row, image_id in enumerate(manifest["image_id"])}
    columns = max([1, *(len(image_ids) for image_ids in samples.values())])
    figure = Figure(figsize=(1.75 * columns + 0.4, 2.25 * len(samples)), dpi=110, layout="constrained")
    cells = figure.subplots(len(samples), columns, squeeze=False)
    for (label, image_ids), row in zip(samples.items(), cells, strict=True):
        row[0].set_ylabel(label, fontsize=10)
        for column, cell in enumerate(row):
            cell.set_xticks([])
            cell.set_yticks([])
            if column < len(image_ids):
                cell.imshow(films[row_of[image_ids[column]]], cmap="gray", vmin=0, vmax=255)
                cell.set_xlabel(_wrap_path(image_ids[column], 26), fontsize=6.5)
            else:
                cell.set_aspect("equal")
                cell.text(0.5, 0.5, "no further film", ha="center", va="center", fontsize=8, color="#6b7480")
    return figure


def draw_counts(counts: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """A bar per class and source, split by colour. counts: from `count_films`. classes: in class order."""
    table = counts.pivot_table(index=["label", "source"], columns="split", values="films", aggfunc="sum", fill_value=0)
    table = table.reindex(list(classes), level="label")[[split for split in (*SPLITS, "") if split in table]][::-1]
    several = counts["source"].nunique() > 1
    names = [f"{label}  ({source})" if several else label for label, source in table.index]
    figure = Figure(figsize=(7.5, 0.9 + 0.42 * len(table)), dpi=110, layout="constrained")
    axis = figure.subplots()
    left = np.zeros(len(table))
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


def encode_png(figure: Figure) -> bytes:
    """A figure as PNG bytes; the same figure gives the same bytes."""
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def render_report(
    manifest: pd.DataFrame,
    films: Films,
    problems: pd.DataFrame,
    findings: pd.DataFrame,
    classes: Sequence[str],
    notes: Sequence[str],
    per_class: int,
    seed: int,
    splits: pd.DataFrame | None = None,
    test_part: Mapping[str, str] | None = None,
    near: pd.DataFrame | None = None,
    sheets: Sequence[Sheet] = (),
    confounding: str = "",
) -> str:
    """The data report as one HTML page that needs no other file.

    manifest, films, problems, findings, notes: from `Prepared`. classes: in class order. per_class: sample films of a class.
    seed: of the samples. splits, test_part: from `split_by_patient`, once there are splits.
    near: near duplicates, columns near_groups.NEAR; None leaves them off the page.
    sheets: further sections, after the samples.
    confounding: of `confounding_section.render_confounding`, once it was measured.
    """
    counts = count_films(manifest, splits)
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    kinds = problems.groupby("problem").size().reset_index(name="films")
    left_out = findings.assign(label=findings["label"].replace({"": "left out", EXCLUDED: "left out by rule"}))
    return page.get_template("data_report.html").render(
        headline={
            "films": len(manifest),
            "patients": manifest["patient_id"].nunique(),
            "classes": len(classes),
            "sources": manifest["source"].nunique(),
            "problems": len(problems),
        },
        warnings=[*warn_of_confounding(manifest), *notes],
        test_part=dict(test_part or {}),
        has_splits=splits is not None,
        tables={
            "counts": _widen(counts, classes),
            "findings": left_out.sort_values(["label", "finding", "source"]),
            "sizes": measure_sizes(manifest),
            "knowledge": count_knowledge(manifest),
            "kinds": kinds,
            "ways": count_ways(manifest, problems),
            "problems": _rarest_first(problems)[["problem", "path", "detail"]].head(SHOWN_PROBLEMS),
        },
        hidden=max(0, len(problems) - SHOWN_PROBLEMS),
        pictures={
            "counts": _embed(draw_counts(counts, classes)),
            "sizes": "" if len(manifest[["width", "height"]].drop_duplicates()) == 1 else _embed(draw_sizes(manifest)),
            "samples": _embed(draw_samples(manifest, films, choose_samples(manifest, classes, per_class, seed))),
            "near": "" if near is None or near.empty else _embed(draw_pairs(near, manifest, films, _name_splits(splits))),
        },
        near=near,
        near_told="" if near is None else tell_near_duplicates(near),
        sheets=[(sheet.title, sheet.text, _embed_png(sheet.picture), sheet.table) for sheet in sheets],
        confounding=confounding,
        prepared_size=films.shape[1],
        seed=seed,
    )


def _name_splits(splits: pd.DataFrame | None) -> dict[str, str]:
    return {} if splits is None else dict(zip(splits["image_id"], splits["split"], strict=True))


def _widen(counts: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """A row per class and source, and films and patients of each split side by side."""
    table = counts.pivot_table(index=["label", "source"], columns="split", values=["films", "patients"], fill_value=0)
    table = table.reindex(list(classes), level="label").astype(int).swaplevel(axis=1)
    table = table[[(split, kind) for split in (*SPLITS, "") for kind in ("films", "patients") if (split, kind) in table]]
    table.columns = [" ".join(column).strip() for column in table.columns.to_flat_index()]
    return table.reset_index()


def _rarest_first(problems: pd.DataFrame) -> pd.DataFrame:
    """A thousand unmatched findings must not push the one broken film off the page."""
    return problems.iloc[problems["problem"].map(problems["problem"].value_counts()).argsort(kind="stable")]


def _wrap_path(path: str, width: int) -> str:
    """Lines of at most `width` letters, broken at slashes where that is possible."""
    spaced = textwrap.wrap(path.replace("/", "/ "), width)
    return "\n".join(line.replace("/ ", "/") for line in spaced)


def count_marked(manifest: pd.DataFrame, markers: pd.DataFrame) -> pd.DataFrame:
    """Films and films with burnt-in marks of each class and source: columns label, source, films, with_marks, percent."""
    films = manifest.merge(markers, on="image_id").assign(marked=lambda table: table["markers"] > 0)
    table = films.groupby(["label", "source"]).agg(films=("marked", "size"), with_marks=("marked", "sum")).reset_index()
    return table.assign(percent=(100 * table["with_marks"] / table["films"]).round(1))


def _embed(figure: Figure) -> str:
    return _embed_png(encode_png(figure))


def _embed_png(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii") if picture else ""
