"""How every page and section is made: one environment, what its templates may call, one way to embed a picture."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hilum.pages.numbers import number, p_value, percent, setting


def render(template: str, **values: Any) -> Markup:
    """A template of this folder or of one of its rooms filled in: HTML in which every value that is not markup is escaped.

    template: its name, such as `folds.html`.

    Raises:
        jinja2.UndefinedError: the template asks for a value that was not given.
    """
    return Markup(_environment().get_template(template).render(**values))


def embed(picture: bytes, kind: str = "png") -> str:
    """A picture as the source of an <img>, so that a page needs no other file. kind: png or webp."""
    return f"data:image/{kind};base64,{to_base64(picture)}"


def to_base64(values: bytes) -> str:
    """Bytes as text that a page may hold anywhere: it has no character that HTML reads."""
    return base64.b64encode(values).decode("ascii")


def read_script(name: str) -> Markup:
    """A script of this folder, to be written into a page as it is."""
    return Markup((Path(__file__).parent / name).read_text())


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, Path(__file__).parent / "data_report"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "embed": embed,
        "number": number,
        "p_value": p_value,
        "percent": percent,
        "setting": setting,
        "signed": "{:+g}".format,
    }
    environment.globals["zip"] = zip
    return environment
