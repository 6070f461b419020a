"""The script that Streamlit runs for each interaction: the pages, of which each is a function `show` in a file of its own."""

import importlib.util

import streamlit as st

PAGES = {  # file of this folder -> title, address
    "film_page": ("Film", "film"),
    "marking": ("Marks", "marks"),
    "blinded": ("Blinded reading", "blinded"),
}


def main() -> None:
    """Show the chosen page."""
    st.set_page_config("hilum reading room", layout="wide")
    pages = []
    for name, (title, path) in PAGES.items():
        if importlib.util.find_spec(f"hilum.app.{name}"):
            module = importlib.import_module(f"hilum.app.{name}")
            pages.append(st.Page(module.show, title=title, url_path=path, default=not pages))
    st.navigation(pages).run()


if __name__ == "__main__":
    main()
