"""The buttons that make and save the sheet of the current film."""

from collections.abc import Callable, Sequence
from pathlib import PurePath

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from hilum.app import session
from hilum.app.film import OpenFilm
from hilum.app.film_predictions import Predicted
from hilum.app.served_models import ServedModel
from hilum.app.sheet import Reading, write_html, write_pdf
from hilum.explain.drawing.file_names import file_name

KINDS: dict[str, tuple[str, Callable[[Reading], bytes]]] = {
    "HTML": ("text/html", write_html),
    "PDF": ("application/pdf", write_pdf),
}


def draw_export(
    opened: OpenFilm,
    pairs: Sequence[tuple[ServedModel, Predicted]],
    picture: NDArray[np.uint8],
    warnings: Sequence[str],
) -> None:
    """Make the sheet, with all maps of the film that there are, and save it; another map makes it outdated."""
    st.subheader("Sheet of this film", divider="gray")
    state = hash((tuple(one.order for one in session.maps()), tuple(one.address for one, _ in pairs), picture.tobytes()))
    made = session.sheets()
    line = st.container(horizontal=True, vertical_alignment="center")
    if made is None or made[0] != state:
        if line.button("Make the sheet", key="hilum_make_sheet"):
            with st.spinner("Drawing the sheet ..."):
                _, params = session.project(session.startup().root)
                reading = Reading(opened, picture, list(pairs), session.maps(), list(warnings), params.explain)
                files = {kind: write(reading) for kind, (_, write) in KINDS.items()}
            session.keep_sheets((state, files))
            st.rerun()
    else:
        for kind, (mime, _) in KINDS.items():
            line.download_button(
                f"Save as {kind}",
                made[1][kind],
                f"{file_name(PurePath(opened.name).stem)}.{kind.lower()}",
                mime,
                key=f"hilum_save {kind}",
                on_click="ignore",
            )
    st.caption("The film, the predictions and all maps made here. It holds the patient's film: keep it as you keep films.")
