"""The tags of runs in a store: those that a person reads under their names, digests behind one prefix."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

NOTE = "mlflow.note.content"  # MLflow's tag of a description
COMMIT = "mlflow.source.git.commit"
PREFIX = "digest."
DIGESTS = {  # what code and files call it -> its tag; runs of earlier versions have the first name as their tag
    "run_key": f"{PREFIX}run",
    "model_sha256": f"{PREFIX}model",
    "data_version": f"{PREFIX}data",
    "split_version": f"{PREFIX}split",
}


def stored(tags: Mapping[str, Any]) -> dict[str, Any]:
    """Tags as they are written into a store, digests last: MLflow shows tags in the order in which they were written."""
    named = {DIGESTS.get(name, name): value for name, value in tags.items()}
    return dict(sorted(named.items(), key=lambda tag: tag[0].startswith(PREFIX)))


def read_tag(tags: Mapping[str, str], name: str) -> str | None:
    """The value of a tag of a run or a model's version, also if an earlier version wrote it; None if there is none."""
    return tags.get(DIGESTS.get(name, name), tags.get(name))


def questions(tags: Mapping[str, Any]) -> Iterator[list[str]]:
    """MLflow's conditions on runs with all these tags: once for the names of today, once for each way of former names."""
    names = [dict.fromkeys((DIGESTS.get(name, name), name)) for name in tags]
    for chosen in product(*names):
        yield [f"tags.`{name}` = '{value}'" for name, value in zip(chosen, tags.values(), strict=True)]
