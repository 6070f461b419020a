"""The page *Blinded reading*: films of a folder in random order, and nothing about them until the answer is final."""

from pathlib import Path
from typing import Literal

import streamlit as st

from hilum.app import session
from hilum.app.blinded_reveal import draw_reveal
from hilum.app.blinded_task import CONFIDENCE_KEYS, Task, begin, current, keep, kept_film, leave, leave_out
from hilum.app.film_canvas import draw_canvas
from hilum.app.marking_reader import ask_reader, save_record, warn_of_faults
from hilum.app.styles import plain
from hilum.reading.records import CONFIDENCES, LONGEST, Answer, FilmFile, Seen, make_record
from hilum.reading.shapes import write_shapes
from hilum.reading.store import read_readings

LABEL, CONFIDENCE = "hilum_blinded_label", "hilum_blinded_confidence"  # keys of st.session_state: of the film that is shown
WORDS = "hilum_blinded_words"  # finding and comment


def show() -> None:
    """Draw the page."""
    st.title("Blinded reading")
    begun = session.startup()  # this page has no sidebar: opened first, it takes the models that the others would
    st.session_state.setdefault(session.CHOSEN, list(begun.models or begun.offered[:1]))
    task = current()
    if task is None:
        _ask_task()
        return
    readings = read_readings(session.readings(), task.reader)
    warn_of_faults(readings)
    left = task.left({record.film.sha256 for record in readings.records if record.answer})
    total = len(task.films)
    st.progress((total - len(left)) / total, f"{total - len(left)} of {total} films answered as {task.reader}")
    if task.revealed:
        draw_reveal(task, task.revealed)
    elif left:
        _draw_film(task, left[0])
    else:
        st.success("Every film of this folder is answered.")
        st.markdown("`hilum reading --truth TABLE --predictions CSV` measures your answers; `--marks FOLDER` keeps your marks.")
    if st.button("End this reading", help="Answers are kept; the same folder goes on where it ended."):
        leave()
        st.rerun()


def _ask_task() -> None:
    st.markdown(
        "Films of a folder in random order, without name, folder, prediction or map. An answer is a class and how sure you "
        "are; boxes and polygons if you like. It is final once given; then the film's name and the models' predictions are shown."
    )
    reader = ask_reader()
    models, begun = session.models(), session.startup()
    if begun.shared and not begun.films:
        st.info("Other machines reach this app, so a folder cannot be named here. Start it with `--films FOLDER`.")
        return
    with st.form("task", border=False):
        folder = begun.films if begun.shared else st.text_input("Folder of films", begun.films)
        classes = st.text_input("Classes, separated by commas", ", ".join(models[0].described["classes"]) if models else "")
        asked = st.form_submit_button("Begin or go on", type="primary", disabled=not reader)
    if not reader:
        st.caption("Give a reader code to begin.")
    if asked:
        begin(reader, Path(folder).expanduser(), [name.strip() for name in classes.split(",") if name.strip()])
        st.rerun()


def _draw_film(task: Task, sha256: str) -> None:
    """The film and the questions; nothing here may name the film."""
    try:
        opened = kept_film(task, sha256)
    except (ValueError, OSError):
        leave_out(task, sha256)
        st.warning("A film of this folder cannot be read and is left out; `hilum predict` says why.")
        if st.button("Go on", shortcut="Enter"):
            st.rerun()
        return
    left, right = st.columns([4, 3])
    with left, st.container(key="hilum_canvas"):
        shapes = draw_canvas(task.key(sha256), opened.grey)
    with right:
        label, confidence = _ask_answer(task)
        finding = st.text_input("Finding", key=f"{WORDS} finding {task.key(sha256)}", max_chars=LONGEST["finding"])
        comment = st.text_input("Comment", key=f"{WORDS} comment {task.key(sha256)}", max_chars=LONGEST["comment"])
        st.caption(f"Marks on this film: {len(shapes)}. Never write a patient's name.")
        ready = bool(label and confidence)
        if st.button("Final answer", type="primary", shortcut="Enter", disabled=not ready) and label and confidence:
            spoilt = st.session_state.get(session.SEEN, {}).get(sha256, set())
            models = session.opened_models()
            record = make_record(
                task.reader,
                FilmFile(task.name(sha256), sha256, opened.width, opened.height),
                write_shapes(shapes),
                Seen(verdict=session.PREDICTION in spoilt, map=session.HEAT in spoilt),
                finding=finding,
                comment=comment,
                answer=Answer(label, confidence),
                model=models[0].described if models else None,
                classes=task.classes,
            )
            saved = save_record(record)
            for key in (LABEL, CONFIDENCE):
                st.session_state.pop(key, None)
            if saved:
                keep(task, record)
                st.rerun()
            st.button("Go on")  # to the same film, unless another window has answered it


def _ask_answer(task: Task) -> tuple[str, int]:
    """The class and the confidence that are chosen so far; empty and 0 where they are not."""
    st.markdown("**Class**")
    with st.container(horizontal=True, gap="small"):
        for number, name in enumerate(task.classes, 1):
            key = str(number) if number < 10 else None
            told, kind = _look(LABEL, name, plain(name))
            st.button(told, f"class {number}", type=kind, shortcut=key, on_click=_choose, args=(LABEL, name))
    st.markdown("**How sure**")
    with st.container(horizontal=True, gap="small"):
        for level, word in CONFIDENCES.items():
            key = CONFIDENCE_KEYS[level]
            told, kind = _look(CONFIDENCE, level, word)
            st.button(told, f"sure {level}", type=kind, shortcut=key, on_click=_choose, args=(CONFIDENCE, level))
    return st.session_state.get(LABEL, ""), st.session_state.get(CONFIDENCE, 0)


def _look(key: str, value: str | int, words: str) -> tuple[str, Literal["primary", "secondary"]]:
    """The words on a button and how it looks: with a tick and filled where it is chosen, so that colour is not all that tells."""
    return (f"✓ {words}", "primary") if st.session_state.get(key) == value else (words, "secondary")


def _choose(key: str, value: str | int) -> None:
    st.session_state[key] = value
