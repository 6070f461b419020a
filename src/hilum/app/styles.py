"""How the app looks beyond Streamlit's own theme, and the line at the foot of every page."""

import re
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from hilum.app.overlay import encode
from hilum.app.served_models import ServedModel
from hilum.app.sheet import WARNING

MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:])")  # what Streamlit reads in messages as anything but itself
STYLE = """
<style>
  .stMainBlockContainer { padding: 2.6rem 2rem 0; max-width: none; }
  .stMainBlockContainer > .stVerticalBlock { min-height: calc(100vh - 2.6rem); }
  .stAppHeader { background: transparent; }
  .stMain h1 { font-size: 1.7rem; padding: 0 0 .3rem; }
  .stMain h2, .stMain h3 { font-size: 1.25rem; padding: .3rem 0 .7rem; }
  .stMain [data-testid="stBaseButton-primary"]:enabled, .stMain [data-testid="stBaseButton-primary"]:enabled kbd,
  .stMain [data-testid="stBaseButton-primaryFormSubmit"]:enabled { color: #0b1014; opacity: 1; }
  [data-testid="stSidebarNavLink"]:focus-visible { outline: 3px solid #58a6ff; outline-offset: -1px; }
  .stElementContainer:has(#hilum-fields) { display: none; }
  [data-testid="stImage"] img { border-radius: 2px; background: #000; }
  .st-key-hilum_film [data-testid="stImage"] img { max-height: 74vh; object-fit: contain; }
  [data-testid="stColumn"]:has(.st-key-hilum_film) { position: sticky; top: 2.6rem; align-self: flex-start; }
  @media (max-width: 1150px) {
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-hilum_film) { flex-wrap: wrap; }
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-hilum_film) > [data-testid="stColumn"] {
      min-width: 100%; position: static; }
  }
  @media (max-width: 1000px) {
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-hilum_canvas) { flex-wrap: wrap; }
    [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"] .st-key-hilum_canvas) > [data-testid="stColumn"] {
      min-width: 100%; }
  }
  .stElementContainer:has(#hilum-foot) { position: sticky; bottom: 0; margin-top: auto; z-index: 9; }
  #hilum-foot { margin: 0 -2rem; padding: 5px 2rem; font-size: 13px; line-height: 1.4;
    background: #20262d; color: #c9d2dc; border-top: 1px solid #3a444f; }
  #hilum-foot b { color: #f0c36a; }
  .hilum-prediction { margin: 0 0 2px; font-size: 1.6rem; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
  .hilum-says { margin: 0 0 10px; color: #c9d2dc; }
  .hilum-bars { display: grid; grid-template-columns: minmax(70px, max-content) 1fr 58px; gap: 5px 10px; align-items: center;
    margin: 4px 0 8px;
    font-variant-numeric: tabular-nums; }
  .hilum-bars span { overflow-wrap: anywhere; }
  .hilum-bars .bar { position: relative; height: 13px; border-radius: 3px; background: #2b333c; }
  .hilum-bars .bar i { position: absolute; inset: 0 auto 0 0; border-radius: 3px; background: #6b7885; }
  .hilum-bars .bar i.said { background: #58a6ff; }
  .hilum-bars .bar u { position: absolute; top: -3px; bottom: -3px; width: 2px; background: #f0c36a; }
  .hilum-bars em { font-style: normal; text-align: right; }
  .hilum-soft { color: #9aa7b4; font-size: 13.5px; line-height: 1.5; margin: 0; overflow-wrap: anywhere; }
</style>
"""


def draw_footer(models: Sequence[ServedModel]) -> None:
    """The warning with the version of each model and of the films that it was trained on, fixed at the foot of the window."""
    told = [f"{escape(one.title)}: {escape(one.version)}, trained on data {escape(one.data_version)}" for one in models]
    st.html(f'<div id="hilum-foot"><b>{WARNING}</b> {" &nbsp;|&nbsp; ".join(told) or "No model is open."}</div>')


def html(kind: str, text: str) -> None:
    """One paragraph of plain text in a style of the app. kind: a class of STYLE."""
    st.html(f'<p class="{kind}">{escape(text)}</p>')


def show_picture(picture: NDArray[np.uint8], words: str, place: Any = st) -> None:
    """A picture in the width of its column, without loss. words: what it shows, for those who do not see it."""
    place.image(encode(picture), width="stretch", output_format="PNG", alt=words)


def plain(text: str) -> str:
    """A text for Streamlit's messages in which nothing is markup, such as the name of a file."""
    return MARKDOWN.sub(r"\\\1", text)
