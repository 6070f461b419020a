"""The reader's code, asked once in a session and shared by the pages on which marks are made."""

import streamlit as st

from hilum.app import session
from hilum.app.styles import plain
from hilum.reading.records import Record, check_reader
from hilum.reading.store import Readings, append_record, known_code

READER = "hilum_reader"  # key of st.session_state


def ask_reader() -> str:
    """The reader's code; empty until a legal one is given."""
    given = st.text_input(
        "Reader code", value=st.session_state.get(READER, ""), max_chars=32, placeholder="R1", help="A code, never a name."
    )
    if not given:
        return ""
    try:
        code = known_code(session.readings(), check_reader(given))
    except ValueError as fault:
        st.error(plain(str(fault)))
        return ""
    st.session_state[READER] = code
    return code


def save_record(record: Record) -> bool:
    """Append a record; where that cannot be done, say why on the page and return False."""
    try:
        append_record(session.readings(), record)
    except ValueError as fault:
        st.warning(plain(f"Not saved: {fault}."))
    except OSError as fault:
        st.error(f"Not saved: the folder of readings cannot be written ({fault.strerror}). Correct that, then save again.")
    else:
        return True
    return False


def warn_of_faults(readings: Readings) -> None:
    """Say that lines cannot be read, and quote none: they may name films."""
    if readings.faults:
        st.warning(
            f"Lines of your records that cannot be read: {len(readings.faults)}. `hilum reading` lists them; none is lost."
        )
