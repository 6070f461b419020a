"""What a classifier without a view of the lungs is given: the rim of the film, not of the padding, and nothing else."""

import numpy as np
import pytest
from PIL import Image

from hilum.data.prepared.geometry import fit_square, resize_film, square_film
from hilum.data.readers.kermany import read_kermany
from hilum.evaluation.acquisition import acquisition_features, predict_by_features, rim_mask, source_features
from hilum.evaluation.scoring.metrics import score


def test_the_rim_of_a_square_film_is_its_outer_twentieth() -> None:
    rim = rim_mask(fit_square(200, 200, 100, "pad"), 0.05)
    wanted = np.ones((100, 100), bool)
    wanted[5:95, 5:95] = False
    np.testing.assert_array_equal(rim, wanted)


@pytest.mark.parametrize(("width", "height"), [(300, 200), (200, 300), (1901, 1237), (90, 1000), (64, 64)])
@pytest.mark.parametrize("size", [64, 128, 224])
@pytest.mark.parametrize("square", ["pad", "stretch"])
def test_no_pixel_of_the_rim_knows_the_padding(width: int, height: int, size: int, square: str) -> None:
    """A white film: whatever padding, or resizing with it, has darkened is not white any more."""
    geometry = fit_square(width, height, size, square)
    film = resize_film(square_film(np.full((height, width), 255, np.uint8), square), size)
    rim = rim_mask(geometry, 0.05)
    assert rim.any() and (film[rim] == 255).all()
    rows, columns = np.flatnonzero(rim.any(axis=1)), np.flatnonzero(rim.any(axis=0))
    for places, low, high in (
        (columns, geometry.offset_x, width * geometry.scale_x),
        (rows, geometry.offset_y, height * geometry.scale_y),
    ):
        assert places[0] - low <= 2 and low + high - 1 - places[-1] <= 2, "it stands at the film's edge"


def test_the_rim_does_not_see_the_middle_and_the_features_are_the_shares() -> None:
    rng = np.random.default_rng(0)
    film = rng.integers(0, 256, (60, 60), dtype=np.uint8)
    other = film.copy()
    other[3:57, 3:57] = 255 - other[3:57, 3:57]
    found = acquisition_features(np.stack([film, other]), [0, 1], [600, 600], [600, 600], "pad", 0.05, 8)
    np.testing.assert_array_equal(found[0], found[1])
    rim = np.concatenate([film[:3].ravel(), film[-3:].ravel(), film[3:-3, :3].ravel(), film[3:-3, -3:].ravel()])
    np.testing.assert_allclose(found[0, 3:], np.histogram(rim, bins=8, range=(0, 256))[0] / len(rim))
    np.testing.assert_allclose(found[0, :3], [np.log(600), np.log(600), 0])


def test_films_are_taken_by_row_and_sizes_belong_to_them() -> None:
    films = np.stack([np.full((32, 32), level, np.uint8) for level in (0, 100, 255)])
    found = acquisition_features(films, [2, 0], [400, 100], [200, 100], "pad", 0.1, 4)
    np.testing.assert_allclose(found[:, 0], np.log([400, 100]))
    np.testing.assert_array_equal(found[:, 3:], [[0, 0, 0, 1], [1, 0, 0, 0]])


def test_a_source_is_a_column_and_an_unknown_one_is_none() -> None:
    np.testing.assert_array_equal(source_features(["b", "a", "z"], ["a", "b"]), [[0, 1], [1, 0], [0, 0]])


def test_training_rows_alone_decide_and_sources_that_are_classes_are_found() -> None:
    labels = np.array([0, 1, 2] * 20)
    train = source_features([f"s{k}" for k in labels], ["s0", "s1", "s2"])
    films = source_features(["s0", "s1", "s2", "s9"], ["s0", "s1", "s2"])
    found = predict_by_features(train, labels, films, 3)
    assert list(found[:3].argmax(axis=1)) == [0, 1, 2] and (found[:3].max(axis=1) > 0.8).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(predict_by_features(train, labels, films[:2], 3), found[:2], "other test films change nothing")


def test_a_constant_feature_says_nothing() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    train = np.column_stack([np.full(80, 7.0), labels + rng.normal(0, 0.5, 80)])
    films = np.column_stack([[7.0, 1000.0], [0.5, 0.5]])
    one, other = predict_by_features(train, labels, films, 2)
    np.testing.assert_allclose(one, other)


def test_the_rim_of_real_pediatric_films_predicts_pneumonia_far_above_chance(shared) -> None:
    """At all of the 5,232 films five folds by patient give 0.84."""
    root = shared / "data/pediatric-pneumonia"
    table = read_kermany(root)
    table = table[table["patient_id"].isin(table["patient_id"].drop_duplicates().sample(700, random_state=3))]
    films = np.stack([np.asarray(Image.open(root / path).convert("L")) for path in table["path"]])
    labels = (~table["finding"].str.startswith("normal")).to_numpy(int)
    features = acquisition_features(films, range(len(films)), [224] * len(films), [224] * len(films), "pad", 0.05, 16)
    tested = table["patient_id"].isin(table["patient_id"].drop_duplicates().sample(250, random_state=1)).to_numpy()
    found = predict_by_features(features[~tested], labels[~tested], features[tested], 2)
    assert 0.75 < score("auroc_macro", labels[tested], found) < 0.92
