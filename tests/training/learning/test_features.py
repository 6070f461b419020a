"""Cached activations, with a prefix of one convolution so that nothing here takes long."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from hilum.data.prepared.examples import Examples, as_images
from hilum.models.forward import BATCH
from hilum.training.learning import features
from hilum.training.learning.augmentation import Changes, draw_views
from hilum.training.learning.features import cached_features
from hilum.training.learning.sealed_arrays import SEAL

CHANGES = Changes(
    rotate=7.0, shift=0.05, zoom=0.08, gamma=0.15, contrast=0.08, brightness=0.08, noise=0.01, erase=0.0, flip=False
)


def make_prefix(seed: int = 1) -> keras.Model:
    grey = keras.Input((16, 16, 1), name="grey")
    maps = keras.layers.Conv2D(2, 3, strides=4, kernel_initializer=keras.initializers.RandomNormal(seed=seed), name="maps")(grey)
    return keras.Model(grey, maps, name="prefix")


def make_rows(count: int, seed: int = 0) -> Examples:
    films = np.random.default_rng(seed).integers(0, 256, (count, 16, 16), np.uint8)
    return Examples(films, np.zeros(count, np.int64), tuple(hashlib.sha256(film.tobytes()).hexdigest() for film in films))


class Counter:
    """Calls of on_film: none where activations were read from the file."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.calls.append((done, total))


def compute(folder: Path, rows: Examples, view: int | None = None, seed: int = 1, prefix=None, changes=CHANGES, on_film=None):
    return cached_features(prefix or make_prefix(), rows, view, seed, changes, folder, on_film or Counter())


@pytest.mark.parametrize("view", [None, 0, 3])
def test_they_are_what_the_prefix_says_of_that_view(view: int | None, tmp_path: Path) -> None:
    rows, counter = make_rows(BATCH + 6), Counter()
    stored = compute(tmp_path, rows, view, on_film=counter)
    films = rows.films if view is None else draw_views(rows, view, 1, CHANGES)
    assert (stored.shape, stored.dtype) == ((BATCH + 6, 4, 4, 2), np.float32)
    np.testing.assert_array_equal(stored[:BATCH], make_prefix()(as_images(films[:BATCH])).numpy())
    np.testing.assert_allclose(stored[BATCH:], make_prefix()(as_images(films[BATCH:])).numpy(), rtol=1e-5)
    assert counter.calls == [(BATCH, BATCH + 6), (BATCH + 6, BATCH + 6)]


def test_a_second_call_reads_the_file_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = np.array(compute(tmp_path, make_rows(5), 2))
    content = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    monkeypatch.setattr(features, "compile_forward", None)
    monkeypatch.setattr(features, "draw_views", None)
    counter = Counter()
    np.testing.assert_array_equal(compute(tmp_path, make_rows(5), 2, on_film=counter), first)
    assert counter.calls == []
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == content


@pytest.mark.parametrize("what", ["weights", "graph", "view", "seed", "changes", "pixels", "order", "fewer rows", "code"])
def test_another_content_is_another_file(what: str, tmp_path: Path, edit_code: Callable[[str], None]) -> None:
    rows = make_rows(5)
    given: dict[str, object] = {"rows": rows, "view": 2}
    folder = tmp_path / "features"
    compute(folder, **given)
    other = make_prefix()
    if what == "code":
        edit_code("training/learning/augmentation.py")
    if what == "graph":
        other = keras.Model(other.input, keras.layers.ReLU(name="relu")(other.output), name="prefix")
    changed = {
        "weights": {"prefix": make_prefix(seed=2)},
        "graph": {"prefix": other},
        "view": {"view": 3},
        "seed": {"seed": 2},
        "changes": {"changes": Changes(**{**vars(CHANGES), "rotate": 8.0})},
        "pixels": {"rows": make_rows(5, seed=9)},
        "order": {"rows": rows.take(np.array([1, 0, 2, 3, 4]))},
        "fewer rows": {"rows": rows.take(np.arange(4))},
        "code": {},
    }[what]
    counter = Counter()
    compute(folder, **{**given, **changed}, on_film=counter)  # type: ignore[arg-type]
    assert counter.calls
    assert len(list(folder.glob("*.npy"))) == 2


def test_films_as_they_are_do_not_depend_on_seed_or_changes(tmp_path: Path) -> None:
    compute(tmp_path, make_rows(5), None)
    counter = Counter()
    compute(tmp_path, make_rows(5), None, seed=2, changes=Changes(**{**vars(CHANGES), "rotate": 8.0}), on_film=counter)
    assert counter.calls == []


@pytest.mark.parametrize("fault", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_no_file_and_works_the_next_time(fault: type[BaseException], tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise fault("full")

    with pytest.raises(fault):
        compute(tmp_path, make_rows(BATCH + 6), on_film=stop)
    assert list(tmp_path.iterdir()) == []
    counter = Counter()
    stored = compute(tmp_path, make_rows(BATCH + 6), on_film=counter)
    assert len(counter.calls) == 2
    np.testing.assert_allclose(stored, make_prefix()(as_images(make_rows(BATCH + 6).films)).numpy(), rtol=1e-4, atol=1e-4)


def age(folder: Path) -> dict[str, int]:
    """Make every file an hour older; name -> age rank is the caller's."""
    for file in folder.glob("*.npy"):
        os.utime(file, (file.stat().st_atime - 3600, file.stat().st_mtime - 3600))
    return {file.name: int(file.stat().st_mtime) for file in folder.glob("*.npy")}


def test_beyond_the_limit_the_least_recently_used_files_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 128 + 5 * 4 * 4 * 2 * 4 + SEAL
    monkeypatch.setattr(features, "LIMIT", 3 * size)
    rows = make_rows(5)
    for view in range(3):
        compute(tmp_path, rows, view)
        age(tmp_path)
    compute(tmp_path, rows, 0)  # used again: now the newest
    age(tmp_path)
    compute(tmp_path, rows, 3)
    assert len(list(tmp_path.glob("*.npy"))) == 3
    for view, kept in ((0, True), (2, True), (3, True), (1, False)):
        counter = Counter()
        compute(tmp_path, rows, view, on_film=counter)
        assert (counter.calls == []) == kept, view


def test_what_was_just_made_stays_even_if_it_alone_is_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute(tmp_path, make_rows(5), 0)
    age(tmp_path)
    monkeypatch.setattr(features, "LIMIT", 10)
    stored = compute(tmp_path, make_rows(5), 1)
    assert len(stored) == 5
    assert len(list(tmp_path.glob("*.npy"))) == 1


@pytest.mark.parametrize("damage", ["a flipped bit", "cut short", "empty", "another view's", "other words"])
def test_a_damaged_file_is_told_by_name_and_made_again(tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = make_rows(5)
    right = np.array(compute(tmp_path, rows, 2))
    (file,) = tmp_path.iterdir()
    compute(tmp_path, rows, 3)
    (other,) = set(tmp_path.iterdir()) - {file}
    whole, content = file.read_bytes(), bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    spoilt = {"a flipped bit": bytes(content), "cut short": whole[:-40], "empty": b"", "another view's": other.read_bytes()}
    file.write_bytes(spoilt.get(damage, b"no array" * 99))
    counter = Counter()
    np.testing.assert_array_equal(compute(tmp_path, rows, 2, on_film=counter), right)
    assert counter.calls == [(5, 5)]
    assert capsys.readouterr().out.count(str(file)) == 1
    assert file.read_bytes() == whole
    compute(tmp_path, rows, 2, on_film=counter)
    assert counter.calls == [(5, 5)] and str(file) not in capsys.readouterr().out


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a small disk; test_sealed_arrays.py stops the file's growth instead")
    made = subprocess.run(mount, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


FILL = """
import sys
from pathlib import Path
from test_features import compute, make_rows
compute(Path(sys.argv[1]) / "features", make_rows(200), 0)
print("200 fit")
compute(Path(sys.argv[1]) / "features", make_rows(9000), 0)
"""


def test_a_full_disk_is_told_by_name_with_the_remedy(full_disk: Path) -> None:
    """In a process of its own: written through a mapping, a full disk kills it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
    done = subprocess.run([sys.executable, "-c", FILL, full_disk], capture_output=True, text=True, env=environment)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "200 fit" in done.stdout, f"{done.returncode}: {last}"
    assert last.startswith("OSError: a cache must be written, got No space left on device for"), last
    assert str(full_disk / "features") in last and "make room on that disk" in last
    assert len(list((full_disk / "features").iterdir())) == 1, "what was whole stays, nothing half-written"
