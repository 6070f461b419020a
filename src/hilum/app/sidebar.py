"""The side of the pages *Film* and *Marks*: which models, which film, and whether predictions are hidden."""

from pathlib import Path
from typing import Any

import streamlit as st

from hilum.app import session
from hilum.app.film import open_film, shorten_name
from hilum.app.folder_films import PATH, list_films, read_listed
from hilum.app.known_models import name_model
from hilum.data.decoding.limits import MAX_FILE_BYTES

NONE = "none"
FOLDER, LISTED, PLACE = "hilum_folder", "hilum_listed", "hilum_place"  # keys of st.session_state
UPLOAD, UPLOADED = "hilum_upload", "hilum_uploaded"  # the field, and of its last file Streamlit's name and the film's SHA-256
HIDDEN = "hilum_hidden"
ANY_KIND = "PNG, JPEG, TIFF or DICOM, up to {} MB. It stays in memory: nothing of it is written anywhere."


def draw_sidebar() -> None:
    """Draw it, and act on what is chosen."""
    with st.sidebar:
        _choose_models()
        _open_upload()
        _page_through()
        st.toggle(
            "Hide predictions and maps",
            key=HIDDEN,
            persist_state="session",
            help="For a mark that counts as blind: nothing of the model is shown until this is switched off.",
        )


def hidden() -> bool:
    """Whether predictions and maps are hidden."""
    return bool(st.session_state.get(HIDDEN, False))


def _choose_models() -> None:
    begun = session.startup()
    offered = list(dict.fromkeys([*begun.models, *begun.offered]))
    how = "A registered model (models:/NAME@ALIAS), a run (runs:/ID) or a .keras file with its model.json; type to name another."
    first = st.selectbox(
        "Model",
        offered,
        index=0 if offered else None,
        format_func=name_model,
        accept_new_options=not begun.shared,
        key="hilum_first",
        persist_state="session",
        placeholder="no model yet: name one",
        help=how,
    )
    second = st.selectbox(
        "Second model",
        [NONE, *(one for one in offered if one != first)],
        index=1 if len(begun.models) > 1 and first == begun.models[0] else 0,
        format_func=name_model,
        accept_new_options=not begun.shared,
        key="hilum_second",
        persist_state="session",
        help="Predicts the same film, and its maps stand beside those of the first.",
    )
    chosen = [one.strip() for one in (first, second) if one and one.strip() and one != NONE]
    st.session_state[session.CHOSEN] = list(dict.fromkeys(chosen))


def _open_upload() -> None:
    uploaded = st.file_uploader("Film", key=UPLOAD, help=ANY_KIND.format(MAX_FILE_BYTES >> 20), on_change=_close_removed)
    if uploaded is None or st.session_state.get(UPLOADED, ("", ""))[0] == uploaded.file_id:
        return
    sha256 = ""
    try:
        opened = open_film(uploaded.getvalue(), uploaded.name)
    except ValueError as fault:
        session.show_fault(f"{shorten_name(uploaded.name)}: {fault}")
    else:
        session.show_film(opened)
        sha256 = opened.sha256
    st.session_state[UPLOADED] = uploaded.file_id, sha256


def _close_removed() -> None:
    """The cross beside a file's name closes its film, and takes the sentence on a bad file away; a film of a folder stays."""
    opened = session.film()
    if st.session_state.get(UPLOAD) is None and (opened is None or opened.sha256 == st.session_state.get(UPLOADED, ("", ""))[1]):
        session.show_film(None)


def _page_through() -> None:
    """Next and previous film of a folder. In an app that others reach, only the folder that it was started with."""
    begun = session.startup()
    if begun.shared and not begun.films:
        return
    folder = begun.films
    if not begun.shared:
        folder = st.text_input(
            "Folder of films",
            value=begun.films,
            key=FOLDER,
            persist_state="session",
            placeholder=PATH,
            help="Its films are read one by one, from this machine.",
        )
    if not folder.strip():
        return
    listed = _list(folder.strip())
    if not listed:
        return
    back, on = st.columns(2)
    place, last = st.session_state.get(PLACE, 0), len(listed) - 1
    looks: dict[str, Any] = {"width": "stretch", "on_click": _go_to}  # called before the page is drawn
    back.button("Previous", shortcut="p", disabled=place == 0, args=(place - 1, listed), **looks)
    on.button("Next", shortcut="n", disabled=place == last, args=(place + 1, listed), **looks)
    st.caption(f"{place + 1} of {len(listed):,}")


def _list(folder: str) -> list[Path]:
    """The films of the folder, found when it is named; the first is opened then."""
    known = st.session_state.get(LISTED)
    if known is None or known[0] != folder:
        try:
            with st.spinner("Listing the folder ..."):
                known = folder, list_films(Path(folder).expanduser())
        except ValueError as fault:
            known = folder, []
            session.show_fault(str(fault))
        st.session_state[LISTED] = known
        if known[1]:
            _go_to(0, known[1])
    films: list[Path] = known[1]
    return films


def _go_to(place: int, listed: list[Path]) -> None:
    st.session_state[PLACE] = place
    try:
        session.show_film(read_listed(listed[place]))
    except ValueError as fault:
        session.show_fault(f"{listed[place].name}: {fault}")
