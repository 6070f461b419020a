"""One or two models as the app serves them: opened once, with the sanity gate's verdicts on their methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilum.explain.explained_model import ExplainedModel
from hilum.serving.model_facts import Told
from hilum.serving.opening import open_served
from hilum.serving.verdicts import read_verdicts
from hilum.settings.params import Params
from hilum.workspace import Workspace


@dataclass(frozen=True)
class ServedModel:
    """A model that was opened.

    address: as `--model` names it. described: its facts: classes, size, square, threshold, model_sha256, data_version and more.
    verdicts: method -> the sanity gate's verdict; a method that was not tested is left out.
    """

    address: str
    explained: ExplainedModel
    described: Mapping[str, Any]
    verdicts: Mapping[str, str]


def open_model(address: str, workspace: Workspace, params: Params) -> ServedModel:
    """Open a model as `predict` does.

    Raises:
        ValueError: as `serving.opening.open_served`.
    """
    with open_served(address, workspace, params, Told()) as (explained, described):
        verdicts = read_verdicts(address, described, explained.background, params.explain, workspace, params.tracking)
    return ServedModel(address, explained, described, verdicts)
