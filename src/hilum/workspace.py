"""Every path, from one root; and home, the place of what must outlive a copy of the project."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The project's folders. root holds params.yaml; home is root, or the caller's project if root is a copy made by DVC."""

    root: Path
    home: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def facts(self) -> Path:
        return self.root / "data" / "facts.json"

    def raw(self, source: str) -> Path:
        return self.root / "data" / "raw" / source

    @property
    def prepared(self) -> Path:
        return self.root / "data" / "prepared"

    @property
    def split(self) -> Path:
        return self.root / "data" / "split"

    def external(self, source: str) -> Path:
        """The prepared films of a source of `external.sources`."""
        return self.root / "data" / "external" / source

    @property
    def pretrained(self) -> Path:
        return self.root / "data" / "pretrained"

    def arm(self, arm: str, folder: str) -> Path:
        """folder: tuning, training, evaluation, crossvalidation, explanations, audit or external."""
        return self.root / "results" / "arms" / arm / folder

    def fingerprint(self, arm: str) -> Path:
        """The digest of an arm's training, outside of the folder that ensembles write into."""
        return self.root / "results" / "fingerprints" / f"{arm}.json"

    @property
    def comparison(self) -> Path:
        return self.root / "results" / "comparison"

    @property
    def cache(self) -> Path:
        return self.home / ".hilum"

    @property
    def curves(self) -> Path:
        """Event files for TensorBoard: a folder per training in that of its arm."""
        return self.cache / "tensorboard"

    @property
    def hashes(self) -> Path:
        return self.cache / "hashes"

    @property
    def decoded_films(self) -> Path:
        return self.cache / "films"

    def at_home(self, path: str) -> Path:
        """A path that a user wrote: absolute, or relative to home."""
        return self.home / Path(path).expanduser()


def find_workspace(start: Path) -> Workspace:
    """The project that holds the folder start. Raises ValueError if no folder above it has params.yaml and dvc.yaml."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return Workspace(folder, home(folder))
    raise ValueError(f"hilum runs inside a project with params.yaml and dvc.yaml, got {start}; change into the project's folder")


def home(root: Path) -> Path:
    """The folder above `.dvc` if root is a copy below `.dvc/tmp/exps/`, else root."""
    parts = root.parts
    for i in range(len(parts) - 2):
        if parts[i : i + 3] == (".dvc", "tmp", "exps"):
            return Path(*parts[:i])
    return root
