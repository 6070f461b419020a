"""A reader's marks against a map of the same film: one number per measure, at the film's own size."""

from collections.abc import Sequence
from dataclasses import dataclass

from hilum.data.prepared.geometry import Geometry
from hilum.explain.measures.registry import MEASURES
from hilum.reading.shapes import Shape, mask_shapes
from hilum.records import Attribution

UNTUNED = float("nan")  # there is no tuned level of one film


@dataclass(frozen=True)
class MarkMeasures:
    """What `explain` measures of a map against an expert's annotation, here against marks.

    hit: share of the map's maximum that lies inside, 0 or 1 unless pixels share it. iou: of the marks and the part of the map
    above Otsu's threshold. relevance_mass: share of the positive relevance inside; NaN without any. film_share: the marks' share
    of the film, which an uninformative map gets as relevance mass.
    """

    hit: float
    iou: float
    relevance_mass: float
    film_share: float


def measure_marks(shapes: Sequence[Shape], geometry: Geometry, attribution: Attribution, row: int = 0) -> MarkMeasures:
    """Measure one map. row: of the film in the attribution; geometry: where that film lies in the map's square.

    Raises:
        ValueError: no shape, or none that holds the middle of a pixel.
    """
    mask = mask_shapes(shapes, geometry.width, geometry.height)
    if not mask.any():
        raise ValueError("marks must hold at least one pixel of the film, got none; draw a larger one")
    heat = geometry.map_to_raw(attribution.values[row])
    measured = {name: MEASURES[name].annotation for name in ("hit_rate", "iou_otsu", "relevance_mass")}
    hit, iou, mass = (float(measure(heat, mask, UNTUNED)) for measure in measured.values() if measure)
    return MarkMeasures(hit, iou, mass, float(mask.mean()))
