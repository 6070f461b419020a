"""Which measure of an explanation can be trusted without ground truth? Tested on phantoms, which have one.

Run: python benchmarks/method_ranking.py [--work FOLDER] [--films 16] [--costly 4] [--permuted 4] [--seeds 1 2 3] [--draw]

The embedded data set is drawn, prepared and split as params.yaml says, the default fine-tuned arm is trained with each seed, and
every method explains the same diseased test films for their true class. Methods are ranked by the truth (mean of the ranks
by hit rate, IoU, relevance mass and average precision against the lesion) and by each measure that needs no truth; Kendall's tau
measures how well each ranking agrees with the true one. Intervals resample patients and seeds together. MuFidelity and what needs
further maps is measured on the first --costly films. On the first --permuted films the same networks trained on permuted labels
are explained too: a method whose maps do not change shows the film, not what was learnt. Settings are those of
params.yaml, except for FEWER below.

Each finished part is kept in FOLDER, so an interrupted run resumes there.
Writes benchmarks/tables/*.csv and prints tables in Markdown; --draw also writes docs/method_ranking.png.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import numpy as np
import pandas as pd
from ranking_task import Chosen, choose_films, describe_fit, make_films, predictions_on, train_honestly, train_on_permuted
from rankings import chance_tau, compare_orders, draw_resamples, interval, mean_ranks, method_means, pile

from hilum.data.prepared.loading import load_split
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.maps import background_films, draw_background, remake
from hilum.explain.measures.agreement import compare_methods
from hilum.explain.measures.reference_maps import REFERENCES
from hilum.explain.measures.registry import MEASURES
from hilum.explain.measures.similarity import own_values, rank_correlation
from hilum.explain.measures.tables import add_references, measure_maps
from hilum.explain.methods.registry import METHODS
from hilum.explain.saved_maps import load_map, save_arrays
from hilum.models.forward import predictor
from hilum.progress import say
from hilum.records import Attribution, Predictions
from hilum.results import flatten, write_table
from hilum.settings.explain import Explain
from hilum.training.learning.fit import begin_training

PROJECT = Path(__file__).resolve().parents[1]
TABLES = PROJECT / "benchmarks" / "tables"
TRUTHS = ("hit_rate_lesion", "iou_otsu_lesion", "relevance_mass_lesion", "average_precision_lesion")
PER_FILM = "average_precision_lesion"  # the truth that ranks all pixels of a film
CHEAP = ["deletion_blur", "insertion_blur", "deletion_mean", "insertion_mean", "average_drop", "average_gain", "gini", "entropy"]
MARKED = ["hit_rate", "iou_otsu", "relevance_mass", "average_precision"]
COSTLY = ["mu_fidelity", "repeatability", "randomised_spearman", "max_sensitivity"]
WITHOUT_TRUTH = [*CHEAP, *COSTLY, "agreement"]  # available without ground truth
FEWER = {  # section of `explain` -> fewer repetitions than params.yaml asks for
    "integrated_gradients": {"steps": 32},
    "xrai": {"steps": 32},
    "sensitivity": {"samples": 2},
    "randomisation": {"stops": 1, "seeds": 1},
}
REPEATS = 2
RESAMPLES, SEED = 1000, 0
EMPTY_LEVELS = pd.DataFrame(columns=["method", "annotation", "level", "films"])


def main() -> None:
    """Train, explain, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=PROJECT / ".hilum" / "method_ranking", help="where finished parts are kept")
    parser.add_argument("--films", type=int, default=16, help="explained test films, half of each diseased class")
    parser.add_argument("--costly", type=int, default=4, help="of them, films for costly measures; 0 leaves these out")
    parser.add_argument(
        "--permuted", type=int, default=4, help="of them, films explained for models of permuted labels too; 0: none"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--draw", action="store_true", help="write docs/method_ranking.png")
    asked = parser.parse_args()
    begin_training(SEED)
    workspace, params, classes = make_films(PROJECT, asked.work.resolve())
    honest = {seed: train_honestly(workspace, params, classes, seed) for seed in asked.seeds}
    learnt = {seed: train_on_permuted(workspace, params, classes, seed) for seed in asked.seeds}
    fits = pd.DataFrame([describe_fit(workspace, classes, seed, honest[seed], learnt[seed]) for seed in asked.seeds])
    chosen = choose_films(workspace, classes, list(honest.values()), asked.films)
    background = draw_background(
        load_split(workspace.prepared, workspace.split, "train", classes), background_films(params.explain), 0
    )
    settings = settle_measures(params.explain, asked.costly)
    few = first(chosen, asked.permuted)
    kept = asked.work / "explained" / digest(settings, chosen)
    maps, measured, sanity = {}, [], []
    for seed in asked.seeds:
        explained = ExplainedModel(predictor(honest[seed]), honest[seed], background)
        found = explain_all(explained, chosen, settings, kept / f"seed{seed}", seed)
        maps[seed] = add_references(found, chosen.targets, seed)
        predictions = predictions_on(honest[seed], chosen, classes)
        parts = [
            measure(explained, chosen, one, predictions, settings, CHEAP, seed, kept / f"seed{seed}")
            for one in maps[seed].values()
        ]
        measured.append(pd.concat(parts).merge(agreement(maps[seed], chosen)).assign(seed=seed))
    for i, seed in enumerate(asked.seeds if asked.permuted else ()):
        other = ExplainedModel(predictor(learnt[seed]), learnt[seed], background)
        shortcut_baselines = explain_all(other, few, settings, kept / f"seed{seed}_permuted{asked.permuted}", seed)
        sanity.append(alike(maps[seed], shortcut_baselines, few).assign(seed=seed, against="permuted labels"))
        following = maps[asked.seeds[(i + 1) % len(asked.seeds)]]
        sanity.append(alike(maps[seed], following, few).assign(seed=seed, against="another seed"))
    for i, seed in enumerate(asked.seeds if asked.costly else ()):
        explained = ExplainedModel(predictor(honest[seed]), honest[seed], background)
        predictions = predictions_on(honest[seed], chosen, classes)
        parts = [
            measure(explained, chosen, one, predictions, settings, COSTLY, seed, kept / f"seed{seed}")
            for one in maps[seed].values()
        ]
        measured[i] = measured[i].merge(pd.concat(parts)[["method", "image_id", *COSTLY]])
    films = pd.concat(measured).merge(chosen.table[["image_id", "label"]])
    report(films, pd.concat(sanity) if sanity else None, fits, asked.draw)


def settle_measures(explain: Explain, costly: int) -> Explain:
    """Every method and the settings of params.yaml, except for FEWER."""
    sections = {name: getattr(explain, name).model_copy(update=fewer) for name, fewer in FEWER.items()}
    return explain.model_copy(update={"methods": list(METHODS), "costly_films": costly, "repeats": REPEATS, **sections})


def first(chosen: Chosen, films: int) -> Chosen:
    """The first of the chosen films, `films` of them."""
    few = slice(0, films)
    return Chosen(chosen.images[few], chosen.table[few], chosen.targets[few], chosen.annotations[few])


def digest(settings: Explain, chosen: Chosen) -> str:
    """What a finished part depends on besides the models, so that none of another study is used; its name holds the rest."""
    parts = [flatten(settings.model_copy(update={"costly_films": 0}), "explain"), chosen.table.to_dict("list")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def explain_all(explained: ExplainedModel, chosen: Chosen, settings: Explain, folder: Path, seed: int) -> dict[str, Attribution]:
    """Every method on every chosen film for its true class, each kept in the folder when it is done."""
    found = {}
    for name, method in METHODS.items():
        if not (folder / f"{name}.json").is_file():
            own: dict[str, Any] = getattr(settings, name).model_dump()
            made = method.explain(explained, chosen.images, chosen.targets, own, seed, lambda done, total: None)
            save_arrays(folder, {name: made}, list(chosen.table["image_id"]))
            say(f"{folder.name}: {name} explained")
        found[name], _ = load_map(folder / f"{name}.npz")
    return found


def measure(
    explained: ExplainedModel,
    chosen: Chosen,
    attribution: Attribution,
    predictions: Predictions,
    settings: Explain,
    names: list[str],
    seed: int,
    folder: Path,
) -> pd.DataFrame:
    """Measures of one method, one row per film, those against the lesion beside fast ones; kept in the folder."""
    file = folder / f"{attribution.method}_{f'costly{settings.costly_films}' if names is COSTLY else 'cheap'}.csv"
    if not file.is_file():
        wanted = settings.model_copy(update={"measures": names if names is COSTLY else [*names, *MARKED]})
        few = chosen.targets[: wanted.costly_films]
        again = {name: remake(wanted, name, few) for name in wanted.methods} if attribution.method in METHODS else {}
        found = {attribution.method: attribution}
        args = (predictions, chosen.annotations, EMPTY_LEVELS, wanted, seed, lambda done, total: None)
        write_table(file, measure_maps(explained, chosen.images, found, again, *args).films)
        say(f"{folder.name}: {file.stem} measured")
    return pd.read_csv(file, dtype={"image_id": str, "patient_id": str})


def agreement(found: dict[str, Attribution], chosen: Chosen) -> pd.DataFrame:
    """Columns method, image_id, agreement: mean Spearman correlation with the maps of other methods, without references."""
    ids, patients = chosen.table["image_id"].tolist(), chosen.table["patient_id"].tolist()
    pairs = compare_methods({name: attribution.values for name, attribution in found.items()}, ids, patients)
    turned = pairs.rename(columns={"first": "second", "second": "first"})
    both = pd.concat([pairs, turned])
    mean = both[~both["second"].isin(list(REFERENCES))].groupby(["first", "image_id"])["spearman"].mean()
    return mean.rename("agreement").rename_axis(["method", "image_id"]).reset_index()


def alike(one: dict[str, Attribution], other: dict[str, Attribution], chosen: Chosen) -> pd.DataFrame:
    """Absolute Spearman correlation of each film's map under two models, at the method's own resolution."""
    rows = []
    for name in METHODS:
        for i, patient in enumerate(chosen.table["patient_id"].tolist()):
            pair = (own_values(one[name], maps.values, i) for maps in (one[name], other[name]))
            rows.append((name, patient, abs(rank_correlation(*pair))))
    return pd.DataFrame(rows, columns=["method", "patient_id", "spearman"])


def report(films: pd.DataFrame, sanity: pd.DataFrame | None, fits: pd.DataFrame, draw: bool) -> None:
    """Write the tables, print them in Markdown, and draw the picture."""
    methods, shortcut_baselines = list(METHODS), [name for name in WITHOUT_TRUTH if name in films]
    measures = [*TRUTHS, *shortcut_baselines]
    piles = {name: pile(films, name, methods, lower(name)) for name in measures}
    labels = films.drop_duplicates("patient_id").sort_values("patient_id")["label"].to_numpy(str)
    orders = compare_orders(piles, TRUTHS, labels, PER_FILM, methods, RESAMPLES, SEED)
    by_truth = rank_by_truth(films, piles, methods)
    TABLES.mkdir(exist_ok=True)
    write_csv("methods_by_truth", by_truth)
    write_csv("measures_against_truth", orders)
    print(f"{films['patient_id'].nunique()} films of as many patients, {films['seed'].nunique()} seeds\n")
    print(write_methods(by_truth))
    chance = chance_tau(len(methods))
    print(f"\nBy chance, {len(methods)} methods in two orders reach |tau| {chance:.2f} once in twenty.\n")
    print(write_orders(orders))
    if sanity is not None:
        learnt = compare_labels(sanity, films, methods)
        write_csv("label_randomisation", learnt)
        write_csv("label_randomisation_models", fits)
        print(f"\n{fits.mean().round(3).drop('seed').to_dict()}\n")
        print(write_labels(learnt))
    if draw:
        from ranking_picture import draw_ranks

        draw_ranks(piles, TRUTHS, shortcut_baselines, orders, methods, PROJECT / "docs" / "method_ranking.png")


def write_csv(name: str, table: pd.DataFrame) -> None:
    """One of the tables, rounded."""
    table.round(4).to_csv(TABLES / f"{name}.csv", index=False, lineterminator="\n")


def lower(measure: str) -> bool:
    """Whether less is better; agreement of methods is not in MEASURES, and truths have the name of their mark."""
    row = MEASURES.get(measure.removesuffix("_lesion"))
    return row is not None and row.better == "lower"


def rank_by_truth(films: pd.DataFrame, piles: dict[str, np.ndarray], methods: list[str]) -> pd.DataFrame:
    """Columns method, mean_rank with low and high, and each truth with low and high; the best first, references last."""
    some = piles[TRUTHS[0]]
    drawn = draw_resamples(some.shape[0], some.shape[2], RESAMPLES, SEED)
    columns = {"mean_rank": np.array([mean_ranks([piles[name] for name in TRUTHS], one) for one in drawn])}
    names = [*methods, *REFERENCES]
    for truth in TRUTHS:
        values = pile(films, truth, names, lower=False)
        columns[truth] = np.array([method_means(values, one) for one in drawn])
    table = pd.DataFrame({"method": names})
    for name, values in columns.items():
        padded = np.pad(values, ((0, 0), (0, len(names) - values.shape[1])), constant_values=np.nan)
        table[name] = padded[0]
        table[f"{name}_low"], table[f"{name}_high"] = np.percentile(padded[1:], [2.5, 97.5], axis=0)
    return table.sort_values("mean_rank", ignore_index=True, na_position="last")


def compare_labels(sanity: pd.DataFrame, films: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Similarity of maps to those of the model trained on permuted labels, of another seed, and of permuted weights."""
    table = pd.DataFrame({"method": methods})
    kinds = dict(list(sanity.groupby("against")))
    if "randomised_spearman" in films:
        kinds["permuted weights"] = films[films["method"].isin(methods)].rename(columns={"randomised_spearman": "spearman"})
    for name in ("permuted labels", "another seed", "permuted weights"):
        if name in kinds:
            values = pile(kinds[name], "spearman", methods, lower=False)
            drawn = draw_resamples(values.shape[0], values.shape[2], RESAMPLES, SEED)
            means = np.array([method_means(values, one) for one in drawn])
            key = name.replace(" ", "_")
            table[key] = means[0]
            table[f"{key}_low"], table[f"{key}_high"] = np.nanpercentile(means[1:], [2.5, 97.5], axis=0)
    return table.sort_values("permuted_labels", ignore_index=True)


def cell(row: Any, name: str, digits: int = 2, sign: str = "") -> str:
    """A value of a table with its interval."""
    return interval(row[name], row[f"{name}_low"], row[f"{name}_high"], digits, sign)


def write_methods(table: pd.DataFrame) -> str:
    """Methods in the order of the truth."""
    lines = ["| method | mean rank | hit rate | IoU, Otsu | relevance mass | average precision |", "|---|---|---|---|---|---|"]
    for row in table.to_dict("records"):
        cells = [title(row["method"]), cell(row, "mean_rank", 1), *(cell(row, name) for name in TRUTHS)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_orders(table: pd.DataFrame) -> str:
    """Measures ordered by their tau, those that need the truth first."""
    lines = [
        "| measure | tau with the order by truth | over films of one method | chooses | its rank by truth |",
        "|---|---|---|---|---|",
    ]
    known = table["measure"].isin(TRUTHS)
    for row in pd.concat([table[known], table[~known].sort_values("tau", ascending=False)]).to_dict("records"):
        row |= {"tau_low": row["low"], "tau_high": row["high"]}
        chosen = ", ".join(title(name) for name in row["chooses"].split(", "))
        cells = [
            measure_title(row["measure"]),
            cell(row, "tau", 2, "+"),
            cell(row, "films", 2, "+"),
            chosen,
            f"{row['its_rank']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_labels(table: pd.DataFrame) -> str:
    """Methods whose maps depend on the labels first."""
    kinds = [name for name in ("permuted_labels", "another_seed", "permuted_weights") if name in table]
    lines = [f"| method | {' | '.join(name.replace('_', ' ') for name in kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    for row in table.to_dict("records"):
        lines.append(f"| {' | '.join([title(row['method']), *(cell(row, name) for name in kinds)])} |")
    return "\n".join(lines)


def title(method: str) -> str:
    return METHODS[method].title if method in METHODS else method


def measure_title(name: str) -> str:
    row = MEASURES.get(name.removesuffix("_lesion"))
    return "agreement with other methods" if row is None else row.title.replace("|", "\\|")


if __name__ == "__main__":
    main()
