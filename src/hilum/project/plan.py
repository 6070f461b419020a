"""Which stages `dvc repro` would run and why, by DVC's own comparison; nothing is written below the project."""

import graphlib
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.project.earlier_stages import verb_of
from hilum.project.stage_records import StageRecord, read_record
from hilum.workspace import Workspace

ALWAYS, RUNS, MAY, RESTORED = "runs at every call", "runs", "may run", "is restored from DVC's cache"
FACTS = "data/facts.json"


@dataclass(frozen=True)
class Planned:
    """A stage that would run. kind: ALWAYS; RUNS, for reasons of its own; MAY: if what it reads comes out different from before;
    RESTORED: only its outputs are missing or changed, and the cache has them.

    name: as DVC has it, `train@baseline`; why: each reason in words; record: of its last run, None where there is none.
    """

    name: str
    kind: str
    why: tuple[str, ...]
    record: StageRecord | None

    @property
    def words(self) -> str:
        return self.name.replace("@", " ")


def plan_stages(workspace: Workspace, facts: Mapping[str, Any]) -> list[Planned]:
    """The stages that `dvc repro` would run, in its order.

    facts: as `hilum check` would write them now; stages depend on their keys.

    Raises:
        ValueError: DVC cannot read the project; `hilum doctor` says what mends it.
    """
    from dvc.exceptions import DvcException

    planned: dict[str, Planned] = {}
    try:
        with _readonly_repo(workspace) as repo:
            makers = {out.fs_path: stage for stage in repo.index.stages for out in stage.outs}
            for stage in _in_order(repo):
                upstream = {_name(makers[path]) for dep in stage.deps for path in makers if _overlap(path, dep.fs_path)}
                one = _plan(stage, facts, [planned[name] for name in planned if name in upstream], workspace)
                if one is not None:
                    planned[one.name] = one
    except DvcException as error:
        raise ValueError(f"DVC must be able to read this project, got: {error}; `hilum doctor` says what mends it") from None
    return list(planned.values())


def _plan(stage: Any, facts: Mapping[str, Any], before: list[Planned], workspace: Workspace) -> Planned | None:
    name = _name(stage)
    kind, _, item = name.partition("@")
    record = read_record(workspace, verb_of(kind), item)
    if stage.always_changed:
        return Planned(name, ALWAYS, ("it validates params.yaml and writes data/facts.json",), record)
    certain = [one.words for one in before if one.kind in (RUNS, MAY)]
    reasons, outs = tuple(_reasons(stage, facts, any(one.kind != ALWAYS for one in before))), tuple(_changed_outs(stage))
    if reasons or (outs and not all(_is_cached(out) for out in stage.outs)):
        return Planned(name, RUNS, (*reasons, *outs), record)
    if certain:
        return Planned(name, MAY, (f"if the results of {', '.join(certain)} come out different", *outs), record)
    return Planned(name, RESTORED, outs, record) if outs else None


def _reasons(stage: Any, facts: Mapping[str, Any], skipped: bool) -> Iterator[str]:
    """What differs from dvc.lock. skipped: whether an earlier stage runs or is restored, so that
    missing inputs will be there."""
    if not any(entry.hash_info for entry in stage.outs):
        yield "it has not run yet"
        return
    if stage.changed_stage():
        yield "its command is another"
    for dep in stage.deps:
        if hasattr(dep, "read_params"):
            yield from _changed_params(dep, facts)
        else:
            how = _status(dep)
            if how and not (skipped and how == "deleted"):
                yield f"{dep.def_path} {'is missing' if how == 'deleted' else 'changed'}"


def _changed_outs(stage: Any) -> Iterator[str]:
    for out in stage.outs:
        if out.hash_info and (how := _status(out)):
            yield f"its output {out.def_path} {'is missing' if how == 'deleted' else 'was changed'}"
        elif out.hash_info and not _is_cached(out):
            yield f"its output {out.def_path} is not in DVC's cache"


def _is_cached(out: Any) -> bool:
    """Whether DVC's cache has every file of an output; looked up by name, since DVC's own check deletes damaged ones."""
    if not out.hash_info:
        return False
    listing = Path(out.cache.oid_to_path(out.hash_info.value))
    if not listing.is_file() or not out.hash_info.isdir:
        return listing.is_file()
    return all(Path(out.cache.oid_to_path(entry["md5"])).is_file() for entry in json.loads(listing.read_text()))


def _status(entry: Any) -> str:
    """`deleted`, `modified` or `new` by DVC's comparison with dvc.lock; empty where nothing differs."""
    return str(next(iter(entry.workspace_status().values()), ""))


def _changed_params(dep: Any, facts: Mapping[str, Any]) -> Iterator[str]:
    """Keys whose values differ from those in dvc.lock, each with both values."""
    before = dict(dep.hash_info.value or {})
    if Path(dep.def_path).as_posix() == FACTS:
        now = {key: _look_up(facts, key) for key in dep.params}
        told: Callable[[str], str] = lambda key: f"{FACTS}: {key}"  # noqa: E731
    else:
        values = dep.read_params(flatten=False)
        now, told = {key: _look_up(values, key) for key in dep.params}, str
    for key in dep.params:
        if before.get(key) != now[key]:
            difference = _difference(before.get(key), now[key])
            yield f"{told(key)}{'' if difference.startswith('.') else ' '}{difference}"


def _difference(before: Any, now: Any) -> str:
    """The first keys inside that differ, `.films 300 -> 500`, or both values if they are short."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        inside = ", ".join(f".{key} {_difference(before.get(key), now.get(key))}" for key in keys[:2])
        return inside + (f" and {len(keys) - 2} more" if len(keys) > 2 else "")
    old, new = (text if len(text := str(value)) <= 24 else f"{text[:20]}..." for value in (before, now))
    return f"{old} -> {new}" if old != new else "changed"


def _look_up(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _name(stage: Any) -> str:
    return str(stage.name)


def _overlap(out: str, dep: str) -> bool:
    return Path(dep).is_relative_to(out) or Path(out).is_relative_to(dep)


def _in_order(repo: Any) -> list[Any]:
    """All stages, each after those that it reads from; those that may run at the same time in the order of dvc.yaml."""
    place = {stage: i for i, stage in enumerate(repo.index.stages)}
    sorter = graphlib.TopologicalSorter({stage: set(repo.index.graph.successors(stage)) for stage in place})
    sorter.prepare()
    found: list[Any] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        found += ready
        sorter.done(*ready)
    return found


@contextmanager
def _readonly_repo(workspace: Workspace) -> Iterator[Any]:
    """DVC's view of the project, with its temporary files and a copy of its memory of hashes in a folder outside."""
    from dvc.repo import Repo

    born = workspace.root / ".dvc" / "tmp" / "btime"  # by its time DVC finds the memory of this project
    with tempfile.TemporaryDirectory() as folder:

        class Reader(Repo):
            tmp_dir = folder
            _btime = born.stat().st_mtime if born.is_file() else None

            def _ignore(self) -> None:  # DVC adds its own files to .gitignore here
                return None

            @property
            def site_cache_dir(self) -> str:
                own = Path(folder) / "site"
                if born.is_file() and not own.exists():
                    _copy_database(Path(super().site_cache_dir) / "hashes/local/cache.db", own / "hashes/local/cache.db")
                return str(own)

        repo = Reader(str(workspace.root))
        try:
            yield repo
        finally:
            repo.close()


def _copy_database(file: Path, copy: Path) -> None:
    """Copy a database of SQLite that another process may be writing."""
    copy.parent.mkdir(parents=True)
    if file.is_file():
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as known, closing(sqlite3.connect(copy)) as own:
            known.backup(own)
