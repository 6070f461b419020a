"""The settings of explanations in params.yaml: one class per method, and those of the measures."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from hilum.settings.search_space import Count, Positive, Section, Seed

PREDICTED, TRUE = "predicted", "true"  # in `target`, instead of a class
EVERY = "all"  # in `measures`: all of the registry


class MethodSettings(Section):
    """The settings of one explanation method; their key in `explain` is the method's name."""


class GradCam(MethodSettings):
    layer: str


class Superpixels(MethodSettings):
    superpixels: Annotated[int, Field(ge=2)]
    compactness: Positive
    sigma: Annotated[float, Field(ge=0)]


class Lime(Superpixels):
    samples: Annotated[int, Field(ge=10)]
    features: Count
    kernel_width: Positive
    hide: Literal["mean", "film"] | Annotated[int, Field(ge=0, le=255)]
    selection: Literal["auto", "highest_weights", "forward_selection", "lasso_path", "none"]


class Shap(MethodSettings):
    samples: Count
    background: Count
    smoothing: Annotated[float, Field(ge=0, le=1)]


class ShapLayer(Shap):
    layer: str


Baseline = Literal["black", "mean", "blurred"]


class ScoreCam(MethodSettings):
    layer: str
    max_N: Count  # noqa: N815 - tf-keras-vis's word


class Saliency(MethodSettings):
    """Saliency takes no settings."""


class SmoothGrad(MethodSettings):
    samples: Count
    noise: Annotated[float, Field(gt=0, le=1)]


class IntegratedGradients(MethodSettings):
    baselines: Annotated[list[Baseline], Field(min_length=1)]
    steps: Annotated[int, Field(ge=2)]


class Xrai(IntegratedGradients):
    dilation: Annotated[float, Field(ge=0, le=0.1)]


class Shapley(Superpixels):
    orders: Count
    baseline: Baseline


class ShapPartition(MethodSettings):
    evaluations: Annotated[int, Field(ge=10)]
    baseline: Baseline


class Occlusion(MethodSettings):
    patch: Annotated[float, Field(gt=0, le=1)]
    stride: Annotated[float, Field(gt=0, le=1)]
    baseline: Baseline


class Rise(MethodSettings):
    samples: Annotated[int, Field(ge=10)]
    cells: Annotated[int, Field(ge=2)]
    shown: Annotated[float, Field(gt=0, lt=1)]
    baseline: Baseline


class SheetSettings(Section):
    """The settings of one kind of sheet; their key in `explain` is the sheet's name."""


Names = Annotated[list[str], Field(min_length=1)]


class LayerMaps(SheetSettings):
    layers: Count | Names


class Ranked(SheetSettings):
    method: str
    classes: Count


class LimeViews(SheetSettings):
    features: Count
    min_weight: Annotated[float, Field(ge=0, le=1)]


class LayerChannels(SheetSettings):
    layers: Names
    channels: Count


class MuFidelity(Section):
    samples: Annotated[int, Field(ge=10)]
    grid: Annotated[int, Field(ge=2)]
    share: Annotated[float, Field(gt=0, lt=1)]


class Sensitivity(Section):
    samples: Count
    radius: Annotated[float, Field(gt=0, le=64)]


class Randomisation(Section):
    stops: Count
    seeds: Count


class Sanity(Section):
    films: Annotated[int, Field(ge=2)]
    costly_films: Annotated[int, Field(ge=2)]
    seeds: Count
    limit: Annotated[float, Field(gt=0, le=1)]
    evidence: Annotated[float, Field(gt=0, le=1)]


def _true_class(written: object) -> object:
    """YAML reads a bare `true` as a boolean; here it is the word."""
    return TRUE if written is True else written


class Explain(Section):
    """`explain`: besides what all methods share, one section of settings per method of the registry, under its name."""

    profile: Literal["default", "full"]
    seed: Seed
    methods: Annotated[list[str], Field(min_length=1)]
    target: Annotated[str, Field(min_length=1), BeforeValidator(_true_class)]
    sheets: list[str]
    sheet_films: Count
    grid_films: Count
    measures: list[str]
    costly_films: Count
    steps: Annotated[int, Field(ge=2)]
    mu_fidelity: MuFidelity
    sensitivity: Sensitivity
    repeats: Annotated[int, Field(ge=2)]
    randomisation: Randomisation
    sanity: Sanity
    bootstrap: Annotated[int, Field(ge=10)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    gradcam: GradCam
    gradcam_plus_plus: GradCam
    layercam: GradCam
    scorecam: ScoreCam
    saliency: Saliency
    smoothgrad: SmoothGrad
    integrated_gradients: IntegratedGradients
    shap: Shap
    shap_layer: ShapLayer
    xrai: Xrai
    lime: Lime
    shapley: Shapley
    shap_partition: ShapPartition
    occlusion: Occlusion
    rise: Rise
    gradcam_layers: LayerMaps
    shap_layers: LayerMaps
    ranked: Ranked
    lime_views: LimeViews
    activations: LayerChannels
    filters: LayerChannels

    @model_validator(mode="before")
    @classmethod
    def _profiled(cls, values: Any) -> Any:
        """With `profile: full`, all methods and sheets with settings here, and all measures."""
        if not isinstance(values, Mapping) or values.get("profile") != "full":
            return values
        return {**values, "methods": cls.named(MethodSettings), "sheets": cls.named(SheetSettings), "measures": [EVERY]}

    @classmethod
    def named(cls, kind: type[Section]) -> list[str]:
        """The names of the methods or of the sheets, in their order."""
        fields = cls.model_fields.items()
        return [name for name, field in fields if isinstance(field.annotation, type) and issubclass(field.annotation, kind)]
