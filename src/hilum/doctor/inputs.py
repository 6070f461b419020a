"""What a run reads: settings, the facts that `check` wrote, roots of films, weights."""

import json
from functools import partial

from hilum.doctor.finding import Examined, Project, remove
from hilum.settings.meaning import list_networks, pretrained_backbones, trained_arms
from hilum.settings.params import Params, read_params


def examine_settings(project: Project) -> Examined:
    """params.yaml can be read and is valid; data/facts.json can be read; `.hilum` can be written."""
    found = Examined()
    try:
        params = read_params(project.workspace.params)
        found.facts.append(f"params.yaml is valid; arms: {', '.join(params.arms)}")
    except (ValueError, OSError) as fault:
        found.add(str(fault), "correct params.yaml, or: git diff params.yaml; then `hilum check`")
    facts = project.workspace.facts
    if facts.is_file():
        try:
            json.loads(facts.read_text())
        except ValueError as fault:
            found.add(
                f"data/facts.json must be what `hilum check` wrote, got a file that is cut ({fault})",
                "hilum check",
                None if project.working("dvc", "hilum") else partial(remove, facts),  # it may be just writing it
            )
    if project.workspace.cache.exists() and not project.workspace.cache.is_dir():
        found.add(f"{project.workspace.cache} must be a folder that can be written, got a file", "mv .hilum hilum.old")
    return found


def examine_inputs(project: Project) -> Examined:
    """Names in registries, roots of films, weights: of a file, of a package, of `pretrain`."""
    found, params = Examined(), project.params
    if params is None:
        found.facts.append("not examined: params.yaml is not valid")
        return found
    from hilum.project.faults import find_faults, find_missing, packaged_weights  # registries load pandas and scipy

    for fault in [*find_faults(params), *find_missing(params, project.workspace)]:
        found.add(fault, _remedy(fault))
    for arm in [one for named in trained_arms(params.arms).values() for one in list_networks(named)]:
        if arm.weights == "imagenet" and packaged_weights(arm) is None:
            found.facts.append(f"{arm.backbone}: Keras downloads its ImageNet weights where they are not in its cache")
    _examine_pretrained(project, params, found)
    if not found.findings:
        found.facts.append(f"films of {', '.join(params.acquire.sources)} and weights of {', '.join(params.arms)} are there")
    return found


def _remedy(fault: str) -> str:
    """The command inside a fault's own words, else where to correct it."""
    parts = fault.split("`")
    commands = [part for part in parts[1::2] if part.startswith(("uv ", "hilum ", "dvc "))]
    if commands:
        return commands[0]
    return "put it there, or name it elsewhere (films: roots.yaml, the rest: params.yaml); then `hilum check`"


def _examine_pretrained(project: Project, params: Params, found: Examined) -> None:
    folder = project.workspace.pretrained
    if not folder.is_dir():
        return  # not made yet
    for backbone in pretrained_backbones(params.arms):
        if not (folder / f"{backbone}.weights.h5").is_file():
            found.add(f"data/pretrained must hold the weights of {backbone}, got none", "dvc repro pretrain")
