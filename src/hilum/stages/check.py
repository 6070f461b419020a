"""check: validate everything that can be validated in a moment, and write the facts that later stages watch."""

import shutil
from pathlib import Path

from hilum.data.fingerprints import fingerprint, hash_files
from hilum.progress import bar, say
from hilum.project.faults import KNOWN_WEIGHTS, find_faults, find_missing
from hilum.results import file_sha256, write_json
from hilum.settings.meaning import pretrained_backbones
from hilum.settings.params import Params, read_params
from hilum.settings.roots import read_roots
from hilum.workspace import Workspace, find_workspace


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    faults = [*find_faults(params), *find_missing(params, workspace)]
    if faults:
        raise ValueError("params.yaml does not hold:\n" + "\n".join(f"  {fault}" for fault in faults))
    drop_unlisted_folds(params, workspace)
    write_json(workspace.facts, gather_facts(params, workspace))
    say(f"params.yaml holds; arms: {', '.join(params.arms)}; sources: {', '.join(params.prepare.sources)}")


def drop_unlisted_folds(params: Params, workspace: Workspace) -> None:
    """Remove results of folds that no stage makes any more: `compare` would depend on them. DVC's cache has what it made."""
    for arm in params.arms:
        folder = workspace.arm(arm, "crossvalidation")
        if arm not in params.crossvalidate.arms and folder.is_dir():
            shutil.rmtree(folder)
            say(f"{arm} is not cross-validated any more: its folds are removed; `dvc repro` brings them back if asked for")


def gather_facts(params: Params, workspace: Workspace) -> dict[str, object]:
    """What later stages watch and params.yaml does not say: the content of each root, the bytes of weight files."""
    roots = read_roots(params, workspace.home)
    sources = {name: {"fingerprint": "generated"} for name in params.acquire.sources}
    for name, root in roots.items():
        hashes = hash_files(workspace.at_home(root), workspace.hashes, bar(f"{name}: files hashed"))
        sources[name] = {"fingerprint": fingerprint(hashes)}
    weights = {
        name: arm.weights if arm.weights in KNOWN_WEIGHTS else file_sha256(workspace.at_home(arm.weights))
        for name, arm in params.arms.items()
    }
    return {"sources": sources, "weights": weights, "pretrain": pretrained_backbones(params.arms)}
