"""check: validate everything that can be validated quickly, and write the facts that later stages depend on."""

import shutil
from pathlib import Path

from hilum.data.fingerprints import fingerprint, hash_files
from hilum.models.packaged_weights import hash_packaged
from hilum.progress import bar, say
from hilum.project.faults import KNOWN_WEIGHTS, find_faults, find_missing, packaged_weights
from hilum.results import file_sha256, folder_digest, write_json
from hilum.settings.meaning import ignores_seed, lay_over, pretrained_backbones, spaces
from hilum.settings.params import Params, read_params
from hilum.settings.roots import read_roots
from hilum.settings.training import Arm
from hilum.workspace import Workspace, find_workspace


def run() -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    faults = [*find_faults(params), *find_missing(params, workspace)]
    if faults:
        raise ValueError("params.yaml is not valid:\n" + "\n".join(f"  {fault}" for fault in faults))
    tell_random_search(params)
    tell_equal_repeats(params)
    set_unlisted_folds_aside(params, workspace)
    write_json(workspace.facts, gather_facts(params, workspace))
    say(f"params.yaml is valid; arms: {', '.join(params.arms)}; sources: {', '.join(params.prepare.sources)}")


def tell_random_search(params: Params) -> None:
    """Warn where the settings are legal but leave the search's sampler no trial to model."""
    tune = params.tune
    if 0 < tune.trials <= tune.sampler_startup and any(spaces(arm) for arm in params.arms.values()):
        say(
            f"tune.sampler_startup {tune.sampler_startup} leaves the sampler none of tune.trials {tune.trials}: after `start` "
            "the search is a random one; for another make sampler_startup smaller or trials more"
        )


def tell_equal_repeats(params: Params) -> None:
    """Report arms whose repeats will be one and the same model."""
    for name, arm in params.arms.items():
        repeats = lay_over(params.train, arm)["repeats"]
        if repeats > 1 and ignores_seed(arm):
            say(
                f"arms.{name} does not depend on train.seed (solved heads, no random weights): its {repeats} repeats give one "
                f"model and a spread of 0; arms.{name}.train.repeats: 1 saves the time"
            )


def set_unlisted_folds_aside(params: Params, workspace: Workspace) -> None:
    """Move results of folds that no stage makes any longer out of what `compare` depends on."""
    for arm in params.arms:
        folder = workspace.arm(arm, "crossvalidation")
        if arm not in params.crossvalidate.arms and folder.is_dir():
            kept = set_aside(folder, workspace.cache / "set_aside" / arm)
            say(f"{arm} is no longer cross-validated: its folds are set aside in {kept}, which no stage reads")


def set_aside(folder: Path, room: Path) -> Path:
    """Move a folder below `room`, under its name and the first free number; returns its new path.

    It is never deleted without a copy: DVC's cache may lack it (manual results, or not committed to it). Its bytes are copied,
    because links into that cache could break. A folder that is there already, byte for byte, is kept once.
    """
    number, wanted = 1, folder_digest(folder)
    while (kept := room / f"{folder.name}-{number}").exists() and folder_digest(kept) != wanted:
        number += 1
    if not kept.exists():
        shutil.copytree(folder, kept)
    shutil.rmtree(folder)
    return kept


def gather_facts(params: Params, workspace: Workspace) -> dict[str, object]:
    """What later stages depend on besides params.yaml: the content of each root, the bytes of weight files."""
    roots = read_roots(params, workspace.home)
    sources = {name: {"fingerprint": "generated"} for name in params.acquire.sources}
    for name, root in roots.items():
        hashes = hash_files(workspace.at_home(root), workspace.hashes, bar(f"{name}: files hashed"))
        sources[name] = {"fingerprint": fingerprint(hashes)}
    weights = {name: weights_fact(arm, workspace) for name, arm in params.arms.items()}
    return {"sources": sources, "weights": weights, "pretrain": pretrained_backbones(params.arms)}


def weights_fact(arm: Arm, workspace: Workspace) -> str:
    """The SHA-256 of an arm's weights file; the setting itself where there is no file yet."""
    if (packaged := packaged_weights(arm)) is not None:
        return hash_packaged(packaged)
    return arm.weights if arm.weights in KNOWN_WEIGHTS else file_sha256(workspace.at_home(arm.weights))
