import pandas as pd

from hilum.pages.data_report.counts import count_films
from hilum.pages.data_report.figures import choose_samples, draw_counts, draw_sizes
from hilum.pictures import encode_png

CLASSES = ["normal", "ill"]


def test_samples_are_seeded_without_replacement_and_of_different_patients_first(manifest: pd.DataFrame) -> None:
    samples = choose_samples(manifest, CLASSES, 5, seed=1)
    assert len(set(samples["normal"])) == 5
    assert manifest.set_index("image_id").loc[samples["normal"], "patient_id"].is_unique
    assert sorted(choose_samples(manifest, CLASSES, 50, seed=1)["normal"]) == sorted(manifest["image_id"][2:])
    assert samples == choose_samples(manifest.sample(frac=1, random_state=1), CLASSES, 5, seed=1)
    assert samples["normal"] != choose_samples(manifest, CLASSES, 5, seed=2)["normal"]


def test_figures_give_the_same_bytes_twice(manifest: pd.DataFrame) -> None:
    def encode() -> list[bytes]:
        return [encode_png(figure) for figure in (draw_counts(count_films(manifest), CLASSES), draw_sizes(manifest))]

    first = encode()
    assert all(png.startswith(b"\x89PNG") for png in first)
    assert first == encode()


def test_bars_are_as_long_as_the_counts_in_class_order(manifest: pd.DataFrame) -> None:
    axis = draw_counts(count_films(manifest), CLASSES).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["ill  (s)", "normal  (t)", "normal  (s)"]
    assert [bar.get_width() for bar in axis.patches] == [2, 4, 6]
