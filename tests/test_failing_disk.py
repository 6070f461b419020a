"""Each write, rename and flush of a writer fails in turn: what is read is of before or whole, and a second try is whole."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_disk import FailingDisk

from hilum.data import fingerprints
from hilum.data.decoding.film_cache import keep_bits, name_bits, recall_bits
from hilum.ownership import hold
from hilum.pages.chart_script import load_bundle
from hilum.project import dvc_lock, stage_records
from hilum.project.output_folder import filled_folder
from hilum.project.set_aside import set_aside
from hilum.project.stage_records import StageRecord
from hilum.reading.records import FilmFile, Seen, make_record
from hilum.reading.store import append_record, read_readings
from hilum.results import folder_digest
from hilum.serving.prediction_table import open_table
from hilum.tracking.kept_values import read_value, write_value
from hilum.training.learning.kept_state import State, read_state, write_state
from hilum.training.learning.sealed_arrays import open_array, write_array
from hilum.training.sealed_folders import find_sealed, sealed_folder
from hilum.whole_files import write_whole
from hilum.workspace import Workspace

HASH = "a" * 32
MODEL = "b" * 64
STEPS = 40  # more than any of the writers has


def lock(stages: int) -> str:
    entry = "    cmd: python src/hilum {0}\n    outs:\n    - path: {0}\n      md5: " + HASH + "\n"
    return "schema: '2.0'\nstages:\n" + "".join(f"  s{i}:\n" + entry.format(f"s{i}") for i in range(stages))


@dataclass(frozen=True)
class Writer:
    """begin: what stands there before; write: what is tried; read: what a later run takes, of before or whole."""

    begin: Callable[[Path], Any]
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    silent: bool = False  # whether it goes on without what it could not write
    keeps: str = "set_aside"  # in names of files that a failed try may leave: what it did not lose


def begin_lock(folder: Path) -> None:
    (folder / "dvc.lock").write_text(lock(1))
    dvc_lock.keep_lock(Workspace(folder, folder))
    (folder / "dvc.lock").write_text(lock(2))


def begin_cut_lock(folder: Path) -> None:
    begin_lock(folder)
    (folder / "dvc.lock").write_text(lock(2)[:40])


def kept_lock(folder: Path) -> str:
    text = (folder / ".hilum/dvc.lock").read_text()
    assert text in (lock(1), lock(2))
    return text


def lock_in_place(folder: Path) -> str:
    """Cut as it was, until it is whole: at no instant is there none, for which DVC would run every stage again."""
    text = (folder / "dvc.lock").read_text()
    assert text in (lock(2)[:40], lock(1))
    return text


def write_sealed(folder: Path) -> None:
    with sealed_folder(folder / "1") as place:
        (place / "a.txt").write_text("film " * 99)
        np.save(place / "b.npy", np.arange(9))


def read_sealed(folder: Path) -> str | None:
    place = find_sealed(folder / "1", "made again")
    return place and folder_digest(place)


def read_record(folder: Path) -> Any:
    return stage_records.read_record(Workspace(folder, folder), "train", "baseline")


def write_record(folder: Path) -> None:
    file = stage_records.record_file(Workspace(folder, folder), "train", "baseline")
    stage_records._write(file, StageRecord(2.0, 3, 4, "now"))


def write_training(folder: Path, epoch: int = 2) -> None:
    state = State([np.ones((2, 3), np.float32)], 0.5, 0, [], {})
    state.epoch = epoch
    write_state(folder / "a.state", state, {"params": "1"})


def read_activations(folder: Path) -> Any:
    found = open_array(folder / "a.npy")
    return None if found is None else found.tolist()


def write_predictions(folder: Path, film: str) -> None:
    with open_table(folder / "out.csv", ["a", "b"], MODEL, [film]) as table:
        table.add({film: [film, "a", "0.75", "0.25", "", MODEL]})
        table.put_in_order(sorted({"0.png", film}, reverse=True))


def read_predictions(folder: Path) -> list[str]:
    with open_table(folder / "out.csv", ["a", "b"], MODEL, []) as table:
        return sorted(table.rows)


def evaluate(folder: Path, accuracy: str) -> None:
    with filled_folder(folder / "evaluated") as place:
        (place / "metrics.json").write_text(accuracy)
        (place / "page.html").write_text(f"<p>{accuracy}")


def read_aside(folder: Path) -> str:
    """Where a file is: it is never in neither place."""
    places = [folder / "mlflow.db", *(folder / "set_aside").glob("*")]
    (found,) = [place for place in places if place.is_file()]
    return f"{found.parent.name == 'set_aside'} {found.read_text()}"


def set_database_aside(folder: Path) -> None:
    if (folder / "mlflow.db").is_file():
        set_aside(folder / "mlflow.db", folder)


def take_lock(folder: Path) -> None:
    """Twice, since a lock that is held is the state to be read."""
    with hold(folder / "study.lock", lambda owner: None):
        assert '"pid"' in (folder / "study.lock").read_text()
    (folder / "held").touch()


def read_lock(folder: Path) -> Any:
    lock = folder / "study.lock"
    assert not lock.is_file() or not lock.read_text(), "a record that cannot be read would be refused for ever"
    return (folder / "held").is_file()


def answer(folder: Path, finding: str) -> None:
    film = FilmFile("film.png", "a" * 64, 100, 80)
    if finding not in read_answers(folder):  # the app writes an answer again if it was refused
        append_record(folder, make_record("R1", film, [], Seen(), finding=finding))


def read_answers(folder: Path) -> list[str]:
    return [record.finding for record in read_readings(folder).records]


def names(folder: Path, without: str) -> set[str]:
    """Files below a folder; of those set aside there is one for each try."""
    files = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return {file for file in files if without not in file}


WRITERS = {
    "the copy of dvc.lock": Writer(begin_lock, lambda f: dvc_lock.keep_lock(Workspace(f, f)), kept_lock, silent=True),
    "dvc.lock": Writer(begin_cut_lock, lambda f: dvc_lock.restore_lock(Workspace(f, f)), lock_in_place),
    "a sealed folder": Writer(lambda f: None, write_sealed, read_sealed),
    "the state of a training": Writer(
        lambda f: write_training(f, 1),
        write_training,
        lambda f: read_state(f / "a.state").epoch,  # type: ignore[union-attr]
    ),
    "a part of a stage": Writer(
        lambda f: write_value(f / "a.part", {"maps": [1]}),
        lambda f: write_value(f / "a.part", {"maps": [2, 3]}),
        lambda f: read_value(f / "a.part"),
    ),
    "the record of a stage": Writer(lambda f: None, write_record, read_record, silent=True),
    "the hashes of a root": Writer(
        lambda f: None,
        lambda f: fingerprints._keep(f / "hashes", {"a.png": [1, 2, 3, HASH]}),
        lambda f: fingerprints._recall(f / "hashes"),
    ),
    "an array of activations": Writer(
        lambda f: None,
        lambda f: write_array(f / "a.npy", (4, 3), iter(np.ones((2, 2, 3), np.float32))),
        read_activations,
    ),
    "what is known of a decoded film": Writer(
        lambda f: None, lambda f: keep_bits(f, name_bits(HASH), 12), lambda f: recall_bits(f, name_bits(HASH))
    ),
    "a whole file, such as data/facts.json and a comparison's page": Writer(
        lambda f: write_whole(f / "facts.json", "before"),
        lambda f: write_whole(f / "facts.json", "whole"),
        lambda f: (f / "facts.json").read_text(),
    ),
    "the script of charts": Writer(lambda f: None, load_bundle, lambda f: len(next(f.glob("vega-*.js"), f / "no").name)),
    "a table of predictions": Writer(
        lambda f: write_predictions(f, "0.png"), lambda f: write_predictions(f, "1.png"), read_predictions
    ),
    "the folder of an evaluation": Writer(
        lambda f: evaluate(f, "0.5"), lambda f: evaluate(f, "0.75"), lambda f: folder_digest(f / "evaluated")
    ),
    "a file that is set aside": Writer(
        lambda f: write_whole(f / "mlflow.db", "runs"),
        set_database_aside,
        read_aside,
        keeps="mlflow.db",
    ),
    "the record of a lock": Writer(lambda f: None, take_lock, read_lock),
    "a reader's answer": Writer(lambda f: answer(f, "none"), lambda f: answer(f, "opacity"), read_answers, keeps=".torn"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_step_that_fails_leaves_what_was_or_the_whole(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = WRITERS[name]
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    writer.begin(undisturbed)
    before = writer.read(undisturbed)
    writer.write(undisturbed)
    whole = writer.read(undisturbed)
    assert before != whole
    for at in range(STEPS):
        folder = tmp_path / str(at)
        folder.mkdir()
        writer.begin(folder)
        faults = []
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(at, patch)
            try:
                writer.write(folder)
            except OSError as fault:
                faults.append(str(fault))
        if not disk.failed:
            break
        assert len(faults) == (not writer.silent), f"{name}: step {at} of {disk.steps} fails"
        assert all(len(told.splitlines()) == 1 and "No space left on device" in told for told in faults)
        assert writer.read(folder) in (before, whole), f"{name}: step {at} of {disk.steps} fails"
        left, kept = names(folder, writer.keeps), names(undisturbed, writer.keeps)
        assert name == "a sealed folder" or left <= kept, f"step {at} of {disk.steps} leaves files"
        writer.write(folder)
        assert writer.read(folder) == whole and names(folder, writer.keeps) == kept
    assert 1 <= at < STEPS, f"{name}: {disk.steps}"
    print(f"{name}: {at} steps")
