"""Maps of an ensemble by methods that read a network's layers or gradients: the mean of its members' maps, each of unit mass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel, OnFilm
from hilum.records import Attribution, Cells, Images, Labels, Maps

Explain = Callable[[ExplainedModel, Images, Labels, Mapping[str, Any], int, OnFilm], Attribution]
UNIT = "share of the map's mass"  # of the values of such maps


def of_members(explain: Explain, rounding: float = 0.0) -> Explain:
    """The method itself for one network; for an ensemble the mean of its maps of the members.

    Two networks have no layer in common, and the one with the steeper logits would fill a map of both. So each member is
    explained alone, and each of its maps is divided by the sum of its magnitudes before the mean: every member counts the same.
    A map of zeros stays so, and one that spans less than `rounding` becomes one. Values are shares of a mass of 1, in place of
    the method's own unit.
    """

    def explain_each(
        explained: ExplainedModel, images: Images, targets: Labels, settings: Mapping[str, Any], seed: int, on_film: OnFilm
    ) -> Attribution:
        members = members_of(explained)
        if not members:
            return explain(explained, images, targets, settings, seed, on_film)
        found = [
            explain(member, images, targets, settings, seed, _part(on_film, place, len(members)))
            for place, member in enumerate(members.values())
        ]
        return join_maps([replace(one, values=_without_rounding(one.values, rounding)) for one in found], list(members))

    return explain_each


def members_of(explained: ExplainedModel) -> dict[str, ExplainedModel]:
    """Member -> its network as an explained model of its own; empty where the model is no ensemble, or not known."""

    def split() -> dict[str, ExplainedModel]:
        from hilum.ensembles.graph import split_members

        own = split_members(explained.model) if explained.model is not None else {}
        return {name: ExplainedModel(_refuse, model, explained.background, explained.fleeting) for name, model in own.items()}

    first = explained.once("members", split, live=True)  # their weights are those of the ensemble at any time
    return explained.once(
        "members with these weights", lambda: {name: member.reweighted(member.predict) for name, member in first.items()}
    )


def join_maps(found: Sequence[Attribution], names: Sequence[str]) -> Attribution:
    """The mean of some models' maps of the same films, each scaled to unit mass; numbers: the means of theirs.

    cells: as many as the finest of them has, with the names of all layers.
    """
    first = found[0]
    values = np.stack([scale_to_mass(one.values) for one in found]).mean(axis=0).astype(np.float32)  # (N, H, W)
    numbers = {key: np.mean([one.numbers[key] for one in found], axis=0) for key in first.numbers}
    own = {
        "maximum": values.max(axis=(1, 2)).astype(np.float64),
        "zero": np.asarray(np.abs(values).max(axis=(1, 2)) == 0, np.float64),
    }
    return replace(
        first,
        values=values,
        numbers={**numbers, **{key: value for key, value in own.items() if key in numbers}},
        parameters={**first.parameters, "members": list(names), **_layers(found)},
        cells=_join_cells(found),
    )


def scale_to_mass(maps: Maps) -> NDArray[np.float64]:
    """Each map (N, H, W) divided by the sum of its magnitudes; one of zeros stays as it is."""
    mass = np.abs(maps).sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    return np.asarray(maps / np.where(mass > 0, mass, 1.0))


def _without_rounding(maps: Maps, rounding: float) -> Maps:
    """Maps (N, H, W), those that span less than `rounding` as zeros: scaled to a mass of 1, they would look like others."""
    return np.where(np.ptp(maps, axis=(1, 2), keepdims=True) < rounding, np.float32(0), maps)


def _layers(found: Sequence[Attribution]) -> dict[str, str]:
    layers = ", ".join(one.layer for one in found if one.layer)
    return {"layer": layers} if layers else {}


def _join_cells(found: Sequence[Attribution]) -> Cells | None:
    cells = [one.cells for one in found if one.cells]
    if not cells:
        return None
    layers = " and ".join(dict.fromkeys(one.layer for one in cells))
    return Cells(max(one.down for one in cells), max(one.across for one in cells), layers)


def _part(on_film: OnFilm, place: int, members: int) -> OnFilm:
    """Progress over the films of all members. place: of the member."""
    return lambda done, total: on_film(place * total + done, members * total)


def _refuse(images: Images) -> Any:
    raise ValueError(
        "a member of an ensemble must be explained by a method that reads its network, got one that reads predictions"
    )
