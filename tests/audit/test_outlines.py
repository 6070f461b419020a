"""How well outlines alone predict the class."""

import numpy as np

from hilum.audit.outlines import PIECE, cover, predict_by_outlines


def outlines(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Lungs that are taller in class 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    masks = np.zeros((count, 48, 48), bool)
    for mask, label in zip(masks, labels, strict=True):
        mask[10 : 24 + 10 * label + rng.integers(0, 4), 8:40] = True
    return masks, labels


def test_the_share_of_each_cell_that_is_lung() -> None:
    mask = np.zeros((1, 32, 32), bool)
    mask[0, 0, 0] = True
    found = cover(mask)
    assert found.shape == (1, 256)
    assert found[0, 0] == 0.25 and found[0, 1:].sum() == 0


def test_outlines_that_differ_tell_the_class() -> None:
    train, labels = outlines(60, 0)
    test, truth = outlines(40, 1)
    answers = predict_by_outlines(train, labels, test, 2)
    assert answers is not None
    assert (answers.argmax(axis=1) == truth).mean() > 0.9
    assert np.allclose(answers.sum(axis=1), 1)


def test_too_few_outlines_tell_nothing() -> None:
    masks, labels = outlines(60, 0)
    assert predict_by_outlines(masks[:8], labels[:8], masks, 2) is None
    assert predict_by_outlines(masks, labels, masks[:0], 2) is None
    assert predict_by_outlines(masks[:0, :1, :1], labels[:0], masks, 2) is None


def test_many_outlines_are_reduced_in_pieces() -> None:
    masks, _ = outlines(3 * PIECE + 5, 0)
    np.testing.assert_array_equal(cover(masks), np.concatenate([cover(masks[i : i + 7]) for i in range(0, len(masks), 7)]))
