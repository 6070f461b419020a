"""The page *Blinded reading*: films of a folder in random order, and nothing about them until the answer is final."""

from pathlib import Path
from typing import Literal

import streamlit as st

from hilum.app import session
from hilum.app.blinded_reveal import draw_reveal
from hilum.app.blinded_task import CONFIDENCE_KEYS, Task, begin, current, keep, kept_film, leave, leave_out
from hilum.app.film_canvas import draw_canvas
from hilum.app.folder_films import PATH
from hilum.app.marking_reader import ask_reader, save_record, warn_of_faults
from hilum.app.styles import plain
from hilum.reading.records import CONFIDENCES, LONGEST, Answer, FilmFile, Seen, make_record
from hilum.reading.shapes import write_shapes
from hilum.reading.store import read_readings

LABEL, CONFIDENCE = "hilum_blinded_label", "hilum_blinded_confidence"  # keys of st.session_state: SHA-256 of a film, and choice
WORDS = "hilum_blinded_words"  # finding and comment
Choice = tuple[str, str | int]  # SHA-256 of the film that was shown, and what was chosen for it


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
    answered = {record.film.sha256 for record in readings.records if record.answer}
    left = task.left(answered)
    total = len(task.films)
    st.progress((total - len(left)) / total, f"{total - len(left)} of {total} films answered as {task.reader}")
    if task.revealed:
        draw_reveal(task, task.revealed)
    elif left:
        if task.shown in answered - task.answers.keys():
            st.warning("The film that was shown here was answered in another window. That answer stays; this is the next film.")
        task.shown = left[0]
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
        folder = begun.films if begun.shared else st.text_input("Folder of films", begun.films, placeholder=PATH)
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
        label, confidence = _ask_answer(task, sha256)
        finding = st.text_input("Finding", key=f"{WORDS} finding {task.key(sha256)}", max_chars=LONGEST["finding"])
        comment = st.text_input("Comment", key=f"{WORDS} comment {task.key(sha256)}", max_chars=LONGEST["comment"])
        st.caption(f"Marks on this film: {len(shapes)}. Never write a patient's name.")
        ready = bool(label and confidence)
        key = f"final {task.key(sha256)}"  # so that Enter is for this film, even where another window has changed the queue
        if st.button("Final answer", key, type="primary", shortcut="Enter", disabled=not ready) and label and confidence:
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
            if save_record(record):
                keep(task, record)
                st.rerun()


def _ask_answer(task: Task, sha256: str) -> tuple[str, int]:
    """The class and the confidence that are chosen so far; empty and 0 where they are not."""
    st.markdown("**Class**")
    with st.container(horizontal=True, gap="small"):
        for number, name in enumerate(task.classes, 1):
            key = str(number) if number < 10 else None
            told, kind = _look(LABEL, (sha256, name), plain(name))
            st.button(told, f"class {number}", type=kind, shortcut=key, on_click=_choose, args=(LABEL, (sha256, name)))
    st.markdown("**How sure**")
    with st.container(horizontal=True, gap="small"):
        for level, word in CONFIDENCES.items():
            key = CONFIDENCE_KEYS[level]
            told, kind = _look(CONFIDENCE, (sha256, level), word)
            st.button(told, f"sure {level}", type=kind, shortcut=key, on_click=_choose, args=(CONFIDENCE, (sha256, level)))
    label, confidence = (st.session_state.get(key, ("", 0)) for key in (LABEL, CONFIDENCE))
    return label[1] if label[0] == sha256 else "", confidence[1] if confidence[0] == sha256 else 0


def _look(key: str, value: Choice, words: str) -> tuple[str, Literal["primary", "secondary"]]:
    """The words on a button and how it looks: with a tick and filled where it is chosen, so that it is seen without colour."""
    return (f"✓ {words}", "primary") if st.session_state.get(key) == value else (words, "secondary")


def _choose(key: str, value: Choice) -> None:
    st.session_state[key] = value
