"""The run that `mlflow run` opens, above those of the stages: what its name and description say."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hilum.addresses import mask
from hilum.tracking.connection import connect
from hilum.tracking.contact import Contact
from hilum.tracking.opening import store_uri
from hilum.tracking.run_notes import ended_note
from hilum.tracking.run_tags import NOTE
from hilum.tracking.store import Store, ended_name
from hilum.workspace import Workspace

LONGEST = 500  # characters of a reason
VARIABLE = "MLFLOW_RUN_ID"  # in which `mlflow run` names the run
BELOW = "The runs of this call are below; those of earlier calls that it used again, in the tag `reused_runs`."


def describe_project_run(store: Store, text: str) -> None:
    """Write the description, Markdown; nothing without such a run."""
    if store.parent:
        with store.contact.while_answered(), store.contact.asking(f"run {store.parent}"):
            store.client.set_tag(store.parent, NOTE, mask(f"{text}\n\n{BELOW}"))


@contextmanager
def project_run(workspace: Workspace) -> Iterator[None]:
    """Where the block fails or is interrupted, say so in that run's name and description; `mlflow run` sets its status."""
    run_id = os.environ.get(VARIABLE)
    try:
        yield
    except (Exception, KeyboardInterrupt) as fault:
        if run_id:
            with suppress(ValueError):  # of a store that is away; the fault itself is reported
                _tell_end(store_uri(workspace), run_id, fault)
        raise


def _tell_end(uri: str, run_id: str, fault: BaseException) -> None:
    status, reason = (
        ("KILLED", "") if isinstance(fault, KeyboardInterrupt) else ("FAILED", " ".join(str(fault).split())[:LONGEST])
    )
    client, contact = connect(uri), Contact(mask(uri), goes_on=True)
    with contact.while_answered(), contact.asking(f"run {run_id}"):
        run = client.get_run(run_id)
        client.set_tag(run_id, NOTE, ended_note(status, mask(reason), "", run.data.tags.get(NOTE, ""), "Type the command again"))
        client.update_run(run_id, name=ended_name(run.info.run_name, status))
