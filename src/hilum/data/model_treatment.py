"""The treatment of what was burned into the films of a model, which films that it predicts get too."""

from collections.abc import Mapping
from typing import Any

from hilum.data.burned_in.treatment import Treatment
from hilum.records import FORMER


def read_treatment(described: Mapping[str, Any], left: str = "keep") -> Treatment:
    """The treatment of what is burned into the model's own films; models of earlier versions inpainted single letters.

    described: model.json. left: what becomes of films on which something is still found.

    Raises:
        ValueError: an unknown word, or a reader whose packages are not installed.
    """
    do = described.get("burned_in", described.get(FORMER["burned_in"], "keep"))
    return Treatment(do, described.get("burned_in_reader", "letters"), left)
