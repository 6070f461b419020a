"""publish: add every run that the tracking store lacks, from the files; existing runs are not changed."""

from pathlib import Path

from hilum.project.dvc_lock import keep_lock
from hilum.project.publication import print_headline, publish
from hilum.settings.params import read_params
from hilum.workspace import find_workspace


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    keep_lock(workspace)
    publish(workspace, params)
    print_headline(workspace, params)
