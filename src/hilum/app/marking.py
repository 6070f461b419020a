"""The page *Marks*: boxes and polygons on the film that is open, measured against its maps and saved under a reader's code."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from hilum.app import session
from hilum.app.film import OpenFilm
from hilum.app.film_canvas import draw_canvas
from hilum.app.film_maps import FilmMap
from hilum.app.marking_reader import ask_reader, save_record, warn_of_faults
from hilum.data.decoding.kinds import DICOM
from hilum.reading.marks import measure_marks
from hilum.reading.records import LONGEST, FilmFile, Record, Seen, make_record
from hilum.reading.shapes import Shape
from hilum.reading.store import read_readings

NEW = "a new mark"
NOTHING = 0, "", ""  # saved in this session
SAVED = "hilum_saved"  # key of st.session_state: how many times was saved, what last, and the SHA-256 of its film


def show() -> None:
    """Draw the page."""
    opened = session.film()
    st.title("Marks")
    if opened is None:
        st.info("Open a film at the left, then mark it here.")
        return
    left, right = st.columns([3, 2])
    with right:
        reader = ask_reader()
        earlier = _earlier(session.readings(), reader, opened) if reader else []
        corrected = _ask_corrected(earlier)
    times = st.session_state.get(SAVED, NOTHING)[0]
    with left, st.container(key="hilum_canvas"):
        name = hashlib.sha256(f"{opened.sha256} {corrected.id if corrected else ''} {times}".encode()).hexdigest()[:12]
        shapes = draw_canvas(name, opened.grey, corrected.shapes if corrected else ())
    with right:
        _draw_measures(shapes, session.maps())
        _ask_and_save(reader, opened, shapes, corrected)


def _earlier(folder: Path, reader: str, opened: OpenFilm) -> list[Record]:
    """The reader's marks on this film that may still be corrected."""
    readings = read_readings(folder, reader)
    warn_of_faults(readings)
    return [one for one in readings.current() if one.film.sha256 == opened.sha256 and not one.answer]


def _ask_corrected(earlier: Sequence[Record]) -> Record | None:
    if not earlier:
        return None
    named = {f"{one.time[:19].replace('T', ' ')}: {one.finding or 'no finding'}, {len(one.shapes)} marks": one for one in earlier}
    return named.get(st.selectbox("Draw", [NEW, *named], format_func=lambda name: name if name == NEW else f"correct {name}"))


def _draw_measures(shapes: Sequence[Shape], maps: Sequence[FilmMap]) -> None:
    """A row per map of this film, by every model; nothing without marks or maps."""
    st.caption(f"Marks: {len(shapes)}. Maps of this film that were made on the page Film are measured against them here.")
    if not shapes or not maps:
        return
    rows = []
    for one in maps:
        measured = measure_marks(shapes, one.geometry, one.attribution)
        rows.append((one.title, one.model, measured.hit, measured.iou, measured.relevance_mass))
    table = pd.DataFrame(rows, columns=["map", "model", "hit", "IoU", "relevance mass"])
    if table["model"].nunique() == 1:
        table = table.drop(columns="model")
    st.dataframe(table.round(2), hide_index=True, width="stretch")
    st.caption(
        f"Hit: whether the map's maximum lies inside the marks. IoU: of the marks and the map above Otsu's threshold. "
        f"Relevance mass: share inside; a map that knows nothing has {measured.film_share:.2f}, the marks' share of the film."
    )


def _ask_and_save(reader: str, opened: OpenFilm, shapes: Sequence[Shape], corrected: Record | None) -> None:
    seen = session.seen()
    if seen:
        st.info(
            "The prediction or a map of this film was shown to you, so these marks are kept but do not count as truth. To make "
            "marks that count, switch on *Hide predictions and maps* before a film is opened."
        )
    else:
        st.success("Nothing of a model was shown for this film: these marks are blind and count as truth.")
    with st.form("mark", border=False):
        finding = st.text_input("Finding", corrected.finding if corrected else "", max_chars=LONGEST["finding"])
        comment = st.text_area("Comment", corrected.comment if corrected else "", max_chars=LONGEST["comment"], height=80)
        st.caption("Never write a patient's name here.")
        asked = st.form_submit_button("Save marks", type="primary", disabled=not reader)
    if not reader:
        st.caption("Give a reader code to save.")
    times, told, film_of = st.session_state.get(SAVED, NOTHING)
    if asked:
        film = FilmFile("" if opened.kind == DICOM else opened.name, opened.sha256, opened.width, opened.height)
        models = session.models()
        record = make_record(
            reader,
            film,
            [{"kind": shape.kind, "points": shape.points} for shape in shapes],
            Seen(verdict=session.PREDICTION in seen, map=session.HEAT in seen),
            finding=finding,
            comment=comment,
            model=models[0].described if models else None,
            replaces=corrected.id if corrected else "",
        )
        if save_record(record):
            told = f"Saved as record {record.id[:8]} of {reader}, marks: {len(shapes)}."
            st.session_state[SAVED] = (times + 1, told, opened.sha256)
            st.rerun()
    if told and film_of == opened.sha256:
        st.caption(told)
