"""The sheet of one film as a page by itself and as PDF."""

import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from empty_store import forget_environment
from own_models import save_own
from PIL import Image

from hilum.app.film import open_film
from hilum.app.film_maps import MapOrder, make_map
from hilum.app.film_predictions import predict_film
from hilum.app.served_models import open_model
from hilum.app.sheet import WARNING, Reading, write_html, write_pdf
from hilum.settings.params import read_params
from hilum.workspace import Workspace


def count_pictures(pdf: bytes) -> int:
    """Pictures that are drawn on its pages."""
    packed = re.findall(rb"/FlateDecode[^>]*>>\nstream\n(.*?)\nendstream", pdf, re.DOTALL)
    return sum(len(re.findall(rb"/I\d+ Do\b", zlib.decompress(stream))) for stream in packed)


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Reading:
    """A film with a hostile name under two models, with Grad-CAM of both and LIME of the first."""
    quick = {"explain__lime__samples": 40, "explain__lime__superpixels": 10, "explain__lime__features": 4}
    workspace = make_project(tmp_path_factory.mktemp("sheet") / "project", **quick)
    params = read_params(workspace.params)
    stream = BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 60), dtype=np.uint8)).save(stream, "PNG")
    film = open_film(stream.getvalue(), "<b>film.png")
    with pytest.MonkeyPatch.context() as patch:
        forget_environment(patch)
        models = [
            open_model(str(save_own(workspace.root / name, name)), workspace, params) for name in ("softmax", "ops_sigmoid")
        ]
    pairs = [(served, predict_film(served, film, workspace)) for served in models]
    maps = [make_map(served, said, MapOrder(served.address, "gradcam", said.predicted), params.explain) for served, said in pairs]
    maps.append(make_map(*pairs[0], MapOrder(pairs[0][0].address, "lime", 1), params.explain))
    return Reading(film, film.grey, pairs, maps, ["a warning & more"], params.explain)


def test_the_page_has_all_that_was_shown_and_needs_no_other_file(reading: Reading) -> None:
    text = write_html(reading).decode()
    assert "&lt;b&gt;film.png" in text and "<b>film.png" not in text and "a warning &amp; more" in text
    assert WARNING in text and reading.film.sha256 in text
    for served, said in reading.pairs:
        assert served.version in text and all(f"{share:.1%}" in text for share in said.probabilities)
    for told in ("Grad-CAM, for", "LIME, pros, for ill", "LIME, rest hidden, for ill", "LIME, pros and cons, for ill"):
        assert told in text
    assert text.count("data:image/png;base64,") == 1 + 2 + 1 + 3
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text) and "<script" not in text


def test_the_pdf_has_a_page_for_each_model(reading: Reading) -> None:
    content = write_pdf(reading)
    assert content.startswith(b"%PDF") and len(re.findall(rb"/Type /Page\b(?!s)", content)) == 2
    assert b"/Title" in content and b"CreationDate" in content


def test_the_pdf_has_the_pictures_of_the_page(reading: Reading) -> None:
    """Film and Grad-CAM for each of two models; for the first also LIME's map and its three views."""
    assert count_pictures(write_pdf(reading)) == write_html(reading).decode().count("data:image/png;base64,") + 1 == 8
    alone = replace(reading, maps=[one for one in reading.maps if one.order.method == "lime"], pairs=reading.pairs[:1])
    assert count_pictures(write_pdf(alone)) == 1 + 1 + 3


def test_a_sheet_without_maps_can_be_made(reading: Reading) -> None:
    bare = replace(reading, maps=[], pairs=reading.pairs[:1])
    assert write_html(bare).count(b"data:image/png;base64,") == 1
    assert write_pdf(bare).startswith(b"%PDF")
