"""What a reader sees of a film once the answer is final: its name, the models' predictions, and room for a second thought."""

import streamlit as st

from hilum.app import session
from hilum.app.blinded_task import Task, kept_film
from hilum.app.film import OpenFilm
from hilum.app.film_canvas import draw_canvas
from hilum.app.film_predictions import predict_film, tell_prediction
from hilum.app.marking_reader import save_record
from hilum.app.styles import plain
from hilum.reading.records import CONFIDENCES, LONGEST, Answer, Seen, make_record
from hilum.reading.shapes import write_shapes

SECOND = "hilum_blinded_second"  # key of st.session_state: films with a second thought in this session


def draw_reveal(task: Task, sha256: str) -> None:
    """Draw it, and the key to the next film."""
    record = task.answers[sha256]
    opened = kept_film(task, sha256)
    left, right = st.columns([4, 3])
    with left, st.container(key="hilum_canvas"):
        draw_canvas(f"answered {task.key(sha256)}", opened.grey, record.shapes, disabled=True)
    with right:
        if st.button("Next film", type="primary", shortcut="N"):
            task.revealed = ""
            st.rerun()
        if record.answer:
            st.markdown("**Your answer, final**")
            st.text(f"{record.answer.label}, {CONFIDENCES[record.answer.confidence]}; marks: {len(record.shapes)}")
        st.markdown("**The film**")
        st.text(task.films[sha256].relative_to(task.folder).as_posix())
        _draw_predictions(opened)
        _ask_second_thought(task, sha256)


def _draw_predictions(opened: OpenFilm) -> None:
    served = session.models()
    workspace, _ = session.project(session.startup().root)
    if not served:
        st.caption("No model is open, so there is no prediction to compare with.")
    for one in served:
        st.markdown(f"**Prediction of {plain(one.title)}**")
        try:
            said = predict_film(one, opened, workspace)
        except ValueError as fault:
            st.error(plain(f"{one.title}: {fault}"))
            continue
        st.text(f"{said.name}. {tell_prediction(said, one.described)}")
        st.session_state.setdefault(session.SEEN, {}).setdefault(opened.sha256, set()).add(session.PREDICTION)


def _ask_second_thought(task: Task, sha256: str) -> None:
    """Another answer, kept as a further record that no figure counts."""
    given: set[str] = st.session_state.setdefault(SECOND, set())
    if sha256 in given:
        st.caption("Your second thought is kept beside the answer.")
        return
    with st.expander("A second thought"), st.form(f"second {task.key(sha256)}", border=False):
        label = st.selectbox("Class", task.classes)
        confidence = st.selectbox("How sure", list(CONFIDENCES), format_func=lambda level: CONFIDENCES[level])
        comment = st.text_input("Comment", max_chars=LONGEST["comment"])
        st.caption("It is kept as a second thought; the final answer stays.")
        if st.form_submit_button("Save"):
            first = task.answers[sha256]
            record = make_record(
                task.reader,
                first.film,
                write_shapes(first.shapes),
                Seen(verdict=True, map=first.seen.map),
                comment=comment,
                answer=Answer(label, confidence),
                second_thought=True,
                model=first.model,
                classes=task.classes,
            )
            if save_record(record):
                given.add(sha256)
                st.rerun()
