"""The PDF of a sheet by itself: nothing is cut off the paper, whatever the film is called and however many pictures there are."""

import re
from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hilum.app.sheet_pdf import EDGE, HEIGHT, WIDTH, _draw_model, write_sheet_pdf
from hilum.pages.reading_sheet import ReadingSheet, SheetModel
from hilum.pictures import PLAIN, drawn_under


def png(width: int, height: int) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((height, width, 3), 90, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def make_sheet(pictures: int, film: str = "film.png", shape: tuple[int, int] = (60, 60), classes: int = 2) -> ReadingSheet:
    shares = [(f"class {k} {'of a long name ' * (k % 3)}", 1 / classes) for k in range(classes)]
    shown = [(f"a map {k} " + "with much to say of how it was made " * 8, png(*shape)) for k in range(pictures)]
    facts = [("model", "models:/hilum@champion · version 3 · weights 12345678"), ("trained on data", "abcdef12")]
    model = SheetModel("an arm", "class 1", "Probability 50.0%, which reaches the threshold of 40.0%.", shares, facts, shown)
    warnings = ["a sentence on a film that is odd, which is long enough to need a second line on the sheet of this film"] * 3
    return ReadingSheet(film, [("SHA-256", "0123456789abcdef" * 4)], warnings, png(*shape), [model], "Not for diagnosis.", "now")


def find_outside(figure: Figure) -> list[str]:
    """Texts and pictures that are not wholly on the paper."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in figure.texts]
    boxes += [("picture", axes.get_window_extent()) for axes in figure.axes]
    paper = (WIDTH * figure.dpi, HEIGHT * figure.dpi)
    return [name for name, box in boxes if box.x0 < 0 or box.y0 < 0 or box.x1 > paper[0] - 1 or box.y1 > paper[1]]


@pytest.mark.parametrize(("pictures", "shape"), [(0, (60, 60)), (7, (90, 30)), (7, (20, 90)), (20, (60, 60))])
def test_every_picture_is_on_a_page_and_nothing_is_outside_the_paper(pictures: int, shape: tuple[int, int]) -> None:
    sheet = make_sheet(pictures, "a name without a blank_" * 3 + ".png", shape, classes=6)
    with drawn_under(PLAIN):
        pages = list(_draw_model(sheet, sheet.models[0]))
        assert sum(len(page.axes) for page in pages) == 1 + pictures
        assert [find_outside(page) for page in pages] == [[] for _ in pages]
    assert all("Not for diagnosis." in [text.get_text() for text in page.texts] for page in pages)
    lowest = [min((axes.get_position().y0 for axes in page.axes), default=1) for page in pages]
    assert min(lowest) > EDGE / HEIGHT, "no picture lies over the foot"


def test_a_film_of_any_name_gets_a_pdf() -> None:
    """matplotlib warns of letters that its font lacks, and warnings are errors here."""
    content = write_sheet_pdf(make_sheet(1, "<b>$x_1$ \\frac{Ünïcode} 胸片.png"))
    assert content.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b(?!s)", content)) == 1
