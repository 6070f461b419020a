"""The reading room end to end: `hilum app` over a registered model, in a headless Chromium."""

import csv
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicom_forms import NAME, PATIENT, describe, write
from opened_room import REGISTERED, Room, settle, started_room, train_registered, upload
from own_models import save_own
from PIL import Image
from playwright.sync_api import Page, expect
from real_browser import open_browser

from hilum.app.film import open_film, prepare
from hilum.app.known_models import list_models, name_model
from hilum.app.main import PAGES
from hilum.app.overlay import encode, lay_map
from hilum.app.sheet import WARNING
from hilum.app.viewing import view_film
from hilum.data.decoding.limits import is_doubtful
from hilum.explain.drawing.heat import OPACITY
from hilum.explain.saved_maps import load_map
from hilum.results import read_json
from hilum.stages import explain, predict
from hilum.workspace import Workspace

PATIENCE = 60_000  # milliseconds for one interaction on a busy machine


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Workspace:
    """A trained and registered model, a user's own file beside it, and a folder of films."""
    workspace = train_registered(tmp_path_factory.mktemp("app") / "project", make_project)
    save_own(workspace.root / "own", "softmax")
    films = sorted((workspace.root / "data" / "raw" / "phantom" / "films").glob("*.png"))[:4]
    (workspace.root / "films").mkdir()
    for film in films:
        (workspace.root / "films" / film.name).write_bytes(film.read_bytes())
    return workspace


@pytest.fixture(scope="module")
def room(project: Workspace) -> Iterator[Room]:
    with started_room(project, "--model", REGISTERED, "--films", "") as opened:
        yield opened


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with open_browser(1500, 1400) as page:
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        yield page


@pytest.fixture
def page(room: Room, tab: Page) -> Page:
    """A new session of the app."""
    room.open(tab)
    return tab


def film_of(project: Workspace, place: int = 0) -> Path:
    return sorted((project.root / "films").glob("*.png"))[place]


def predicted_by(project: Workspace, model: str, film: Path, out: Path) -> dict[str, str]:
    """The row of `predict` for one film."""
    folder = out / "films"
    folder.mkdir(parents=True)
    (folder / film.name).write_bytes(film.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        predict.run(model, folder, out / "out.csv", "")
    with (out / "out.csv").open(newline="") as text:
        (row,) = csv.DictReader(text)
    return row


def shown_shares(page: Page, place: int = 0) -> dict[str, str]:
    """Class -> percentage of the bars of the first or the second model."""
    settle(page)
    read = (
        "bars => [...bars.querySelectorAll('span')].map((name, k) => [name.innerText, bars.querySelectorAll('em')[k].innerText])"
    )
    return dict(page.locator(".hilum-bars").nth(place).evaluate(read))  # at once: the page may draw them anew in between


def expected_shares(row: dict[str, str]) -> dict[str, str]:
    return {key.removeprefix("p_"): f"{float(value):.1%}" for key, value in row.items() if key.startswith("p_")}


def as_dicom(grey: np.ndarray) -> bytes:
    """A film of 12 bits whose window, inside of its values, changes what is seen."""
    return write(describe(grey.astype(np.uint16) * 16, bits=12, WindowCenter="2000", WindowWidth="3000"))


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_label(label).click()
    page.get_by_role("option", name=option).click()


def test_a_film_is_predicted_as_predict_does_and_its_map_is_that_of_explain(
    page: Page, project: Workspace, room: Room, tmp_path: Path
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    film = film_of(project)
    before = room.written()
    upload(page, film.name, film.read_bytes())
    expect(page.get_by_text("Sheet of this film")).to_be_visible()
    row = predicted_by(project, REGISTERED, film, tmp_path)
    assert page.locator(".hilum-prediction").inner_text() == row["predicted"]
    assert shown_shares(page) == expected_shares(row)
    threshold = read_json(project.arm("baseline", "training") / "model.json")["threshold"]
    assert f"threshold of {threshold:.1%}" in page.locator(".hilum-says").inner_text()
    picture = page.get_by_role("img", name=f"Grad-CAM, for {row['predicted']}")
    shown = page.request.get(str(picture.evaluate("image => image.src"))).body()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.root)
        explain.run("", str(film), REGISTERED, "gradcam", "predicted", str(tmp_path / "explained"))
    found, _ = load_map(tmp_path / "explained" / "gradcam.npz")
    opened = open_film(film.read_bytes(), film.name)
    described = read_json(project.arm("baseline", "training") / "model.json")
    expected = lay_map(view_film(opened).plain, found, prepare(opened, described).geometry, OPACITY)
    assert np.array_equal(np.asarray(Image.open(BytesIO(shown))), expected)
    assert shown == encode(expected)
    foot = page.locator("#hilum-foot").inner_text()
    assert WARNING in foot and described["model_sha256"][:8] in foot and described["data_version"][:8] in foot
    assert "version 1" in foot
    assert asked and all(url.startswith((room.url, "data:", "blob:")) for url in asked), "nothing outside of this machine"
    assert room.written() == before, "no upload is written"


def large_film(doubtful: bool) -> bytes:
    """A film of 4 million pixels in more than 3 MB; or one of 36 million in less than 50 kB, which is decoded in the sandbox."""
    grey = np.random.default_rng(0).integers(0, 256, (2000, 2000), dtype=np.uint8)
    if doubtful:
        grey = np.repeat(np.arange(6000, dtype=np.uint16)[:, np.newaxis] // 24, 6000, axis=1).astype(np.uint8)
    stream = BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("doubtful", [False, True])
def test_a_large_film_is_never_written_to_disk(page: Page, room: Room, doubtful: bool) -> None:
    """Starlette would keep more than 1 MB in a temporary file, and the sandbox's result would pass through another."""
    content = large_film(doubtful)
    assert is_doubtful(36_000_000, 36_000_000, len(content)) if doubtful else len(content) > 3 * 2**20
    before = room.written()
    upload(page, "large.png", content)
    expect(page.get_by_text(f"PNG, {'6000 x 6000' if doubtful else '2000 x 2000'} px")).to_be_visible()
    expect(page.locator(".hilum-prediction")).to_be_visible()
    assert room.written() == before


def test_a_dicom_has_its_window_the_same_prediction_and_no_name(page: Page, project: Workspace, tmp_path: Path) -> None:
    film = tmp_path / "film.dcm"
    film.write_bytes(as_dicom(np.asarray(Image.open(film_of(project)).convert("L"))))
    upload(page, film.name, film.read_bytes())
    expect(page.get_by_text("view PA, age 41 years, sex F")).to_be_visible()
    assert shown_shares(page) == expected_shares(predicted_by(project, REGISTERED, film, tmp_path))
    content = page.content()
    assert NAME.split("^")[0] not in content and PATIENT not in content and "Wuerzburg" not in content
    picture = page.get_by_role("img", name="the film film.dcm")
    before = picture.get_attribute("src")
    page.get_by_text("Own window").click()
    level = page.get_by_role("slider", name=re.compile("^Level"))
    expect(level).to_have_attribute("max", "4095")
    expect(level).to_have_value("2000")
    level.press("ArrowRight")
    expect(picture).not_to_have_attribute("src", before or "")
    assert shown_shares(page) == expected_shares(predicted_by(project, REGISTERED, film, tmp_path / "again")), "for viewing only"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("![x](a.png) **b**.txt", b"no film at all", r"!\[x\]\(a.png\) \*\*b\*\*.txt: a film must be a PNG"),
        ("cut.png", b"", "a film must hold a picture, got an empty file"),
        ("cut.dcm", bytes(128) + b"DICM" + b"rest", "DICOM"),
    ],
)
def test_a_bad_file_gets_one_sentence(page: Page, project: Workspace, name: str, content: bytes, says: str) -> None:
    if name == "cut.png":
        content = film_of(project).read_bytes()[:900]
        says = "cut.png: image file is truncated"
    upload(page, name, content)
    alert = page.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text(re.compile(says))
    assert "Traceback" not in page.content() and "\n" not in alert.inner_text().strip()
    page.get_by_role("button", name="Remove").click()
    expect(alert).to_have_count(0)
    upload(page, "good.png", film_of(project).read_bytes())
    expect(page.locator(".hilum-prediction")).to_be_visible()
    expect(alert).to_have_count(0)
    settle(page)
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Open a film")).to_be_visible()
    expect(page.locator(".hilum-prediction")).to_have_count(0)


def test_the_last_layers_are_as_many_as_the_slider_says(page: Page, project: Workspace) -> None:
    upload(page, "film.png", film_of(project).read_bytes())
    page.get_by_text("Last layers", exact=True).click()
    slider = page.get_by_role("slider", name="Last layers")
    expect(slider).to_have_value("3")
    tiles = page.get_by_role("img", name=re.compile("^Grad-CAM at "))
    expect(tiles).to_have_count(3)
    slider.press("ArrowLeft")
    expect(tiles).to_have_count(2)
    names = [tile.get_attribute("alt") for tile in tiles.all()]
    assert len(set(names)) == 2


def test_lime_is_seen_in_three_ways_and_can_be_cancelled(page: Page, project: Workspace) -> None:
    upload(page, "film.png", film_of(project).read_bytes())
    page.get_by_text("LIME", exact=True).first.click()
    expect(page.get_by_role("img", name=re.compile("^LIME, "))).to_have_count(3)
    page.get_by_text("Methods", exact=True).first.click()
    page.get_by_text("RISE …").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Make the cancelled map")).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("^RISE"))).to_have_count(0)


def test_two_models_predict_one_film_side_by_side(page: Page, project: Workspace, tmp_path: Path) -> None:
    film = film_of(project)
    upload(page, film.name, film.read_bytes())
    own = project.root / "own" / "model.keras"
    second = page.get_by_role("combobox", name=re.compile("Second model"))
    second.fill(str(own))
    second.press("Enter")
    expect(page.locator(".hilum-prediction")).to_have_count(2)
    rows = [predicted_by(project, str(model), film, tmp_path / str(place)) for place, model in enumerate((REGISTERED, own))]
    assert page.locator(".hilum-prediction").all_inner_texts() == [row["predicted"] for row in rows]
    assert [shown_shares(page, place) for place in (0, 1)] == [expected_shares(row) for row in rows]
    expect(page.get_by_role("img", name=re.compile("^Grad-CAM, for"))).to_have_count(2)


def test_predictions_can_be_hidden(page: Page, project: Workspace) -> None:
    page.get_by_text("Hide predictions and maps").click()
    upload(page, "film.png", film_of(project).read_bytes())
    expect(page.get_by_role("img", name="the film film.png")).to_be_visible()
    expect(page.locator(".hilum-prediction")).to_have_count(0)
    assert "robability" not in page.locator(".stMain").inner_text()
    page.get_by_text("Hide predictions and maps").click()
    expect(page.locator(".hilum-prediction")).to_have_count(1)


def test_a_folder_is_paged_through_by_keys(page: Page, project: Workspace) -> None:
    folder = page.get_by_role("textbox", name="Folder of films")
    folder.fill(str(project.root / "films"))
    folder.press("Enter")
    for place, key in ((0, "n"), (1, "n"), (2, "p"), (1, "")):
        expect(page.get_by_role("img", name=f"the film {film_of(project, place).name}")).to_be_visible()
        expect(page.get_by_text(f"{place + 1} of 4")).to_be_visible()
        expect(page.locator(".hilum-prediction")).to_be_visible()
        if key:
            settle(page)
            page.keyboard.press(key)  # Enter has left the field, in which a key would be a letter


def test_the_sheet_is_saved_as_a_page_and_as_pdf(page: Page, project: Workspace, room: Room, tmp_path: Path) -> None:
    film = film_of(project)
    upload(page, film.name, film.read_bytes())
    before = room.written()
    page.get_by_role("button", name="Make the sheet").click()
    saved = {}
    for kind in ("HTML", "PDF"):
        with page.expect_download() as got:
            page.get_by_role("button", name=f"Save as {kind}").click()
        assert got.value.suggested_filename == f"{film.stem}.{kind.lower()}"
        got.value.save_as(tmp_path / got.value.suggested_filename)
        saved[kind] = (tmp_path / got.value.suggested_filename).read_bytes()
    text = saved["HTML"].decode()
    row = predicted_by(project, REGISTERED, film, tmp_path)
    assert all(share in text for share in expected_shares(row).values()) and WARNING in text and "Grad-CAM" in text
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", text), "it needs no other file"
    assert saved["PDF"].startswith(b"%PDF") and saved["PDF"].count(b"/Type /Page\n") + saved["PDF"].count(b"/Type /Page ") == 1
    assert [name for name in room.written() if name not in before and "matplotlib" not in name] == []


def test_the_models_of_the_project_are_offered_and_pages_of_readers_are_found_by_their_files(project: Workspace) -> None:
    own = str(project.arm("baseline", "training") / "model.keras")
    assert list_models(project, "hilum") == [own], "no champion yet"
    assert name_model(own) == "arm baseline (results)" and name_model(REGISTERED) == REGISTERED
    assert set(PAGES) == {"marking", "blinded"}


def test_ctrl_c_ends_it_and_no_line_names_a_film(room: Room) -> None:
    """The last test of the room."""
    room.process.send_signal(signal.SIGINT)
    assert room.process.wait(timeout=60) == 0
    lines = (room.root / "app.log").read_text().splitlines()
    assert f"  the reading room: {room.url}" in lines
    assert not [line for line in lines if "film.dcm" in line or ".png" in line or "Traceback" in line]
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(room.url, timeout=5)
