"""What a called program prints is passed on as it comes, and no password with it."""

import os
import pty
import sys
import time
from pathlib import Path

import pytest

from hilum.masked_output import MaskedProgram

SECRET = "pw-never-shown"
ADDRESS = f"postgresql://user:{SECRET}@host/runs"
SLOW = """
import sys, time
from pathlib import Path
print("first")
while not Path("seen").exists():
    time.sleep(0.02)
print("second", file=sys.stderr)
"""


def call(code: str, folder: Path, *arguments: str) -> int:
    program = MaskedProgram([sys.executable, "-c", code, *arguments], folder, os.environ)
    status = program.process.wait()
    program.close()
    return status


def test_passwords_are_masked_in_output_and_errors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import sys; print(sys.argv[1]); print(sys.argv[1], file=sys.stderr, end=''); sys.exit(3)"
    assert call(code, tmp_path, ADDRESS) == 3
    out, err = capfd.readouterr()
    assert out == "postgresql://user:***@host/runs\n" and err == "postgresql://user:***@host/runs"


def test_a_password_that_comes_in_parts_is_masked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code = "import os, sys, time\nfor part in (sys.argv[1][:25], sys.argv[1][25:]):\n os.write(1, part.encode()); time.sleep(0.2)"
    assert call(code, tmp_path, ADDRESS) == 0
    assert capfd.readouterr().out == "postgresql://user:***@host/runs"


def test_a_line_is_passed_on_before_the_program_ends(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program = MaskedProgram([sys.executable, "-c", SLOW], tmp_path, os.environ)
    until, told = time.monotonic() + 60, ""
    while "first" not in told and time.monotonic() < until:
        told += capfd.readouterr().out
        time.sleep(0.02)
    assert told == "first\n" and program.process.poll() is None
    (tmp_path / "seen").touch()
    assert program.process.wait() == 0
    program.close()
    assert capfd.readouterr().err == "second\n"


def test_bytes_of_no_text_and_states_of_a_bar_are_passed_on(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert call("import os; os.write(1, b'10%\\r20%\\r\\xff\\n')", tmp_path) == 0
    assert capfdbinary.readouterr().out == b"10%\r20%\r\xff\n"


def test_a_terminal_stays_a_terminal_of_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl
    import struct
    import termios

    source, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    with os.fdopen(end, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        status = call(
            "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size(1).columns, sys.argv[1])", tmp_path, ADDRESS
        )
        monkeypatch.undo()
        assert status == 0
        assert os.read(source, 1000).decode().split() == ["True", "77", "postgresql://user:***@host/runs"]
    os.close(source)


def test_a_program_that_leaves_another_behind_ends_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilum.masked_output.WAIT", 0.2)
    code = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)']).pid)"
    start = time.monotonic()
    assert call(code, tmp_path) == 0
    assert time.monotonic() - start < 3
