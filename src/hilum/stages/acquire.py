"""acquire: put one source of films under data/raw/<source>."""

import shutil
from pathlib import Path

from hilum.data.decoding.links import NO_FILES, list_no_files
from hilum.data.fingerprints import hash_files
from hilum.data.phantom.phantom import draw_source
from hilum.data.readers.identity import read_salt, write_key
from hilum.progress import bar, say
from hilum.results import write_json
from hilum.settings.params import read_params
from hilum.settings.roots import FILE, read_roots
from hilum.settings.sources import DICOM_SOURCES, PINNED, PhantomSource
from hilum.workspace import find_workspace


def run(source: str) -> None:
    workspace = find_workspace(Path.cwd())
    params = read_params(workspace.params)
    settings = params.acquire.sources.get(source)
    if settings is None:
        raise ValueError(f"--source must be one of {', '.join(params.acquire.sources)}, got {source!r}")
    folder = workspace.raw(source)
    if isinstance(settings, PhantomSource):
        make_empty(folder)
        draw_source(folder, settings, bar(f"{source}: films drawn"))
    else:
        root, hidden = workspace.at_home(read_roots(params, workspace.home)[source]), isinstance(settings, DICOM_SOURCES)
        check_root(root, source, hidden)
        make_empty(folder)
        if settings.mode == "reference":
            write_json(folder / PINNED, pin_files(root, workspace.hashes, source, hidden))
        else:
            copy_files(root, folder, source)
            if hidden:
                write_key(root, hash_files(root, workspace.hashes, bar(f"{source}: files hashed")))
                say(f"{source}: DICOM headers and file names are now under DVC and go with `dvc push` (`mode: copy`)")
    say(f"{source}: {sum(path.is_file() for path in folder.rglob('*'))} files in data/raw/{source}")


def make_empty(folder: Path) -> None:
    """Make the folder empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def check_root(root: Path, source: str, hidden: bool) -> None:
    """Raise ValueError before any work if films cannot be read from a root. hidden: paths may contain patients' names."""
    if not root.is_dir():
        raise ValueError(f"acquire.sources.{source}.root must be a folder, got {root}; correct it there or in {FILE}")
    refuse_no_files(root, source, hidden)
    if hidden:
        read_salt(root)  # made now, so that a folder that cannot be written is reported


def refuse_no_files(root: Path, source: str, hidden: bool) -> None:
    """Raise ValueError where a name below a root is no file that can be read: its films would be lost silently.

    hidden: paths may contain patients' names, so none is shown.
    """
    if found := list_no_files(root):
        example = "" if hidden else f", such as {found[0]}"
        raise ValueError(
            f"acquire.sources.{source}.root must hold its films, got {len(found)} names below {root} that are each "
            f"{' or '.join(NO_FILES)}{example}; put the films in their place, or make a linked folder a source of its own"
        )


def pin_files(root: Path, memory: Path, source: str, hidden: bool) -> dict[str, object]:
    """What pins films that stay where they are: SHA-256 by path, or the sorted hashes alone where paths may contain names."""
    hashes = hash_files(root, memory, bar(f"{source}: files hashed"))
    if not hidden:
        return {"files": hashes}
    key = write_key(root, hashes)
    say(f"{source}: {key} lists the file of each hash; keep it, and the salt beside it, with the films")
    return {"sha256": sorted(hashes.values())}


def copy_files(root: Path, folder: Path, source: str) -> None:
    """Copy every file below root; the copies are writable."""
    report = bar(f"{source}: files copied")
    files = sorted(path for path in root.rglob("*") if path.is_file())
    for done, path in enumerate(files, 1):
        copy = folder / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        report(done, len(files))
