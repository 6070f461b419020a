"""What the pages of the app share: what it was started with, its models, and the film of this browser's session."""

import sys
from pathlib import Path

import streamlit as st

from hilum.app.film import OpenFilm
from hilum.app.film_maps import FilmMap
from hilum.app.film_predictions import Predicted, predict_film
from hilum.app.map_jobs import MapJob
from hilum.app.served_models import ServedModel, open_model
from hilum.app.startup import Startup, read_argument
from hilum.app.viewing import View, view_film
from hilum.serving.model_facts import Told
from hilum.settings.params import Params, read_params
from hilum.workspace import Workspace, find_workspace

FILM, CHOSEN, MAPS, SEEN = "hilum_film", "hilum_models", "hilum_maps", "hilum_seen"  # keys of st.session_state
VIEW, PREDICTED, JOB, FAULT, SHEETS = "hilum_view", "hilum_predicted", "hilum_job", "hilum_fault", "hilum_sheets"
PREDICTION, HEAT = "prediction", "maps"  # what a reader may have seen of a film
OPEN_AT_ONCE = 4  # models that stay in memory


def startup() -> Startup:
    """What `hilum app` was started with."""
    return read_argument(sys.argv[1])


@st.cache_resource(show_spinner=False)
def project(root: str) -> tuple[Workspace, Params]:
    """The project's folders and its checked settings."""
    workspace = find_workspace(Path(root))
    return workspace, read_params(workspace.params)


@st.cache_resource(show_spinner="Opening the model ...", max_entries=OPEN_AT_ONCE)
def _opened(root: str, address: str, told: Told) -> ServedModel:
    return open_model(address, *project(root), told)


def models() -> list[ServedModel]:
    """The one or two chosen models; each is opened once and stays loaded.

    Raises:
        ValueError: one of them cannot be opened.
    """
    begun = startup()
    own = begun.models[:1]
    return [
        _opened(begun.root, address, begun.told if address in own else Told()) for address in st.session_state.get(CHOSEN, [])
    ]


def opened_models() -> list[ServedModel]:
    """The chosen models; none where one cannot be opened, which the page says."""
    try:
        return models()
    except ValueError:
        return []


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
        if job := current_job():
            job.cancel()
        for key in (MAPS, VIEW, PREDICTED, JOB, SHEETS):
            st.session_state.pop(key, None)
    st.session_state[FILM] = opened
    st.session_state.pop(FAULT, None)


def show_fault(sentence: str) -> None:
    """Close the current film and keep why the next one could not be opened."""
    show_film(None)
    st.session_state[FAULT] = sentence


def fault() -> str:
    """Why the last film could not be opened; empty if it was."""
    found: str = st.session_state.get(FAULT, "")
    return found


def view() -> View | None:
    """The current film at the size of the screen."""
    opened = film()
    if opened is not None and VIEW not in st.session_state:
        st.session_state[VIEW] = view_film(opened)
    found: View | None = st.session_state.get(VIEW)
    return found


def predicted(served: ServedModel) -> Predicted | str:
    """The prediction for the current film, made once; or one sentence why there is none."""
    opened = film()
    if opened is None:
        return "no film is open"
    found: dict[str, Predicted | str] = st.session_state.setdefault(PREDICTED, {})
    if served.address not in found:
        try:
            found[served.address] = predict_film(served, opened, project(startup().root)[0])
        except ValueError as fault:
            found[served.address] = str(fault)
    return found[served.address]


def maps() -> list[FilmMap]:
    """The maps of the current film that were made in this session, of all models."""
    found: list[FilmMap] = st.session_state.setdefault(MAPS, [])
    return found


def current_job() -> MapJob | None:
    """The maps that are being made."""
    found: MapJob | None = st.session_state.get(JOB)
    return found


def keep_job(job: MapJob | None) -> None:
    """Set the maps that are being made; the last ones are cancelled."""
    if before := current_job():
        before.cancel()
    st.session_state[JOB] = job


def sheets() -> tuple[int, dict[str, bytes]] | None:
    """The sheets of the current film that were made, by kind, behind the hash of what they show."""
    found: tuple[int, dict[str, bytes]] | None = st.session_state.get(SHEETS)
    return found


def keep_sheets(made: tuple[int, dict[str, bytes]]) -> None:
    """Keep the sheets until the film changes."""
    st.session_state[SHEETS] = made


def note_seen(what: str) -> None:
    """Remember that the reader has seen the prediction or a map of the current film. what: PREDICTION or HEAT."""
    if opened := film():
        st.session_state.setdefault(SEEN, {}).setdefault(opened.sha256, set()).add(what)


def seen() -> frozenset[str]:
    """What the reader has seen of the current film in this session, at any time: none, PREDICTION, HEAT or both."""
    opened = film()
    return frozenset(st.session_state.get(SEEN, {}).get(opened.sha256, ())) if opened else frozenset()
