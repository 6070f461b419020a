"""What `explain` draws of its maps: panels, keys, sheets and grids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hilum.data.annotations import FilmAnnotations, load_annotations
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.explain.drawing.cells import Tile, choose_cells, draw_grid, tell_tile
from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import FilmPrediction, draw_panel
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS, origin_of, unit_of
from hilum.explain.saved_maps import save_arrays
from hilum.explain.sheets.registry import SHEETS, SheetFilms
from hilum.progress import bar
from hilum.records import Attribution, Films, Keep, Predictions
from hilum.results import write_table
from hilum.settings.explain import Explain
from hilum.workspace import Workspace

NOT_DRAWN = "not_drawn.csv"  # films whose pictures could not be drawn or written: image_id, fault; only if there are any


def draw_panels(
    folder: Path,
    films: Films,
    found: Mapping[str, Attribution],
    predictions: Sequence[FilmPrediction],
    annotations: Sequence[FilmAnnotations],
) -> dict[str, str]:
    """One panel per film; and, for the first film of each class, one per method, which mlflow ui shows beside other runs'.

    Returns why the pictures of some films could not be drawn or written: by film. The others are there.
    """
    (folder / "panels").mkdir()
    (folder / "keys").mkdir()
    seen: set[str | None] = set()
    faults: dict[str, str] = {}
    report = bar("panels drawn")
    for row, prediction in enumerate(predictions):
        with note_fault(faults, prediction.film):
            figure = draw_panel(films[row], list(found.values()), row, prediction, annotations[row])
            write_picture(folder / "panels" / f"{file_name(prediction.film)}.png", figure)
            if prediction.true not in seen:
                for method, attribution in found.items():
                    figure = draw_panel(films[row], [attribution], row, prediction, annotations[row])
                    write_picture(folder / "keys" / f"{file_name(f'{method}/{prediction.true}')}.png", figure)
                seen.add(prediction.true)
        report(row + 1, len(predictions))
    return faults


def write_undrawn(folder: Path, faults: Mapping[str, str]) -> str:
    """Write NOT_DRAWN where there are faults, by film, and say so in a sentence; empty where every film was drawn."""
    if not faults:
        return ""
    write_table(folder / NOT_DRAWN, pd.DataFrame({"image_id": list(faults), "fault": list(faults.values())}))
    film, fault = next(iter(faults.items()))
    return f"films whose pictures could not be drawn: {len(faults)}, such as {film}: {fault}"


def draw_sheets(
    folder: Path, shown: SheetFilms, films: Sequence[str], names: Sequence[str], settings: Explain, seed: int
) -> dict[str, str]:
    """The sheets of these films: pictures as sheets/<sheet>_<film>.png (<sheet>.png of the model alone), and their arrays.

    films: what each one's files are named after; names: of the sheets. Returns why those of some films could not be written: by
    film.
    """
    (folder / "sheets").mkdir(parents=True, exist_ok=True)
    ids = [prediction.film for prediction in shown.predictions]
    faults: dict[str, str] = {}
    for name in names:
        drawn = SHEETS[name].draw(shown, settings, seed, bar(SHEETS[name].title))
        if SHEETS[name].per_film:
            for film, image_id, figure in zip(films, ids, drawn.pictures, strict=True):
                with note_fault(faults, image_id):
                    write_picture(folder / "sheets" / f"{name}_{file_name(film)}.png", figure)
        else:
            (figure,) = drawn.pictures
            write_picture(folder / "sheets" / f"{name}.png", figure)
        save_arrays(folder / "sheets", {f"{name}_{i}": one for i, one in enumerate(drawn.maps, 1)}, ids)
    return faults


def keep_files(keep: Keep, part: str, folder: Path, draw: Callable[[], dict[str, str] | None]) -> dict[str, str]:
    """What `draw` returns, the faults of films if any, with the files that it adds to a folder; both are kept as one part.

    Where there are faults, nothing is kept: what could not be drawn or written is tried again.
    Raises: OSError where kept files cannot be written: the stage ends, and can be run again.
    """

    def drawn() -> tuple[dict[str, str], dict[str, NDArray[np.uint8]]]:
        before = {*folder.rglob("*")}
        faults = draw() or {}
        added = sorted(file for file in folder.rglob("*") if file not in before and file.is_file())
        return faults, {file.relative_to(folder).as_posix(): np.frombuffer(file.read_bytes(), np.uint8) for file in added}

    faults, files = keep(part, drawn, lambda value: not value[0])
    for name, content in files.items():
        if not (folder / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content.tobytes())
    return faults


@contextmanager
def note_fault(faults: dict[str, str], film: str) -> Iterator[None]:
    """A fault in drawing or writing what belongs to one film is that film's; where the file lies on this machine is left out."""
    try:
        yield
    except OSError as fault:
        faults.setdefault(film, fault.strerror or type(fault).__name__)
    except ValueError as fault:
        faults.setdefault(film, str(fault))


def write_picture(file: Path, figure: Figure) -> None:
    """Write a figure as PNG; what could not be written whole is not there."""
    picture = png_bytes(figure)
    try:
        file.write_bytes(picture)
    except OSError:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        raise


def draw_grids(
    folder: Path,
    explained: ExplainedModel,
    workspace: Workspace,
    predictions: Predictions,
    settings: Explain,
    seed: int,
    verdicts: Mapping[str, str],
) -> None:
    """Per class, Grad-CAM for that class on films drawn from its true and false positives and negatives."""
    (folder / "grids").mkdir()
    test = load_split(workspace.prepared, workspace.split, "test", list(predictions.classes))
    place = {name: row for row, name in enumerate(test.table["image_id"])}
    report = bar("grids drawn")
    for k, name in enumerate(predictions.classes):
        cells = choose_cells(predictions, k, settings.grid_films, seed)
        tiles: dict[str, list[Tile]] = {}
        method, of, unit = METHODS["gradcam"], "", METHODS["gradcam"].unit
        for cell, chosen in cells.items():
            if not len(chosen):
                tiles[cell] = []
                continue
            names = predictions.image_id[chosen].tolist()
            shown, annotations = (
                test.take(np.array([place[name] for name in names])).films,
                load_annotations(workspace.prepared, names),
            )
            maps = method.explain(
                explained,
                as_images(shown),
                np.full(len(chosen), k),
                settings.gradcam.model_dump(),
                seed,
                lambda done, total: None,
            )
            of, unit = origin_of(maps), unit_of(maps)
            tiles[cell] = [
                Tile(film, values, tell_tile(predictions, i, k), own)
                for film, values, own, i in zip(shown, maps.values, annotations, chosen, strict=True)
            ]
        title = f"Grad-CAM for {name}, test films" + (f", {of}" if of else "")
        figure = draw_grid(tiles, settings.grid_films, title, method.signed, unit, verdicts.get("gradcam", ""))
        write_picture(folder / "grids" / f"{file_name(name)}.png", figure)
        report(k + 1, len(predictions.classes))
