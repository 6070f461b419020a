"""One environment for every page and section: values are escaped, a value that was not given stops, pictures are inside."""

import base64
from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

from hilum.pages import templates

PAGES = Path(templates.__file__).parent


def test_a_value_is_escaped_and_markup_is_not() -> None:
    given = {"rows": [], "seeds": "<i>", "limit": "0.4", "evidence": "50 %", "interval": Markup("<b>90 %</b>"), "colour": {}}
    section = templates.render("sanity.html", **given)
    assert isinstance(section, Markup)
    assert "&lt;i&gt;" in section and "<b>90 %</b>" in section


def test_a_value_that_was_not_given_is_named() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'limit' is undefined"):
        templates.render("sanity.html", rows=[], seeds=5, evidence="50 %", interval="90 %", colour={})


def test_a_picture_is_part_of_the_page() -> None:
    kind, _, content = templates.embed(b"png").partition(",")
    assert (kind, base64.b64decode(content)) == ("data:image/png;base64", b"png")


def test_there_is_one_environment() -> None:
    assert templates._environment() is templates._environment()


def test_both_pages_have_the_one_style_and_no_section_has_a_style_of_its_own() -> None:
    texts = {path.name: path.read_text() for path in PAGES.glob("*.html")}
    assert [name for name, text in sorted(texts.items()) if "<style" in text] == ["style.html"]
    for name, text in texts.items():
        assert ('{% include "style.html" %}' in text) == text.startswith("<!doctype html>"), name
