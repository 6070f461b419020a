"""The champion: the registered version that is served when nobody names another."""

import numpy as np

from hilum.evaluation.scoring.metrics import higher_is_better
from hilum.pages.arm_results import ArmResults
from hilum.progress import say
from hilum.results import run_key
from hilum.settings.params import Params
from hilum.tracking import Store


def crown(store: Store, params: Params, arms: dict[str, ArmResults]) -> None:
    """Name a champion by the validation metric if the registered model has none; a person's choice is never overruled."""
    model = params.tracking.model
    if store.champion(model):
        return
    sign = 1 if higher_is_better(params.train.select) else -1
    best = max(arms, key=lambda name: sign * (arms[name].metrics[f"val/{params.train.select}"] or -np.inf))
    versions = store.versions(model, run_key(arms[best].settings))
    if versions:
        store.crown(model, versions[0])
        say(f"models:/{model}@champion is {best} (by val/{params.train.select})")
