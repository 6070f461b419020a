"""experiment: the door of `mlflow run`: the pipeline under changed parameters, in a copy; the caller's files stay."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from hilum.config import check_params
from hilum.progress import say
from hilum.results import digest
from hilum.stages.check import find_faults, find_missing
from hilum.stages.publish import print_headline, publish
from hilum.workspace import Workspace, find_workspace

# Parameters of MLproject -> place in params.yaml; `*`: every key there; `@`: the sources of the task; -1: the last phase.
NAMED = {
    "source": "prepare.sources",
    "root": "acquire.sources.@.root",
    "films": "acquire.sources.phantom.films",
    "size": "prepare.size",
    "batch_size": "train.batch_size",
    "imbalance": "train.imbalance",
    "trials": "tune.trials",
    "seed": "seed",
    "search_seed": "tune.seed",
    "backbone": "arms.*.backbone",
    "weights": "arms.*.weights",
    **{
        f"{arm}_{what}": f"arms.{arm}.phases.-1.{what}"
        for arm in ("baseline", "finetuned")
        for what in ("epochs", "learning_rate", "unfreeze")
    },
}
MISSING = object()


def run(recipe: str, set: str, named: list[str]) -> None:
    workspace = find_workspace(Path.cwd())
    written = yaml.safe_load(workspace.params.read_text())
    wanted = apply_overrides(written, workspace.root, recipe, set, named)
    params = check_params(wanted)
    faults = [*find_faults(params), *find_missing(params, workspace)]
    if faults:
        raise ValueError("params.yaml with the overrides does not hold:\n" + "\n".join(f"  {fault}" for fault in faults))
    changes = list_changes(written, wanted)
    if not changes:
        call_dvc(["repro"], workspace)
        publish(workspace, params)
        print_headline(workspace, params)
        return
    for change in changes:
        say(change)
    if not (workspace.root / ".git").exists():
        raise ValueError("an override needs a git repository with a commit; run `git init`, `git add -A` and `git commit` first")
    name = f"hilum-{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest(changes)[:6]}"
    call_dvc(["exp", "run", "--temp", "-n", name, *(part for change in changes for part in ("-S", change))], workspace)
    with tempfile.TemporaryDirectory() as folder:
        results = fetch_results(name, wanted, workspace, Path(folder))
        publish(results, params)
        print_headline(results, params)
    say(f"the same experiment: `dvc exp show`; to take its files over: `dvc exp apply {name}`")


def apply_overrides(written: Any, root: Path, recipe: str, pairs: str, named: list[str]) -> Any:
    """params.yaml, then the recipe, then named parameters, then `set`, each over the one before."""
    values = unshare(written)
    if recipe:
        file = root / "recipes" / f"{recipe}.yaml"
        if not file.is_file():
            known = ", ".join(sorted(path.stem for path in (root / "recipes").glob("*.yaml")))
            raise ValueError(f"recipe must be one of {known}, got {recipe!r}")
        values = merge(values, unshare(yaml.safe_load(file.read_text())))
    for pair in named:
        key, _, text = pair.partition("=")
        if key not in NAMED:
            raise ValueError(f"a named parameter must be one of {', '.join(NAMED)}, got {key!r}; use set for any other key")
        if text != "":
            value = read_value(pair, text)
            for place in find_places(values, NAMED[key]):
                put(values, place, [value] if key == "source" else value)
    for pair in shlex.split(pairs):
        key, equals, text = pair.partition("=")
        if not equals:
            raise ValueError(f"set takes key=value pairs separated by spaces, got {pair!r}")
        put(values, key, read_value(pair, text))
    return name_fold_arms(written, values)


def name_fold_arms(written: Any, wanted: Any) -> Any:
    """Where split.folds alone was turned on or off, crossvalidate.arms follows: all arms, or none; an empty list is no choice."""
    try:
        before, after, arms = written["split"]["folds"], wanted["split"]["folds"], list(wanted["arms"])
    except (KeyError, TypeError):  # another shape than that of params.yaml: `check_params` tells it
        return wanted
    if bool(before) == bool(after) or wanted.get("crossvalidate") != written.get("crossvalidate"):
        return wanted
    return {**wanted, "crossvalidate": {"arms": arms if after else []}}


def unshare(values: Any) -> Any:
    """A copy in which no two places are one object, as YAML's aliases make them: an override then changes one place alone."""
    if isinstance(values, Mapping):
        return {key: unshare(value) for key, value in values.items()}
    return [unshare(value) for value in values] if isinstance(values, list) else values


def read_value(pair: str, text: str) -> Any:
    """A value as YAML 1.2 and DVC read it: PyYAML takes 1e-4 for text. Raises ValueError if it is no YAML."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(
            f"an override must be key=value with a value in YAML, got {pair!r}: {str(error).splitlines()[0]}"
        ) from None
    return float(value) if isinstance(value, str) and re.fullmatch(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+", value) else value


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
    """The keys that a place of NAMED stands for in these values; a part that is not there stays, and `put` says so."""
    before, star, after = place.partition(".*.")
    if star:
        return [f"{before}.{key}.{after}" for key in values.get(before, {})]
    before, at, after = place.partition(".@.")
    if at:
        return [f"{before}.{name}.{after}" for name in values["prepare"]["sources"]]
    before, last, after = place.partition(".-1.")
    if last:
        arm = values["arms"].get(before.split(".")[1], {})
        return [f"{before}.{max(len(arm.get('phases', [])) - 1, 0)}.{after}"]
    return [place]


def put(values: Any, key: str, value: Any) -> None:
    """Set one dotted key in place; list items by number. Raises ValueError where the way to the key does not exist."""
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
    if isinstance(written, list) and isinstance(wanted, list) and len(written) == len(wanted):
        return [c for i, (a, b) in enumerate(zip(written, wanted, strict=True)) for c in list_changes(a, b, f"{prefix}.{i}")]
    if written is not MISSING and wanted is not MISSING and written == wanted and type(written) is type(wanted):
        return []
    if wanted is MISSING:
        return [f"~{prefix}"]
    if isinstance(wanted, Mapping) and written is not MISSING:  # Hydra would merge: the old value goes first
        return [f"~{prefix}", f"+{prefix}={literal(wanted)}"]
    return [f"{'+' if written is MISSING else ''}{prefix}={literal(wanted)}"]


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
    # In Hydra's quotes a backslash is one, unless backslashes lead up to a quote: those are doubled.
    quoted = re.sub(r"(\\*)('|\Z)", lambda end: end[1] * 2 + end[2].replace("'", "\\'"), str(value))
    return f"'{quoted}'"


def call_dvc(arguments: list[str], workspace: Workspace) -> None:
    """Run DVC and wait for it, also when interrupted: it ends its stages and removes its copy.

    Raises:
        ValueError: DVC failed; what it said stands above.
        KeyboardInterrupt: it was interrupted.
    """
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    child = subprocess.Popen([sys.executable, "-m", "dvc", *arguments], cwd=workspace.root, env=environment)
    stopped = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        if number == signal.SIGTERM:  # Ctrl-C reaches the child from the terminal; a SIGTERM came to this process alone
            child.send_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stopped:
        raise KeyboardInterrupt
    if status:
        raise ValueError(f"`dvc {' '.join(arguments[:2])}` ended with status {status}; the reason stands above")


def fetch_results(name: str, wanted: Any, workspace: Workspace, folder: Path) -> Workspace:
    """Bring an experiment's results and splits into a folder, with its parameters."""
    for part in ("results", "data/split"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        call_dvc(["get", ".", part, "--rev", name, "-o", str(folder / part), "-q"], workspace)
    (folder / "params.yaml").write_text(yaml.safe_dump(wanted, sort_keys=False))
    return Workspace(folder, workspace.home)
