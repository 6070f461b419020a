"""The page of a search: what its charts hold, what is left out and why, and that it works in a real browser without a network."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_search import silent
from playwright.sync_api import Browser, Page
from real_browser import wait_for_charts
from search_settings import make_tune, run_here

from hilum.pages.parallel_axes import NOWHERE, lay_axes
from hilum.pages.search import log_page, render_search
from hilum.pages.searched_trials import arrange_trials
from hilum.settings.search_space import Choices, Range
from hilum.training.searching.search import Watch, search

EVIL = "</script><img src=x onerror='window.hacked = 1'>"
SPACES: dict[str, Range | Choices] = {
    "phases.0.learning_rate": Range(low=1e-4, high=1e-2, log=True, start=1e-3),
    "head.dropout": Range(low=0.0, high=0.5, start=0.2),
    "phases.0.epochs": Range(low=2, high=9, start=5),
    "train.imbalance": Choices(choices=["none", "focal", EVIL], start="none"),
    "train.balance.focal_gamma": Range(low=1.0, high=3.0, start=2.0, when={"train.imbalance": ["focal"]}),
}
SIGNS = {"log_loss": -1, "auroc_macro": 1, "sensitivity/viral": 1}


def find(folder: Path, metrics: int, trials: int = 24, spaces: dict[str, Range | Choices] = SPACES) -> pd.DataFrame:
    """trials.csv of a search by Optuna whose trials cost nothing: some are pruned, two have no value."""

    def train(values: dict[str, Any], report: Callable[[int, dict[str, float]], None]) -> dict[str, float]:
        loss = 0.3 + math.log10(values["phases.0.learning_rate"] / 3e-3) ** 2 + values.get("head.dropout", 0.0) / 5
        loss = math.nan if values.get("phases.0.epochs") == 9 else loss
        reached = {"val/log_loss": loss, "val/auroc_macro": 0.9 - loss / 10, "val/sensitivity/viral": 0.8 - loss**2 / 9}
        for step in range(6):
            report(step, {**reached, "select": -9.0 if math.isnan(loss) else -loss})
        return {**reached, "select": -loss}

    signs = dict(list(SIGNS.items())[:metrics])
    settings = {"trials": trials, "metric": list(signs), "sampler": "random", "pruner": "median" if metrics == 1 else "none"}
    tune, watch = make_tune(**settings), Watch(silent, silent, silent)
    return search("arm", spaces, tune, signs, folder / "studies.db", run_here(tune, train), watch, {}).trials


def make_page(trials: pd.DataFrame, metrics: int, bundle: str = "", spaces: dict[str, Range | Choices] = SPACES) -> str:
    return str(render_search("finetuned", trials, spaces, dict(list(SIGNS.items())[:metrics]), bundle))


def specs(page: str) -> dict[str, Any]:
    """Name of a chart -> its specification, as the browser reads it."""
    found = re.findall(r'<script type="application/json" id="spec-([^"]*)">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def test_every_chart_holds_the_trials_as_they_were(tmp_path: Path) -> None:
    trials = find(tmp_path, 1)
    page = make_page(trials, 1)
    assert page == make_page(trials, 1), "the same bytes again"
    file = tmp_path / "trials.csv"
    trials.to_csv(file, index=False)
    assert page == make_page(pd.read_csv(file), 1), "of the published table as well"
    charts = specs(page)
    assert list(charts) == ["history", "importance", "parallel", *(f"slice-{k}" for k in range(5))]
    rows = charts["history"]["datasets"]["rows"]
    assert {row["state"] for row in rows} == {"finished", "pruned"} and len(rows) == 24
    complete = trials[trials["state"] == "COMPLETE"]
    assert [row["number"] for row in rows if row["state"] == "finished"] == complete["number"].tolist()
    bare = trials.loc[trials["val/log_loss"].isna(), "number"].tolist()
    assert bare and [row["number"] for row in rows if row["m0"] is None] == bare and "without a value of the metric" in page
    best = complete.set_index("number")["val/log_loss"].cummin().reindex(range(24)).ffill()
    assert [row["b0"] for row in rows] == pytest.approx(best.tolist(), rel=1e-5)
    focal = complete["train.imbalance"] == "focal"
    assert len(charts["slice-4"]["datasets"]["rows"]) == focal.sum() < len(complete), "only where it was searched"
    scales = [charts[f"slice-{k}"]["encoding"]["x"]["scale"] for k in range(5)]
    assert [scale.get("type", "choices") for scale in scales] == ["log", "linear", "linear", "choices", "linear"]
    assert scales[3]["domain"] == ["none", "focal", EVIL]
    shares = {row["value"]: row["importance"] for row in charts["importance"]["datasets"]["rows"]}
    assert set(shares) == set(SPACES) - {"train.balance.focal_gamma"} and sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert "Importance leaves out train.balance.focal_gamma" in page and f"{focal.sum()} of {len(complete)} finished" in page


def test_a_trial_crosses_each_axis_at_its_value(tmp_path: Path) -> None:
    axes = lay_axes(arrange_trials(find(tmp_path, 1), SPACES, {"log_loss": -1}))
    assert list(axes.titles.values()) == ["log loss", *SPACES]
    first = axes.rows[0]  # every `start`
    assert [first[name] for name in list(axes.titles)[1:]] == [
        0.5,
        0.4,
        pytest.approx(3 / 7, abs=1e-3),
        pytest.approx(1 / 6, abs=1e-3),
        NOWHERE,
    ]
    assert sorted(row["y0"] for row in axes.rows)[:: len(axes.rows) - 1] == [0, 1]


def test_axes_are_written_as_their_values_are() -> None:
    spaces: dict[str, Range | Choices] = {
        "train.clip": Choices(choices=[0, 1_000_000], start=0),
        "phases.0.learning_rate": Range(low=1e-4, high=5e-3, log=True, start=1e-3),
    }
    trials = pd.DataFrame(
        [
            {"number": k, "state": "COMPLETE", "val/auroc_macro": auroc, "train.clip": clip, "phases.0.learning_rate": 1e-3}
            for k, (auroc, clip) in enumerate([(0.9121, 0), (0.9124, 1_000_000)])
        ]
    )
    found = arrange_trials(trials, spaces, {"auroc_macro": 1})
    assert not any(row["taken"] for row in found.rows), "tables of earlier versions name no best trial"
    axes = lay_axes(found)
    texts = {name: [mark["text"] for mark in axes.marks if mark["axis"] == name] for name in axes.titles}
    assert texts == {"y0": ["0.9121", "0.9124"], "y1": ["0", "1000000"], "y2": ["0.0001", "0.005"]}
    assert [row["y1"] for row in axes.rows] == [0.25, 0.75]


def test_several_metrics_have_their_front(tmp_path: Path) -> None:
    trials = find(tmp_path, 2)
    charts = specs(make_page(trials, 2))
    rows = charts["pareto-0-1"]["datasets"]["rows"]
    taken = [row["number"] for row in rows if row["place"] == "taken"]
    assert taken == trials.loc[trials["best"], "number"].tolist()
    front = {row["number"] for row in rows if row["place"] == "on the front"}
    assert front == set(trials.loc[trials["front"].astype(bool), "number"]) - set(taken)
    three = specs(make_page(find(tmp_path / "three", 3), 3))
    assert [name for name in three if name.startswith("pareto")] == ["pareto-0-1", "pareto-0-2", "pareto-1-2"]


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    trials = find(tmp_path, 1)
    single = make_page(trials[:1], 1)
    assert list(specs(single)) == ["history"] and "need two finished trials: 1 is" in single
    level = make_page(trials.assign(**{"val/log_loss": 0.5}), 1)
    assert "importance" not in specs(level) and "all finished trials reached the same" in level
    alone = {"phases.0.learning_rate": SPACES["phases.0.learning_rate"]}
    one = make_page(find(tmp_path / "one", 1, spaces=alone), 1, spaces=alone)
    assert list(specs(one)) == ["history", "slice-0"]
    assert "No importance: only one value is searched" in one and "No parallel coordinates" in one
    same = make_page(trials.assign(**{"head.dropout": 0.2}), 1)
    assert "slice-1" not in specs(same) and "No slice of head.dropout" in same


@pytest.fixture(scope="module")
def opened(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Page, list[str], pd.DataFrame]]:
    """The page of two metrics with its charts drawn, and what went wrong or left the file meanwhile."""
    folder, logged = tmp_path_factory.mktemp("page"), list[str]()

    def keep(place: Path, name: str) -> None:
        logged.append(name)
        (folder / "search.html").write_bytes((place / "search.html").read_bytes())

    trials = find(folder, 2)
    log_page(keep, "finetuned", trials, SPACES, {"log_loss": -1, "auroc_macro": 1}, folder)
    assert logged == ["pictures"]
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page, wrong = context.new_page(), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    page.goto((folder / "search.html").as_uri())
    wait_for_charts(page)
    yield page, wrong, trials
    context.close()


def test_every_chart_is_drawn_without_a_network_and_no_name_is_code(opened: tuple[Page, list[str], pd.DataFrame]) -> None:
    page, wrong, _ = opened
    marks = "one => one.querySelectorAll('.mark-symbol path, .mark-rect path, .mark-line path').length"
    drawn = {place.get_attribute("data-spec"): place.evaluate(marks) for place in page.locator(".chart").all()}
    assert len(drawn) == 9 and all(count >= 3 for count in drawn.values()), drawn
    assert wrong == [] and page.evaluate("window.hacked") is None and page.locator("img[src='x']").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def ringed(page: Page) -> int:
    """How many charts mark a trial."""
    colour = "stroke='#E69F00'"
    return int(
        page.evaluate(f"""[...document.querySelectorAll('.chart')].filter((one) => one.querySelector("path[{colour}]")).length""")
    )


def test_a_trial_that_is_clicked_is_marked_everywhere(opened: tuple[Page, list[str], pd.DataFrame]) -> None:
    page, wrong, trials = opened
    number = int(trials[(trials["state"] == "COMPLETE") & (trials["train.imbalance"] == "focal")]["number"].iloc[0])
    assert ringed(page) == 0
    page.click(f"#trials tr[data-number='{number}'] button")
    page.wait_for_timeout(300)
    assert ringed(page) == 8, "all but importance, which has no trials"
    assert page.inner_text("#marked").startswith(f"trial {number}; state finished")
    page.keyboard.press("Escape")
    page.wait_for_timeout(300)
    assert ringed(page) == 0 and page.locator("#marked").is_hidden()
    point = page.locator("[data-spec='spec-history'] .mark-symbol.role-mark path").first
    point.click(force=True)
    page.wait_for_timeout(300)
    assert ringed(page) >= 7 and page.inner_text("#marked").startswith("trial 0; ")
    page.keyboard.press("Escape")
    assert wrong == []


def test_metric_and_order_are_chosen(opened: tuple[Page, list[str], pd.DataFrame]) -> None:
    page, wrong, trials = opened
    labels = (
        "[...document.querySelectorAll('[data-spec=spec-history] .role-axis-label text')].map((one) => one.textContent).join()"
    )
    before = page.evaluate(labels)
    page.select_option("#metric", "1")
    page.wait_for_timeout(300)
    assert page.evaluate(labels) != before
    page.select_option("#metric", "0")
    page.click("#trials thead th:nth-child(3) button")
    listed = [int(row.get_attribute("data-number") or -1) for row in page.locator("#trials tbody tr").all()]
    known = trials.dropna(subset="val/log_loss").sort_values("val/log_loss", kind="stable")["number"].tolist()
    assert listed[: len(known)] == known, "those without a value come last"
    assert wrong == []


def test_the_line_under_the_pointer_stands_out_and_is_read(opened: tuple[Page, list[str], pd.DataFrame]) -> None:
    page, wrong, _ = opened
    line = page.locator("[data-spec='spec-parallel'] .mark-line path").first
    line.scroll_into_view_if_needed()
    start = "one => { const at = one.getPointAtLength(9).matrixTransform(one.getScreenCTM()); return [at.x, at.y]; }"
    page.mouse.move(*line.evaluate(start))
    page.wait_for_selector("#vg-tooltip-element.visible")
    page.wait_for_timeout(300)
    assert page.inner_text("#vg-tooltip-element.visible").count("\n") >= len(SPACES) + 2, "all that is known of the trial"
    assert page.locator("[data-spec='spec-parallel'] path[stroke='#E69F00']").count() == 1
    page.mouse.move(0, 0)
    page.wait_for_timeout(300)
    assert page.locator("[data-spec='spec-parallel'] path[stroke='#E69F00']").count() == 0 and wrong == []
