"""Maps of one film by one model: which were made, of what, and how long each took."""

from dataclasses import dataclass

from hilum.data.prepared.geometry import Geometry
from hilum.records import Attribution


@dataclass(frozen=True)
class FilmMap:
    """One map of the current film.

    model: address of the model. title: method, and layer where it is of one. attribution: of this one film, values (1, S, S) at
    the prepared size. geometry: where the film lies in that square. seconds: what it took.
    """

    model: str
    title: str
    attribution: Attribution
    geometry: Geometry
    seconds: float
