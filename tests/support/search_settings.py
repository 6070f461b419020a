"""Settings of a search whose trials cost nothing, and what runs its batches in this process."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hilum.settings.tune import Tune
from hilum.training.searching.pruning import Ask, Outcome, run_trial
from hilum.training.searching.search import RunBatch

USUAL: dict[str, Any] = {
    **{"trials": 5, "minutes": 0, "metric": "auroc", "sampler": "tpe", "sampler_startup": 3, "grid": 3, "pruner": "median"},
    **{"startup_trials": 2, "batch": 1, "repeats": 1, "folds": 0, "executor": "serial", "workers": 1, "threads": 0, "seed": 7},
    "dask": {"cluster": "local", "memory": "1GB", "job": {}, "tls": {}},
}


def make_tune(**given: Any) -> Tune:
    return Tune(**{**USUAL, **given})


def run_here(tune: Tune, train: Callable[..., dict[str, float]]) -> RunBatch:
    """What runs a batch in this process, one trial after another."""

    def run(asked: Mapping[int, Ask]) -> Iterator[tuple[int, Outcome]]:
        for number, ask in asked.items():
            yield number, run_trial(ask, tune, train)

    return run
