"""check: validate everything that can be validated quickly, and write the facts that later stages depend on."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hilum.data.fingerprints import fingerprint, hash_files
from hilum.doctor.left_behind import tell_left
from hilum.models.hub import hash_preset, is_hub
from hilum.models.own_backbone import find_file, is_own
from hilum.models.packaged_weights import hash_packaged
from hilum.progress import bar, say, say_wrapped, tell_bytes, tell_seconds
from hilum.project.dvc_lock import keep_lock
from hilum.project.faults import KNOWN_WEIGHTS, PRESET, find_faults, find_missing, packaged_weights
from hilum.project.plan import MAY, RUNS, Planned, plan_stages
from hilum.results import as_json, file_sha256, folder_digest
from hilum.settings.meaning import backbone_of, ignores_seed, lay_over, list_networks, pretrained_backbones, spaces, trained_arms
from hilum.settings.params import Params, read_params
from hilum.settings.roots import read_external_roots, read_roots
from hilum.settings.training import AnyArm, Arm, GivenArm
from hilum.whole_files import write_whole
from hilum.workspace import Workspace, find_workspace

SHOWN = 4  # reasons of a stage that are printed; `--json` has all


def run(dry_run: bool = False) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    faults = [*find_faults(params), *find_missing(params, workspace, remember=not dry_run)]
    if faults:
        raise ValueError("params.yaml is not valid:\n" + "\n".join(f"  {fault}" for fault in faults))
    tell_random_search(params)
    tell_equal_repeats(params)
    tell_left(workspace)
    if dry_run:
        return plan(params, workspace)
    keep_lock(workspace)
    set_unlisted_folds_aside(params, workspace)
    facts = gather_facts(params, workspace, workspace.hashes)
    write_whole(workspace.facts, as_json(facts))  # DVC refuses every call while it is cut
    ensembles = f"; ensembles: {', '.join(params.ensembles)}" if params.ensembles else ""
    say(f"params.yaml is valid; arms: {', '.join(params.arms)}{ensembles}; sources: {', '.join(params.prepare.sources)}")
    named = {"arms": list(params.arms), "ensembles": list(params.ensembles), "sources": list(params.prepare.sources)}
    return {**named, "facts": facts}


def plan(params: Params, workspace: Workspace) -> dict[str, Any]:
    """Print the stages that would run and why, with time and disk of their last runs; nothing in the project is written."""
    for arm, folder in unlisted_folds(params, workspace):
        say(f"{arm} is no longer cross-validated: `check` would set {folder} aside")
    with copied_memory(workspace) as memory:
        planned = plan_stages(workspace, gather_facts(params, workspace, memory))
    later = [one for one in planned if one.kind in (RUNS, MAY)]
    for one in planned:
        last = f" (last time {tell_seconds(one.record.seconds)}, {one.record.wrote})" if one.record else ""
        more = f"; and {len(one.why) - SHOWN} more reasons" if len(one.why) > SHOWN else ""
        say_wrapped(f"{one.words} {one.kind}: ", f"{'; '.join(one.why[:SHOWN])}{more}{last}")
    count = f"{len(later)} stage{'s' * (len(later) > 1)} would run besides check"
    say(count + tell_cost(later) if later else "nothing besides check would run")
    stages = [{"stage": one.name, "kind": one.kind, "why": one.why, "last": one.record and vars(one.record)} for one in planned]
    return {"stages": stages}


def tell_cost(planned: list[Planned]) -> str:
    """Time and disk of all stages by their last runs, and how many of them have none."""
    known = [one for one in planned if one.record]
    seconds, size = (sum(getattr(one.record, key) for one in known) for key in ("seconds", "size"))
    if not known:
        return "; how long that takes is not known: none has run here before"
    maybe = sum(one.kind == MAY for one in planned)
    cost = f", about {tell_seconds(seconds)} and {tell_bytes(size)}" + (f" if the {maybe} that may run do" if maybe else "")
    return cost + (f"; {len(planned) - len(known)} have no earlier run" if len(known) < len(planned) else "")


@contextmanager
def copied_memory(workspace: Workspace) -> Iterator[Path]:
    """A copy of the memory of hashes outside the project, which takes what is written into it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "hashes"
        if workspace.hashes.is_dir():
            shutil.copytree(workspace.hashes, copy)
        yield copy


def tell_random_search(params: Params) -> None:
    """Warn where the settings are legal but leave the search's sampler no trial to model."""
    tune = params.tune
    if 0 < tune.trials <= tune.sampler_startup and any(spaces(arm) for arm in params.arms.values()):
        say(
            f"tune.sampler_startup {tune.sampler_startup} leaves the sampler none of tune.trials {tune.trials}: after `start` "
            "the search is a random one; for another make sampler_startup smaller or trials more"
        )


def tell_equal_repeats(params: Params) -> None:
    """Report arms whose repeats will be one and the same model, and given models, which are not repeated."""
    given = [name for name in params.arms if name not in trained_arms(params.arms)]
    if given and params.train.repeats > 1:
        say(f"train.repeats {params.train.repeats} is of trained arms: a given model is one ({', '.join(given)})")
    for name, arm in trained_arms(params.arms).items():
        repeats = lay_over(params.train, arm)["repeats"]
        if repeats > 1 and ignores_seed(arm):
            say(
                f"arms.{name} does not depend on train.seed (solved heads, no random weights): its {repeats} repeats give one "
                f"model and a spread of 0; arms.{name}.train.repeats: 1 saves the time"
            )


def set_unlisted_folds_aside(params: Params, workspace: Workspace) -> None:
    """Move results of folds that no stage makes any longer out of what `compare` depends on."""
    for arm, folder in unlisted_folds(params, workspace):
        kept = set_aside(folder, workspace.cache / "set_aside" / arm)
        say(f"{arm} is no longer cross-validated: its folds are set aside in {kept}, which no stage reads")


def unlisted_folds(params: Params, workspace: Workspace) -> list[tuple[str, Path]]:
    """Arms that are not in `crossvalidate.arms` and have results of folds, with the folder of those."""
    folders = {arm: workspace.arm(arm, "crossvalidation") for arm in params.arms if arm not in params.crossvalidate.arms}
    return [(arm, folder) for arm, folder in folders.items() if folder.is_dir()]


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


def gather_facts(params: Params, workspace: Workspace, memory: Path) -> dict[str, object]:
    """What later stages depend on besides params.yaml: the content of each root, the bytes of weight files.

    memory: folder of earlier hashes.
    """
    roots = read_roots(params, workspace.home)
    sources = {name: {"fingerprint": "generated"} for name in params.acquire.sources}
    for name, root in roots.items():
        hashes = hash_files(workspace.at_home(root), memory, bar(f"{name}: files hashed"))
        sources[name] = {"fingerprint": fingerprint(hashes)}
    weights = {name: weights_fact(arm, workspace) for name, arm in params.arms.items()}
    external = dict.fromkeys(params.external.sources, "generated")
    for name, root in read_external_roots(params, workspace.home).items():
        external[name] = fingerprint(hash_files(workspace.at_home(root), memory, bar(f"{name}: files hashed")))
    return {"sources": sources, "weights": weights, "pretrain": pretrained_backbones(params.arms), "external": external}


def weights_fact(arm: AnyArm, workspace: Workspace) -> str:
    """The SHA-256 of an arm's weights file, or given model; the setting itself where there is no file yet.

    Of an arm with several backbones, one for each.
    """
    if isinstance(arm, GivenArm):
        return file_sha256(workspace.at_home(arm.model))
    return " ".join(_network_fact(one, workspace) for one in list_networks(arm))


def _network_fact(arm: Arm, workspace: Workspace) -> str:
    """The same of an arm with one backbone."""
    backbone = backbone_of(arm)
    if (packaged := packaged_weights(arm)) is not None:
        return hash_packaged(packaged)
    if is_hub(backbone) or is_own(backbone):  # whose network is in its files, whatever the weights are
        named = arm.weights in (*KNOWN_WEIGHTS, PRESET)
        made_of = hash_preset(backbone) if is_hub(backbone) else file_sha256(find_file(backbone))
        return f"{arm.weights if named else file_sha256(workspace.at_home(arm.weights))} {made_of}"
    return arm.weights if arm.weights in KNOWN_WEIGHTS else file_sha256(workspace.at_home(arm.weights))
