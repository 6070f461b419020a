"""Names in params.yaml that are in no registry, and files and folders that do not exist."""

import importlib.util
from collections.abc import Mapping

from hilum.data.phantom.population import FINDINGS
from hilum.data.readers.registry import READERS
from hilum.evaluation.scoring.metrics import VALIDATION_METRICS
from hilum.explain.measures.registry import wanted_measures
from hilum.explain.methods.registry import METHODS
from hilum.explain.sheets.registry import SHEETS
from hilum.models.backbones import BACKBONES, Backbone, find_backbone, is_backbone, tell_backbones
from hilum.models.hub import HUB
from hilum.models.own_backbone import is_own
from hilum.models.packaged_weights import PackagedWeights, hash_packaged
from hilum.packages import tell_missing
from hilum.progress import say
from hilum.project.given_models import given_faults
from hilum.project.learning import learning_faults
from hilum.project.own_backbones import try_own
from hilum.settings.meaning import backbone_of, backbone_options, is_absolute, is_whole, list_networks, spaces, trained_arms
from hilum.settings.params import Params
from hilum.settings.roots import FILE, read_external_roots, read_roots
from hilum.settings.search_space import Choices, Range
from hilum.settings.sources import NOT_READ, PhantomSource, Source
from hilum.settings.training import Arm, ConvexPhase
from hilum.workspace import Workspace

KNOWN_WEIGHTS = ("pretrained", "imagenet", "none")
PRESET = "preset"  # weights that a backbone of KerasHub, or a file, holds itself


def find_faults(params: Params) -> list[str]:
    """Names that are in no registry, and values that are legal alone but not in their place."""
    learning = [fault for name, arm in trained_arms(params.arms).items() for fault in learning_faults(name, arm, params.train)]
    return [
        *_metric_faults(params),
        *_search_faults(params),
        *_explain_faults(params),
        *_source_faults(params),
        *_arm_faults(params),
        *learning,
    ]


def _metric_faults(params: Params) -> list[str]:
    return [
        f"{key} must be one of {', '.join(VALIDATION_METRICS)}, got {metric!r}"
        for key, metric in (*(("tune.metric", metric) for metric in params.tune.metrics), ("train.select", params.train.select))
        if metric not in VALIDATION_METRICS
    ]


def _search_faults(params: Params) -> list[str]:
    """A sampler that is not installed, or that cannot search the spaces of an arm."""
    needs, faults = {"gp": "torch"}.get(params.tune.sampler), []
    if needs and importlib.util.find_spec(needs) is None:
        faults.append(f"tune.sampler {params.tune.sampler} cannot be used: {tell_missing(needs)}; or choose tpe")
    for name, arm in params.arms.items():
        searched = spaces(arm)
        if params.tune.sampler == "grid" and (opened := [key for key, space in searched.items() if space.when]):
            faults.append(
                f"tune.sampler grid searches all spaces at each point, got `when` in {', '.join(opened)} of arms.{name}; choose "
                "brute_force, which leaves out what is not searched"
            )
        endless = [key for key, space in searched.items() if isinstance(space, Range) and not space.step and not is_whole(key)]
        if params.tune.sampler == "brute_force" and endless:
            faults.append(
                f"tune.sampler brute_force needs a step in each range, got none in {', '.join(endless)} of arms.{name}; write "
                "step, or choices, or choose grid"
            )
    return faults


def _explain_faults(params: Params) -> list[str]:
    asked = params.explain
    faults = [
        f"explain.methods must be out of {', '.join(METHODS)}, got {name!r}" for name in asked.methods if name not in METHODS
    ]
    faults += [f"explain.sheets must be out of {', '.join(SHEETS)}, got {name!r}" for name in asked.sheets if name not in SHEETS]
    if asked.ranked.method not in METHODS:
        faults.append(f"explain.ranked.method must be one of {', '.join(METHODS)}, got {asked.ranked.method!r}")
    try:
        wanted_measures(asked.measures)
    except ValueError as fault:
        faults.append(str(fault))
    return faults


def _source_faults(params: Params) -> list[str]:
    faults = []
    external = {f"external.sources.{name}.films": one.films for name, one in params.external.sources.items()}
    for place, source in {**{f"acquire.sources.{name}": one for name, one in params.acquire.sources.items()}, **external}.items():
        name = place.split(".")[2]
        if isinstance(source, PhantomSource):
            if strange := sorted(set(source.findings) - set(FINDINGS)):
                faults.append(f"{place}.findings must be out of {', '.join(FINDINGS)}, got {', '.join(strange)}")
        elif is_absolute(source.root):
            faults.append(
                f"{place}.root must be relative to the project, got {source.root!r}, which is on one machine; "
                f"write `{name}: {source.root}` into {FILE}, which git ignores, and a folder of the project here: films/{name}"
            )
    return faults


def _networks(params: Params) -> list[tuple[str, Arm]]:
    """Each trained arm with each backbone that it may have."""
    return [(name, one) for name, arm in trained_arms(params.arms).items() for one in list_networks(arm)]


def _arm_faults(params: Params) -> list[str]:
    faults = []
    for name, arm in _networks(params):
        wanted = backbone_of(arm)
        if not is_backbone(wanted):
            faults.append(f"arms.{name}.backbone must be {tell_backbones()}, got {wanted!r}")
            continue
        if wanted.startswith(HUB) and importlib.util.find_spec("keras_hub") is None:
            faults.append(f"arms.{name}.backbone: {tell_missing('keras_hub')}")
            continue
        try:
            if is_own(wanted):
                try_own(wanted, backbone_options(arm), params.prepare.size)
            backbone = find_backbone(wanted, backbone_options(arm))
        except ValueError as fault:
            faults.append(f"arms.{name}.{'options' if wanted in BACKBONES else 'backbone'}: {fault}")
            continue
        faults += _backbone_faults(name, arm, backbone, params)
        for i, phase in enumerate(arm.phases):
            legal = phase.unfreeze in ("head", "all", *backbone.blocks) or (
                isinstance(phase.unfreeze, int) and phase.unfreeze <= len(backbone.blocks)
            )
            if not legal:
                faults.append(
                    f"arms.{name}.phases.{i}.unfreeze must be head, all, 1 to {len(backbone.blocks)} or one of "
                    f"{', '.join(backbone.blocks)}, got {phase.unfreeze!r}"
                )
            if isinstance(phase, ConvexPhase):
                continue
            if arm.weights == "none" and phase.batch_norm == "frozen" and phase.unfreeze != "head":
                faults.append(
                    f"arms.{name}.phases.{i}.batch_norm must be auto or train where weights are none, got 'frozen': the "
                    "statistics of random weights normalise nothing"
                )
            if isinstance(phase.learning_rate, Choices | Range) and not params.tune.trials:
                say(f"arms.{name}.phases.{i}.learning_rate is a space, but tune.trials is 0: its start is used")
    return faults


def _backbone_faults(name: str, arm: Arm, backbone: Backbone, params: Params) -> list[str]:
    """Films that are too small for an arm's backbone, and ImageNet weights that it does not have."""
    sizes = {"prepare.size": params.prepare.size}
    if arm.weights == "pretrained":
        sizes["pretrain.size"] = params.pretrain.size
    faults = [
        f"{key} must be {backbone.smallest} or more for arms.{name}.backbone {arm.backbone}, got {size}; raise it, or choose "
        "another backbone"
        for key, size in sizes.items()
        if size < backbone.smallest
    ]
    if params.prepare.size % backbone.multiple:
        faults.append(
            f"prepare.size must be a multiple of {backbone.multiple}, the patches of arms.{name}.backbone {arm.backbone}, got "
            f"{params.prepare.size}; set it to {params.prepare.size // backbone.multiple * backbone.multiple}"
        )
    if backbone.preset:
        if arm.weights in ("pretrained", "imagenet"):
            faults.append(
                f"arms.{name}.weights must be {PRESET}, none or a file for {arm.backbone}, got {arm.weights}; write {PRESET}"
            )
    elif arm.weights == PRESET:
        faults.append(
            f"arms.{name}.weights {PRESET} are those of a backbone {HUB}<preset> or of a file, got {arm.backbone}; choose others"
        )
    elif arm.weights == "imagenet" and not backbone.published:
        faults.append(
            f"arms.{name}.weights must be none, pretrained or a file for {arm.backbone}, got imagenet: there are no such weights"
        )
    return faults


def find_missing(
    params: Params, workspace: Workspace, given: Mapping[str, str] | None = None, remember: bool = False
) -> list[str]:
    """Folders and files that are named but do not exist, and given models that cannot be used.

    given: source -> the folder of its films in this run alone. remember: as in `given_faults`.
    """
    faults: list[str] = []
    places: dict[str, tuple[str, Source]] = {}
    try:
        own, external = read_roots(params, workspace.home, given), read_external_roots(params, workspace.home)
        places = {f"acquire.sources.{name}": (root, params.acquire.sources[name]) for name, root in own.items()}
        places |= {
            f"external.sources.{name}.films": (root, params.external.sources[name].films) for name, root in external.items()
        }
    except ValueError as fault:
        faults.append(str(fault))
    for place, (written, source) in places.items():
        root = workspace.at_home(written)
        if not root.is_dir():
            faults.append(f"{place}.root must be a folder, got {root}; put the films there, or name their folder in {FILE}")
        elif find := READERS[source.reader].faults:
            faults += [f"{place}: {fault}" for fault in find(root, **source.model_dump(exclude=NOT_READ))]
    for name, arm in _networks(params):
        if arm.weights not in (*KNOWN_WEIGHTS, PRESET) and not workspace.at_home(arm.weights).is_file():
            legal = (PRESET, "none") if backbone_of(arm).startswith(HUB) or is_own(backbone_of(arm)) else KNOWN_WEIGHTS
            faults.append(
                f"arms.{name}.weights must be {', '.join(legal)} or a file, got {workspace.at_home(arm.weights)}, which does not "
                "exist"
            )
        elif (packaged := packaged_weights(arm)) is not None:
            try:
                hash_packaged(packaged)
            except ValueError as fault:
                faults.append(f"arms.{name}.weights: {fault}")
    return [*faults, *given_faults(params, workspace, remember)]


def packaged_weights(arm: Arm) -> PackagedWeights | None:
    """The package that the `weights: imagenet` of an arm with one backbone are read from, if any."""
    backbone = BACKBONES.get(backbone_of(arm))
    return backbone.imagenet if backbone is not None and arm.weights == "imagenet" else None
