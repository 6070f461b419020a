"""params.yaml with a recipe, named parameters and key=value pairs applied; and the differences, in DVC's grammar."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hilum.project.typed_values import read_value
from hilum.settings.roots import check_roots
from hilum.settings.schema import kind_of_arm, kind_of_phase
from hilum.settings.yaml_text import read_yaml

# Parameters of MLproject -> place in params.yaml; `*`: every key there; `@`: the sources of the task; -1: the last phase.
NAMED = {
    "source": "prepare.sources",
    "root": "acquire.sources.@.root",  # for this run only, see `choose_roots`
    "films": "acquire.sources.phantom.films",
    "size": "prepare.size",
    "batch_size": "train.batch_size",
    "imbalance": "train.imbalance",
    "trials": "tune.trials",
    "seed": "train.seed",
    "repeats": "train.repeats",
    "split_seed": "split.seed",
    "pretrain_seed": "pretrain.seed",
    "search_seed": "tune.seed",
    "backbone": "arms.*.backbone",
    "weights": "arms.*.weights",
    **{
        f"{arm}_{what}": f"arms.{arm}.phases.-1.{what}"
        for arm in ("baseline", "finetuned")
        for what in ("epochs", "learning_rate", "unfreeze")
    },
}
ROOT = re.compile(r"acquire\.sources\.([^.]+)\.root")  # of an existing source
BACKBONE = re.compile(r"arms\.([^.]+)\.backbone")
MISSING = object()


def apply_overrides(written: Any, root: Path, recipe: str, pairs: str, named: list[str]) -> Any:
    """params.yaml, then the recipe, then named parameters, then `set`, each over the one before; except for `choose_roots`."""
    values = unshare(written)
    if recipe:
        file = root / "recipes" / f"{recipe}.yaml"
        if not file.is_file():
            known = ", ".join(sorted(path.stem for path in (root / "recipes").glob("*.yaml")))
            raise ValueError(f"recipe must be one of {known}, got {recipe!r}")
        values = apply_recipe(values, read_yaml(file.read_text()))
    for pair in named:
        key, _, text = pair.partition("=")
        if key not in NAMED:
            raise ValueError(f"a named parameter must be one of {', '.join(NAMED)}, got {key!r}; use set for any other key")
        if text != "" and key != "root":  # `choose_roots`
            for place in find_places(values, NAMED[key]):
                refuse_steps(pair, place, values)
                value = read_value(pair, f"{place}.0" if key == "source" else place, text, values)
                if found := BACKBONE.fullmatch(place):
                    shed_options(values, {found[1]: value})
                put(values, place, [value] if key == "source" else value)
    chosen = (pair.partition("=") for pair in shlex.split(pairs))
    shed_options(values, {found[1]: text for key, _, text in chosen if (found := BACKBONE.fullmatch(key))})
    for pair in shlex.split(pairs):
        key, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"set takes key=value pairs separated by spaces, got {pair!r}")
        if ROOT.fullmatch(key):
            continue
        put(values, key, read_value(pair, key, text, values))
    return name_fold_arms(written, values)


def apply_recipe(values: Any, changes: Any) -> Any:
    """A copy of the values with a recipe over them, in which an arm sheds the options of a backbone that the recipe replaces."""
    values, changes = unshare(values), unshare(changes)
    shed_options(values, {name: arm["backbone"] for name, arm in _arms_of(changes).items() if "backbone" in arm})
    return merge(values, changes)


def shed_options(values: Any, backbones: Mapping[str, Any]) -> None:
    """Take the options of its backbone from each arm that gets another one, in place: that takes others, or none.

    backbones: arm -> the backbone that it gets.
    """
    for name, arm in _arms_of(values).items():
        if name in backbones and arm.get("backbone") != backbones[name]:
            arm.pop("options", None)


def _arms_of(values: Any) -> dict[str, dict[str, Any]]:
    """The arms; what has another shape than in params.yaml is left out, and `check_params` reports it."""
    arms = values.get("arms") if isinstance(values, dict) else None
    return {name: arm for name, arm in arms.items() if isinstance(arm, dict)} if isinstance(arms, dict) else {}


def choose_roots(wanted: Any, pairs: str, named: list[str]) -> dict[str, str]:
    """Source -> the folder of its films in this run only: that of `root` for every source of the task, then those of `set`.

    wanted: the checked result of `apply_overrides`. The folder does not enter params.yaml: it is on one machine, and its content
    is in data/facts.json.

    Raises:
        ValueError: a source that does not exist or is drawn, or no folder.
    """
    chosen: dict[str, Any] = {}
    for pair in named:
        key, _, text = pair.partition("=")
        if key == "root" and text:
            chosen |= dict.fromkeys(wanted["prepare"]["sources"], text)
    for pair in shlex.split(pairs):
        key, _, text = pair.partition("=")
        if found := ROOT.fullmatch(key):
            chosen[found[1]] = read_value(pair, key, text, wanted)
    check_roots(chosen, [name for name, source in wanted["acquire"]["sources"].items() if "root" in source], "a root")
    return chosen


def name_fold_arms(written: Any, wanted: Any) -> Any:
    """If only split.folds was turned on or off, crossvalidate.arms follows: all trained arms, or none.

    An empty list is not a choice.
    """
    try:
        before, after = written["split"]["folds"], wanted["split"]["folds"]
        arms = [name for name, arm in wanted["arms"].items() if kind_of_arm(arm) == "trained"]
    except (KeyError, TypeError, AttributeError):  # another shape than that of params.yaml: `check_params` reports it
        return wanted
    if bool(before) == bool(after) or wanted.get("crossvalidate") != written.get("crossvalidate"):
        return wanted
    return {**wanted, "crossvalidate": {"arms": arms if after else []}}


def unshare(values: Any) -> Any:
    """A copy in which no two places share an object, as with YAML's aliases: an override then changes one place only."""
    if isinstance(values, Mapping):
        return {key: unshare(value) for key, value in values.items()}
    return [unshare(value) for value in values] if isinstance(values, list) else values


def merge(values: Any, changes: Any) -> Any:
    """Mappings merge key by key, null removes a key, everything else replaces."""
    if not isinstance(values, Mapping) or not isinstance(changes, Mapping):
        return changes
    merged = dict(values)
    for key, change in changes.items():
        if change is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), change)
    return merged


def find_places(values: Any, place: str) -> list[str]:
    """The keys that a place of NAMED stands for in these values; a missing part stays, and `put` reports it."""
    before, star, after = place.partition(".*.")
    if star:
        arms = _arms_of(values)
        trained = [key for key, arm in arms.items() if kind_of_arm(arm) == "trained"]
        if arms and not trained:
            raise ValueError(f"{after} must reach an arm that is trained, but every arm is a given model; leave it out")
        return [f"{before}.{key}.{after}" for key in trained]
    before, at, after = place.partition(".@.")
    if at:
        return [f"{before}.{name}.{after}" for name in values["prepare"]["sources"]]
    before, last, after = place.partition(".-1.")
    if last:
        name = before.split(".")[1]
        arm = values["arms"].get(name, {})
        if kind_of_arm(arm) == "given":
            raise ValueError(f"{name}_{after} must reach a phase of training, but {name} is a given model; leave it out")
        return [f"{before}.{max(len(arm.get('phases', [])) - 1, 0)}.{after}"]
    return [place]


def refuse_steps(pair: str, place: str, values: Any) -> None:
    """Refuse a number of epochs or a learning rate for a phase that is solved: it takes no steps.

    pair: what the user wrote. place: the key that it sets.
    """
    found = re.fullmatch(r"arms\.(.+)\.phases\.(\d+)\.(epochs|learning_rate)", place)
    phases = values["arms"].get(found[1], {}).get("phases", []) if found else []
    if found and phases and kind_of_phase(phases[int(found[2])]) == "convex":
        raise ValueError(
            f"{pair} must reach a phase of gradient steps, but the last phase of {found[1]} says `solver: convex`, which has no "
            f"{found[3]}; leave it out, or give {found[1]} a phase with `solver: gradient`"
        )


def put(values: Any, key: str, value: Any) -> None:
    """Set one dotted key in place; list items by number. Raises ValueError where the path to the key does not exist."""
    *path, last = key.split(".")
    place = values
    walked: list[str] = []
    for step in path:
        place = step_into(place, step, walked, key)
        walked.append(step)
    if isinstance(place, list):
        step_into(place, last, walked, key)
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise ValueError(f"{key} must name a value of params.yaml, but {'.'.join(walked)} is {place!r}, not a section")


def step_into(place: Any, step: str, walked: list[str], key: str) -> Any:
    """The value at one step of a key."""
    legal = list(place) if isinstance(place, dict) else [str(i) for i in range(len(place))] if isinstance(place, list) else []
    if step not in legal:
        where = ".".join(walked) or "the top"
        raise ValueError(
            f"{key} must name a value of params.yaml; at {where} there is {', '.join(legal) or 'nothing'}, not {step!r}"
        )
    return place[int(step)] if isinstance(place, list) else place[step]


def list_changes(written: Any, wanted: Any, prefix: str = "") -> list[str]:
    """The leaves that differ, in the grammar of `dvc exp run -S`: key=value, +key=value for a new one, ~key for a removed one."""
    if isinstance(written, Mapping) and isinstance(wanted, Mapping):
        changes = []
        for key in dict.fromkeys([*written, *wanted]):
            place = f"{prefix}.{key}" if prefix else str(key)
            changes += list_changes(written.get(key, MISSING), wanted.get(key, MISSING), place)
        return changes
    if isinstance(written, list) and isinstance(wanted, list) and _alike(written, wanted):
        return [c for i, (a, b) in enumerate(zip(written, wanted, strict=True)) for c in list_changes(a, b, f"{prefix}.{i}")]
    if written is not MISSING and wanted is not MISSING and written == wanted and type(written) is type(wanted):
        return []
    if wanted is MISSING:
        return [f"~{prefix}"]
    if isinstance(wanted, Mapping) and written is not MISSING:  # Hydra would merge: remove the old value first
        return [f"~{prefix}", f"+{prefix}={literal(wanted)}"]
    return [f"{'+' if written is MISSING else ''}{prefix}={literal(wanted)}"]


def _alike(written: list[Any], wanted: list[Any]) -> bool:
    """Whether two lists differ only in values: Hydra adds no key to an item of a list, and removes none."""
    keys = [[sorted(item) if isinstance(item, Mapping) else None for item in items] for items in (written, wanted)]
    return keys[0] == keys[1]


def literal(value: Any) -> str:
    """A value in Hydra's grammar."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(literal(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    # OmegaConf would interpolate ${...}; a backslash escapes it, and backslashes before it are doubled.
    kept = re.sub(r"(\\*)\$\{", lambda begin: begin[1] * 2 + "\\${", str(value))
    # In Hydra's quotes a backslash is literal, except before a quote: those are doubled.
    quoted = re.sub(r"(\\*)('|\Z)", lambda end: end[1] * 2 + end[2].replace("'", "\\'"), kept)
    return f"'{quoted}'"
