"""An ensemble in the words of the comparison page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hilum.pages.numbers import number
from hilum.results import read_table

MAPS = (
    "Grad-CAM and its variants, saliency and SHAP at a layer are the mean of the members' own maps, each scaled to a mass of 1; "
    "all other maps explain the one graph."
)


def tell_members(model: Mapping[str, Any]) -> str:
    """`baseline and finetuned`. model: of model.json, of an ensemble."""
    *most, last = [member["name"] for member in model["ensemble"]["members"]]
    return f"{', '.join(most)} and {last}"


def describe_ensemble(folder: Path, model: Mapping[str, Any]) -> list[str]:
    """What the page says below an ensemble's name, a sentence each. folder: of its training."""
    losses = read_table(folder / "members.csv")
    alone = ", ".join(f"{row['member']} {number(row['val/log_loss'])}" for row in losses.to_dict("records"))
    first = f"The mean of the logits of {tell_members(model)}, in one graph."
    notes = [first, MAPS, f"Members' log loss on validation: {alone}."]
    if "given" in model:
        notes.append("It is not known which films a given model among its members was trained on.")
    return notes
