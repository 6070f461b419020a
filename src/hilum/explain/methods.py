"""The list of explanation methods: a new one is a file with `explain` and one line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hilum.explain import gradcam, lime_superpixels, shap_gradients
from hilum.explain.subject import OnFilm, Subject
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
    """

    explain: Explain
    kind: Literal["white_box", "black_box"]
    signed: bool
    title: str
    unit: str
    blocks: int | None = None


METHODS: dict[str, Method] = {
    "gradcam": Method(gradcam.explain, "white_box", False, "Grad-CAM", "logits per feature cell"),
    "lime": Method(lime_superpixels.explain, "black_box", True, "LIME", "probability per superpixel"),
    "shap": Method(shap_gradients.explain, "white_box", True, "SHAP", "logits per", blocks=32),
}
