"""Marks and blinded reading in a headless Chromium: what is drawn is what is kept, and nothing is told before the answer."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from opened_room import REGISTERED, Room, settle, started_room, train_registered, upload
from PIL import Image
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from real_browser import open_browser
from streamlit.testing.v1 import AppTest

from hilum.app import blinded, marking
from hilum.app.blinded_task import CONFIDENCE_KEYS, Task
from hilum.app.main import PAGES
from hilum.reading.store import blind_records, read_readings
from hilum.results import file_sha256
from hilum.workspace import Workspace

PATIENCE = 120_000  # milliseconds for one interaction on a busy machine
SECRET = "doe-jane"  # in the name of every film, and of no other file
EVERYTHING = """() => {
  const inside = (one) => (one.shadowRoot ? one.shadowRoot.innerHTML + below(one.shadowRoot) : "");
  const below = (node) => [...node.querySelectorAll("*")].map(inside);
  const values = [...document.querySelectorAll("input, textarea")].map((one) => one.value);
  return [document.documentElement.outerHTML, ...below(document), ...values, document.title, location.href].join("\\n");
}"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Workspace:
    workspace = train_registered(tmp_path_factory.mktemp("app") / "project", make_project)
    films = sorted((workspace.root / "data" / "raw" / "phantom" / "films").glob("*.png"))[:3]
    for k, film in enumerate(films):
        place = workspace.root / "films" / f"ward-{SECRET}" / f"{SECRET}-{k}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(film.read_bytes())
    return workspace


@pytest.fixture(scope="module")
def room(project: Workspace) -> Iterator[Room]:
    with started_room(project, "--model", REGISTERED) as opened:
        yield opened


@pytest.fixture
def page(room: Room) -> Iterator[Page]:
    with open_browser(1500, 1300) as tab:
        tab.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        room.open(tab)
        yield tab


def give_code(page: Page, code: str) -> None:
    field = page.get_by_role("textbox", name="Reader code")
    field.fill(code)
    field.press("Enter")


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From one place of the film to another; both as shares of its sides."""
    box = page.get_by_label("Film to mark").bounding_box()
    assert box
    (x0, y0), (x1, y1) = ((box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move((x0 + x1) / 2, (y0 + y1) / 2)
    page.mouse.move(x1, y1)
    page.mouse.up()


def press(page: Page, key: str, result: Locator) -> None:
    """A key, again where the page was still being drawn, until it has its result; none of the keys does more when repeated."""
    for _ in range(8):
        page.locator("body").press(key)
        with contextlib.suppress(PlaywrightTimeout):
            result.first.wait_for(timeout=PATIENCE / 8)
            return
    expect(result.first).to_be_visible()


def film_to_upload() -> bytes:
    """A film that is wider than high and larger than what is sent to the browser."""
    grey = np.random.default_rng(0).integers(60, 200, (1000, 2000), np.uint8)
    stream = BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


def test_the_pages_are_those_of_the_app() -> None:
    assert [module.__name__.rpartition(".")[2] for module in (marking, blinded)] == list(PAGES)
    assert all(callable(module.show) for module in (marking, blinded))
    assert not {"C", "R", "N"} & set(CONFIDENCE_KEYS.values())  # of Streamlit, and of the next film


def test_what_stands_for_a_film_in_the_page_is_of_this_film_reader_and_folder_alone() -> None:
    """Else a film would be shown with the marks, or in the place, of another one that had the same number."""
    tasks = [Task(reader, Path(folder), ("a", "b"), {}) for reader in ("R1", "R2") for folder in ("one", "two")]
    keys = {task.key(sha256 * 64) for task in tasks for sha256 in "01"}
    assert len(keys) == 8 and not any("0000" in key or "1111" in key for key in keys)


def open_marks(page: Page) -> None:
    upload(page, "wide.png", film_to_upload())
    expect(page.get_by_text("2000 x 1000")).to_be_visible()
    page.get_by_role("link", name="Marks").click()
    expect(page.get_by_label("Film to mark")).to_have_count(1)
    settle(page)


def test_marks_are_kept_in_pixels_of_the_films_own_size(project: Workspace, page: Page) -> None:
    open_marks(page)
    film = page.get_by_label("Film to mark")
    give_code(page, "R7")
    page.get_by_role("button", name="Save marks").and_(page.locator(":enabled")).wait_for()
    drag(page, (0.25, 0.2), (0.5, 0.6))
    expect(page.get_by_text("Box 1 drawn, 500 x 400 pixels")).to_be_visible()
    film.press("p")
    box = film.bounding_box()
    assert box
    for x, y in ((0.6, 0.1), (0.8, 0.1), (0.8, 0.5)):
        page.mouse.click(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
    film.press("Enter")
    expect(page.get_by_text("Polygon 2 drawn, 400 x 400 pixels")).to_be_visible()
    film.press("b")
    drag(page, (0.1, 0.1), (0.2, 0.2))
    expect(page.get_by_text("Box 3 drawn")).to_be_visible()
    film.press("Control+z")
    expect(page.get_by_text("Undone")).to_be_visible()
    expect(page.get_by_text("Marks: 2.")).to_be_visible()
    expect(page.get_by_text("a map that knows nothing has 0.14")).to_be_visible()  # a map was made on the page Film
    page.get_by_role("textbox", name="Finding").fill("opacity")
    page.get_by_role("button", name="Save marks").click()
    expect(page.get_by_text("marks: 2.", exact=False).filter(has_text="Saved as record")).to_be_visible()
    (record,) = read_readings(project.root / "readings", "R7").records
    square, triangle = record.shapes
    assert (record.film.width, record.film.height, record.finding) == (2000, 1000, "opacity") and record.seen.verdict
    assert np.allclose(square.points, [(500, 200), (1000, 600)], atol=3) and square.kind == "box"
    assert np.allclose(triangle.points, [(1200, 100), (1600, 100), (1600, 500)], atol=3) and triangle.kind == "polygon"
    assert not blind_records(read_readings(project.root / "readings", "R7"))  # the prediction stood on the page Film
    upload(page, "other.png", next((project.root / "films").rglob("*.png")).read_bytes())
    expect(page.get_by_text("these marks are blind and count as truth")).to_be_visible()  # of a film without a prediction so far
    expect(page.get_by_text("Saved as record")).to_have_count(0)


def test_a_box_is_drawn_by_keyboard(page: Page) -> None:
    open_marks(page)
    film = page.get_by_label("Film to mark")
    film.focus()
    film.press("Space")
    for key in ("Shift+ArrowRight", "Shift+ArrowDown", "Shift+ArrowDown", "Space"):
        film.press(key)
    expect(page.get_by_text("Box 1 drawn")).to_be_visible()
    film.press("v")
    page.get_by_label("Box 1,").focus()
    for key in ("ArrowLeft", "ArrowUp", "Delete"):  # the mark keeps the keyboard while it is drawn anew
        page.keyboard.press(key)
    expect(page.get_by_text("Mark deleted")).to_be_visible()
    expect(page.get_by_text("Marks: 0.")).to_be_visible()


def test_marks_are_drawn_moved_and_zoomed_by_touch(page: Page) -> None:
    open_marks(page)
    box = page.get_by_label("Film to mark").bounding_box()
    fingers = page.context.new_cdp_session(page)
    assert box

    def touch(kind: str, *spots: tuple[float, float]) -> None:
        """Fingers at places of the film, as shares of its sides."""
        points = [
            {"x": box["x"] + box["width"] * x, "y": box["y"] + box["height"] * y, "id": k} for k, (x, y) in enumerate(spots)
        ]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def draw(*spots: tuple[float, float]) -> None:
        touch("touchStart", spots[0])
        for spot in spots[1:]:
            touch("touchMove", spot)
        touch("touchEnd")

    draw((0.25, 0.2), (0.4, 0.4), (0.5, 0.6))
    expect(page.get_by_text("Box 1 drawn, 500 x 400 pixels")).to_be_visible()
    page.get_by_role("button", name="Polygon").click()
    for spot in ((0.6, 0.1), (0.8, 0.1), (0.8, 0.5)):
        draw(spot)
    touch("touchStart", (0.6, 0.7))  # a second finger follows: this is no corner
    touch("touchStart", (0.6, 0.7), (0.7, 0.7))
    touch("touchMove", (0.5, 0.7), (0.8, 0.7))
    touch("touchEnd")
    whole = page.get_by_role("button", name="Show the whole film")
    expect(whole).to_be_enabled()
    whole.click()
    draw((0.605, 0.105))  # a finger is not exact: near the first corner
    expect(page.get_by_text("Polygon 2 drawn, 400 x 400 pixels")).to_be_visible()
    page.get_by_role("button", name="Select (key v)").click()
    draw((0.3, 0.3), (0.2, 0.2), (0.05, 0.05))
    expect(page.get_by_text("Box moved")).to_be_visible()
    expect(page.get_by_label("Box 1, 500 x 400 pixels, selected")).to_be_attached()  # at the edge of the film, and whole
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Undone")).to_be_visible()
    expect(page.get_by_text("Marks: 2.")).to_be_visible()


def test_a_queue_is_read_by_keyboard_and_nothing_is_told_before_the_answer(
    project: Workspace, page: Page, tmp_path: Path
) -> None:
    page.get_by_role("link", name="Blinded reading").click()
    give_code(page, "R1")
    form = page.get_by_test_id("stForm")
    form.get_by_role("textbox", name="Folder of films").fill(str(project.root / "films"))
    form.get_by_role("button", name="Begin or go on").and_(page.locator(":enabled")).click()
    answered = []
    for k in range(3):
        expect(page.get_by_text(f"{k} of 3 films answered as R1")).to_be_visible()
        expect(page.get_by_label("Film to mark")).to_have_count(1)  # that of the last film is gone
        expect(page.get_by_text("Your answer, final")).to_have_count(0)  # the last film's reveal is gone
        expect(page.get_by_text("How sure", exact=True)).to_be_visible()
        seen = page.evaluate(EVERYTHING)
        unknown = [path for path in (project.root / "films").rglob("*.png") if path.name not in answered]
        told = [word for path in unknown for word in (path.name, path.stem, file_sha256(path)[:12]) if word in seen]
        assert not told and "Probability" not in seen and str(project.root / "films") not in seen and SECRET not in seen
        if k == 0:
            drag(page, (0.25, 0.25), (0.5, 0.5))
            expect(page.get_by_text("Marks on this film: 1.")).to_be_visible()
        press(page, "2", page.get_by_test_id("stBaseButton-primary").filter(has_text="ill"))
        press(page, "f", page.get_by_test_id("stBaseButton-primary").filter(has_text="sure"))
        page.get_by_role("button", name="Final answer").and_(page.locator(":enabled")).wait_for()
        press(page, "Enter", page.get_by_text("Your answer, final"))
        expect(page.get_by_text(SECRET).first).to_be_visible()
        expect(page.get_by_text("Probability").first).to_be_visible()
        if k == 0:
            page.screenshot(path=tmp_path / "reveal.png")
            page.reload()  # a second window, or a crash: it goes on with the next film
            give_code(page, "R1")
            form.get_by_role("textbox", name="Folder of films").fill(str(project.root / "films"))
            form.get_by_role("button", name="Begin or go on").and_(page.locator(":enabled")).click()
        else:
            press(page, "n", page.get_by_text("How sure", exact=True).or_(page.get_by_text("Every film of this folder")))
        answered = [Path(record.film.name).name for record in read_readings(project.root / "readings", "R1").records]
    expect(page.get_by_text("Every film of this folder is answered.")).to_be_visible()
    readings = read_readings(project.root / "readings", "R1")
    assert len(blind_records(readings)) == 3 and sorted(answered) == [f"{SECRET}-{k}.png" for k in range(3)]
    assert {(one.answer.label, one.answer.confidence) for one in readings.records if one.answer} == {("ill", 4)}
    first = readings.records[0]
    side = first.film.width
    assert len(first.shapes) == 1 and np.allclose(first.shapes[0].points, [(side / 4,) * 2, (side / 2,) * 2], atol=side / 100)


def begin_reading(page: Page, project: Workspace, code: str) -> None:
    page.get_by_role("link", name="Blinded reading").click()
    give_code(page, code)
    form = page.get_by_test_id("stForm")
    form.get_by_role("textbox", name="Folder of films").fill(str(project.root / "films"))
    form.get_by_role("button", name="Begin or go on").and_(page.locator(":enabled")).click()
    page.get_by_text("How sure", exact=True).wait_for()
    settle(page)


def choose(page: Page, keys: str) -> None:
    for key in keys:
        page.locator("body").press(key)
        page.wait_for_timeout(300)
        settle(page)
    expect(page.get_by_role("button", name="Final answer")).to_be_enabled()


def test_a_film_that_was_answered_in_another_window_keeps_that_answer(project: Workspace, room: Room, page: Page) -> None:
    """Both windows show the first film. What the second one chose for it becomes no answer, nor that of the next film."""
    begin_reading(page, project, "R2")
    other = page.context.new_page()
    room.open(other)
    begin_reading(other, project, "R2")
    choose(other, "2d")
    choose(page, "1f")
    page.get_by_role("button", name="Final answer").click()
    expect(page.get_by_text("Your answer, final")).to_be_visible()
    other.locator("body").press("Enter")
    expect(other.get_by_text("answered in another window")).to_be_visible()
    expect(other.get_by_text("1 of 3 films answered as R2")).to_be_visible()
    expect(other.get_by_role("button", name="Final answer")).to_be_disabled()
    expect(other.get_by_test_id("stBaseButton-primary").and_(other.locator(":enabled"))).to_have_count(0)
    (record,) = read_readings(project.root / "readings", "R2").records
    assert record.answer and (record.answer.label, record.answer.confidence) == ("normal", 4)


def test_codes_and_classes_are_text_and_no_markup(project: Workspace, page: Page) -> None:
    page.get_by_role("link", name="Blinded reading").click()
    for code in ("Jane Doe", "**R1**", "../R1", "R\u00f6ntgen", "model"):
        give_code(page, code)
        expect(page.get_by_role("alert")).to_contain_text("a reader's code must be 1 to 32 letters")
        expect(page.get_by_role("alert")).to_contain_text(code)
    give_code(page, "r2")  # a code in another case is the same reader, whose file is there
    expect(page.get_by_role("alert")).to_have_count(0)
    settle(page)  # a form that is drawn again loses what was typed before
    form = page.get_by_test_id("stForm")
    form.get_by_role("textbox", name="Folder of films").fill(str(project.root / "films"))
    form.get_by_role("textbox", name="Classes").fill("*no* :red[finding], a_b_, ill")
    form.get_by_role("button", name="Begin or go on").and_(page.locator(":enabled")).click()
    for name in ("*no* :red[finding]", "a_b_", "ill"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    expect(page.get_by_text("1 of 3 films answered as R2")).to_be_visible()


def run_script(monkeypatch: pytest.MonkeyPatch, script: Callable[..., None], **given: str) -> AppTest:
    """A script of Streamlit in this process. It becomes `__main__`, which processes spawned by later tests would import."""
    monkeypatch.setattr("sys.argv", ["main"])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return AppTest.from_function(script, kwargs=given).run(timeout=PATIENCE / 1000)


def save_into(place: str) -> None:
    """A script of Streamlit that saves a record into this folder."""
    import sys

    import streamlit as st

    from hilum.app.marking_reader import save_record
    from hilum.app.startup import Startup
    from hilum.reading.records import FilmFile, Seen, make_record

    sys.argv = ["main", Startup("", readings=place).as_argument()]
    st.text(save_record(make_record("R1", FilmFile("", "a" * 64, 9, 9), [], Seen())))


def test_a_record_that_cannot_be_written_is_told_and_not_taken_for_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "no-folder").write_text("a file")
    page = run_script(monkeypatch, save_into, place=str(tmp_path / "no-folder"))
    assert [one.value for one in page.error] == [
        "Not saved: the folder of readings cannot be written (File exists). Correct that, then save again."
    ]
    assert page.text[0].value == "False" and not page.exception
    page = run_script(monkeypatch, save_into, place=str(tmp_path / "folder"))
    assert page.text[0].value == "True" and not page.error and len(read_readings(tmp_path / "folder").records) == 1


def show_shared(films: str) -> None:
    """A script of Streamlit with the page of blinded reading, as other machines see it."""
    import sys

    from hilum.app import blinded
    from hilum.app.startup import Startup

    sys.argv = ["main", Startup("", films=films, readings="none", shared=True).as_argument()]
    blinded.show()


def test_where_other_machines_reach_the_app_no_folder_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bare, given = (run_script(monkeypatch, show_shared, films=films) for films in ("", "/f"))
    assert bare.info[0].value == (
        "Other machines reach this app, so a folder cannot be named here. Start it with `--films FOLDER`."
    )
    assert [field.label for field in bare.text_input] == ["Reader code"] and not bare.button
    assert [field.label for field in given.text_input] == ["Reader code", "Classes, separated by commas"] and not given.info
    assert not bare.exception and not given.exception
