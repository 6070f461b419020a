"""One living process holds a file: others wait, an ended one is replaced, and one of another host never is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from hilum import ownership
from hilum.ownership import Owner, has_ended, hold, read_owner, share, this_process

HOLDER = """
import sys, time
from pathlib import Path
from hilum.ownership import hold
with hold(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.readline()
"""
Start = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process that holds a file until it reads a line; none outlives the test."""
    begun: list[subprocess.Popen[str]] = []

    def begin(file: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDER, str(file)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        begun.append(process)
        assert process.stdout and process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


def never(owner: Owner) -> None:
    raise AssertionError(f"waits for {owner}")


def leave(file: Path, **other: Any) -> Owner:
    """Leave a record of an owner that differs from this process in some points."""
    owner = replace(this_process(), **other)
    file.write_text(json.dumps(asdict(owner)))
    return owner


def test_the_record_names_the_holder_and_is_gone_when_it_gives_back(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.lock"
    with hold(file, never):
        assert json.loads(file.read_text())["pid"] == os.getpid()
    assert file.read_text() == ""
    with pytest.raises(KeyboardInterrupt), hold(file, never):
        raise KeyboardInterrupt
    assert file.read_text() == ""


def test_a_second_process_waits_reports_the_owner_once_and_then_holds(tmp_path: Path, start: Start) -> None:
    file, told = tmp_path / "a.lock", []
    other = start(file)
    timer = threading.Timer(1.0, lambda: other.communicate("go\n"))
    timer.start()
    before = time.monotonic()
    with hold(file, told.append):
        assert time.monotonic() - before > 0.9
        assert [owner.pid for owner in told] == [other.pid]
        assert told[0].host == this_process().host and told[0].since <= this_process().since
    timer.join()


def test_two_files_are_held_side_by_side(tmp_path: Path, start: Start) -> None:
    start(tmp_path / "a.lock")
    with hold(tmp_path / "b.lock", never):
        assert (tmp_path / "a.lock").read_text()


@pytest.mark.parametrize("looked_after", [True, False], ids=["reaped", "zombie"])
def test_a_killed_holder_is_taken_over_at_once(looked_after: bool, tmp_path: Path, start: Start) -> None:
    file = tmp_path / "a.lock"
    other = start(file)
    other.send_signal(signal.SIGKILL)
    if looked_after:
        other.wait()
    else:
        while " Z " not in Path(f"/proc/{other.pid}/stat").read_text():
            time.sleep(0.01)
    assert json.loads(file.read_text())["pid"] == other.pid, "it had no time to give back"
    with hold(file, never):
        assert json.loads(file.read_text())["pid"] == os.getpid()


def test_a_dead_process_is_distinguished_from_a_living_one_of_its_number(tmp_path: Path) -> None:
    leave(tmp_path / "a.lock", started=this_process().started - 1)
    with hold(tmp_path / "a.lock", never):
        pass


def test_what_a_process_left_before_this_host_was_started_again_is_taken_over(tmp_path: Path) -> None:
    leave(tmp_path / "a.lock", boot="another")
    with hold(tmp_path / "a.lock", never):
        pass


def test_a_container_of_another_name_on_this_kernel_is_this_host(tmp_path: Path) -> None:
    leave(tmp_path / "a.lock", host="3f2a", started=1)
    with hold(tmp_path / "a.lock", never):
        pass


def test_a_living_owner_whose_lock_is_not_seen_is_waited_for(tmp_path: Path, start: Start) -> None:
    """Another file took the place of the one it holds."""
    file, told = tmp_path / "a.lock", []
    other = start(file)
    record = file.read_text()
    file.unlink()
    file.write_text(record)
    timer = threading.Timer(1.0, other.kill)
    timer.start()
    with hold(file, told.append):
        assert [owner.pid for owner in told] == [other.pid] and not timer.is_alive()


def test_an_owner_on_another_host_is_reported_and_never_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "a.lock"
    owner = leave(file, host="ward7", boot="another", pid=41)
    kept = file.read_text()
    with pytest.raises(ValueError, match=f"process 41 on ward7 since .* run the same command on ward7, or delete {file}"):
        hold(file, never).__enter__()
    assert file.read_text() == kept and str(owner.pid) in kept


def test_a_lock_alone_is_waited_for_and_a_record_without_one_is_not(tmp_path: Path, start: Start) -> None:
    file, told = tmp_path / "a.lock", []
    leave(file, host="ward7", boot="another", pid=41)
    with hold(file, never, by_lock_alone=True):
        assert json.loads(file.read_text())["pid"] == os.getpid()
    other = start(file)
    timer = threading.Timer(1.0, other.kill)
    timer.start()
    with hold(file, told.append, by_lock_alone=True):
        assert [owner.pid for owner in told] == [other.pid] and not timer.is_alive()


def test_a_file_is_shared_until_one_is_left_alone_with_it(tmp_path: Path) -> None:
    with share(tmp_path / "a.lock") as last:
        with share(tmp_path / "a.lock") as first:
            assert not first()
        assert last()
    with share(tmp_path / "a.lock") as again:
        assert again()


def test_a_record_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.lock").write_text('{"host": "wa')
    with pytest.raises(ValueError, match=r"a\.lock must name a process"):
        hold(tmp_path / "a.lock", never).__enter__()


def test_a_file_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(ValueError, match=r"folder/a\.lock must be a file that can be written"):
        hold(tmp_path / "folder" / "a.lock", never).__enter__()


def test_a_child_that_lives_on_does_not_keep_what_its_parent_gave_back(tmp_path: Path) -> None:
    with hold(tmp_path / "a.lock", never):
        child = os.fork()
        if not child:
            time.sleep(30)
            os._exit(0)
    try:
        with hold(tmp_path / "a.lock", never):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("other", "ended"),
    [
        ({}, False),
        ({"started": 1}, True),  # its number is another process's by now
        ({"started": 1, "host": "elsewhere"}, False),
        ({"started": 1, "numbers": "pid:[1]"}, False),  # in another container, whose numbers are not seen here
        ({"started": 0}, False),
        ({"boot": "before", "machine": "m"}, False),  # another machine of this name
        ({"boot": "", "started": 1}, False),
    ],
)
def test_an_owner_has_ended_only_where_that_is_known(other: dict[str, Any], ended: bool) -> None:
    assert has_ended(replace(this_process(), **other)) == ended


def test_an_owner_of_before_the_last_boot_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "_text_of", lambda file: "the same")
    assert has_ended(replace(this_process(), boot="before"))


def test_a_killed_process_has_ended_and_a_living_one_has_not(tmp_path: Path, start: Start) -> None:
    process = start(tmp_path / "a.lock")
    owner = read_owner((tmp_path / "a.lock").read_text())
    assert owner and not has_ended(owner)
    process.kill()
    process.wait()
    assert has_ended(owner)


def test_a_record_is_read_as_it_was_written_and_older_ones_too() -> None:
    owner = this_process()
    assert read_owner(owner.record()) == owner
    older = {key: value for key, value in asdict(owner).items() if key not in ("machine", "numbers")}
    assert read_owner(json.dumps(older)) == replace(owner, machine="", numbers="")
    for text in ("", "{}", "[1]", "{not json"):
        assert read_owner(text) is None
