"""The reader's code, asked once in a session and shared by the pages on which marks are made."""

import streamlit as st

from hilum.reading.records import check_reader

READER = "hilum_reader"  # key of st.session_state


def ask_reader() -> str:
    """The reader's code; empty until a legal one is given."""
    given = st.text_input(
        "Reader code", value=st.session_state.get(READER, ""), max_chars=32, placeholder="R1", help="A code, never a name."
    )
    if not given:
        return ""
    try:
        code = check_reader(given)
    except ValueError as fault:
        st.error(str(fault))
        return ""
    st.session_state[READER] = code
    return code
