"""Mixup: the inputs of the trained part of a network are mixed for pairs of rows in a batch, and so are their labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Read = Callable[[NDArray[np.intp]], Any]
STREAM = 1  # of random numbers, separate from that of the order of rows


@dataclass(frozen=True)
class Epoch:
    """What one epoch trains on.

    read: from positions of a batch to its inputs. targets: of the loss, a row per position. weights: (M,).
    order: (M,) positions in the order of training.
    """

    read: Read
    targets: NDArray[np.generic]
    weights: NDArray[np.float64]
    order: NDArray[np.intp]


def mix(plain: Epoch, size: int, alpha: float, seed: int, step: int) -> Epoch:
    """The epoch with the rows of each batch mixed in pairs: the first with the last, the second with the last but one, and so on.

    For each row the shares s and 1 - s of itself and its partner are drawn from Beta(alpha, alpha), by seed and step alone. The
    loss of a mixed row is s times that for its own label and weight plus 1 - s times that for its partner's.
    A phase that trains all layers mixes films; one above a frozen cut mixes the cut's activations, cached or not.
    plain: its targets are shares of classes (M, K). size: of a batch.

    Source: Zhang et al. 2018, arXiv 1710.09412 (films); Verma et al. 2019, arXiv 1806.05236 (activations).
    """
    order, targets, weights = plain.order, plain.targets, plain.weights
    partner = np.empty(len(order), np.intp)  # (M,)
    for start in range(0, len(order), size):
        partner[order[start : start + size]] = order[start : start + size][::-1]
    share = np.random.default_rng([seed, step, STREAM]).beta(alpha, alpha, len(order))  # (M,)
    own, other = share * weights, (1 - share) * weights[partner]
    mixed = own + other
    # A row of weight 0 keeps its label, which then has no effect.
    first = np.divide(own, mixed, out=np.ones(len(order)), where=mixed > 0)[:, None]  # (M, 1)

    def read(chosen: NDArray[np.intp]) -> Any:
        inputs = plain.read(chosen)  # (B, ...)
        of_first = share[chosen].astype(np.float32).reshape(-1, *[1] * (inputs.ndim - 1))
        return of_first * inputs + (1 - of_first) * inputs[::-1]

    return Epoch(read, first * targets + (1 - first) * targets[partner], mixed, order)
