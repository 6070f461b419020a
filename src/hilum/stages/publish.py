"""publish: add every run that the tracking store lacks, from the files; existing runs are not changed."""

from pathlib import Path

from hilum.project.publication import print_headline, publish
from hilum.settings.params import read_params
from hilum.workspace import find_workspace


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    publish(workspace, params)
    print_headline(workspace, params)
