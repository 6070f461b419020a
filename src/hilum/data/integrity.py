"""Whether the bytes under DVC are still those of dvc.lock, by content: a time stamp does not show a flipped bit."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any


def find_changed(root: Path, lock: Mapping[str, Any], cache: Path, on_file: Callable[[int, int], None]) -> list[str]:
    """A sentence for every file whose bytes differ from dvc.lock, in the workspace or in DVC's cache.

    root: the project. lock: dvc.lock as read. cache: DVC's cache folder, as `dvc cache dir` prints it. Missing files
    are no fault: DVC restores them. Cost: every byte is read once in each place.
    """
    wanted = {path: of for out in list_outputs(lock) for path, of in _files_of(out, cache)}
    faults = []
    for done, (path, (md5, out)) in enumerate(wanted.items(), 1):
        stored = _object(cache, md5)
        if stored.is_file() and file_md5(stored) != md5:
            faults.append(
                f"{path}: its object {md5} in DVC's cache has other bytes; delete {stored} and run `dvc fetch` or `dvc repro`"
            )
        if (root / path).is_file() and file_md5(root / path) != md5:
            faults.append(f"{path} has other bytes than dvc.lock says; delete it and run `dvc checkout {out}`")
        on_file(done, len(wanted))
    return faults


def find_absent(root: Path, lock: Mapping[str, Any], cache: Path) -> list[str]:
    """Outputs of which no file can be compared: none is in the workspace or in the cache, or the list of a folder is not."""
    return [out["path"] for out in list_outputs(lock) if not _is_here(root, out, cache)]


def list_outputs(lock: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """All outputs in a dvc.lock."""
    return [out for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])]


def _is_here(root: Path, out: Mapping[str, Any], cache: Path) -> bool:
    files = list(_files_of(out, cache))
    empty = str(out["md5"]).endswith(".dir") and not files and _object(cache, out["md5"]).is_file()
    return empty or any((root / path).is_file() or _object(cache, md5).is_file() for path, (md5, _) in files)


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes, which is what DVC names objects by."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _files_of(out: Mapping[str, Any], cache: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """(path, (MD5, output)) of every file of an output; none for a folder whose list is not in the cache."""
    if not str(out["md5"]).endswith(".dir"):
        yield out["path"], (out["md5"], out["path"])
    elif (listing := _object(cache, out["md5"])).is_file():
        for entry in json.loads(listing.read_text()):
            yield f"{out['path']}/{entry['relpath']}", (entry["md5"], out["path"])


def _object(cache: Path, md5: str) -> Path:
    return cache / "files" / "md5" / md5[:2] / md5[2:]
