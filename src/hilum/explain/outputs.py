"""What `explain` draws of its maps: panels, keys, sheets and grids."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hilum.data.annotations import FilmAnnotations, load_annotations
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.explain.drawing.cells import Tile, choose_cells, draw_grid, tell_tile
from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import FilmPrediction, draw_panel
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.explain.saved_maps import save_arrays
from hilum.explain.sheets.registry import SHEETS, SheetFilms
from hilum.progress import bar
from hilum.records import Attribution, Films, Predictions
from hilum.settings.explain import Explain
from hilum.workspace import Workspace


def draw_panels(
    folder: Path,
    films: Films,
    found: Mapping[str, Attribution],
    predictions: Sequence[FilmPrediction],
    annotations: Sequence[FilmAnnotations],
) -> None:
    """One panel per film; and, for the first film of each class, one per method, which mlflow ui shows beside other runs'."""
    (folder / "panels").mkdir()
    (folder / "keys").mkdir()
    seen: set[str | None] = set()
    for row, prediction in enumerate(predictions):
        figure = draw_panel(films[row], list(found.values()), row, prediction, annotations[row])
        (folder / "panels" / f"{file_name(prediction.film)}.png").write_bytes(png_bytes(figure))
        if prediction.true not in seen:
            seen.add(prediction.true)
            for method, attribution in found.items():
                figure = draw_panel(films[row], [attribution], row, prediction, annotations[row])
                (folder / "keys" / f"{file_name(f'{method}/{prediction.true}')}.png").write_bytes(png_bytes(figure))


def draw_sheets(
    folder: Path, shown: SheetFilms, films: Sequence[str], names: Sequence[str], settings: Explain, seed: int
) -> None:
    """The sheets of these films: pictures as sheets/<sheet>_<film>.png (<sheet>.png of the model alone), and their arrays.

    films: what each one's files are named after; names: of the sheets.
    """
    (folder / "sheets").mkdir(parents=True, exist_ok=True)
    ids = [prediction.film for prediction in shown.predictions]
    for name in names:
        drawn = SHEETS[name].draw(shown, settings, seed, bar(SHEETS[name].title))
        files = [f"{name}_{file_name(film)}" for film in films] if SHEETS[name].per_film else [name]
        for file, figure in zip(files, drawn.pictures, strict=True):
            (folder / "sheets" / f"{file}.png").write_bytes(png_bytes(figure))
        save_arrays(folder / "sheets", {f"{name}_{i}": one for i, one in enumerate(drawn.maps, 1)}, ids)


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
    for k, name in enumerate(predictions.classes):
        cells = choose_cells(predictions, k, settings.grid_films, seed)
        tiles: dict[str, list[Tile]] = {}
        method, layer = METHODS["gradcam"], ""
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
            layer = maps.layer
            tiles[cell] = [
                Tile(film, values, tell_tile(predictions, i, k), own)
                for film, values, own, i in zip(shown, maps.values, annotations, chosen, strict=True)
            ]
        title = f"Grad-CAM for {name}, test films" + (f", layer {layer}" if layer else "")
        figure = draw_grid(tiles, settings.grid_films, title, method.signed, method.unit, verdicts.get("gradcam", ""))
        (folder / "grids" / f"{file_name(name)}.png").write_bytes(png_bytes(figure))
