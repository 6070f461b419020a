"""The maps on the page *Film*: by method, at the last layers, and LIME's superpixels; of two models side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from hilum.app import session
from hilum.app.film_maps import (
    AT_LAYERS,
    FilmMap,
    MapOrder,
    layers_of,
    list_missing,
    make_map,
    order_layers,
    takes_layer,
    usable_methods,
    view_lime,
)
from hilum.app.film_predictions import Predicted
from hilum.app.map_jobs import MapJob
from hilum.app.overlay import LIME_VIEWS, lay_lime, lay_map
from hilum.app.served_models import ServedModel
from hilum.app.sheet import tell_map
from hilum.app.styles import html, plain, show_picture
from hilum.explain.drawing.heat import OPACITY
from hilum.explain.methods.registry import METHODS
from hilum.settings.explain import PREDICTED, Explain

BY_METHOD, AT_THE_LAST, LIME = "Methods", "Last layers", "LIME"
OWN_LAYER = "own layer"
QUICK = 2  # maps of one pass for each model that are made without a job
DECLINED = "hilum_declined"  # key of st.session_state: maps that were cancelled
ABREAST = 2  # pictures in a line
Pair = tuple[ServedModel, Predicted]


def draw_maps(pairs: Sequence[Pair], seen: NDArray[np.uint8]) -> None:
    """Choose maps, make those that are missing, and draw them over the film as it is looked at."""
    _, params = session.project(session.startup().root)
    st.subheader("Maps", divider="gray")
    what = st.segmented_control(
        "Kind of maps",
        [BY_METHOD, AT_THE_LAST, LIME],
        default=BY_METHOD,
        required=True,
        key="hilum_show",
        persist_state="session",
        label_visibility="collapsed",
    )
    classes, layers, opacity = st.columns(3, gap="medium", vertical_alignment="bottom")
    names = list(dict.fromkeys(name for _, said in pairs for name in said.classes))
    target = classes.selectbox(
        "Explained class", [PREDICTED, *names], key="hilum_target", persist_state="session", help="The class that maps argue for."
    )
    targets = {one.address: _index(said, target) for one, said in pairs}
    share = 100 if what == LIME else _choose_opacity(opacity)
    if what == AT_THE_LAST:
        orders = _choose_layers(pairs, targets)
    elif what == LIME:
        orders = [MapOrder(one.address, "lime", targets[one.address]) for one, _ in pairs]
    else:
        orders = _choose_methods(pairs, targets, _choose_layer(pairs, layers))
    _make_missing(pairs, orders, params.explain)
    there = {one.order: one for one in session.maps()}
    rows = [there[order] for order in orders if order in there]
    if what == LIME:
        _draw_lime(pairs, rows, seen, params.explain)
    else:
        _draw_tiles(pairs, rows, seen, share / 100)
    if rows:
        session.note_seen(session.HEAT)


def _choose_opacity(place: Any) -> int:
    """The opacity of maps as a percentage; LIME's views have their own."""
    share: int = place.slider(
        "Opacity of the maps", 0, 100, round(100 * OPACITY), 5, "%d %%", key="hilum_opacity", persist_state="session"
    )
    return share


def _index(said: Predicted, target: str) -> int:
    """The class to explain: the predicted one where the model does not know the chosen one."""
    return said.classes.index(target) if target in said.classes else said.predicted


def _choose_layer(pairs: Sequence[Pair], place: Any) -> str:
    """The layer of maps that show one; empty for each method's own. place: of Streamlit."""
    chosen = place.selectbox(
        "Layer of the maps",
        [OWN_LAYER, *layers_of(pairs[0][0])],
        key=f"hilum_layer {pairs[0][0].address}",
        persist_state="session",
        help="Of methods whose maps show a layer, the highest first. A second model shows it if it has a layer of that name.",
    )
    return "" if chosen == OWN_LAYER else str(chosen)


def _choose_methods(pairs: Sequence[Pair], targets: dict[str, int], layer: str) -> list[MapOrder]:
    """Maps of the chosen methods, of each a map for each model."""
    usable = {name: why for one, _ in pairs for name, why in usable_methods(one).items() if not why}
    chosen = st.pills(
        "Methods",
        list(usable),
        selection_mode="multi",
        default=[AT_LAYERS],
        format_func=lambda name: METHODS[name].title + ("" if METHODS[name].quick else " …"),
        key="hilum_methods",
        persist_state="session",
        wrap=True,
        help="… takes seconds and can be cancelled; the others take one pass through the model.",
    )
    orders = []
    for method in chosen:
        for one, _ in pairs:
            own = layer if takes_layer(method) and layer in layers_of(one) else ""
            if not usable_methods(one)[method]:
                orders.append(MapOrder(one.address, method, targets[one.address], own))
    return orders


def _choose_layers(pairs: Sequence[Pair], targets: dict[str, int]) -> list[MapOrder]:
    most = max(len(layers_of(one)) for one, _ in pairs)
    if not most:
        st.info("This model has no layer of cells that every path through it crosses.")
        return []
    count = min(4, most)
    if most > 1:
        count = st.slider("Last layers", 1, most, count, key="hilum_layers", persist_state="session", help="Grad-CAM at each.")
    by_model = [order_layers(one, targets[one.address], count) for one, _ in pairs]
    return [orders[place] for place in range(count) for orders in by_model if place < len(orders)]


def _make_missing(pairs: Sequence[Pair], orders: Sequence[MapOrder], settings: Explain) -> None:
    """Make the maps: quick ones at once, others in a job that is shown with its progress and can be cancelled."""
    opened, job = session.film(), session.current_job()
    if opened is None:
        return
    if job is not None:
        _collect(job)
    declined = {one for one in st.session_state.get(DECLINED, {}).get(opened.sha256, ()) if one in orders}
    missing = [one for one in list_missing(orders, session.maps()) if one not in declined and not (job and one in job.faults)]
    by_address = {one.address: (one, said) for one, said in pairs}

    def make(order: MapOrder) -> FilmMap:
        return make_map(*by_address[order.model], order, settings)

    quick = [one for one in missing if METHODS[one.method].quick and not one.layer]  # a layer's first map compiles a network
    if len(quick) <= QUICK * len(pairs) and not (job and job.running):
        for order in quick:
            try:
                session.maps().append(make(order))
            except ValueError as fault:
                st.error(plain(f"{order.title}: {fault}"))
        missing = [one for one in missing if one not in quick]
    if missing and not (job and job.film == opened.sha256 and job.want(missing)):
        job = MapJob(opened.sha256, missing, {address: one for address, (one, _) in by_address.items()}, make).start()
        session.keep_job(job)
    if job is not None and job.running:
        _draw_progress()
    for order, sentence in (job.faults if job else {}).items():
        st.error(plain(f"{order.title}: {sentence}"))
    if declined and st.button(f"Make the {len(declined)} cancelled maps" if len(declined) > 1 else "Make the cancelled map"):
        st.session_state[DECLINED].pop(opened.sha256, None)
        st.rerun()


def _collect(job: MapJob) -> None:
    """Keep what a job has made for the current film."""
    opened = session.film()
    there = {one.order for one in session.maps()}
    if opened is not None and job.film == opened.sha256:
        session.maps().extend(one for one in job.made if one.order not in there)


@st.fragment(run_every=0.5)
def _draw_progress() -> None:
    """How far the job is; the page is drawn again for each map that it finishes, and when it ends."""
    job = session.current_job()
    if job is None:
        return
    line = st.container(horizontal=True, vertical_alignment="center")
    share, text = job.tell()
    line.progress(share, text=text)
    if line.button("Cancel"):
        st.session_state.setdefault(DECLINED, {}).setdefault(job.film, set()).update(job.cancel())
        st.rerun()
    there = {one.order for one in session.maps()}
    if not job.running or any(one.order not in there for one in job.made):
        st.rerun()


def _draw_tiles(pairs: Sequence[Pair], found: Sequence[FilmMap], seen: NDArray[np.uint8], opacity: float) -> None:
    """The maps in lines; with two models a line for each method or layer, with a column for each model."""
    said = {one.address: (one, of) for one, of in pairs}
    across = ABREAST if len(pairs) == 1 else 2
    for start in range(0, len(found), across):
        for column, one in zip(st.columns(across, gap="small"), found[start : start + across], strict=False):
            served, predicted = said[one.model]
            name = f"{one.title}, for {predicted.classes[one.order.target]}"
            with column:
                html("hilum-soft", f"{served.title}: {name}" if len(pairs) > 1 else name)
                show_picture(lay_map(seen, one.attribution, one.geometry, opacity), name)
                html("hilum-soft", tell_map(one))


def _draw_lime(pairs: Sequence[Pair], found: Sequence[FilmMap], seen: NDArray[np.uint8], settings: Explain) -> None:
    """LIME's three views, a line for each model."""
    said = {one.address: (one, of) for one, of in pairs}
    for one in found:
        served, predicted = said[one.model]
        name = predicted.classes[one.order.target]
        html("hilum-soft", f"{served.title}: superpixels for {name} in red, against it in blue")
        views = view_lime(one, predicted, settings)
        for start in range(0, len(LIME_VIEWS), ABREAST):
            for column, kind in zip(st.columns(ABREAST, gap="small"), LIME_VIEWS[start : start + ABREAST], strict=False):
                with column:
                    picture = lay_lime(seen, views, one.geometry, kind, one.attribution.sanity)
                    html("hilum-soft", kind)
                    show_picture(picture, f"LIME, {kind}, for {name}")
        html("hilum-soft", tell_map(one))
