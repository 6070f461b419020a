"""A real Chromium with an empty profile, in which tests open pages as a person does."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE = 240_000  # milliseconds, on a busy machine
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)
DRAWN = "[...document.querySelectorAll('.chart')].every((one) => one.dataset.drawn)"


@contextmanager
def launch() -> Iterator[Browser]:
    """The browser. Without Chromium, which `.ci/run` installs, the test skips, unless HILUM_REQUIRE_SHARED=1."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None and os.environ.get("HILUM_REQUIRE_SHARED") != "1":
        pytest.skip("needs Chromium on the path")
    assert program, "HILUM_REQUIRE_SHARED=1 but there is no chromium; `apt-get install chromium`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET), timeout=PATIENCE)
        yield browser
        browser.close()


@contextmanager
def open_browser(width: int = 1600, height: int = 1100) -> Iterator[Page]:
    """A page of a new profile."""
    with launch() as browser:
        page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        page.set_default_timeout(PATIENCE)
        yield page


def wait_for_charts(page: Page) -> None:
    """Until every chart of a page is drawn."""
    page.wait_for_function(DRAWN, timeout=PATIENCE)
