"""The charts of one model alone, in a real browser: no lists of what there is one of, few marks on the axis."""

from pathlib import Path

import pytest
from page_sections import make_evaluation
from playwright.sync_api import Browser
from real_browser import wait_for_charts

from hilum.pages.chart_parts import highlighting, sorting


@pytest.mark.parametrize("width", [1280, 400])
def test_one_model_has_no_list_of_runs_and_few_marks(browser: Browser, tmp_path: Path, width: int) -> None:
    (tmp_path / "page.html").write_text(make_evaluation(tmp_path))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((tmp_path / "page.html").as_uri())
    wait_for_charts(page)
    shown = [one.strip() for one in page.locator(".vega-bind-name").all_inner_texts()]
    assert shown == ["metric", "class", "class"]
    chart = page.locator("[data-spec='spec-metrics']")
    marks = chart.locator(".role-axis-label text").all_text_contents()
    assert 3 <= len([one for one in marks if one != "model"]) <= 9, marks
    assert page.locator(".role-legend").count() == 0 and "Sorted by" not in page.inner_text("main")
    page.close()


def test_several_runs_keep_their_lists() -> None:
    assert len(sorting(2)) == len(highlighting(["a", "b"])) == 1 and sorting(1) == highlighting(["a"]) == []
