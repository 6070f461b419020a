"""The list of explanation methods: a new one is a file with `explain` and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hilum.explain.explained_model import OnFilm, Subject
from hilum.explain.methods import (
    gradcam,
    gradcam_plus_plus,
    integrated_gradients,
    layercam,
    lime_superpixels,
    occlusion,
    rise,
    saliency,
    scorecam,
    shap_gradients,
    shap_layer,
    shap_partition,
    shapley,
    xrai,
)
from hilum.records import Attribution, Images, Labels

Explain = Callable[[Subject, Images, Labels, Mapping[str, Any], int, OnFilm], Attribution]


@dataclass(frozen=True)
class Method:
    """One way to explain a verdict.

    explain: (subject, images (N, H, W, 1) grey levels 0-255, targets (N,), settings, seed, on_film) -> Attribution.
    kind: black_box methods read only `subject.predict`, white_box methods `subject.model`.
    signed: True if negative values argue against the target.
    title: for people.
    unit: of the map's values, for colour bars.
    blocks: how many blocks per side a picture sums the map over, because single pixels cannot be read; None: as it is.
    directed: False if high values say where the verdict is touchy, for or against, and not what argues for it.
    background: True if it reads `subject.background`.
    quick: True if a map costs about one pass through the model; the others take from twenty passes to thousands.
    """

    explain: Explain
    kind: Literal["white_box", "black_box"]
    signed: bool
    title: str
    unit: str
    blocks: int | None = None
    directed: bool = True
    background: bool = False
    quick: bool = False


CELL, GREY, CHANCE = "logits per feature cell", "logits per grey level of", "probability"

METHODS: dict[str, Method] = {
    "gradcam": Method(gradcam.explain, "white_box", False, "Grad-CAM", CELL, quick=True),
    "gradcam_plus_plus": Method(gradcam_plus_plus.explain, "white_box", False, "Grad-CAM++", CELL, quick=True),
    "layercam": Method(layercam.explain, "white_box", False, "LayerCAM", CELL, quick=True),
    "scorecam": Method(scorecam.explain, "white_box", False, "Score-CAM", "activation times probability"),
    "saliency": Method(saliency.explain, "white_box", False, "Saliency", GREY, blocks=64, directed=False, quick=True),
    "smoothgrad": Method(saliency.explain_smoothly, "white_box", False, "SmoothGrad", GREY, blocks=64, directed=False),
    "integrated_gradients": Method(
        integrated_gradients.explain, "white_box", True, "Integrated Gradients", "logits per", blocks=32
    ),
    "shap": Method(shap_gradients.explain, "white_box", True, "SHAP", "logits per", blocks=32, background=True),
    "shap_layer": Method(shap_layer.explain, "white_box", True, "SHAP at a layer", CELL, background=True),
    "xrai": Method(xrai.explain, "white_box", True, "XRAI", "logits per pixel of the region"),
    "lime": Method(lime_superpixels.explain, "black_box", True, "LIME", f"{CHANCE} per superpixel"),
    "shapley": Method(shapley.explain, "black_box", True, "Shapley, sampled", f"{CHANCE} per superpixel"),
    "shap_partition": Method(shap_partition.explain, "black_box", True, "SHAP Partition", f"{CHANCE} per", blocks=32),
    "occlusion": Method(occlusion.explain, "black_box", True, "Occlusion", f"{CHANCE}, fall when hidden"),
    "rise": Method(rise.explain, "black_box", True, "RISE", f"{CHANCE}, rise when shown"),
}
