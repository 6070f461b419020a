"""The registry of explanation methods: a new one is a file with `explain` and one row here, which holds all that others need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hilum.explain.explained_model import ROUNDING, ExplainedModel, OnFilm
from hilum.explain.methods import (
    captions,
    gradcam,
    gradcam_plus_plus,
    integrated_gradients,
    layercam,
    lime_superpixels,
    members,
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
from hilum.settings.explain import (
    GradCam,
    IntegratedGradients,
    Lime,
    MethodSettings,
    Occlusion,
    Rise,
    Saliency,
    ScoreCam,
    Shap,
    ShapLayer,
    Shapley,
    ShapPartition,
    SmoothGrad,
    Xrai,
)

Explain = Callable[[ExplainedModel, Images, Labels, Mapping[str, Any], int, OnFilm], Attribution]


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to explain a prediction.

    explain: (explained model, images (N, H, W, 1) grey levels 0-255, targets (N,), settings, seed, on_film) -> Attribution; of an
        ensemble the mean of its members' maps (`of_members`), or one map of the whole graph, as for every method whose values add
        up to a difference of the model's own output, or that reads predictions alone.
    settings: its class in `settings/explain.py`, whose values are in params.yaml under the method's name.
    kind: black_box methods read only `explained.predict`, white_box methods `explained.model`.
    signed: True if negative values argue against the target.
    output: the model output that the values measure. A nearly constant map in probability is rounding; in logits it may be faint.
    resolution: of the method's own values before painting: `pixels`; `regions`, which the Attribution holds; or `cells`, of a
        layer or of masks, which it names. Maps are compared there.
    title: as displayed.
    unit: of the map's values, for colour bars.
    caption: the lines below a map, from its own numbers.
    blocks: how many blocks per side a picture sums the map over, because single pixels cannot be read; None: as it is.
    directed: False if high values show where the prediction is sensitive, for or against, and not what argues for it.
    background: True if it reads `explained.background`, of which it takes `settings.background` films.
    quick: True if a map costs about one pass through the model; the others take from twenty passes to thousands.
    """

    explain: Explain
    settings: type[MethodSettings]
    kind: Literal["white_box", "black_box"]
    signed: bool
    output: Literal["logits", "probability"]
    resolution: Literal["pixels", "regions", "cells"]
    title: str
    unit: str
    caption: captions.Caption
    blocks: int | None = None
    directed: bool = True
    background: bool = False
    quick: bool = False


CELL, GREY = "logits per feature cell", "logits per grey level of"

METHODS: dict[str, Method] = {
    "gradcam": Method(
        explain=members.of_members(gradcam.explain),
        settings=GradCam,
        kind="white_box",
        signed=False,
        output="logits",
        resolution="cells",
        title="Grad-CAM",
        unit=CELL,
        caption=captions.tell_layer,
        quick=True,
    ),
    "gradcam_plus_plus": Method(
        explain=members.of_members(gradcam_plus_plus.explain),
        settings=GradCam,
        kind="white_box",
        signed=False,
        output="logits",
        resolution="cells",
        title="Grad-CAM++",
        unit=CELL,
        caption=captions.tell_layer,
        quick=True,
    ),
    "layercam": Method(
        explain=members.of_members(layercam.explain),
        settings=GradCam,
        kind="white_box",
        signed=False,
        output="logits",
        resolution="cells",
        title="LayerCAM",
        unit=CELL,
        caption=captions.tell_layer,
        quick=True,
    ),
    "scorecam": Method(
        explain=members.of_members(scorecam.explain, ROUNDING),
        settings=ScoreCam,
        kind="white_box",
        signed=False,
        output="probability",
        resolution="cells",
        title="Score-CAM",
        unit="activation times probability",
        caption=captions.tell_channels,
    ),
    "saliency": Method(
        explain=members.of_members(saliency.explain),
        settings=Saliency,
        kind="white_box",
        signed=False,
        output="logits",
        resolution="pixels",
        title="Saliency",
        unit=GREY,
        caption=captions.tell_touchy,
        blocks=64,
        directed=False,
        quick=True,
    ),
    "smoothgrad": Method(
        explain=members.of_members(saliency.explain_smoothly),
        settings=SmoothGrad,
        kind="white_box",
        signed=False,
        output="logits",
        resolution="pixels",
        title="SmoothGrad",
        unit=GREY,
        caption=captions.tell_noise,
        blocks=64,
        directed=False,
    ),
    "integrated_gradients": Method(
        explain=integrated_gradients.explain,
        settings=IntegratedGradients,
        kind="white_box",
        signed=True,
        output="logits",
        resolution="pixels",
        title="Integrated Gradients",
        unit="logits per",
        caption=captions.tell_way,
        blocks=32,
    ),
    "shap": Method(
        explain=shap_gradients.explain,
        settings=Shap,
        kind="white_box",
        signed=True,
        output="logits",
        resolution="pixels",
        title="SHAP",
        unit="logits per",
        caption=captions.tell_background,
        blocks=32,
        background=True,
    ),
    "shap_layer": Method(
        explain=members.of_members(shap_layer.explain),
        settings=ShapLayer,
        kind="white_box",
        signed=True,
        output="logits",
        resolution="cells",
        title="SHAP at a layer",
        unit=CELL,
        caption=captions.tell_background_of_layer,
        background=True,
    ),
    "xrai": Method(
        explain=xrai.explain,
        settings=Xrai,
        kind="white_box",
        signed=True,
        output="logits",
        resolution="regions",
        title="XRAI",
        unit="logits per pixel of the region",
        caption=captions.tell_regions,
    ),
    "lime": Method(
        explain=lime_superpixels.explain,
        settings=Lime,
        kind="black_box",
        signed=True,
        output="probability",
        resolution="regions",
        title="LIME",
        unit="probability per superpixel",
        caption=captions.tell_fit,
    ),
    "shapley": Method(
        explain=shapley.explain,
        settings=Shapley,
        kind="black_box",
        signed=True,
        output="probability",
        resolution="regions",
        title="Shapley, sampled",
        unit="probability per superpixel",
        caption=captions.tell_orders,
    ),
    "shap_partition": Method(
        explain=shap_partition.explain,
        settings=ShapPartition,
        kind="black_box",
        signed=True,
        output="probability",
        resolution="pixels",
        title="SHAP Partition",
        unit="probability per",
        caption=captions.tell_evaluations,
        blocks=32,
    ),
    "occlusion": Method(
        explain=occlusion.explain,
        settings=Occlusion,
        kind="black_box",
        signed=True,
        output="probability",
        resolution="pixels",
        title="Occlusion",
        unit="probability, fall when hidden",
        caption=captions.tell_patch,
    ),
    "rise": Method(
        explain=rise.explain,
        settings=Rise,
        kind="black_box",
        signed=True,
        output="probability",
        resolution="cells",
        title="RISE",
        unit="probability, rise when shown",
        caption=captions.tell_masks,
    ),
}


def caption(maps: Attribution, index: int) -> str:
    """Up to three lines on how a map was made and how far it can be trusted, from its own numbers."""
    numbers = {name: float(values[index]) for name, values in maps.numbers.items()}
    lines = METHODS[maps.method].caption(maps, numbers)
    return "\n".join(captions.tell_members(lines, maps))


def origin_of(maps: Attribution) -> str:
    """What the maps are of, for titles: a layer, or the members of an ensemble; empty for maps of pixels."""
    if "members" in maps.parameters:
        return captions.tell_mean(maps)
    return f"layer {maps.layer}" if maps.layer else ""


def unit_of(maps: Attribution) -> str:
    """Of the values of these maps, for colour bars."""
    return members.UNIT if "members" in maps.parameters else METHODS[maps.method].unit
