"""experiment: the entry point of `mlflow run`: the pipeline with changed parameters, in a copy of the project."""

import json
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from hilum.doctor.left_behind import tell_left
from hilum.masked_output import MaskedProgram
from hilum.progress import say
from hilum.project import unlisted_folders
from hilum.project.clone import check_store_place, complete_history, fetched_from, is_fetched
from hilum.project.dvc_lock import keep_lock
from hilum.project.faults import find_faults, find_missing
from hilum.project.overrides import apply_overrides, choose_roots, list_changes
from hilum.project.publication import print_headline, publish
from hilum.results import digest
from hilum.settings.params import check_params
from hilum.settings.roots import FILE, VARIABLE, read_roots
from hilum.settings.yaml_text import read_yaml
from hilum.tracking.project_run import project_run
from hilum.tracking.run_notes import COMMAND
from hilum.workspace import Workspace, find_workspace

FULL_PATH = re.compile(r"""((?:=|: )["']?)(?:~|/|[A-Za-z]:\\)[^\s"',}]*""")


def run(recipe: str, set: str, named: list[str]) -> None:
    workspace = find_workspace(Path.cwd())
    check_store_place(workspace.root)
    with project_run(workspace):
        run_pipeline(workspace, recipe, set, named)


def run_pipeline(workspace: Workspace, recipe: str, set: str, named: list[str]) -> None:
    """Check the values, run what they touch, publish its results and print the main ones."""
    fetched = is_fetched(workspace.root)
    written = read_yaml(workspace.params.read_text())
    wanted = apply_overrides(written, workspace.root, recipe, set, named)
    params = check_params(wanted)
    roots = choose_roots(wanted, set, named)
    faults = [*find_faults(params), *find_missing(params, workspace, roots, remember=True)]
    if faults:
        told = "\n".join(f"  {fault}" for fault in faults)
        hint = f"\n{workspace.root} is a copy for this run only: name films and weights by full paths" if fetched else ""
        raise ValueError(f"params.yaml with the overrides is not valid:\n{told}{hint}")
    keep_lock(workspace)
    changes = list_changes(written, wanted)
    address, commit = fetched_from(workspace.root) if fetched else ("", "")
    if changes or roots or address:  # else `dvc repro`, which the descriptions of runs name by default
        os.environ[COMMAND] = command_of(recipe, set, named, address, commit, params.tracking.experiment)
    if not changes and not roots:
        call_dvc(["repro"], workspace)
        keep_lock(workspace)
        publish(workspace, params)
        print_headline(workspace, params)
        return
    tell_left(workspace)  # without changes `check` does
    for change in [*changes, *(f"films of {source}: {root}" for source, root in roots.items())]:
        say(change)
    if not (workspace.root / ".git").exists():
        raise ValueError("an override needs a git repository with a commit; run `git init`, `git add -A` and `git commit` first")
    complete_history(workspace.root)
    name = f"hilum-{datetime.now(UTC):%Y%m%d-%H%M%S}-{digest(changes)[:6]}"
    # A copy has no roots.yaml and takes no parameter for it: its stages read a variable, which is stored nowhere.
    seen = {VARIABLE: json.dumps(read_roots(params, workspace.home, roots))} if roots else {}
    call_dvc(["exp", "run", "--temp", "-n", name, *(part for change in changes for part in ("-S", change))], workspace, seen)
    with tempfile.TemporaryDirectory() as folder:
        results = fetch_results(name, wanted, workspace, Path(folder))
        publish(results, params)
        print_headline(results, params)
    if fetched:
        return
    too = f", and name its roots in {FILE}" if roots else ""
    say(f"the same experiment: `dvc exp show`; to apply its files here: `dvc exp apply {name}`{too}")


def command_of(recipe: str, set: str, named: list[str], address: str = "", commit: str = "", experiment: str = "") -> str:
    """The command with these changes, which the descriptions of runs name; a full path of this machine is left to the reader.

    address: of git, where MLflow fetched the project from there, with its commit: then it is one of `mlflow run`.
    """
    given = [one for one in named if one.partition("=")[2]]
    options = [(option, value) for option, value in (("recipe", recipe), ("set", set)) if value]
    if not address:
        words = ["hilum", "experiment", *(part for option, value in options for part in (f"--{option}", value)), *given]
        return FULL_PATH.sub(r"\1PATH", shlex.join(words))
    words = ["mlflow", "run", address, "--version", commit, "--env-manager", "uv", "--experiment-name", experiment]
    changes = [part for one in (*given, *(f"{option}={value}" for option, value in options)) for part in ("-P", one)]
    return " ".join((shlex.join(words), FULL_PATH.sub(r"\1PATH", shlex.join(changes)))).strip()


def call_dvc(arguments: list[str], workspace: Workspace, seen: Mapping[str, str] | None = None) -> None:
    """Run DVC, print its output without passwords, and wait for it, also when interrupted: it removes its copy.

    seen: variables for its stages besides those of this process.

    Raises:
        ValueError: DVC failed; its output is above.
        KeyboardInterrupt: it was interrupted.
    """
    environment = {**os.environ, **(seen or {}), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    mended = [unlisted_folders.__file__] if arguments[:2] == ["exp", "run"] else ["-m"]
    program = MaskedProgram([sys.executable, *mended, "dvc", *arguments], workspace.root, environment)
    child = program.process
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
        program.close()
    if stopped:
        raise KeyboardInterrupt
    if status:
        raise ValueError(f"`dvc {' '.join(arguments[:2])}` ended with status {status}; the reason is above")


def fetch_results(name: str, wanted: Any, workspace: Workspace, folder: Path) -> Workspace:
    """Copy an experiment's results and splits into a folder, with its parameters."""
    for part in ("results", "data/split"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        call_dvc(["get", ".", part, "--rev", name, "-o", str(folder / part)], workspace)  # not -q: that hides DVC's errors too
    (folder / "params.yaml").write_text(json.dumps(wanted, indent=1))  # JSON is YAML with all texts in quotes
    return Workspace(folder, workspace.home)
