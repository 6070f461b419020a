"""The canvas by itself in a headless Chromium: a mark is selected by a press and moved only by a drag."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from real_browser import open_browser

from hilum.app import film_canvas

SCRIPT = b64encode(Path(film_canvas.__file__).with_name("canvas.js").read_bytes()).decode()
BOX = {"kind": "box", "points": [[100, 100], [300, 200]]}
START = """async ([script, box]) => {
  const { default: start } = await import(`data:text/javascript;base64,${script}`);
  window.sent = [];
  start({ data: { key: "a", film: "data:,", width: 800, height: 400, shapes: [box] },
          parentElement: document.getElementById("place"), setStateValue: (_, shapes) => window.sent.push(shapes) });
}"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with open_browser(900, 700) as page:
        yield page


@pytest.fixture
def page(tab: Page) -> Page:
    """A film of 800 x 400 pixels, shown at half its size, with one box; `Select` is chosen."""
    tab.set_content("<style>svg { width: 400px; display: block }</style><div id='place'><div class='canvas'></div></div>")
    tab.evaluate(START, [SCRIPT, BOX])
    tab.get_by_role("button", name="Select (key v)").click()
    return tab


def drag_box(page: Page, pointer: str, *way: tuple[int, int]) -> list[Any]:
    """Press inside the box, move by these offsets on the screen in turn, let go; returns every list of marks that was sent."""
    film = page.get_by_label("Film to mark").bounding_box()
    assert film
    x, y = film["x"] + 100, film["y"] + 75
    if pointer == "mouse":
        page.mouse.move(x, y)
        page.mouse.down()
        for right, down in way:
            page.mouse.move(x + right, y + down)
        page.mouse.up()
    else:
        fingers = page.context.new_cdp_session(page)
        steps = [("touchStart", 0, 0), *(("touchMove", *step) for step in way), ("touchEnd", 0, 0)]
        for kind, right, down in steps:
            points = [] if kind == "touchEnd" else [{"x": x + right, "y": y + down, "id": 0}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    sent: list[Any] = page.evaluate("window.sent")
    return sent


@pytest.mark.parametrize(
    ("pointer", "way"), [("mouse", [(1, 1), (2, 1)]), ("touch", [(4, 3), (7, 6)]), ("mouse", [(30, 20), (0, 0)])]
)
def test_a_mark_that_is_selected_stays_where_it_is(page: Page, pointer: str, way: list[tuple[int, int]]) -> None:
    """A hand that trembles, and a drag back to where it began, are no change and no step to undo."""
    assert drag_box(page, pointer, *way) == []
    assert page.get_by_label("Box 1, 200 x 100 pixels, selected").count() == 1
    assert page.get_by_role("button", name="Undo").is_disabled()
    assert page.get_by_role("status").inner_text() == ""


@pytest.mark.parametrize(("pointer", "way"), [("mouse", [(10, 10), (30, 20), (1, 0)]), ("touch", [(10, 10), (30, 20)])])
def test_a_drag_moves_the_mark_to_where_it_ends(page: Page, pointer: str, way: list[tuple[int, int]]) -> None:
    """Also to near where it began, once it has begun; a pixel of the screen is two of the film."""
    right, down = (2 * shift for shift in way[-1])
    assert drag_box(page, pointer, *way) == [[{"kind": "box", "points": [[100 + right, 100 + down], [300 + right, 200 + down]]}]]
    assert page.get_by_role("button", name="Undo").is_enabled()
