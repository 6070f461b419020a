"""The champion: the registered version that is served by default."""

from collections.abc import Mapping

import numpy as np

from hilum.evaluation.scoring.metrics import higher_is_better
from hilum.pages.arm_results import ArmResults
from hilum.progress import say
from hilum.results import run_key
from hilum.runs import fits
from hilum.settings.params import Params
from hilum.tracking.store import Store


def crown(store: Store, params: Params, arms: Mapping[str, ArmResults]) -> None:
    """Set the champion by the validation metric if the registered model has none; a user's choice is never changed.

    Arms whose metric is undefined, or whose evaluation is of another training, are ignored; so are given models, because they
    may have been trained on the validation films.

    Raises:
        ValueError: the store does not answer whether there is a champion.
    """
    model, metric = params.tracking.model, f"val/{params.train.select}"
    if store.champion(model):
        return
    defined = {}
    for name, arm in arms.items():
        value = arm.metrics.get(metric)
        unseen = "given" not in arm.settings["model"]
        if unseen and value is not None and np.isfinite(value) and fits(arm.folder["evaluation"], arm.settings):
            defined[name] = value
    if not defined:
        say(f"{model} gets no champion: {metric} is defined for no arm that was trained here and evaluated as it was trained")
        return
    best = (max if higher_is_better(params.train.select) else min)(defined, key=defined.__getitem__)
    versions = store.versions(model, run_key(arms[best].settings))
    if not versions:
        say(f"{model} gets no champion: {best} is best by {metric}, but {model} has no version of {best} as it was trained")
        return
    store.crown(model, versions[0])
    say(f"models:/{model}@champion is {best} (by {metric})")
