"""The page names the groups that are served worse, says of the others which gap would have been found, and draws all gaps."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from subgroups import TASKS, draw_scores

from hilum.evaluation.subgroups import measure_subgroups
from hilum.pages.subgroups import read_subgroups, render_subgroups, subgroup_charts, summarise, warn_of_subgroups
from hilum.results import write_table

LEVEL = "95 % interval"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Of an arm that serves an age group worse and of one that serves all alike, written and read; one of earlier versions."""
    folder = tmp_path_factory.mktemp("arms")
    for arm, gap in (("unfair", 1.6), ("fair", 0.0)):
        predictions, groups = draw_scores(TASKS["two classes"], 3, gap)
        groups["sex"] = groups["sex"].where(groups.index > 30, "<b>")
        write_table(folder / arm / "subgroups.csv", measure_subgroups(predictions, groups, 200, 0.95, 0))
    return read_subgroups({name: folder / name for name in ("unfair", "fair", "older")})


def test_a_group_that_is_served_worse_is_named_with_its_gap(tables: dict[str, pd.DataFrame]) -> None:
    assert list(tables) == ["unfair", "fair"]
    told = warn_of_subgroups(tables)
    assert told and all(sentence.startswith("unfair: age group 40 to under 60 is served worse: ") for sentence in told)
    page = render_subgroups(tables, LEVEL)
    assert all(sentence.removeprefix("unfair: ") in page.unescape() for sentence in told)
    assert "; 1 is shown to be served worse." in summarise(tables["unfair"])


def test_where_none_is_named_the_page_says_which_gap_would_have_been_found(tables: dict[str, pd.DataFrame]) -> None:
    said, table = summarise(tables["fair"]), tables["fair"]
    assert "; none is shown to be served worse. A gap that would have been found" in said
    auroc = table[(table["measure"] == "auroc") & (table["judgement"] == "not shown")]
    least, most = auroc["detectable"].min(), auroc["detectable"].max()
    assert re.search(rf"AUROC {least:.2f} \([^)]*\) to {most:.2f} \(", said)
    assert said in render_subgroups(tables, LEVEL).unescape()


def test_every_group_has_a_row_and_a_small_one_its_reason(tables: dict[str, pd.DataFrame]) -> None:
    page = render_subgroups(tables, LEVEL)
    groups = tables["fair"][["column", "group"]].drop_duplicates()
    assert page.count('<th class="long">') == 2 * len(groups)
    small = tables["fair"][tables["fair"]["judgement"] == "too small"]
    assert len(small) and page.count("not measured") >= len(small)
    assert set(small["note"]) <= set(re.findall(r"<small>([^<]*)</small>", page.unescape()))
    assert "<b>: " not in page and "sex: &lt;b&gt;" in page


def test_the_chart_has_every_gap_that_was_measured_and_none_without_groups(tables: dict[str, pd.DataFrame]) -> None:
    (chart,) = subgroup_charts(tables, LEVEL)
    (rows,) = chart.spec["datasets"].values()
    assert len(rows) == sum((table["judgement"] != "too small").sum() for table in tables.values())
    worse = {(row["run"], row["group"]) for row in rows if row["judgement"] == "worse"}
    assert worse == {("unfair", "age group: 40 to under 60")}
    assert {param["name"] for param in chart.spec["params"]} >= {"arm", "measure"}
    nothing = {"fair": tables["fair"].assign(judgement="too small")}
    assert subgroup_charts(nothing, LEVEL) == []
    assert render_subgroups({}, LEVEL) == "" and "0 of " in summarise(nothing["fair"])
