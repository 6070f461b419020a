"""The comparison page and the data report as axe-core reads them in a real browser, and the order of focus."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from compared_runs import make_page
from playwright.sync_api import Browser, Page
from reported_films import make_report

from hilum.pages.comparison import render_comparison

DRAWN = "[...document.querySelectorAll('.chart')].every((one) => one.dataset.drawn)"
GRAVE = ("serious", "critical")
SCROLLED = "document.querySelectorAll('.scroll, #room-grid, .sheet-films').forEach((one) => { one.style.maxHeight = 'none'; })"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    compared = make_page(["first", "second", "third"], [f"source/film {i}" for i in range(12)], folder)
    texts = {"comparison": render_comparison(compared), "report": make_report([f"source/film {i}" for i in range(36)], folder)}
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in texts}


def open_page(browser: Browser, file: Path, scheme: Any = "light") -> Page:
    page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme)
    page.goto(file.as_uri())
    page.wait_for_function(DRAWN, timeout=120_000)
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
@pytest.mark.parametrize("name", ["comparison", "report"])
def test_axe_finds_no_serious_or_critical_violation(browser: Browser, pages: dict[str, Path], name: str, scheme: Any) -> None:
    page = open_page(browser, pages[name], scheme)
    page.evaluate("document.querySelectorAll('details:not(.zoom)').forEach((one) => { one.open = true; })")
    page.evaluate(SCROLLED)
    assert violations(page) == []
    if name == "comparison":
        page.focus("#room-grid")
        page.keyboard.press("Enter")
    else:
        page.click(".sheet-film button")
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
