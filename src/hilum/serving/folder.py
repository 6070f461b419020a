"""A model's predictions for a folder of films: a CSV with a row per film, written row by row, and panels beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from hilum.cells import escape_name
from hilum.data.decoding.covered_film import CoveredFilm
from hilum.data.readers.found_files import find_files, name_some
from hilum.explain.explained_model import Predict
from hilum.progress import bar, say
from hilum.serving.prediction_table import Cells, open_table
from hilum.serving.predictions import BATCH, predict_films, prepare_films


class FilmPanels(Protocol):
    """The panels beside a CSV, as `folder_panels.Panels` draws them; an exported model has none."""

    def lacks(self, cells: Cells) -> bool:
        """Whether there is no panel of the prediction in this row."""

    def draw(self, films: Mapping[str, CoveredFilm], rows: Sequence[Cells]) -> dict[str, str]:
        """Draw the panels of these rows. Returns name -> why it failed."""


def panels_beside(out: Path) -> Path:
    """The folder of the panels of a CSV."""
    return out.with_name(f"{out.stem}_panels")


def predict_folder(
    predict: Predict, described: Mapping[str, Any], images: Path, out: Path, panels: FilmPanels | None = None
) -> dict[str, Any]:
    """Predict every film below a folder that has no prediction in the CSV, and draw the panels that are missing; how many.

    A film that failed before is tried again; one that has a prediction is not, and its panel shows that prediction.
    A finished CSV has its rows in the order of the films' names.
    predict: (N, H, W, 1) grey levels 0-255 -> (N, K) probabilities.

    Raises:
        ValueError: there are no films, or as `open_table`.
    """
    films = name_films(images, panels_beside(out))
    with open_table(out, list(described["classes"]), described["model_sha256"], films) as table:
        known = {name for name in films if table.predicted(name)}
        undrawn = {name for name in known if panels and panels.lacks(table.rows[name])}
        lacking = f", {len(undrawn)} of them without a panel" if undrawn else ""
        say(f"{len(films)} films, {len(known)} predicted earlier{lacking}")
        todo = [name for name in films if name not in known or name in undrawn]
        report = bar("films predicted")
        unread: dict[str, str] = {}
        odd: dict[str, str] = {}
        unwritten: dict[str, str] = {}
        for start in range(0, len(todo), BATCH):
            batch = todo[start : start + BATCH]
            read, faults = prepare_films({name: films[name] for name in batch}, described)
            table.add(predict_films(predict, described, [name for name in batch if name not in known], read, faults))
            rows = [table.rows[name] for name in read if table.predicted(name)]
            if panels and rows:
                unwritten |= panels.draw(read, rows)
            unread |= {name: fault for name, fault in faults.items() if name in known}
            odd |= {name: "; ".join(film.remarks) for name, film in read.items() if film.remarks}
            report(min(start + BATCH, len(todo)), len(todo))
        table.put_in_order(list(films))
        failed = [name for name in films if not table.predicted(name)]
    if odd:
        some = "; ".join(f"{name} ({told})" for name, told in list(odd.items())[:3])
        say(f"unusual files, read anyway: {len(odd)}, such as {some}")
    if failed:
        say(f"films without a prediction: {len(failed)}, which the next call tries again; {out} says why")
    if unread:
        name, fault = next(iter(unread.items()))
        say(f"panels not drawn: {len(unread)}, because films can no longer be read, such as {name}: {fault}")
    if unwritten:
        name, fault = next(iter(unwritten.items()))
        say(f"panels not written: {len(unwritten)}, which the next call tries again, such as {name}: {fault}")
    predicted, without = len(films) - len(failed), {name: table.rows[name][-2] for name in failed}
    return {"out": str(out), "films": len(films), "predicted": predicted, "without_prediction": without}


def name_films(images: Path, drawn: Path) -> dict[str, Path]:
    """The files below a folder by their names in the CSV, sorted; those that are not films have an error there.

    Files of the system, tables, masks, and pictures that hilum drew, such as panels in the folder `drawn`, get a line of output.

    Raises:
        ValueError: there are none.
    """
    found: dict[str, Path] = {}
    below, inside = images.resolve(), drawn.resolve()
    files = find_files(images)
    masks = [*files.root_masks, *files.stray_masks, *(mask for kind in files.masks.values() for mask in kind.values())]
    left = {"files of the system": files.system, "tables": files.tables, "masks": sorted(masks), "drawn by hilum": files.drawn}
    for what, paths in left.items():
        if paths:
            say(f"not films, left out: {len(paths)} {what}, such as {name_some(paths)}")
    for film in sorted([*files.pictures, *files.dicoms, *files.others]):
        if (below / film).is_relative_to(inside):
            continue
        found[name_film(film)] = images / film
    if not found:
        raise ValueError(f"--images must be a folder of films, got none below {images}; name another")
    return found


def name_film(film: PurePosixPath) -> str:
    """The name of a film in the CSV, which takes every character but bytes that are not UTF-8; no two films share a name."""
    return "\r".join(map(escape_name, str(film).split("\r")))
