"""What the pages of the app share: what it was started with, its models, and the film of this browser's session."""

import sys
from pathlib import Path

import streamlit as st

from hilum.app.film import OpenFilm
from hilum.app.film_maps import FilmMap
from hilum.app.served_models import ServedModel, open_model
from hilum.app.startup import Startup, read_argument
from hilum.settings.params import Params, read_params
from hilum.workspace import Workspace, find_workspace

FILM, CHOSEN, MAPS, SEEN = "hilum_film", "hilum_models", "hilum_maps", "hilum_seen"  # keys of st.session_state
PREDICTION, HEAT = "prediction", "maps"  # what a reader may have seen of a film


def startup() -> Startup:
    """What `hilum app` was started with."""
    return read_argument(sys.argv[1])


@st.cache_resource(show_spinner=False)
def project(root: str) -> tuple[Workspace, Params]:
    """The project's folders and its checked settings."""
    workspace = find_workspace(Path(root))
    return workspace, read_params(workspace.params)


@st.cache_resource(show_spinner=False)
def _opened(root: str, address: str) -> ServedModel:
    return open_model(address, *project(root))


def models() -> list[ServedModel]:
    """The one or two chosen models; each is opened once and stays loaded."""
    return [_opened(startup().root, address) for address in st.session_state.get(CHOSEN, [])]


def readings() -> Path:
    """The folder of readers' marks and blinded readings; it may not exist yet."""
    return Path(startup().readings)


def film() -> OpenFilm | None:
    """The film that is open in this session."""
    found: OpenFilm | None = st.session_state.get(FILM)
    return found


def show_film(opened: OpenFilm | None) -> None:
    """Make a film the current one; what was made of the last one is dropped."""
    before = film()
    if opened is None or before is None or before.sha256 != opened.sha256:
        st.session_state[MAPS] = []
    st.session_state[FILM] = opened


def maps() -> list[FilmMap]:
    """The maps of the current film that were made in this session, of all models."""
    found: list[FilmMap] = st.session_state.setdefault(MAPS, [])
    return found


def note_seen(what: str) -> None:
    """Remember that the reader has seen the prediction or a map of the current film. what: PREDICTION or HEAT."""
    if opened := film():
        st.session_state.setdefault(SEEN, {}).setdefault(opened.sha256, set()).add(what)


def seen() -> frozenset[str]:
    """What the reader has seen of the current film in this session, at any time: none, PREDICTION, HEAT or both."""
    opened = film()
    return frozenset(st.session_state.get(SEEN, {}).get(opened.sha256, ())) if opened else frozenset()
