"""Three ways to give a film a part of another film's surroundings: as it is, fitted in exposure, or its fine detail alone."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from hilum.audit.regions import Blend, Region
from hilum.records import Films, Images

COARSE = 0.03  # of the side: what is smoother than this is exposure and anatomy, what is finer is detail
SCALES = 0.5, 2.0  # least and largest factor by which a donor's grey levels are fitted to those of a film
FLAT = 8.0  # grey levels: a smaller distance of quartiles is taken as this

Rows = NDArray[np.intp]
Mixing = Callable[[Rows, Rows, Blend], Images]  # films (T,), donors (T,), where: (H, W), or (T, H, W) -> (T, H, W, 1)


class Mixtures:
    """Films whose surroundings are exchanged. around: where the grey levels are taken that a donor is fitted in."""

    def __init__(self, films: Films, around: Region) -> None:
        self.films = films
        low, self.middle, high = np.percentile(films[:, around].astype(np.float32), [25, 50, 75], axis=1)
        self.width = np.maximum(high - low, FLAT)

    @cached_property
    def coarse(self) -> NDArray[np.float32]:
        """The films without their detail, (N, H, W)."""
        sigma = COARSE * self.films.shape[1]
        return np.stack([gaussian_filter(film.astype(np.float32), sigma) for film in self.films])

    def plain(self, rows: Rows, donors: Rows, blend: Blend) -> Images:
        """Film rows[i] with film donors[i] where blend is 1."""
        own, other = self.films[rows].astype(np.float32), self.films[donors].astype(np.float32)
        return (own + blend * (other - own))[..., None]

    def fitted(self, rows: Rows, donors: Rows, blend: Blend) -> Images:
        """The donor's grey levels are fitted first: their middle and their quartiles around the lungs become the film's."""
        own, other = self.films[rows].astype(np.float32), self.films[donors].astype(np.float32)
        factor = np.clip(self.width[rows] / self.width[donors], *SCALES)
        fitted = (other - self.middle[donors][:, None, None]) * factor[:, None, None] + self.middle[rows][:, None, None]
        return (own + blend * (np.clip(fitted, 0, 255) - own))[..., None].astype(np.float32)

    def detail(self, rows: Rows, donors: Rows, blend: Blend) -> Images:
        """Only the detail of the donor: the film keeps what is smooth."""
        own, other = self.films[rows].astype(np.float32), self.films[donors].astype(np.float32)
        change = (other - self.coarse[donors]) - (own - self.coarse[rows])
        return np.clip(own + blend * change, 0, 255)[..., None]
