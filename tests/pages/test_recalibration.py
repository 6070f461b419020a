"""The page of a recalibration in a real browser, wide and narrow: everything fits, charts are drawn, nothing is loaded."""

from pathlib import Path

import pytest
from page_sections import make_recalibration
from playwright.sync_api import Browser
from real_browser import wait_for_charts

from hilum.pages.recalibration import judge_change


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    (folder / "page.html").write_text(make_recalibration(folder))
    return folder / "page.html"


@pytest.mark.parametrize("width", [1280, 400])
def test_everything_fits_and_charts_are_drawn(browser: Browser, file: Path, width: int) -> None:
    page, asked = browser.new_page(viewport={"width": width, "height": 900}), []
    page.on("request", lambda request: asked.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    page.on("pageerror", lambda error: asked.append(str(error)))
    page.goto(file.as_uri())
    wait_for_charts(page)
    assert asked == [] and page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".chart[data-drawn='yes']").count() == 3
    marks = page.locator("[data-spec='spec-curve'] .role-axis-label text").all_text_contents()
    assert {"25", "50", "100"} <= set(marks)
    words = page.inner_text("main")
    for part in (
        "Before and after",
        "Where the decision lands",
        "What fewer films bring",
        "Whose films",
        "What is not comparable",
    ):
        assert part in words
    page.close()


def test_so_few_films_have_no_curve_and_the_page_says_so(tmp_path: Path) -> None:
    page = make_recalibration(tmp_path, films=18)
    assert "No size could be drawn" in page and 'id="spec-curve"' not in page and "25 films (normal:" in page


def test_a_change_is_judged_by_its_interval_and_the_direction_of_the_metric() -> None:
    row = {"metric": "log_loss", "low": -0.2, "high": -0.1}
    assert judge_change(row) == "better" and judge_change({**row, "metric": "sensitivity/ill"}) == "worse"
    assert judge_change({**row, "high": 0.1}) == "not distinguishable" == judge_change({**row, "low": float("nan")})
