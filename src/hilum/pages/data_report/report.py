"""The data before training on one page: counts, findings, sizes, samples and all that was left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from hilum.data.quality.alike.near_groups import tell_near_duplicates
from hilum.data.quality.pair_sheet import draw_pairs
from hilum.pages.data_report.counts import count_films, count_knowledge, count_ways, measure_sizes, warn_of_confounding
from hilum.pages.data_report.figures import choose_samples, draw_counts, draw_sizes
from hilum.pages.data_report.film_sheet import collect_reasons, render_sheet
from hilum.pages.templates import read_script, render
from hilum.pictures import encode_png
from hilum.records import SPLITS, Films
from hilum.settings.meaning import EXCLUDED

SHOWN_PROBLEMS = 1000  # rows of the problem list on the page; problems.csv has all


@dataclass(frozen=True)
class Sheet:
    """A further section of the page. picture: PNG bytes, empty for none; table: None for none."""

    title: str
    text: str
    picture: bytes
    table: pd.DataFrame | None


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
    odd: pd.DataFrame | None = None,
    bundle: str = "",
) -> str:
    """The data report as one HTML page that needs no other file.

    manifest, films, problems, findings, notes: from `Prepared`. classes: in class order. per_class: sample films of a class.
    seed: of the samples. splits, test_part: from `split_by_patient`, once there are splits.
    near: near duplicates, columns near_groups.NEAR; None leaves them off the page.
    sheets: further sections, after the samples.
    confounding: of `confounding.render_confounding`, once it was measured. odd: columns oddities.ODD.
    bundle: of `load_bundle`, for the charts of `confounding`.
    """
    counts, names = count_films(manifest, splits), _name_splits(splits)
    samples = choose_samples(manifest, classes, per_class, seed)
    reasons = collect_reasons(_or_empty(odd), _or_empty(near), problems, samples)
    filled = render(
        "data_report.html",
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
        tables=_make_tables(manifest, problems, findings, counts, classes),
        hidden=max(0, len(problems) - SHOWN_PROBLEMS),
        pictures={
            "counts": encode_png(draw_counts(counts, classes)),
            "sizes": b"" if len(manifest[["width", "height"]].drop_duplicates()) == 1 else encode_png(draw_sizes(manifest)),
            "near": b"" if near is None or near.empty else encode_png(draw_pairs(near, manifest, films, names)),
        },
        near=near,
        near_summary="" if near is None else tell_near_duplicates(near),
        sheets=sheets,
        confounding=confounding,
        film_sheet=render_sheet(manifest, films, reasons, names, seed),
        prepared_size=films.shape[1],
        bundle=Markup(bundle),
        script=read_script("page.js"),
    )
    return str(filled)


def _make_tables(
    manifest: pd.DataFrame, problems: pd.DataFrame, findings: pd.DataFrame, counts: pd.DataFrame, classes: Sequence[str]
) -> dict[str, pd.DataFrame]:
    left_out = findings.assign(label=findings["label"].replace({"": "left out", EXCLUDED: "left out by rule"}))
    return {
        "counts": _widen(counts, classes),
        "findings": left_out.sort_values(["label", "finding", "source"]),
        "sizes": measure_sizes(manifest),
        "knowledge": count_knowledge(manifest),
        "kinds": problems.groupby("problem").size().reset_index(name="films"),
        "ways": count_ways(manifest, problems),
        "problems": _rarest_first(problems)[["problem", "path", "detail"]].head(SHOWN_PROBLEMS),
    }


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
    """Many unmatched findings must not push one broken film off the page."""
    return problems.iloc[problems["problem"].map(problems["problem"].value_counts()).argsort(kind="stable")]


def _or_empty(table: pd.DataFrame | None) -> pd.DataFrame:
    return pd.DataFrame() if table is None else table
