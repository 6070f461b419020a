"""What a called program prints, passed on line by line as it comes, without the passwords of addresses."""

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
    """A program whose output and errors go through `mask`; a terminal stays one to it, so that its bars are drawn.

    process: the program, which the caller waits for and may send signals.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        channels = [_open_channel(stream) for stream in (sys.stdout, sys.stderr)]
        (out, out_end), (err, err_end) = channels
        unbuffered = {**environment, "PYTHONUNBUFFERED": "1"}  # or a line would come when many are there
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
        """Wait until everything that it printed is passed on."""
        for copy in self._copies:
            copy.join(WAIT)


def _open_channel(stream: TextIO) -> tuple[int, int]:
    """Two ends of a pipe, or of a terminal of the same size where the stream goes to one: what is read, what is written."""
    if not stream.isatty():
        return os.pipe()
    source, end = pty.openpty()
    tty.setraw(end)  # no line ends are changed on the way
    size = fcntl.ioctl(stream.fileno(), termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(end, termios.TIOCSWINSZ, size)
    return source, end


def _copy(source: int, stream: TextIO) -> None:
    """Pass on each line when it has ended, since a password may come in two parts."""
    kept, read = b"", b"begin"
    try:
        while read:
            try:
                read = os.read(source, 1 << 16)
            except OSError:  # how a terminal tells that nobody writes to it any more
                read = b""
            kept += read
            whole = max(kept.rfind(b"\n"), kept.rfind(b"\r")) + 1 if read else len(kept)
            _write(stream, kept[:whole])
            kept = kept[whole:]
    except (OSError, ValueError):  # nobody takes it any more: the program is told when it writes on
        pass
    finally:
        os.close(source)


def _write(stream: TextIO, told: bytes) -> None:
    masked = mask(told.decode(errors="surrogateescape"))
    if hasattr(stream, "buffer"):
        stream.flush()
        stream.buffer.write(masked.encode(errors="surrogateescape"))
    else:  # of text alone, as a test or a notebook puts it in its place
        stream.write(masked)
    stream.flush()
