"""Maps of films: what SHAP measures against is a small sample, and only that sample is read."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd

from hilum.data.prepared.loading import load_split
from hilum.explain.maps import background_films, draw_background
from hilum.settings.params import read_params

SIDE, FILMS, LISTED = 128, 500, 400


def write_split(folder: Path) -> np.ndarray:
    """films.npy and train.csv of LISTED of its films, in another order than the file's; returns the films."""
    films = np.random.default_rng(0).integers(0, 256, (FILMS, SIDE, SIDE), np.uint8)
    np.save(folder / "films.npy", films)
    rows = np.random.default_rng(1).permutation(FILMS)[:LISTED]
    names = [f"film{row:03d}" for row in rows]
    table = {"image_id": names, "patient_id": names, "label": "normal", "pixel_sha256": names, "row": rows}
    pd.DataFrame(table).to_csv(folder / "train.csv", index=False)
    return films[rows]


def test_a_background_is_a_seeded_sample_in_the_order_of_the_table(tmp_path: Path) -> None:
    films = write_split(tmp_path)
    drawn = draw_background(load_split(tmp_path, tmp_path, "train", ["normal"]), 5, 3)
    rows = np.sort(np.random.default_rng(3).permutation(LISTED)[:5])
    np.testing.assert_array_equal(drawn, films[rows][..., None].astype(np.float32))
    assert drawn.dtype == np.float32


def test_a_background_of_a_few_films_does_not_read_the_others(tmp_path: Path) -> None:
    size = write_split(tmp_path).nbytes
    tracemalloc.start()
    drawn = draw_background(load_split(tmp_path, tmp_path, "train", ["normal"]), 5, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert drawn.nbytes < peak < size / 2


def test_as_many_background_films_are_drawn_as_the_method_asks_for_that_asks_for_most() -> None:
    settings = read_params(Path(__file__).parents[2] / "params.yaml").explain

    def asking(shap: int, shap_layer: int) -> int:
        changed = {
            "shap": settings.shap.model_copy(update={"background": shap}),
            "shap_layer": settings.shap_layer.model_copy(update={"background": shap_layer}),
        }
        return background_films(settings.model_copy(update=changed))

    assert background_films(settings) == 50
    assert asking(20, 30) == 30
    assert asking(31, 30) == 31
