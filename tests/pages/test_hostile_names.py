"""Names that strangers give to films, patients, classes, runs and parameters: nothing of them runs, and the layout holds."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from compared_runs import make_page
from playwright.sync_api import Browser, Page
from real_browser import wait_for_charts
from reported_films import make_report

from hilum.pages.comparison import ArmSummary, render_comparison

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of matplotlib, on letters that its font lacks
RUN = "window.hacked = 1"
HOSTILE = (
    f"<script>{RUN}</script>",
    f"</script><script>{RUN}</script>",
    f"\"onerror={RUN} x=\"'><img src=x onerror='{RUN}'>",
    "{{ 7 * 7 }}{% raw %}${7 * 7}",
    f"datum.run || (function () {{ {RUN} }})()",
    "signal'] + toString()(constructor)('" + RUN + "')() + ['",
    "<!--<script>--><svg/onload=" + RUN + ">",
    "\u202egnp.ytidilav\u2066 \u200f\u05d0\u05d1",
    "x" * 300,
    "back\\slash\nline\ttab\u2028end &amp; &lt;",
)
FILMS = [*HOSTILE, *(f"{name} {i}" for i in range(2) for name in HOSTILE)]
WIDE = """() => [...document.querySelectorAll('body *')].filter((one) => {
  const box = one.getBoundingClientRect(), end = box.left + Math.max(box.width, one.scrollWidth);
  if (end <= innerWidth + 1 || getComputedStyle(one).visibility === 'hidden') return false;
  for (let up = one; up; up = up.parentElement) if (getComputedStyle(up).overflowX !== 'visible') return false;
  return true;
}).map((one) => one.outerHTML.slice(0, 120))"""


def make_comparison(folder: Path) -> str:
    """Every name is hostile: of films, patients, classes, runs, parameters and values."""
    page = make_page(HOSTILE, FILMS, folder, classes=HOSTILE[:3])

    def spoil(arm: ArmSummary) -> ArmSummary:
        values = [(name, name, "params") for name in HOSTILE]
        words = dict.fromkeys(("backbone", "weights", "kept", "decision"), HOSTILE[1])
        return dataclasses.replace(arm, values=values, notes=list(HOSTILE), phases=list(HOSTILE), **words)

    facts = [(name, name) for name in HOSTILE]
    arms = [spoil(arm) for arm in page.arms]
    spoilt = dataclasses.replace(page, title=HOSTILE[1], arms=arms, facts=facts, warnings=list(HOSTILE), left_out=list(HOSTILE))
    return render_comparison(spoilt)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    rest = make_page(HOSTILE[6:], FILMS, folder, classes=(*HOSTILE[6:8], HOSTILE[9]))
    texts = {
        "comparison": make_comparison(folder),
        "long names": render_comparison(rest),
        "report": make_report(FILMS, folder, HOSTILE[:3], HOSTILE[1]),
        "report of long names": make_report(FILMS, folder, HOSTILE[7:], HOSTILE[8]),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture(params=["comparison", "long names", "report", "report of long names"])
def opened(request: pytest.FixtureRequest, browser: Browser, files: dict[str, Path]) -> Iterator[tuple[Page, list[str], str]]:
    """A page, what went wrong or left the file meanwhile, and which one it is."""
    page, wrong = browser.new_page(viewport={"width": 1200, "height": 900}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("request", lambda one: wrong.append(one.url) if not one.url.startswith(("file:", "data:")) else None)
    page.goto(files[request.param].as_uri())
    wait_for_charts(page)
    yield page, wrong, request.param
    page.close()


def test_nothing_in_a_name_runs_whatever_a_reader_does_and_the_layout_holds(opened: tuple[Page, list[str], str]) -> None:
    page, wrong, name = opened
    page.evaluate("document.querySelectorAll('details:not(.zoom)').forEach((one) => { one.open = true; })")
    for place in page.locator("select:visible").all():  # every choice of every list
        for option in place.locator("option").all()[:4]:
            place.select_option(value=option.get_attribute("value"))
    for place in page.locator("select:visible").all():
        place.select_option(index=0)
    for mark in page.locator(".chart svg path[aria-roledescription]").all()[:3]:
        mark.hover(force=True)  # tooltips
    if "report" in name:
        page.click(".sheet-film button")
        assert page.text_content("#sheet-name") in FILMS
    else:
        page.select_option("#room-sort", "name")
        page.locator(".room-tile button").first.click()
        assert page.text_content("#room-title") in FILMS
    assert page.evaluate(WIDE) == []
    page.keyboard.press("Escape")
    assert wrong == [] and page.evaluate("window.hacked") is None
    assert page.locator("img[src='x'], main script:not([type]), svg[onload], [onerror]").count() == 0
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert page.evaluate(WIDE) == [], width


@pytest.mark.parametrize("name", ["comparison", "long names"])
def test_a_link_to_a_film_of_any_name_leads_to_it(browser: Browser, files: dict[str, Path], name: str) -> None:
    page = browser.new_page()
    page.goto(files[name].as_uri())
    page.wait_for_selector("body[data-ready]")
    page.select_option("#room-sort", "name")
    for film in (FILMS[1], FILMS[7], FILMS[9]):
        page.fill("#room-search", "")
        page.evaluate("(film) => { location.hash = `#film=${encodeURIComponent(film)}`; }", film)
        page.wait_for_function("(film) => document.querySelector('.room-row.chosen a')?.textContent === film", arg=film)
    assert page.evaluate("window.hacked") is None
    page.close()
