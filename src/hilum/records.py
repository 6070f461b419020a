"""Column names, array aliases and records that all parts share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Films = NDArray[np.uint8]  # (N, H, W) grey levels 0-255
Images = NDArray[np.float32]  # (N, H, W, 1) grey levels 0-255, what a model takes
Maps = NDArray[np.float32]  # (N, H, W) relevance of each pixel, any unit
Masks = NDArray[np.bool_]  # (N, H, W)
Labels = NDArray[np.int64]  # (N,) indices into the class order
Probabilities = NDArray[np.float64]  # (N, K) rows sum to 1, columns in class order
Score = Callable[[Labels, Probabilities], dict[str, float]]  # metrics of films; the selecting one (higher is better) as `select`

T = TypeVar("T")


class Keep(Protocol):
    """Gives the value that `make` returns: now, or as it was kept under this name, if making it had taken long."""

    def __call__(self, name: str, make: Callable[[], T], lasting: Callable[[T], bool] = ..., /) -> T:
        """lasting: whether a value may be kept."""
        ...


def make_now(name: str, make: Callable[[], T], lasting: Callable[[T], bool] = bool, /) -> T:
    """Keeps nothing."""
    return make()


MANIFEST = (
    "image_id",  # unique; <source>/<path of the raw film without its ending>
    "path",  # of the raw film, relative to data/raw
    "sha256",  # of the raw file's bytes
    "pixel_sha256",  # of the prepared film's pixels
    "patient_id",  # <source>/<patient>
    "source",
    "site",  # hospital or device, as the source names it
    "official_split",  # train, test or empty
    "view",
    "finding",  # as the source gives it: paths such as pneumonia/viral, several of one film joined by JOINT
    "label",  # class assigned by the rules
    "age",  # years
    "sex",  # F or M
    "offset",  # days since the first symptoms or the admission, as the source counts
    "license",
    "width",  # of the raw film, pixels
    "height",
    "boxes",  # JSON list of [x, y, width, height], raw pixels
    "box_findings",  # JSON list of the finding of each box, in the order of `boxes`; empty: no information
    "lung_mask",  # path relative to data/raw; empty: no information
    "lesion_mask",
)

FORMER = {  # name of a file, a column or a key -> its name in files of earlier versions
    "out_of_fold": "out",
    "out_of_fold/": "oof/",
    "burned_in": "markers",
    "burned_in.csv": "markers.csv",
}

JOINT = "|"  # between the findings of one film: Effusion|Pneumonia
UNCERTAIN = "uncertain"  # last segment of a finding that its source is not sure of: Effusion/uncertain
SPLITS = ("train", "val", "test")
GIVEN = "given model"  # in place of the name of a backbone, of an arm that was not trained here


@dataclass(frozen=True)
class Cells:
    """The cells that a map was painted from.

    down, across: how many. layer: of the model, which gives or reads them; they were enlarged bilinearly to the film. Empty:
    cells of random masks, whose values lie on blocks of pixels.
    """

    down: int
    across: int
    layer: str = ""


@dataclass(frozen=True)
class Attribution:
    """One method's maps of a batch of films.

    values: (N, H, W) float32, one map per film at the film's own size.
    method: name in the registry.
    targets: (N,) class index that each map explains.
    signed: True if negative values argue against the target, False if all values are >= 0.
    parameters: the settings that made the maps, JSON-ready: for captions; what code reads has its own field.
    numbers: per film, name -> (N,), such as LIME's local fit or a flag for an all-zero map.
    regions: (N, H, W) int32 superpixels where the method used them, else None.
    cells: those that the maps were painted from, if any, else None.
    sanity: the sanity gate's verdict on the method, shown on every picture of its maps unless it passed; empty: not tested.
    """

    values: Maps
    method: str
    targets: Labels
    signed: bool
    parameters: Mapping[str, Any]
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    regions: NDArray[np.int32] | None = None
    cells: Cells | None = None
    sanity: str = ""

    @property
    def layer(self) -> str:
        """The layer whose cells the maps show; empty if they show no layer's."""
        return self.cells.layer if self.cells else ""


@dataclass(frozen=True)
class Predictions:
    """A model's predictions on the films of one split.

    image_id, patient_id: (N,) strings.
    y_true: (N,) class indices; y_prob: (N, K) probabilities; y_pred: (N,) predicted class index.
    classes: K names in the model's class order.
    """

    image_id: NDArray[np.str_]
    patient_id: NDArray[np.str_]
    y_true: Labels
    y_prob: Probabilities
    y_pred: Labels
    classes: tuple[str, ...]
