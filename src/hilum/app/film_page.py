"""The page *Film*: one film, what each model predicts for it, and its maps."""

import streamlit as st

from hilum.app import session


def show() -> None:
    """Draw the page."""
    opened = session.film()
    st.title("Film" if opened is None else opened.name)
