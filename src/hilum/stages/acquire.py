"""acquire: bring one source of films under data/raw/<source>."""

import shutil
from pathlib import Path

from hilum.config import read_params
from hilum.data.phantom import write_phantoms
from hilum.data.prepared import file_sha256
from hilum.progress import bar, say
from hilum.results import write_json
from hilum.source_settings import PhantomSource
from hilum.workspace import find_workspace

PINNED = "pinned.json"  # of a source in mode `reference`: where its root is, and the SHA-256 of every file


def run(source: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = params.acquire.sources.get(source)
    if settings is None:
        raise ValueError(f"--source must be one of {', '.join(params.acquire.sources)}, got {source!r}")
    if not isinstance(settings, PhantomSource) and not workspace.at_home(settings.root).is_dir():
        raise ValueError(f"acquire.sources.{source}.root must be a folder, got {workspace.at_home(settings.root)}; correct it")
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
        root = workspace.at_home(settings.root)
        write_json(folder / PINNED, {"root": settings.root, "files": hash_files(root, source)})
    else:
        copy_files(workspace.at_home(settings.root), folder, source)
    say(f"{source}: {sum(path.is_file() for path in folder.rglob('*'))} files in data/raw/{source}")


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
