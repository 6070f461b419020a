"""A model's predictions for a folder of films: a CSV with a row per film, written row by row, and panels beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Batch:
    """Films that are read and predicted together. films: name -> path; known: the rows of those that have a prediction."""

    films: Mapping[str, Path]
    known: Mapping[str, Cells]


@dataclass(frozen=True)
class Done:
    """What one batch gave: new rows, films that can no longer be read, remarks on films, and panels that were not written."""

    rows: dict[str, Cells]
    unread: dict[str, str]
    odd: dict[str, str]
    unwritten: dict[str, str]


RunBatches = Callable[[Mapping[int, Batch]], Iterator[tuple[int, Done]]]  # as `training/workers/executors.py` has it


def panels_beside(out: Path) -> Path:
    """The folder of the panels of a CSV."""
    return out.with_name(f"{out.stem}_panels")


def predict_batch(
    predict: Predict,
    described: Mapping[str, Any],
    panels: FilmPanels | None,
    batch: Batch,
    keep: Callable[[dict[str, Cells]], None] = lambda rows: None,
) -> Done:
    """Read a batch of films, predict those without a row, and draw all panels. keep: called with the rows before the drawing."""
    read, faults = prepare_films(batch.films, described)
    rows = predict_films(predict, described, [name for name in batch.films if name not in batch.known], read, faults)
    keep(rows)
    drawn = {**rows, **batch.known}
    shown = [drawn[name] for name in read if drawn[name][1]]
    return Done(
        rows,
        {name: fault for name, fault in faults.items() if name in batch.known},
        {name: "; ".join(film.remarks) for name, film in read.items() if film.remarks},
        panels.draw(read, shown) if panels and shown else {},
    )


def predict_folder(
    predict: Predict,
    described: Mapping[str, Any],
    images: Path,
    out: Path,
    panels: FilmPanels | None = None,
    run_batches: RunBatches | None = None,
) -> dict[str, Any]:
    """Predict every film below a folder that has no prediction in the CSV, and draw the panels that are missing; how many.

    A film that failed before is tried again; one that has a prediction is not, and its panel shows that prediction.
    A batch of films is written as soon as it is predicted, so a killed call repeats one batch of each worker at most. A finished
    CSV has its rows in the order of the films' names, whoever predicted them.
    predict: (N, H, W, 1) grey levels 0-255 -> (N, K) probabilities. run_batches: who predicts; None: this process.

    Raises:
        ValueError: there are no films, or as `open_table`.
    """
    films = name_films(images, panels_beside(out))
    with open_table(out, list(described["classes"]), described["model_sha256"], films) as table:
        known = {name for name in films if table.predicted(name)}
        undrawn = {name for name in known if panels and panels.lacks(table.rows[name])}
        lacking = f", {len(undrawn)} of them without a panel" if undrawn else ""
        say(f"{len(films)} films, {len(known)} predicted earlier{lacking}")
        drop_partial(panels_beside(out))
        todo = [name for name in films if name not in known or name in undrawn]
        batches = {
            start: Batch(
                {name: films[name] for name in todo[start : start + BATCH]},
                {name: table.rows[name] for name in todo[start : start + BATCH] if name in known},
            )
            for start in range(0, len(todo), BATCH)
        }
        run_here = ((start, predict_batch(predict, described, panels, batch, table.add)) for start, batch in batches.items())
        report, made = bar("films predicted"), 0
        told = Done({}, {}, {}, {})
        for start, done in run_batches(batches) if run_batches else run_here:
            if run_batches:
                table.add(done.rows)
            for kept, new in ((told.unread, done.unread), (told.odd, done.odd), (told.unwritten, done.unwritten)):
                kept.update(new)
            made += len(batches[start].films)
            report(made, len(todo))
        table.put_in_order(list(films))
        failed = [name for name in films if not table.predicted(name)]
    _tell(told, failed, out)
    predicted, without = len(films) - len(failed), {name: table.rows[name][-2] for name in failed}
    return {"out": str(out), "films": len(films), "predicted": predicted, "without_prediction": without}


def _tell(done: Done, failed: Sequence[str], out: Path) -> None:
    """A line for each kind of film that needs attention."""
    if done.odd:
        some = "; ".join(f"{name} ({told})" for name, told in sorted(done.odd.items())[:3])
        say(f"unusual files, read anyway: {len(done.odd)}, such as {some}")
    if failed:
        say(f"films without a prediction: {len(failed)}, which the next call tries again; {out} says why")
    if done.unread:
        name, fault = min(done.unread.items())
        say(f"panels not drawn: {len(done.unread)}, because films can no longer be read, such as {name}: {fault}")
    if done.unwritten:
        name, fault = min(done.unwritten.items())
        say(f"panels not written: {len(done.unwritten)}, which the next call tries again, such as {name}: {fault}")


def drop_partial(drawn: Path) -> None:
    """Delete the panels that a killed call left half written; to be called by the one process that holds the CSV."""
    for file in [*drawn.glob(".*.partial"), *drawn.glob(".partial*")]:  # the latter of earlier versions
        if file.suffix != ".png":  # a panel of a film with such a name
            with suppress(OSError):
                file.unlink()


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
