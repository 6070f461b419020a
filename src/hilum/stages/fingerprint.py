"""fingerprint: the hash of what one arm's training wrote, so that ensembles depend on models and not on what follows them."""

from pathlib import Path

from hilum.progress import say
from hilum.results import folder_digest, write_json
from hilum.settings.params import find_arm, read_params
from hilum.workspace import find_workspace


def run(arm: str) -> None:
    workspace = find_workspace(Path.cwd())
    find_arm(read_params(workspace.params), arm)
    digest = folder_digest(workspace.arm(arm, "training"))
    write_json(workspace.fingerprint(arm), {"training": digest})
    say(f"{arm}: its training has the digest {digest[:16]}")
