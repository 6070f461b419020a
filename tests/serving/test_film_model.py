"""Films as bytes: each cell is a row, refused ones with a sentence, in the order of the request."""

import base64
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.serving import film_model
from hilum.serving.film_model import FilmModel, read_bytes

FACTS = {
    "classes": ["normal", "ill"],
    "size": 32,
    "square": "pad",
    "threshold": 0.5,
    "burned_in": "keep",
    "model_sha256": "m" * 64,
}


def write_film(level: int) -> str:
    """A film of 40 x 40 that is brighter the higher the level, in base64."""
    grey = np.random.default_rng(level).integers(0, 20, (40, 40)).astype(np.uint8) + np.uint8(level)
    stream = BytesIO()
    Image.fromarray(grey).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def by_brightness(images: np.ndarray) -> np.ndarray:
    """The mean grey level as the probability of the second class; not a number where it is nearly white."""
    p = images.mean(axis=(1, 2, 3)).astype(np.float64) / 255
    p[p > 0.85] = np.nan
    return np.stack([1 - p, p], axis=1)


def test_rows_come_in_the_order_of_the_request_whatever_is_refused_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_model, "BATCH", 2)
    asked = pd.DataFrame({"film": [write_film(30), "no base64!", write_film(200), write_film(230), write_film(100)]})
    rows = FilmModel(by_brightness, FACTS).predict(asked).to_dict("records")
    assert [row["predicted"] for row in rows] == ["normal", None, "ill", None, "normal"]
    assert [row["error"] is None for row in rows] == [True, False, True, False, True]
    assert "base64" in rows[1]["error"] and "must be finite numbers, got nan, nan" in rows[3]["error"]
    assert [row["p_ill"] is None for row in rows] == [False, True, False, True, False]
    assert rows[0]["p_ill"] < rows[4]["p_ill"] < 0.5 < rows[2]["p_ill"]
    assert {row["model_sha256"] for row in rows} == {"m" * 64}


def test_no_film_gives_no_row() -> None:
    assert FilmModel(by_brightness, FACTS).predict(pd.DataFrame({"film": []})).empty


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "must be the content of a film's file in base64, got NoneType"),
        ("", "got nothing"),
        ("data:image/png;base64,AAAA", "got 'data:image/png;base6'; use `base64 -w0`"),
        ("é", "use `base64 -w0`"),
        ("AAA", "use `base64 -w0`"),
        ("A" * 300 * 2**20, "must have at most"),
    ],
    ids=["nothing", "empty", "address", "letter", "cut", "long"],
)
def test_a_cell_that_is_no_base64_is_refused(text: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_bytes(text)


def test_line_breaks_in_base64_are_ignored() -> None:
    assert read_bytes("QUJD\nREVG\r\n") == b"ABCDEF"
