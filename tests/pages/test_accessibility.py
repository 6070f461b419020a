"""The pages as axe-core reads them in a real browser, with every section that has a style of its own; the order of focus."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from compared_runs import CLASSES, make_page
from page_sections import make_evaluation, make_external, make_folds, make_recalibration, make_subgroups
from playwright.sync_api import Browser, Page
from real_browser import wait_for_charts
from reported_films import make_report

from hilum.pages.comparison import render_comparison
from hilum.pages.subgroups import render_subgroups, subgroup_charts

GRAVE = ("serious", "critical")
SCROLLED = "document.querySelectorAll('.scroll, #room-grid, .sheet-films').forEach((one) => { one.style.maxHeight = 'none'; })"


def make_comparison(folder: Path) -> str:
    """With subgroups and their chart, cross-validation and external tests."""
    arms = ["first", "second", "third"]
    page, subgroups = make_page(arms, [f"source/film {i}" for i in range(12)], folder), make_subgroups(arms, CLASSES)
    assert {"worse", "better", "too small"} <= {word for table in subgroups.values() for word in table["judgement"]}
    sections = {
        "subgroups": render_subgroups(subgroups, "95 % interval"),
        "charts": [*page.charts, *subgroup_charts(subgroups, "95 % interval")],
        "folds": make_folds(arms),
        "external": make_external(arms, folder),
    }
    return render_comparison(replace(page, **sections))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "comparison": make_comparison(folder),
        "report": make_report([f"source/film {i}" for i in range(36)], folder),
        "evaluation": make_evaluation(folder),
        "recalibration": make_recalibration(folder),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in texts}


def open_page(browser: Browser, file: Path, scheme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    wait_for_charts(page)
    return page


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response
    assert found["passes"], "axe read the page"
    return [
        f"{one['id']} ({one['impact']}): {node['target']} {node['html'][:200]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["comparison", "report", "evaluation", "recalibration"])
def test_axe_finds_no_serious_or_critical_violation(browser: Browser, pages: dict[str, Path], name: str, scheme: Any) -> None:
    page = open_page(browser, pages[name], scheme)
    page.evaluate("document.querySelectorAll('details:not(.zoom)').forEach((one) => { one.open = true; })")
    page.evaluate(SCROLLED)
    assert violations(page) == []
    if name == "comparison":
        page.focus("#room-grid")
        page.keyboard.press("Enter")
    elif name == "report":
        page.click(".sheet-film button")
    if name in ("comparison", "report"):
        assert page.locator("dialog[open]").count() == 1
        assert violations(page) == []
    page.close()


def test_axe_sees_what_is_wrong(browser: Browser, pages: dict[str, Path]) -> None:
    page = open_page(browser, pages["report"])
    page.evaluate("document.querySelector('#sheet-search').closest('label').replaceWith(document.querySelector('#sheet-search'))")
    page.evaluate("document.querySelector('h1').style.color = '#ccc'")
    page.evaluate("document.querySelector('#sheet-search').removeAttribute('placeholder')")
    found = violations(page)
    assert {line.split(" ")[0] for line in found} == {"color-contrast", "label"}
    page.close()


def test_the_order_of_focus_is_that_of_the_report(browser: Browser, pages: dict[str, Path]) -> None:
    page = open_page(browser, pages["report"])
    assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
    page.focus("#sheet-search")
    seen = []
    for _ in range(7):
        seen.append(page.evaluate("(({id, dataset, ariaLabel}) => id || dataset.sheet || ariaLabel)(document.activeElement)"))
        page.keyboard.press("Tab")
    assert seen == ["sheet-search", "reason", "label", "source", "split", "sheet-size", "Open source/film 0"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    assert page.is_visible("#sheet-dialog")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.ariaLabel") == "Open source/film 0", "focus comes back to where it was"
    page.close()
