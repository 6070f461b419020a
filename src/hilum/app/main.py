"""The script that Streamlit runs for each interaction: the pages, of which each is a function `show` in a file of its own."""

import importlib
import importlib.util
import os
import traceback

import streamlit as st
from streamlit.navigation.page import Page

from hilum.app import film_page, session
from hilum.app.fields import leave_fields_on_enter
from hilum.app.sidebar import draw_sidebar
from hilum.app.styles import STYLE, draw_footer, plain

FILM = "Film", "film"  # title, address
PAGES = {  # file of this folder -> title, address
    "marking": ("Marks", "marks"),
    "blinded": ("Blinded reading", "blinded"),
}
BLINDED = "blinded"  # the page on which neither film nor model is named at the side


def main() -> None:
    """Show the chosen page."""
    st.set_page_config("hilum reading room", layout="wide", initial_sidebar_state="expanded")
    st.html(STYLE)
    pages: list[Page] = [st.Page(film_page.show, title=FILM[0], url_path=FILM[1], default=True)]
    for name, (title, path) in PAGES.items():
        if importlib.util.find_spec(f"hilum.app.{name}"):
            module = importlib.import_module(f"hilum.app.{name}")
            pages.append(st.Page(module.show, title=title, url_path=path))
    chosen = st.navigation(pages)
    try:
        if chosen.url_path != BLINDED:
            draw_sidebar()
        chosen.run()
    except ValueError as fault:
        st.error(plain(str(fault)))
    except Exception as fault:  # a fault of hilum: its text may name a patient's file, so it stays out of page and log
        st.error(f"This is a fault of hilum ({type(fault).__name__}). Open the film again; HILUM_DEBUG=1 prints where it is.")
        if os.environ.get("HILUM_DEBUG"):
            traceback.print_exc()
    leave_fields_on_enter()
    draw_footer(session.opened_models())


if __name__ == "__main__":
    main()
