"""Progress: a line with its time now and then in a log, one line that changes on a terminal, nothing where it is not wanted."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hilum import progress
from hilum.progress import STEPS, bar, lines_to, say, steps, tell_bytes, tell_seconds, tell_time_left

SRC = Path(__file__).resolve().parents[1] / "src"
LINE = r"  \d\d:\d\d:\d\d films prepared "


def test_a_job_says_a_few_lines_with_their_time_and_its_end_and_so_does_the_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    report = bar("films prepared")
    for _ in range(2):
        for done in range(1, 101):
            report(done, 100)
        said = capsys.readouterr().out.splitlines()
        assert len(said) == STEPS
        assert re.fullmatch(LINE + "25/100, about 0 s left", said[0])
        assert re.fullmatch(LINE + "100/100 in 0 s", said[-1])


def test_a_short_job_that_repeats_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    report = bar("activations")
    for _ in range(50):
        for done in (64, 128, 227):
            report(done, 227)
    assert capsys.readouterr().out == ""


def on_terminal(code: str, columns: int) -> str:
    """What a program writes on a terminal of this width."""
    source, end = pty.openpty()
    command = ["stty", "cols", str(columns)]
    subprocess.run(command, stdin=end, check=True)
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdin=end, stdout=end, stderr=end, env={**os.environ, "PYTHONPATH": str(SRC)}
    )
    os.close(end)
    read = b""
    while True:
        try:
            part = os.read(source, 1 << 16)
        except OSError:
            break
        if not part:
            break
        read += part
    os.close(source)
    assert program.wait() == 0, read.decode()
    return read.decode()


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_one_line_with_the_time_left_and_keeps_none(columns: int) -> None:
    code = (
        "import time; from hilum.progress import bar, say\n"
        "for _ in range(6):\n"
        "    report = bar('activations')\n"
        "    for done in range(1, 21): time.sleep(0.02); report(done, 20)\n"
        "    say('a trial is done')\n"
        "report(5, 20); time.sleep(0.2); report(6, 20); say('in between'); report(20, 20)\n"
    )
    screen = on_terminal(code, columns)
    drawn = [part for part in re.split(r"[\r\n]", screen) if part.strip()]
    assert any(re.search(r"activations .* \d+/20, 00:00 left", part) for part in drawn)
    assert all(len(part) <= columns for part in drawn)
    last = [line.rpartition("\r")[2] for line in screen.replace("\r\n", "\n").split("\n")]  # what a person sees in the end
    assert [line for line in last if line.strip()] == ["  a trial is done"] * 6 + ["  in between"]


def test_a_long_step_is_a_line_with_its_time_in_a_log_and_a_quick_one_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with steps("finetuned", 30) as report:
        for number in range(1, 14):
            report(number, f"phase 1 penalty {number}", quick=True)
        report(14, "phase 2 epoch 1")
        report(30, "phase 2 epoch 17")
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"  \d\d:\d\d:\d\d finetuned: phase 2 epoch 1  \(about 0 s left\)", first)
    assert re.fullmatch(r"  \d\d:\d\d:\d\d finetuned: phase 2 epoch 17", last)


def test_the_time_left_is_by_the_last_step_also_where_an_earlier_process_did_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_prepared", [0.0])
    clock = iter([0.0, 10.0, 40.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with steps("finetuned", 12) as report:
        report(8, "eight")
        report(10, "ten")
    assert [line.partition("  (")[2] for line in capsys.readouterr().out.splitlines()] == ["about 40 s left)", "about 30 s left)"]


@pytest.mark.parametrize(("whole", "left"), [(False, "about 1 min 3 s left"), (True, "about 1 h 1 min left")])
def test_a_job_within_a_step_is_expected_again_only_where_each_step_has_its_own(
    whole: bool, left: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_prepared", [0.0])
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with steps("dense", 60, whole) as report:
        now[0] = 400.0
        bar("dense: activations")(10, 10)
        now[0] = 407.0
        report(51, "phase 2 epoch 1")
    assert capsys.readouterr().out.endswith(f"phase 2 epoch 1  ({left})\n")


def test_what_comes_before_quick_steps_says_nothing_of_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_prepared", [0.0])
    clock = iter([0.0, 60.0, 61.0, 66.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with steps("baseline", 13) as report:
        for number in (1, 2, 7):
            report(number, f"penalty {number}", quick=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("baseline: penalty 7  (about 6 s left)")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_shows_long_steps_in_one_line_with_their_text(columns: int) -> None:
    code = (
        "import time; from hilum.progress import bar, say, steps\n"
        "with steps('finetuned', 9) as report:\n"
        "    films = bar('finetuned: activations')\n"
        "    for n in range(1, 6):\n"
        "        for done in range(1, 11): time.sleep(0.02); films(done, 10)\n"
        "        report(n, f'phase 1 epoch {n}')\n"
        "say('finetuned: kept')\n"
    )
    screen = on_terminal(code, columns)
    drawn = [part for part in re.split(r"[\r\n]", screen) if part.strip()]
    assert any(re.search(r"finetuned .* 3/9, about \d+ s left", part) for part in drawn), drawn
    assert any(re.search(r"activations .* \d+/10, 00:00 left", part) for part in drawn)
    assert all(len(part) <= columns for part in drawn)
    last = [line.rpartition("\r")[2] for line in screen.replace("\r\n", "\n").split("\n")]
    assert [line for line in last if line.strip()] == ["  finetuned: kept"]


def test_a_job_that_is_interrupted_leaves_no_half_line() -> None:
    code = (
        "import sys, types; from hilum import cli; from hilum.progress import bar\n"
        "def run(**_): bar('films')(3, 9); raise KeyboardInterrupt\n"
        "sys.modules['hilum.stages.verify'] = types.SimpleNamespace(run=run)\n"
        "assert cli.main(['verify']) == 130"
    )
    last = on_terminal(code, 80).replace("\r\n", "\n").split("\n")[0].rpartition("\r")[2]
    assert last.startswith("hilum verify: interrupted")


def test_lines_go_where_they_are_sent_or_nowhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PAUSE", 0.0)
    with lines_to(sys.stderr):
        say("aside")
    with lines_to(None):
        say("nothing")
        bar("films")(4, 4)
    say("here")
    assert capsys.readouterr() == ("  here\n", "  aside\n")


def test_durations_and_sizes_are_told_for_people() -> None:
    assert [tell_seconds(s) for s in (0.4, 59, 185, 1500, 7800)] == ["0 s", "59 s", "3 min 5 s", "25 min", "2 h 10 min"]
    assert [tell_bytes(b) for b in (512, 3_240_000, 250e9, 4e12)] == ["512 B", "3.2 MB", "250 GB", "4.0 TB"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((60.0, 2, 5), "took 30 s; about 1 min 30 s left"),
        ((600.0, 1, 3), "took 10 min; about 20 min left"),
        ((9000.0, 1, 2), "took 2 h 30 min; about 2 h 30 min left"),
        ((40.0, 4, 4), "took 10 s"),
    ],
)
def test_the_time_that_is_left_follows_from_the_parts_that_are_done(given: tuple[float, int, int], told: str) -> None:
    assert tell_time_left(*given) == told


def test_the_name_of_a_file_moves_no_cursor_and_turns_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    say("no film: a\x1b[31mred\r.png, b\u202egnp.exe, c\x9b2J, d\u2028e")
    assert capsys.readouterr().out == "  no film: a\\x1b[31mred\\x0d.png, b\\u202egnp.exe, c\\x9b2J, d\\u2028e\n"
    say("two\nlines\tas meant: Müller 字")
    assert capsys.readouterr().out == "  two\nlines\tas meant: Müller 字\n"
