"""Where the films are on this machine: this differs between machines, affects no result and enters none.

params.yaml gives the folder of a source's films in the project. Another folder is set in roots.yaml at home, ignored by git, or
for one run in an environment variable, which its stages also see in a copy of the project.
"""

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from hilum.settings.params import Params
from hilum.settings.sources import PhantomSource, Source
from hilum.settings.yaml_text import read_yaml

FILE = "roots.yaml"  # source -> folder
VARIABLE = "HILUM_ROOTS"  # the same mapping in JSON; it overrides the file


def read_roots(params: Params, home: Path, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Source -> the folder of its films as written, absolute or relative to home; sources that are drawn have none.

    home: `Workspace.home`. given: overrides variable and file, which override params.yaml.

    Raises:
        ValueError: the file or the variable is not a mapping from known sources to folders.
    """
    return _choose(params.acquire.sources, params, home, given or {})


def read_external_roots(params: Params, home: Path) -> dict[str, str]:
    """The same of the sources in `external.sources`."""
    return _choose(_external_films(params), params, home, {})


def _choose(wanted: Mapping[str, Source], params: Params, home: Path, given: Mapping[str, str]) -> dict[str, str]:
    """These sources' folders; the file and the variable may name those of all sources."""
    every = list(_own_roots({**params.acquire.sources, **_external_films(params)}))
    chosen: dict[str, str] = {}
    for place, values in ((FILE, _read_file(home / FILE)), (VARIABLE, _read_variable())):
        check_roots(values, _legal(every, values, home), place)
        chosen |= values
    chosen |= given
    return {name: chosen.get(name, root) for name, root in _own_roots(wanted).items()}


def _external_films(params: Params) -> dict[str, Source]:
    return {name: source.films for name, source in params.external.sources.items()}


def _own_roots(sources: Mapping[str, Source]) -> dict[str, str]:
    """The folders that params.yaml gives; films that are drawn have none."""
    return {name: source.root for name, source in sources.items() if not isinstance(source, PhantomSource)}


def check_roots(values: Any, legal: Collection[str], place: str) -> None:
    """Raise ValueError naming every invalid source and folder. legal: sources with films. place: where the values are from."""
    if not isinstance(values, Mapping):
        raise ValueError(f"{place} must map names of sources to folders, got {values!r}; write `name: folder`, a line for each")
    faults = [str(name) for name in values if name not in legal]
    if faults:
        raise ValueError(
            f"{place} must name sources with films of their own ({', '.join(legal) or 'there is none'}), got "
            f"{', '.join(faults)}; correct the name, or add the source to acquire.sources"
        )
    for name, folder in values.items():
        if not isinstance(folder, str) or not folder.strip():
            raise ValueError(f"{place}: {name} must be a folder, got {folder!r}; write its path")


def _legal(own: Collection[str], values: Any, home: Path) -> list[str]:
    """The sources that may have a folder: those of params.yaml, and those that a recipe would replace them by."""
    legal = list(own)
    if not isinstance(values, Mapping) or set(values) <= set(own):
        return legal
    for file in sorted((home / "recipes").glob("*.yaml")):
        recipe = read_yaml(file.read_text()) or {}
        sources = (recipe.get("acquire") or {}).get("sources") or {}
        legal += [name for name, source in sources.items() if isinstance(source, Mapping) and "root" in source]
    return list(dict.fromkeys(legal))


def _read_file(file: Path) -> Any:
    if not file.is_file():
        return {}
    try:
        values = read_yaml(file.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{FILE} must be YAML, got {' '.join(str(error).split())}; write `name: folder`") from None
    return {} if values is None else values


def _read_variable() -> Any:
    text = os.environ.get(VARIABLE, "")
    try:
        return json.loads(text) if text else {}
    except json.JSONDecodeError as error:
        raise ValueError(f'{VARIABLE} must be JSON such as {{"clinic": "folder"}}, got {text!r}: {error}') from None
