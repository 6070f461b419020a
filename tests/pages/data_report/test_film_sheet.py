"""The sheet of films of the data report: why a film is on it, and what a reader chooses, in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page
from real_browser import wait_for_charts
from reported_films import ODD, make_report

from hilum.pages.data_report.film_sheet import MOST, NEAR, SAMPLE, collect_reasons, render_sheet

NAMES = [f"source/film {i}" for i in range(36)]


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    file: Path = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(make_report(NAMES, file.parent))
    shown = browser.new_page(viewport={"width": 1200, "height": 900})
    shown.goto(file.as_uri())
    wait_for_charts(shown)
    yield shown
    shown.close()


def listed(page: Page) -> list[str]:
    return [one.text_content() or "" for one in page.locator(".sheet-film:visible figcaption b").all()]


def test_filters_and_search_choose_films(page: Page) -> None:
    count = page.locator(".sheet-film").count()
    assert page.inner_text("#sheet-count") == f"{count} films" and listed(page)[:4] == NAMES[:4], "odd films come first"
    page.select_option("select[data-sheet=reason]", ODD[1])
    assert listed(page) == [NAMES[1]] and page.inner_text("#sheet-count") == f"1 of {count} films"
    page.select_option("select[data-sheet=reason]", NEAR)
    near = [NAMES[10 + i + 10 * k] for i in range(4) for k in range(2)]
    assert listed(page) == near
    page.select_option("select[data-sheet=split]", "val")
    assert listed(page) == [name for name in near if NAMES.index(name) % 3 == 1]
    page.select_option("select[data-sheet=split]", "")
    page.select_option("select[data-sheet=reason]", "")
    page.fill("#sheet-search", "FILM 21")
    assert listed(page) == [NAMES[11], NAMES[21]], "a near duplicate is found by the other's name too"
    page.fill("#sheet-search", "")
    assert page.inner_text("#sheet-count") == f"{count} films"


def test_a_film_is_seen_large_and_the_next_one_by_a_key(page: Page) -> None:
    page.click("button[aria-label='Open source/film 0']")
    before = page.evaluate("document.getElementById('sheet-large').clientWidth")
    page.fill("#sheet-zoom", "3")
    assert page.evaluate("document.getElementById('sheet-large').clientWidth") == 3 * before
    page.keyboard.press("j")
    assert page.inner_text("#sheet-name") == NAMES[1] and "turned: a word" in page.inner_text("#sheet-told")
    page.keyboard.press("k")
    assert page.inner_text("#sheet-name") == NAMES[0]
    page.keyboard.press("Escape")
    small = page.locator(".sheet-film img").first.bounding_box()
    page.fill("#sheet-size", "300")
    large = page.locator(".sheet-film img").first.bounding_box()
    assert small and large and large["width"] > 1.5 * small["width"]


def test_the_list_of_problems_is_filtered_by_kind_and_text(page: Page) -> None:
    assert page.inner_text("#problem-list-count") == "31 of 31 rows"
    page.select_option("select[data-rows]", "copy")
    assert page.locator("#problem-list tbody tr:visible").all_inner_texts() == [f"copy\t{NAMES[5]}\ta word"]
    page.select_option("select[data-rows]", "")
    page.fill("input[data-rows]", "X7.PNG")
    assert page.inner_text("#problem-list-count") == "1 of 31 rows"
    page.fill("input[data-rows]", "")


def test_charts_show_the_association_of_each_factor_and_the_classes_of_its_values(page: Page) -> None:
    assert page.locator(".chart svg").count() == 2
    association = page.text_content(".chart[data-spec=spec-association] svg") or ""
    assert "source" in association and "view" in association and "Cramer's V" in association
    shares = ".chart[data-spec=spec-shares]"
    assert "kermany (24)" in (page.text_content(f"{shares} svg") or "")
    page.select_option(f"{shares} select", "view")
    page.wait_for_function(f"document.querySelector('{shares} svg').textContent.includes('AP (')")


def test_a_film_has_all_its_reasons_once_and_samples_come_last(manifest: pd.DataFrame, films: np.ndarray) -> None:
    ids = manifest["image_id"].tolist()
    odd = pd.DataFrame({"image_id": [ids[3]], "reason": "blank", "detail": "3 grey levels"})
    problems = pd.DataFrame({"image_id": [ids[3], "s/broken"], "problem": ["copy", "broken film"], "detail": "of another"})
    found = collect_reasons(odd, pd.DataFrame(), problems, {"normal": [ids[4], ids[3]]})
    assert found[ids[3]] == {"blank": "3 grey levels", "copy": "of another", SAMPLE: ""} and found[ids[4]] == {SAMPLE: ""}
    page = render_sheet(manifest, films, found, {ids[3]: "train"}, 1)
    assert page.count("<figure") == 2, "a broken film has no picture"
    assert page.index(ids[3]) < page.index(ids[4]) and "normal, train; patient" in page


def test_a_long_list_is_cut_and_says_where_it_is_whole(manifest: pd.DataFrame) -> None:
    many = pd.concat([manifest] * 20, ignore_index=True)
    many = many.assign(image_id=[f"f{i}" for i in many.index])
    page = render_sheet(many, np.zeros((len(many), 8, 8), np.uint8), {name: {"blank": ""} for name in many["image_id"]}, {}, 1)
    assert page.count("<figure") == MOST and f"{len(many) - MOST} more are only in <code>odd_films.csv" in page
