"""The page *Film*: one film, what each model predicts for it, and its maps."""

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from hilum.app import session
from hilum.app.export_buttons import draw_export
from hilum.app.film import OpenFilm
from hilum.app.film_predictions import Predicted, tell_prediction
from hilum.app.map_section import draw_maps
from hilum.app.prediction_bars import draw_bars
from hilum.app.served_models import ServedModel
from hilum.app.sidebar import hidden
from hilum.app.styles import html, plain, show_picture
from hilum.app.viewing import look
from hilum.reading.unlike import NO_REFERENCES

Found = tuple[ServedModel, Predicted | str]  # a model, and its prediction or why there is none
EMPTY = """
#### Open a film
Drop a film at the left, or name a folder to page through with **n** and **p**: PNG, JPEG, TIFF or DICOM.
"""
NO_MODEL = """
#### No model yet
This project has no champion and no arm in `results/`. `make repro` trains the arms of `params.yaml` on computed films.
Or name a model at the left: a registered one (`models:/NAME@ALIAS`), a run (`runs:/ID`), or a `.keras` file with its
`model.json`.
"""


def show() -> None:
    """Draw the page."""
    if not st.session_state.get(session.CHOSEN):
        st.markdown(NO_MODEL)
    served = session.models()
    opened, fault = session.film(), session.fault()
    if fault:
        st.error(plain(fault))
    if opened is None:
        st.markdown(EMPTY)
        return
    found = [(one, session.predicted(one)) for one in served]
    left, right = st.columns([4, 5] if len(found) < 2 else [3, 5], gap="medium")
    with left, st.container(key="hilum_film"):
        shown = _draw_film(opened)
    with right:
        _draw_predictions(opened, found)
        good = [(one, said) for one, said in found if isinstance(said, Predicted)]
        if good and hidden():
            st.info("Predictions and maps are hidden; the switch at the left shows them.")
        elif good:
            draw_maps(good, shown)
            draw_export(opened, good, shown, _list_warnings(opened, found))


def _draw_film(opened: OpenFilm) -> NDArray[np.uint8]:
    """The film with its window; what the header and the file say."""
    view = session.view()
    if view is None:
        raise ValueError("a film must be open, got none; open one")
    place, below = st.empty(), st.container()
    with below:
        facts = [f"{opened.kind}, {opened.width} x {opened.height} px", *(f"{what} {value}" for what, value in opened.header)]
        html("hilum-soft", f"{opened.name}: {', '.join(facts)}")
        own = st.toggle(
            "Own window",
            key=f"window {opened.sha256}",
            help="Changes what you see. The model sees the film as `predict` prepares it, under the window of its header.",
        )
        picture = view.plain
        if own:
            first, second = st.columns(2)
            low, high, widest = view.low, view.high, max(view.high - view.low, view.width)
            level = first.slider(f"Level, {view.unit}", low, high, min(max(view.centre, low), high), 1.0, "%.0f")
            width = second.slider(f"Window, {view.unit}", 1.0, widest, min(view.width, widest), 1.0, "%.0f")
            picture = look(view, level, width)
    show_picture(picture, f"the film {opened.name}", place)
    return picture


def _draw_predictions(opened: OpenFilm, found: Sequence[Found]) -> None:
    warnings = _list_warnings(opened, found)
    for sentence in warnings:
        st.warning(plain(sentence))
    if hidden():
        return
    for column, (served, said) in zip(st.columns(max(len(found), 1), gap="medium"), found, strict=False):
        with column:
            if isinstance(said, str):
                st.error(plain(f"{served.title}: {said}"))
            else:
                _draw_prediction(served, said)
                session.note_seen(session.PREDICTION)
    for sentence in dict.fromkeys(_list_missing(found)):
        html("hilum-soft", sentence.replace("`", '"'))


def _list_warnings(opened: OpenFilm, found: Sequence[Found]) -> list[str]:
    """Of the file itself, of its preparation for each model, and of films unlike those of training; each once."""
    good = [said for _, said in found if isinstance(said, Predicted)]
    remarks = [*opened.remarks, *(remark for said in good for remark in said.film.remarks)]
    odd = [one for said in good for one in said.warnings if not one.startswith(NO_REFERENCES)]
    return list(dict.fromkeys([*(f"Unusual file, read anyway: {remark}." for remark in remarks), *odd]))


def _list_missing(found: Sequence[Found]) -> list[str]:
    """What cannot be said, because no references of the training films are stored."""
    good = [said for _, said in found if isinstance(said, Predicted)]
    return [one for said in good for one in said.warnings if one.startswith(NO_REFERENCES)]


def _draw_prediction(served: ServedModel, said: Predicted) -> None:
    html("hilum-soft", f"Prediction of {served.title}")
    html("hilum-prediction", said.name)
    html("hilum-says", tell_prediction(said, served.described))
    st.html(draw_bars(said, served.described))
    html("hilum-soft", f"{served.calibration[:1].upper()}{served.calibration[1:]}. Made in {said.seconds:.2f} s.")
