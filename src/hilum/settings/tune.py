"""The sections `tune` and `workers` of params.yaml: how a search draws and runs its trials; who trains folds and repeats."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from hilum.settings.search_space import Count, Section, Seed
from hilum.settings.training import Amount, Repeats

QUEUES = ("local", "slurm", "pbs", "lsf", "sge")
KEYS = ("ca", "certificate", "key")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def list_metrics(metric: str | list[str]) -> list[str]:
    """The metrics of `tune.metric`, which names one or lists several."""
    return [metric] if isinstance(metric, str) else metric


class Dask(Section):
    """Where Dask's workers run. memory: of each; job: what dask-jobqueue takes besides; tls: files of the site's own keys."""

    cluster: str
    memory: str
    job: dict[str, bool | int | float | str | list[str]]
    tls: dict[Literal["ca", "certificate", "key"], str]

    @model_validator(mode="after")
    def _reachable(self) -> "Dask":
        address = self.cluster if "://" in self.cluster else ""
        if not address and self.cluster not in QUEUES:
            raise ValueError(
                f"cluster must be one of {', '.join(QUEUES)} or the address of a scheduler such as tls://host:8786, got "
                f"{self.cluster!r}"
            )
        if address and urlsplit(address).hostname not in LOOPBACK and (not address.startswith("tls://") or len(self.tls) < 3):
            raise ValueError(
                f"a scheduler of another machine must be reached by TLS, got {address} and tls with "
                f"{', '.join(self.tls) or 'nothing'}; write tls://host:port, and tls: {{ca: FILE, certificate: FILE, key: FILE}}"
            )
        return self

    @model_validator(mode="after")
    def _all_used(self) -> "Dask":
        faults, local, address = [], self.cluster == "local", "://" in self.cluster
        if self.tls and len(self.tls) < len(KEYS):
            faults.append(f"tls must have all of {', '.join(KEYS)}, or none, got {', '.join(self.tls)}; add or remove keys")
        if local and self.tls:
            faults.append(f"tls must be empty for cluster local, which is on loopback, got {', '.join(self.tls)}; write {{}}")
        if self.job and (local or address):
            where = "cluster local" if local else f"the address {self.cluster}"
            faults.append(
                f"job must be empty for {where}, which submits nothing to a queue, got {', '.join(self.job)}; write {{}}"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Workers(Section):
    """Who trains the folds of a cross-validation and the repeats of an arm. threads: of each, which decide the last bits."""

    executor: Literal["serial", "processes", "dask"]
    count: Annotated[int, Field(ge=1, le=1000)]
    threads: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _fit_together(self) -> "Workers":
        faults = []
        if self.executor == "serial" and self.count > 1:
            faults.append(f"workers.count must be 1 for workers.executor serial, got {self.count}; choose processes or dask")
        if self.executor != "serial" and not self.threads:
            faults.append(
                f"workers.threads must be a number for workers.executor {self.executor}, got 0, one for each processor, which "
                "would depend on the worker's machine; write 1"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Tune(Section):
    """A search. executor, workers: who runs it, which decides no result. threads: of each worker, which decide the last bits."""

    trials: Annotated[int, Field(ge=0)]
    minutes: Amount
    metric: str | Annotated[list[str], Field(min_length=1)]
    sampler: Literal["tpe", "cmaes", "random", "grid", "brute_force", "gp"]
    sampler_startup: Annotated[int, Field(ge=1)]
    grid: Annotated[int, Field(ge=2, le=1000)]
    pruner: Literal["none", "median", "hyperband", "wilcoxon"]
    startup_trials: Annotated[int, Field(ge=1)]
    batch: Count
    repeats: Repeats
    folds: Annotated[int, Field(ge=0, le=20)]
    executor: Literal["serial", "processes", "dask"]
    dask: Dask
    workers: Annotated[int, Field(ge=1, le=1000)]
    threads: Annotated[int, Field(ge=0)]
    seed: Seed

    @property
    def metrics(self) -> list[str]:
        """The metrics that are searched by; the first one selects the epoch of a trial."""
        return list_metrics(self.metric)

    @property
    def parts(self) -> int:
        """How many trainings a trial consists of."""
        return max(self.repeats, self.folds)

    @model_validator(mode="after")
    def _fit_together(self) -> "Tune":
        faults, many = [], len(self.metrics) > 1
        if len(set(self.metrics)) < len(self.metrics):
            faults.append(f"tune.metric must name each metric once, got {self.metrics}")
        if many and self.pruner != "none":
            faults.append(f"tune.pruner must be none for several metrics, got {self.pruner}: none of them alone ends a trial")
        if many and self.sampler == "cmaes":
            faults.append("tune.sampler cmaes searches by one metric, got several; name one, or choose tpe, random or gp")
        if self.folds == 1 or (self.folds and self.repeats > 1):
            faults.append(
                f"tune.folds must be 0 (the validation part) or 2 and more with tune.repeats 1, got folds {self.folds} and "
                f"repeats {self.repeats}; choose one of the two"
            )
        if self.pruner == "wilcoxon" and self.parts < 3:
            faults.append(
                "tune.pruner wilcoxon compares trials fold by fold or repeat by repeat, so tune.folds or tune.repeats must be 3 "
                f"or more, got {self.folds} and {self.repeats}; raise one, or choose median"
            )
        if self.executor == "serial" and self.workers > 1:
            faults.append(f"tune.workers must be 1 for tune.executor serial, got {self.workers}; choose processes or dask")
        if self.executor != "serial" and not self.threads:
            faults.append(
                f"tune.threads must be a number for tune.executor {self.executor}, got 0, one for each processor, which would "
                "depend on the worker's machine; write 1"
            )
        if faults:
            raise ValueError("; ".join(faults))
        return self
