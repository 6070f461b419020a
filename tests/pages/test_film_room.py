"""The comparison page in a real browser: the film room, the charts, and names that would be code. One page for all tests."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from compared_runs import CLASSES, draw_maps, make_page, predict
from playwright.sync_api import Browser, Page
from real_browser import wait_for_charts

from hilum.evaluation.comparison import draw_arms
from hilum.evaluation.simultaneous import compare_at_once
from hilum.pages.comparison import render_comparison
from hilum.pages.film_room import MAP_BYTES, RoomRun, choose_side, pack_map, render_room
from hilum.pages.headline import HEADLINE

EVIL = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
FILMS = [f"source/film {i}" for i in range(39)] + [EVIL]
RUNS = ["first", "second  one", EVIL]  # with two blanks, which a list shows as one
NAMES = (*CLASSES[:2], EVIL)  # of the classes


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    page = make_page(RUNS, FILMS, folder, classes=NAMES)
    hostile = dataclasses.replace(page, left_out=[EVIL], warnings=[EVIL])
    (folder / "page.html").write_text(render_comparison(hostile))
    return folder / "page.html"


@pytest.fixture(scope="module")
def opened(browser: Browser, file: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page with its charts drawn, and what went wrong or left the file meanwhile."""
    page, wrong = browser.new_page(viewport={"width": 1200, "height": 900}), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:")) else None)
    page.goto(file.as_uri())
    wait_for_charts(page)
    yield page, wrong
    page.close()


@pytest.fixture
def page(opened: tuple[Page, list[str]]) -> Page:
    """The same page as it was when it opened."""
    shown = opened[0]
    shown.keyboard.press("Escape")
    for name, value in (("filter", "all"), ("sort", "name"), ("class", ""), ("run", ""), ("method", ""), ("draw", "map")):
        shown.select_option(f"#room-{name}", value)
    shown.fill("#room-search", "")
    shown.set_checked("#room-annotations", True)
    shown.evaluate(f"history.replaceState(null, '', '#film={quote(FILMS[0], safe='')}'); dispatchEvent(new Event('hashchange'))")
    shown.focus("#room-grid")
    return shown


def listed(page: Page) -> list[str]:
    """The films that are in the page's rows, from the top."""
    rows = "rows => rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map(row => row.querySelector('a').textContent)"
    return list(page.eval_on_selector_all(".room-row", rows))


def pixels(page: Page, selector: str = ".room-row.chosen .room-tile canvas") -> list[int]:
    read = "one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data]"
    return list(page.eval_on_selector(selector, read))


def answers() -> list[Any]:
    return [predict(0.6 + 1.4 * i / len(RUNS), i, FILMS, NAMES) for i in range(len(RUNS))]


def test_nothing_is_loaded_from_elsewhere_and_no_name_is_code(opened: tuple[Page, list[str]]) -> None:
    page, wrong = opened
    assert wrong == [] and page.evaluate("window.hacked") is None
    assert page.locator("img[src='x']").count() == 0
    assert EVIL in page.inner_text("main"), "the name is shown as it is"
    assert page.evaluate("document.querySelectorAll('.chart svg').length") == 7


def test_only_rows_in_sight_are_in_the_page(page: Page) -> None:
    assert listed(page)[:3] == FILMS[:3] and len(listed(page)) < 12
    page.evaluate("document.getElementById('room-grid').scrollTop = 1e6")
    page.wait_for_function("document.querySelector('.room-row:last-child')?.ariaRowIndex == 41")
    assert listed(page)[-1] == EVIL and len(listed(page)) < 12


def test_the_queue_of_changed_predictions_holds_just_those(page: Page) -> None:
    runs = answers()
    changed = [film for film, *called in zip(FILMS, *(run.y_pred for run in runs), strict=True) if len(set(called)) > 1]
    page.keyboard.press("c")
    assert page.inner_text("#room-count").startswith(f"{len(changed)} of 40 films")
    assert listed(page)[:3] == changed[:3]
    page.select_option("#room-filter", "wrong")
    lost = (runs[0].y_pred == runs[0].y_true) & ((runs[1].y_pred != runs[1].y_true) | (runs[2].y_pred != runs[2].y_true))
    assert page.inner_text("#room-count").startswith(f"{lost.sum()} of 40 films")


def test_films_are_sorted_by_the_disagreement_of_runs(page: Page) -> None:
    page.select_option("#room-sort", "apart")
    probabilities = np.array([run.y_prob.round(3) for run in answers()])  # (runs, films, classes)
    apart = np.abs(probabilities - probabilities.mean(axis=0)).sum(axis=2).mean(axis=0)
    assert listed(page)[:4] == [FILMS[f] for f in np.argsort(-apart, kind="stable")[:4]]


def test_search_class_and_run_narrow_what_is_listed(page: Page) -> None:
    page.fill("#room-search", "FILM 17")
    assert listed(page) == ["source/film 17"]
    page.fill("#room-search", "")
    page.select_option("#room-class", "1")
    assert page.inner_text("#room-count").startswith("13 of 40 films, 9 columns")
    page.select_option("#room-run", "1")
    assert page.inner_text("#room-count").endswith("3 columns")
    page.fill("#room-search", "no such film")
    assert listed(page) == [] and page.inner_text("#room-count").startswith("0 of 40")


def test_keys_move_choose_and_explain(page: Page) -> None:
    for key in "jjjkl":
        page.keyboard.press(key)
    assert page.inner_text(".room-row.chosen a") == FILMS[2]
    said = page.text_content("#room-said")
    assert said.startswith(f"{FILMS[2]}, true class ") and "first, SHAP: predicts " in said, "what a screen reader says"
    assert page.evaluate("decodeURIComponent(location.hash)") == f"#film={FILMS[2]}"
    page.keyboard.press("2")
    assert page.input_value("#room-method") == "1" and page.inner_text("#room-count").endswith("3 columns")
    page.keyboard.press("0")
    page.keyboard.press("m")
    assert page.input_value("#room-draw") == "contour"
    page.keyboard.press("a")
    assert not page.is_checked("#room-annotations")
    page.keyboard.press("?")
    assert page.is_visible("#room-keys")


def test_enter_opens_a_film_with_the_predictions_of_all_runs(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    assert page.is_visible("#room-dialog") and page.locator("#room-runs tr").count() == 3
    before = page.inner_text("#room-title")
    page.keyboard.press("j")
    assert page.inner_text("#room-title") == FILMS[FILMS.index(before) + 1]
    page.fill("#room-zoom", "3")
    assert page.evaluate("document.getElementById('room-plain').clientWidth") > 700


def test_a_link_leads_to_its_film(browser: Browser, file: Path) -> None:
    page = browser.new_page()
    page.goto(f"{file.as_uri()}#film=source%2Ffilm%2033")
    page.wait_for_selector("body[data-ready]")
    assert page.inner_text(".room-row.chosen a") == "source/film 33"
    page.close()


def test_map_contour_opacity_and_annotations_change_what_is_drawn(page: Page) -> None:
    page.keyboard.press("j")
    page.wait_for_function(
        "document.querySelector('.room-row.chosen canvas').getContext('2d').getImageData(2, 2, 1, 1).data[0] > 90"
    )
    page.set_checked("#room-annotations", False)
    drawn = {}
    for opacity in (0, 50, 100):
        page.fill("#room-opacity", str(opacity))
        drawn[opacity] = np.array(pixels(page))
    page.select_option("#room-draw", "film")
    film = np.array(pixels(page))
    assert (drawn[0] == film).all(), "at no opacity the film alone is seen"
    assert 0 < np.abs(drawn[50] - film).mean() < np.abs(drawn[100] - film).mean()
    page.select_option("#room-draw", "contour")
    contour = np.array(pixels(page))
    assert 0 < (contour != film).mean() < (drawn[100] != film).mean()
    page.select_option("#room-draw", "film")
    page.set_checked("#room-annotations", True)
    assert (np.array(pixels(page)) != film).any()


def test_any_run_can_be_the_reference_of_chart_table_and_film_room(page: Page) -> None:
    found = compare_at_once(draw_arms(dict(zip(RUNS, answers(), strict=True)), RUNS[0], 20, 1), RUNS, HEADLINE, 0.95)
    page.select_option("#reference", RUNS[1])
    drawn = "document.querySelector('.chart[data-spec=\"spec-differences\"] svg').textContent"
    page.wait_for_function(f"{drawn}.includes('first') && !{drawn}.includes('second')")
    assert page.input_value("#room-against") == "1"
    told = page.eval_on_selector_all("#against tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))")
    assert sorted(row[0] for row in told) == sorted([RUNS[0], EVIL])
    own = found[(found["reference"] == RUNS[1]) & (found["metric"] == HEADLINE[0])].set_index("arm")
    for name, cell, *_ in told:
        row = own.loc[name]
        numbers = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}] {row['judgement']}"
        assert cell == numbers.replace("-", "−")
    page.select_option("#reference", "first")


def test_trainings_with_other_seeds_are_points_with_their_mean(page: Page) -> None:
    marks = "kind => document.querySelectorAll(`.chart[data-spec='spec-repeats'] svg .mark-${kind} path`).length"
    drawn = [page.evaluate(marks, kind) for kind in ("symbol", "rect")]
    assert drawn == [4, 1]


def test_every_control_has_a_name_and_the_order_of_focus_is_that_of_the_page(page: Page) -> None:
    named = "n.ariaLabel || n.textContent.trim() || n.labels?.length || n.title"
    unnamed = f"nodes => nodes.filter(n => !({named})).map(n => n.outerHTML)"
    assert page.eval_on_selector_all("button, select, input, [tabindex='0'], canvas[role=img]", unnamed) == []
    assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
    page.focus("#room-search")
    seen = []
    for _ in range(13):
        seen.append(page.evaluate("document.activeElement.id"))
        page.keyboard.press("Tab")
    tools = ["search", "filter", "class", "sort", "against", "run", "method", "draw", "opacity", "annotations"]
    assert seen == [f"room-{name}" for name in (*tools, "smaller", "larger", "help")]
    assert page.evaluate("document.activeElement.id") == "room-grid"
    roles = page.eval_on_selector_all("#room-grid [role]", "nodes => [...new Set(nodes.map(n => n.getAttribute('role')))].sort()")
    assert roles == ["columnheader", "gridcell", "row", "rowgroup", "rowheader"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_that_is_asked_for(browser: Browser, file: Path, scheme: Any) -> None:
    """4.5 to 1 (WCAG 2.2, 1.4.3) for every colour that text is written in, on the page's two grounds."""
    page = browser.new_page(color_scheme=scheme)
    page.goto(file.as_uri())
    read = "names => names.map(n => getComputedStyle(document.documentElement).getPropertyValue(n).trim())"
    grounds = page.evaluate(read, ["--paper", "--wash"])
    inks = page.evaluate(read, ["--ink", "--soft", "--link", "--better", "--worse", "--unclear", "--alert"])
    page.close()
    assert min(contrast(ink, ground) for ink in inks for ground in grounds) >= 4.5


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    full = colour.lstrip("#")
    full = "".join(2 * letter for letter in full) if len(full) == 3 else full
    shares = np.array([int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_phone_shows_all_without_scrolling_sideways_and_paper_has_no_controls(browser: Browser, file: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(file.as_uri())
    wait_for_charts(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.emulate_media(media="print")
    assert not page.is_visible("#room-filter") and not page.is_visible("#room-grid") and page.is_visible("p.paper")
    page.close()


def test_without_films_the_page_holds_no_picture_of_one() -> None:
    answer = predict(1.0, 0, FILMS)
    run = RoomRun("a", answer, {"gradcam": draw_maps("gradcam", len(FILMS), 32, 0)}, FILMS, None)
    bare = str(render_room([run], "a", films=False))
    assert "image/webp" not in bare and "holds no pictures of films" in bare and "contains patients" not in bare
    assert render_room([dataclasses.replace(run, maps={}, explained=[])], "a") == ""


@pytest.mark.parametrize(("maps", "side"), [(12, 64), (10 * 200 * 3, 48), (50 * 200 * 3, 22), (10**6, 16)])
def test_maps_are_as_large_as_all_of_them_fit(maps: int, side: int) -> None:
    assert choose_side(maps) == side
    assert maps * side**2 <= MAP_BYTES or side == 16


def test_a_packed_map_keeps_signs_shares_and_its_strongest_value() -> None:
    values = np.zeros((32, 32), np.float32)
    values[:16], values[16:] = 2, -1
    packed, top = pack_map(values, 16)
    assert top == 2 and packed.shape == (16, 16)
    assert set(packed[:8].ravel()) == {127} and set(packed[8:].ravel()) == {-64}
    assert not pack_map(np.zeros((32, 32), np.float32), 16)[0].any()
