"""A real Chromium for the tests of a module."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from real_browser import launch


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch() as opened:
        yield opened
