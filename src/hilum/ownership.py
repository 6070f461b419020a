"""What one process owns while it runs: a study by a lock that the kernel releases, a run by a record that others can check."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

PAUSE = 0.2  # seconds between two attempts at a lock that another process holds


@dataclass(frozen=True)
class Owner:
    """A process. boot: the id of the kernel it runs under; started: when it started, in ticks of that kernel (which
    distinguishes processes that reuse one number); since: when it took what it owns; machine: the id of the installed system,
    which outlives a boot; numbers: the name space of its number (a container has its own). boot, machine and numbers
    are "" and started is 0 where no file has them.
    """

    host: str
    boot: str
    pid: int
    started: int
    since: str
    machine: str = ""  # records of earlier versions have neither of these
    numbers: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    def record(self) -> str:
        """The JSON that `read_owner` reads."""
        return json.dumps(asdict(self))


def this_process() -> Owner:
    """The running process, as an owner from now on."""
    numbers = Path("/proc/self/ns/pid")
    return Owner(
        host=socket.gethostname(),
        boot=_text_of("/proc/sys/kernel/random/boot_id"),
        pid=os.getpid(),
        started=_start_of(os.getpid()),
        since=datetime.now().astimezone().isoformat(" ", "seconds"),
        machine=_text_of("/etc/machine-id"),
        numbers=str(numbers.readlink()) if numbers.is_symlink() else "",
    )


def _text_of(file: str) -> str:
    return Path(file).read_text().strip() if os.access(file, os.R_OK) else ""


def has_ended(owner: Owner) -> bool:
    """Whether an owner is known to have ended: a process of this host, in this kernel or in one before its last boot.

    False where it cannot be known: another host, another container, or no /proc.
    """
    here = this_process()
    if owner.host != here.host or owner.numbers != here.numbers or not owner.boot or not here.boot:
        return False
    if owner.boot != here.boot:
        return bool(owner.machine) and owner.machine == here.machine
    return 0 < owner.started != _start_of(owner.pid)


def read_owner(text: str) -> Owner | None:
    """The owner named in a record; None if there is none."""
    try:
        return Owner(**json.loads(text))
    except (ValueError, TypeError):
        return None


@contextmanager
def hold(file: Path, waits: Callable[[Owner], None], by_lock_alone: bool = False) -> Iterator[None]:
    """Hold the lock of a file and write this process's record into it; wait while another living process holds it.

    The file is created if absent, and stays, empty, when the lock is released. The lock of a process of this host that has ended
    is taken over.
    waits: called once with each owner that is waited for. by_lock_alone: for a worker, whose driver holds another file by its
    record: what record a killed worker left, of whichever host, says nothing.

    Raises:
        ValueError: a process of another host left its record, so that it cannot be known whether it lives; or the file cannot be
            written, locked or read.
    """
    descriptor = _open(file)
    try:
        reported = None
        while not _take(descriptor, file, by_lock_alone):
            owner = _record(descriptor)
            if owner and owner != reported:
                waits(owner)
                reported = owner
            time.sleep(PAUSE)
        try:
            os.pwrite(descriptor, this_process().record().encode(), 0)
            yield
        finally:
            os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child that inherited the descriptor and lives on
    finally:
        os.close(descriptor)


@contextmanager
def share(file: Path) -> Iterator[Callable[[], bool]]:
    """Share a file with other processes; yields what tells, once and at the end, whether this one is left alone with it.

    Raises:
        ValueError: the file cannot be written or locked.
    """
    descriptor = _open(file)
    try:
        _lock(descriptor, file, fcntl.LOCK_SH)
        yield lambda: _lock(descriptor, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _open(file: Path) -> int:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise ValueError(f"{file} must be a file that can be written, got: {error.strerror}; correct the rights there") from None


def _lock(descriptor: int, file: Path, kind: int) -> bool:
    """Whether the kernel gave that kind of lock."""
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        return False
    except OSError as error:
        raise ValueError(
            f"{file} must lie on a file system that supports locks, got: {error.strerror}; put the project on one that does"
        ) from None
    return True


def _take(descriptor: int, file: Path, by_lock_alone: bool) -> bool:
    """Whether the lock was taken and the old record cleared; not while a living process holds it."""
    if not _lock(descriptor, file, fcntl.LOCK_EX | fcntl.LOCK_NB):
        return False
    if by_lock_alone:
        os.ftruncate(descriptor, 0)
        return True
    owner, here = _record(descriptor), this_process()
    if owner is None and os.fstat(descriptor).st_size:
        raise ValueError(f"{file} must name a process, got what cannot be read; delete it if no process of hilum works here")
    if owner and owner.host != here.host and (owner.boot != here.boot or not here.boot):
        raise ValueError(
            f"{file.name} must be held by one living process, got {owner}, which {here.host} cannot see; run the "
            f"same command on {owner.host}, or delete {file} if that process has ended"
        )
    if owner and owner.boot == here.boot and 0 < owner.started == _start_of(owner.pid):
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # it lives, though its lock is not visible here: the file was replaced
        return False
    os.ftruncate(descriptor, 0)
    return True


def _start_of(pid: int) -> int:
    """When a living process of this host started, in ticks of its kernel: 0 if there is none, or no /proc."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else int(fields[18])  # Z, X: it has ended, but its parent has not collected it yet


def _record(descriptor: int) -> Owner | None:
    return read_owner(os.pread(descriptor, 4096, 0).decode(errors="replace"))  # None: empty, or just being written
