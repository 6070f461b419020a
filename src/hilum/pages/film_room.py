"""The film room of the comparison page: every explained film under every run and method, as data that the page draws itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image

from hilum.explain.drawing.heat import OPACITY, strongest
from hilum.explain.methods.registry import METHODS
from hilum.explain.shown_films import ShownFilms
from hilum.pages.film_pictures import pack_film
from hilum.pages.templates import embed, render, to_base64
from hilum.records import Attribution, Predictions

MAP_SIDES = (64, 48, 40, 32, 28, 24, 22, 20, 16)  # pixels of a packed map: the largest with which all maps fit
MAP_BYTES = 15_000_000  # of all maps together; as text in the page they take a third more
LEVELS = 127  # a packed value is -127 to 127: the share of the map's strongest value
COLOURS = {"signed": "bwr", "unsigned": "inferno"}  # those of the panels


@dataclass(frozen=True)
class RoomRun:
    """One run in the film room.

    predictions: on the films that all runs share, at least. maps: method -> maps of the films `explained`, in that order.
    shown: films and annotations as the run stored them, or None.
    """

    name: str
    predictions: Predictions
    maps: Mapping[str, Attribution]
    explained: Sequence[str]
    shown: ShownFilms | None


def render_room(runs: Sequence[RoomRun], reference: str, films: bool = True) -> Markup:
    """The section as HTML, with its data; empty if no run has a map. films: False leaves out the pictures of films.

    A film is listed if a run explained it and all runs predicted it.
    """
    ids = _listed(runs)
    if not ids:
        return Markup("")
    methods = [name for name in METHODS if any(name in run.maps for run in runs)]
    pictures, drawn = _gather_films(runs, ids) if films else ([None] * len(ids), [{} for _ in ids])
    side = choose_side(len(runs) * len(methods) * len(ids))
    packed, about = _pack_runs(runs, methods, ids, side)
    return render(
        "film_room.html",
        data={
            **_describe(runs, ids, reference),
            "methods": [{"name": name, "title": METHODS[name].title} for name in methods],
            "side": side,
            "opacity": OPACITY,
            "colours": {kind: to_base64(colour_table(name).tobytes()) for kind, name in COLOURS.items()},
            "annotations": drawn,
            "pictures": pictures,
            "maps": about,
        },
        packed=packed,
        films=len(ids),
        runs=len(runs),
        shows_films=films and any(pictures),
        missing=sum(picture is None for picture in pictures) if films else 0,
        methods=[METHODS[name].title for name in methods],
    )


def choose_side(maps: int) -> int:
    """The pixels of a packed map's side with which this many maps stay below MAP_BYTES."""
    return next((side for side in MAP_SIDES if maps * side**2 <= MAP_BYTES), MAP_SIDES[-1])


def pack_map(values: NDArray[np.float32], side: int) -> tuple[NDArray[np.int8], float]:
    """A map (H, W) as (side, side) shares of its strongest value, -127 to 127, and that value."""
    top = strongest(values)
    small = np.asarray(Image.fromarray(values.astype(np.float32)).resize((side, side), Image.Resampling.BOX))
    shares = np.clip(small / (top or 1.0), -1, 1)
    return np.rint(shares * LEVELS).astype(np.int8), top


def colour_table(name: str) -> NDArray[np.uint8]:
    """(256, 3) colours of one of matplotlib's maps."""
    import matplotlib

    return np.rint(255 * matplotlib.colormaps[name](np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)


def _listed(runs: Sequence[RoomRun]) -> list[str]:
    explained = dict.fromkeys(image_id for run in runs if run.maps for image_id in run.explained)
    shared = set.intersection(*({str(one) for one in run.predictions.image_id} for run in runs))
    return [image_id for image_id in explained if image_id in shared]


def _describe(runs: Sequence[RoomRun], ids: Sequence[str], reference: str) -> dict[str, Any]:
    """Films, runs and predictions."""
    first, rows = runs[0].predictions, [_rows(run.predictions, ids) for run in runs]
    own = rows[0]
    films = [
        {"id": image_id, "patient": str(first.patient_id[row]), "label": int(first.y_true[row])}
        for image_id, row in zip(ids, own, strict=True)
    ]
    names = [run.name for run in runs]
    return {
        "classes": list(first.classes),
        "runs": names,
        "reference": names.index(reference),
        "films": films,
        "probabilities": [run.predictions.y_prob[r].round(3).tolist() for run, r in zip(runs, rows, strict=True)],
        "predicted": [run.predictions.y_pred[r].tolist() for run, r in zip(runs, rows, strict=True)],
    }


def _rows(predictions: Predictions, ids: Sequence[str]) -> list[int]:
    place = {str(image_id): row for row, image_id in enumerate(predictions.image_id)}
    return [place[image_id] for image_id in ids]


def _gather_films(runs: Sequence[RoomRun], ids: Sequence[str]) -> tuple[list[str | None], list[dict[str, Any]]]:
    """Each film once, from the first run that stored it, and its annotations."""
    found: dict[str, tuple[NDArray[np.uint8], dict[str, Any]]] = {}
    for run in runs:
        if run.shown:
            for image_id, film, drawn in zip(run.shown.image_id, run.shown.films, run.shown.annotations, strict=True):
                found.setdefault(image_id, (film, drawn))
    pictures = [embed(pack_film(found[image_id][0]), "webp") if image_id in found else None for image_id in ids]
    return pictures, [found[image_id][1] if image_id in found else {} for image_id in ids]


def _pack_runs(
    runs: Sequence[RoomRun], methods: Sequence[str], ids: Sequence[str], side: int
) -> tuple[list[tuple[str, str]], list[list[dict[str, Any] | None]]]:
    """The maps of each run and method as text, with the id of its place in the page; and what they are, run by run.

    Of each: signed, sanity, targets (class index of every film, -1 without a map), tops (its strongest value).
    """
    packed, about = [], []
    for r, run in enumerate(runs):
        place = {image_id: row for row, image_id in enumerate(run.explained)}
        own: list[dict[str, Any] | None] = []
        for m, method in enumerate(methods):
            attribution = run.maps.get(method)
            if attribution is None:
                own.append(None)
                continue
            values, tops = np.zeros((len(ids), side, side), np.int8), np.zeros(len(ids))
            targets = np.full(len(ids), -1)
            for f, row in ((f, place[image_id]) for f, image_id in enumerate(ids) if image_id in place):
                values[f], tops[f] = pack_map(attribution.values[row], side)
                targets[f] = attribution.targets[row]
            packed.append((f"maps-{r}-{m}", to_base64(values.tobytes())))
            own.append(
                {
                    "signed": attribution.signed,
                    "sanity": attribution.sanity,
                    "targets": targets.tolist(),
                    "tops": [float(f"{top:.3g}") for top in tops],
                }
            )
        about.append(own)
    return packed, about
