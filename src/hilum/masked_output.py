"""The output of a called program, passed on line by line without the passwords in addresses."""

import fcntl
import os
import pty
import subprocess
import sys
import termios
import threading
import tty
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from hilum.addresses import mask

WAIT = 5.0  # seconds for the last lines; a process that the program left in the background may keep its output open


class MaskedProgram:
    """A program whose output and errors go through `mask`; on a terminal it gets a terminal, so that it draws its bars.

    process: the program, for the caller to wait for and to send signals to.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        channels = [_open_channel(stream) for stream in (sys.stdout, sys.stderr)]
        (out, out_end), (err, err_end) = channels
        unbuffered = {**environment, "PYTHONUNBUFFERED": "1"}  # else lines would come many at a time
        try:
            self.process = subprocess.Popen(command, cwd=folder, env=unbuffered, stdout=out_end, stderr=err_end)
        finally:
            for _, end in channels:
                os.close(end)
        self._copies = [
            threading.Thread(target=_copy, args=(source, stream), daemon=True)
            for source, stream in ((out, sys.stdout), (err, sys.stderr))
        ]
        for copy in self._copies:
            copy.start()

    def close(self) -> None:
        """Wait until all its output is passed on, at most WAIT seconds per stream."""
        for copy in self._copies:
            copy.join(WAIT)


def _open_channel(stream: TextIO) -> tuple[int, int]:
    """The ends to read and to write of a pipe, or of a terminal of the same size if the stream is one."""
    if not stream.isatty():
        return os.pipe()
    source, end = pty.openpty()
    tty.setraw(end)  # line ends are passed on unchanged
    size = fcntl.ioctl(stream.fileno(), termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(end, termios.TIOCSWINSZ, size)
    return source, end


def _copy(source: int, stream: TextIO) -> None:
    """Pass on each line once it is complete, since a password may come in two parts."""
    kept, read = b"", b"begin"
    try:
        while read:
            try:
                read = os.read(source, 1 << 16)
            except OSError:  # a terminal's sign that no process writes to it any more
                read = b""
            kept += read
            whole = max(kept.rfind(b"\n"), kept.rfind(b"\r")) + 1 if read else len(kept)
            _write(stream, kept[:whole])
            kept = kept[whole:]
    except (OSError, ValueError):  # the stream is closed: the program gets an error when it writes on
        pass
    finally:
        os.close(source)


def _write(stream: TextIO, told: bytes) -> None:
    masked = mask(told.decode(errors="surrogateescape"))
    if hasattr(stream, "buffer"):
        stream.flush()
        stream.buffer.write(masked.encode(errors="surrogateescape"))
    else:  # a text-only stream, as a test or a notebook sets
        stream.write(masked)
    stream.flush()
