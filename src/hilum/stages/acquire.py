"""acquire: bring one source of films under data/raw/<source>."""

import shutil
from pathlib import Path

from hilum.data.phantom.phantom import write_phantoms
from hilum.data.readers.identity import read_salt, write_key
from hilum.data.readers.listing import list_dead_links
from hilum.progress import bar, say
from hilum.results import file_sha256, write_json
from hilum.settings.params import read_params
from hilum.settings.sources import DICOM_SOURCES, PINNED, PhantomSource
from hilum.workspace import find_workspace


def run(source: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = params.acquire.sources.get(source)
    if settings is None:
        raise ValueError(f"--source must be one of {', '.join(params.acquire.sources)}, got {source!r}")
    if not isinstance(settings, PhantomSource) and not workspace.at_home(settings.root).is_dir():
        raise ValueError(f"acquire.sources.{source}.root must be a folder, got {workspace.at_home(settings.root)}; correct it")
    if not isinstance(settings, PhantomSource):
        refuse_links(workspace.at_home(settings.root), source, hidden=isinstance(settings, DICOM_SOURCES))
    if isinstance(settings, DICOM_SOURCES):
        read_salt(workspace.at_home(settings.root))  # made now, where a folder that cannot be written is told before any work
    folder = workspace.raw(source)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if isinstance(settings, PhantomSource):
        write_phantoms(
            folder,
            films=settings.films,
            size=settings.size,
            seed=settings.seed,
            findings=settings.findings,
            shortcut_kind=settings.shortcut.kind,
            shortcut_finding=settings.shortcut.finding,
            shortcut_strength=settings.shortcut.strength,
            on_film=bar(f"{source}: films drawn"),
        )
    elif settings.mode == "reference":
        write_json(
            folder / PINNED,
            pin_files(settings.root, workspace.at_home(settings.root), source, isinstance(settings, DICOM_SOURCES)),
        )
    else:
        copy_files(workspace.at_home(settings.root), folder, source)
        if isinstance(settings, DICOM_SOURCES):
            write_key(workspace.at_home(settings.root), hash_files(folder, source))
            say(f"{source}: DICOM headers and file names are under DVC now and travel with `dvc push`, as `mode: copy` says")
    say(f"{source}: {sum(path.is_file() for path in folder.rglob('*'))} files in data/raw/{source}")


def refuse_links(root: Path, source: str, hidden: bool) -> None:
    """Raise ValueError where links below a root lead to nothing or to a folder: films behind them would be lost unsaid.

    hidden: paths may carry names of patients, so none is told.
    """
    if links := list_dead_links(root):
        example = "" if hidden else f", such as {links[0]}"
        raise ValueError(
            f"acquire.sources.{source}.root must hold its films, got {len(links)} links below {root} that lead to nothing or to "
            f"a folder{example}; put the films in their place, or make a linked folder a source of its own"
        )


def pin_files(written: str, root: Path, source: str, hidden: bool) -> dict[str, object]:
    """What pins a root that is left where it is: SHA-256 by path, or where paths may carry names the sorted hashes alone."""
    hashes = hash_files(root, source)
    if not hidden:
        return {"root": written, "files": hashes}
    key = write_key(root, hashes)
    say(f"{source}: which hash is which file stands in {key}; keep it, and the salt beside it, with the films")
    return {"root": written, "sha256": sorted(hashes.values())}


def hash_files(root: Path, source: str) -> dict[str, str]:
    """SHA-256 of every file below root, by its relative path."""
    report = bar(f"{source}: files hashed")
    files = sorted(path for path in root.rglob("*") if path.is_file())
    hashes = {}
    for done, path in enumerate(files, 1):
        hashes[path.relative_to(root).as_posix()] = file_sha256(path)
        report(done, len(files))
    return hashes


def copy_files(root: Path, folder: Path, source: str) -> None:
    """Copy every file below root; the copies are the user's no more, so they can be written."""
    report = bar(f"{source}: files copied")
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for done, path in enumerate(files, 1):
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        report(done, len(files))
