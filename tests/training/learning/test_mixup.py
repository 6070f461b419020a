from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_fit import Script, fit
from tiny_task import make_model, make_phase, make_settings

from hilum.training.learning.mixup import Epoch, mix

ROWS = np.arange(5.0)[:, None] * 10  # (5, 1)
LABELS = np.eye(3)[[0, 1, 2, 0, 1]]
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0, 0.0])
ORDER = np.array([3, 0, 4, 1, 2])


def mixed(alpha: float = 0.4, size: int = 3, seed: int = 1, step: int = 0, weights: NDArray[np.float64] = WEIGHTS) -> Epoch:
    return mix(Epoch(lambda chosen: ROWS[chosen].astype(np.float32), LABELS, weights, ORDER), size, alpha, seed, step)


def test_a_row_is_mixed_with_its_partner_in_the_batch_inputs_and_losses_alike() -> None:
    """The batches are 3 0 4 and 1 2: partners are 3 and 4, 0 with itself, 1 and 2."""
    epoch = mixed()
    log_probabilities = np.log(np.array([0.2, 0.3, 0.5]))
    own = -(LABELS @ log_probabilities)  # (5,): of each label
    shares = np.empty(5)
    for batch in ([3, 0, 4], [1, 2]):
        inputs = epoch.read(np.array(batch))[:, 0]
        for row, partner, seen in zip(batch, batch[::-1], inputs, strict=True):
            if row == partner:
                assert seen == pytest.approx(ROWS[row, 0])
                assert epoch.targets[row].tolist() == LABELS[row].tolist()
                continue
            shares[row] = share = (seen - ROWS[partner, 0]) / (ROWS[row, 0] - ROWS[partner, 0])
            loss = epoch.weights[row] * -(epoch.targets[row] @ log_probabilities)
            wanted = share * WEIGHTS[row] * own[row] + (1 - share) * WEIGHTS[partner] * own[partner]
            assert loss == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_allclose(epoch.targets.sum(axis=1), 1)
    assert len(np.unique(shares[[1, 2, 3, 4]])) == 4, "each row draws its own"
    assert epoch.order is ORDER


def test_rows_that_weigh_nothing_stay_without_weight() -> None:
    epoch = mixed(weights=np.zeros(5))
    assert epoch.weights.tolist() == [0] * 5
    assert np.isfinite(epoch.targets).all()


def test_shares_are_drawn_by_seed_and_step_alone_and_spread_as_beta_does() -> None:
    first, again, other = mixed(), mixed(), mixed(step=1)
    assert np.array_equal(first.targets, again.targets) and not np.array_equal(first.targets, other.targets)
    assert not np.array_equal(first.targets, mixed(seed=2).targets)
    many = np.tile(np.eye(2), (5000, 1))
    order = np.arange(10000)
    for alpha in (0.2, 1.0):
        shares = mix(Epoch(lambda chosen: chosen, many, np.ones(10000), order), 2, alpha, 1, 0).targets[::2, 0]
        assert shares.mean() == pytest.approx(0.5, abs=0.02)
        assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.05)


def test_in_a_phase_of_all_layers_films_are_mixed_and_above_a_frozen_cut_its_activations(tmp_path: Path) -> None:
    """The same with and without a cache, as any training is."""
    for unfreeze, cut in (("all", None), ("head", "pool")):
        weights = []
        for cache in (tmp_path, None):
            model = make_model()
            fitted = fit(model, [make_phase(unfreeze, 2)], cache, settings=make_settings(mixup=0.4), score=Script(1, 2))
            assert fitted.cuts == [cut if cache else None]
            weights.append(model.get_weights())
        assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
        plain = make_model()
        fit(plain, [make_phase(unfreeze, 2)], tmp_path, score=Script(1, 2))
        assert not np.array_equal(plain.get_weights()[-1], weights[0][-1])
