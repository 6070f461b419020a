"""Counts of films for the data report, and warnings from them."""

import pandas as pd

OPTIONAL = ("view", "age", "sex", "offset", "license", "boxes", "lung_mask", "lesion_mask")


def count_films(manifest: pd.DataFrame, splits: pd.DataFrame | None = None) -> pd.DataFrame:
    """Films and patients of each class, source and split: columns label, source, split, films, patients.

    splits: columns image_id, split; films in none are not counted. Without it the official split is used.
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
    """Films and rows of each source kept and left out: columns source, what, films.

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
    values = sizes.melt("source", var_name="measure").groupby(["source", "measure"], sort=False)["value"]
    table = values.agg(smallest="min", median="median", largest="max").round(2).reset_index()
    return table.sort_values("source", kind="stable", ignore_index=True)


def warn_of_confounding(manifest: pd.DataFrame) -> list[str]:
    """A sentence for each class whose films come from one source only: there, class and source cannot be told apart."""
    sources = {str(label): sorted(set(part["source"])) for label, part in manifest.groupby("label")}
    single = {label: names[0] for label, names in sources.items() if len(names) == 1}
    if manifest["source"].nunique() == 1:
        return [f"Every class comes from the one source {manifest['source'].iloc[0]}: no film shows performance elsewhere"]
    return [
        f"The class {label} comes from the source {source} only: a model can recognise it by the source; "
        "compare with the source-only baseline"
        for label, source in single.items()
    ]


def count_with_burned_in(manifest: pd.DataFrame, burned_in: pd.DataFrame) -> pd.DataFrame:
    """Films of each class and source, and those with burned-in text: columns label, source, films, with_it, percent."""
    films = manifest.merge(burned_in, on="image_id").assign(has=lambda table: table["burned_in"] > 0)
    table = films.groupby(["label", "source"]).agg(films=("has", "size"), with_it=("has", "sum")).reset_index()
    return table.assign(percent=(100 * table["with_it"] / table["films"]).round(1))
