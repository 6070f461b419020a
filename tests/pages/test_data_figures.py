import numpy as np
import pandas as pd

from hilum.pages.data_counts import count_films
from hilum.pages.data_figures import choose_samples, draw_counts, draw_samples, draw_sizes
from hilum.pictures import encode_png

CLASSES = ["normal", "ill"]


def test_samples_are_seeded_without_replacement_and_of_different_patients_first(manifest: pd.DataFrame) -> None:
    samples = choose_samples(manifest, CLASSES, 5, seed=1)
    assert len(set(samples["normal"])) == 5
    assert manifest.set_index("image_id").loc[samples["normal"], "patient_id"].is_unique
    assert sorted(choose_samples(manifest, CLASSES, 50, seed=1)["normal"]) == sorted(manifest["image_id"][2:])
    assert samples == choose_samples(manifest.sample(frac=1, random_state=1), CLASSES, 5, seed=1)
    assert samples["normal"] != choose_samples(manifest, CLASSES, 5, seed=2)["normal"]


def test_an_empty_cell_says_so_and_every_film_has_its_name(manifest: pd.DataFrame, films: np.ndarray) -> None:
    samples = choose_samples(manifest, [*CLASSES, "absent"], 4, seed=1)
    figure = draw_samples(manifest, films, samples)
    assert len(figure.axes) == 12
    said = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert sum(texts == ["no further film"] for texts in said) == 2 + 4
    names = ["".join(axis.get_xlabel().split("\n")) for axis in figure.axes if axis.images]
    assert names == [*samples["normal"], *samples["ill"]]
    row = manifest.index[manifest["image_id"] == samples["normal"][1]][0]
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), films[row])


def test_figures_give_the_same_bytes_twice(manifest: pd.DataFrame, films: np.ndarray) -> None:
    def encode() -> list[bytes]:
        samples = choose_samples(manifest, CLASSES, 3, seed=1)
        figures = draw_counts(count_films(manifest), CLASSES), draw_sizes(manifest), draw_samples(manifest, films, samples)
        return [encode_png(figure) for figure in figures]

    first = encode()
    assert all(png.startswith(b"\x89PNG") for png in first)
    assert first == encode()


def test_bars_are_as_long_as_the_counts_in_class_order(manifest: pd.DataFrame) -> None:
    axis = draw_counts(count_films(manifest), CLASSES).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["ill  (s)", "normal  (t)", "normal  (s)"]
    assert [bar.get_width() for bar in axis.patches] == [2, 4, 6]
