"""The tags of runs in a store: those that a person reads under their names, digests behind one prefix."""

import json
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

NOTE = "mlflow.note.content"  # MLflow's tag of a description
COMMIT = "mlflow.source.git.commit"
PREFIX = "digest."
MOVING = "moving"  # tag of a run while its digests are written again: all of them
DIGESTS = {  # what code and files call it -> its tag; runs of earlier versions have the first name as their tag
    "run_key": f"{PREFIX}run",
    "model_sha256": f"{PREFIX}model",
    "data_version": f"{PREFIX}data",
    "split_version": f"{PREFIX}split",
    "unfinished": f"{PREFIX}inputs",  # formerly removed when the run finished
}


def stored(tags: Mapping[str, Any]) -> dict[str, Any]:
    """Tags as they are written into a store, digests last: MLflow shows tags in the order in which they were written."""
    named = {DIGESTS.get(name, name): value for name, value in tags.items()}
    return dict(sorted(named.items(), key=lambda tag: tag[0].startswith(PREFIX)))


def move_digests_last(client: Any, run_id: str) -> None:
    """Write the digests of a run again where other tags came after them, so that a person finds those first."""
    tags = {key: value for key, value in client.get_run(run_id).data.tags.items() if not key.startswith("mlflow.")}
    digests = {key: value for key, value in tags.items() if key.startswith(PREFIX)}
    if list(tags)[len(tags) - len(digests) :] == list(digests):
        return
    client.set_tag(run_id, MOVING, json.dumps(digests))
    for key, value in digests.items():
        client.delete_tag(run_id, key)
        client.set_tag(run_id, key, value)
    client.delete_tag(run_id, MOVING)


def restore_digests(client: Any, run: Any) -> None:
    """Write the digest that a run lost because its process was killed while it moved them."""
    for key, value in json.loads(run.data.tags.get(MOVING, "{}")).items():
        if key not in run.data.tags:
            client.set_tag(run.info.run_id, key, value)
    if MOVING in run.data.tags:
        client.delete_tag(run.info.run_id, MOVING)


def read_tag(tags: Mapping[str, str], name: str) -> str | None:
    """The value of a tag of a run or a model's version, also if an earlier version wrote it; None if there is none."""
    return tags.get(DIGESTS.get(name, name), tags.get(name))


def questions(tags: Mapping[str, Any]) -> Iterator[list[str]]:
    """MLflow's conditions on runs with all these tags: once for the current names, once for each combination of former names."""
    names = [dict.fromkeys((DIGESTS.get(name, name), name)) for name in tags]
    for chosen in product(*names):
        yield [f"tags.`{name}` = '{value}'" for name, value in zip(chosen, tags.values(), strict=True)]
