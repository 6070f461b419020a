"""Mixup: what the trained part of a network reads of two rows of a batch is mixed, and so are their labels."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Read = Callable[[NDArray[np.intp]], Any]
STREAM = 1  # of random numbers, beside that of the order of rows


@dataclass(frozen=True)
class Epoch:
    """What one epoch trains on.

    read: from positions of a batch to its inputs. targets: what the loss takes, a row per position. weights: (M,).
    order: (M,) positions, in the order in which they are shown.
    """

    read: Read
    targets: NDArray[np.generic]
    weights: NDArray[np.float64]
    order: NDArray[np.intp]


def mix(plain: Epoch, size: int, alpha: float, seed: int, step: int) -> Epoch:
    """The epoch with the rows of each batch mixed in pairs: the first with the last, the second with the last but one, and so on.

    The shares s and 1 - s of a row and its partner are drawn for each row from Beta(alpha, alpha), by seed and step alone. The
    loss of a mixed row is s times that of the row's label with its weight, and 1 - s times that of the partner's with its own.
    Films are mixed in a phase that trains all layers; above a frozen cut the cut's activations are, cached or computed anew.
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
    # A row that weighs nothing keeps its label, which then plays no part.
    first = np.divide(own, mixed, out=np.ones(len(order)), where=mixed > 0)[:, None]  # (M, 1)

    def read(chosen: NDArray[np.intp]) -> Any:
        inputs = plain.read(chosen)  # (B, ...)
        of_first = share[chosen].astype(np.float32).reshape(-1, *[1] * (inputs.ndim - 1))
        return of_first * inputs + (1 - of_first) * inputs[::-1]

    return Epoch(read, first * targets + (1 - first) * targets[partner], mixed, order)
