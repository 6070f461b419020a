"""What a killed `dvc` or `mlflow run` left, a line each: for the commands that begin the next run."""

import sqlite3
from contextlib import suppress

from hilum.doctor.finding import Examined, Project
from hilum.doctor.interruptions import OWNERS, examine_copies, examine_orphans
from hilum.doctor.stores import list_left
from hilum.progress import say
from hilum.workspace import Workspace


def tell_left(workspace: Workspace) -> None:
    """Report stages that work on without their dvc, unused copies of the project and runs of ended `mlflow run`s.

    Nothing is deleted: whoever calls it continues. In a copy itself, and where the store is a server, `hilum doctor` is asked.
    """
    if workspace.root != workspace.home:
        return
    project, found = Project(workspace), Examined()
    examine_orphans(project, found)
    examine_copies(project, project.working(*OWNERS), found)
    for one in found.findings:
        say(f"{one.what}; {one.remedy}")
    with suppress(sqlite3.Error):  # of a store that its first opening reports
        for run in list_left(project):
            say(
                f"run {run.name} ({run.id[:8]}) is RUNNING, but no process works for that `mlflow run`; `hilum doctor --mend` "
                "ends it as KILLED"
            )
