"""What a run logs of its settings: few parameters, and each setting under one name."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from hilum.settings.meaning import settle, spaces
from hilum.settings.params import read_params
from hilum.training.task import logged_params

MOST = 80  # parameters of an arm's run


def change(values: Any) -> Iterator[tuple[str, Any]]:
    """Each single value replaced by another one, nothing checked: its dotted name, and all values with it."""
    if isinstance(values, BaseModel):
        for key in type(values).model_fields:
            for name, changed in change(getattr(values, key)):
                yield f".{key}{name}", values.model_copy(update={key: changed})
    elif isinstance(values, dict):
        for key, value in values.items():
            for name, changed in change(value):
                yield f".{key}{name}", {**values, key: changed}
    elif isinstance(values, list | tuple):
        yield "", [*values, "one more"]
        for i, value in enumerate(values):
            for name, changed in change(value):
                yield f".{i}{name}", [*values[:i], changed, *values[i + 1 :]]
    elif isinstance(values, bool):
        yield "", not values
    elif isinstance(values, int | float):
        yield "", values + 1
    elif isinstance(values, str):
        yield "", f"{values}, changed"


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of words that are no choice
@pytest.mark.parametrize("arm", ["baseline", "finetuned"])
def test_an_arms_run_has_few_parameters_and_no_setting_under_two_names(root: Path, arm: str) -> None:
    params = read_params(root / "params.yaml")
    settled = settle(params.arms[arm], {key: space.start for key, space in spaces(params.arms[arm]).items()})
    params = params.model_copy(update={"arms": {arm: settled}})
    before = logged_params(params, settled)
    assert len(before) <= MOST
    seen, twice = set(), {}
    for setting, changed in change(params):
        if setting.startswith(".prepare.sources"):
            continue  # the names of other settings
        after = logged_params(changed, changed.arms[arm])
        named = {name for name in {**before, **after} if before.get(name) != after.get(name)}
        seen |= named
        if len(named) > 1:
            twice[setting] = named
    assert twice == {}
    assert set(before) <= seen, "every parameter is a setting"
