"""Progress reports: one line that changes on a terminal, a few lines with their time elsewhere."""

import os
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from typing import TextIO

from tqdm import tqdm

from hilum.addresses import mask

STEPS = 4  # lines per job where there is no terminal
PAUSE = 5.0  # seconds without a line there; a job that takes less time gets none
UNITS = ("B", "kB", "MB", "GB", "TB")
MARGIN = 2  # blanks before each line
FORMAT = "  {desc} {bar:20} {n_fmt}/{total_fmt}, {remaining} left"
STEP_FORMAT = "  {desc} {bar:20} {n_fmt}/{total_fmt}{postfix}"
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)  # of a terminal, and of the direction of text
_shown: list[tqdm] = []  # the line on the terminal, at most one
_silent: list[bool] = []
_prepared = [0.0]  # when a job of `bar` last ended


def bar(title: str) -> Callable[[int, int], None]:
    """A callback (done, all) that shows the progress of a job; when it is done, its line on the terminal disappears."""
    line = _Line(title)

    def report(done: int, total: int) -> None:
        if done >= total:
            _prepared[0] = time.monotonic()
        if _silent:
            return
        if sys.stderr.isatty():
            _draw(title, done, total)
        else:
            line.report(done, total)

    return report


def _draw(title: str, done: int, total: int, text: str = "") -> None:
    if _shown and (_shown[0].desc != title or _shown[0].total != total or done < _shown[0].n):
        _shown.pop().close()
    if not _shown:
        form = STEP_FORMAT if text else FORMAT
        _shown.append(tqdm(desc=title, total=total, bar_format=form, leave=False, dynamic_ncols=True))
    if text:
        _shown[0].set_postfix_str(text, refresh=False)
    _shown[0].update(done - _shown[0].n)
    if text:
        _shown[0].refresh()
    elif done >= total:
        _shown.pop().close()


@contextmanager
def steps(title: str, total: int, whole: bool = False) -> Iterator[Callable[..., None]]:
    """A callback (done, text, quick=False) for a job of at most `total` long steps, such as epochs, each with a text.

    A terminal shows one line with the last text and the time left, by the last step's, until the job ends; elsewhere each step is
    a line with its time. whole: each step has jobs of `bar` of its own, as a trial
    has; else they come once, as the activations of a phase do. quick: of a step of a moment, of which a log gets one per PAUSE.
    """
    try:
        if sys.stderr.isatty() and not _silent:
            _draw(title, 0, total, "begins")
        yield _Steps(title, total, whole).report
    finally:
        if _shown and _shown[0].desc == title:
            end_bar()


def end_bar() -> None:
    """Remove the line of a job that ends before it is done, so that a message stands alone."""
    if _shown:
        _shown.pop().close()


class _Line:
    """The lines of one job in a log: after each quarter, but none within PAUSE of the last."""

    def __init__(self, title: str) -> None:
        self.title, self.begun, self.said, self.step, self.done = title, 0.0, 0.0, 0, 0

    def report(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self.begun or done < self.done:  # a job, or the next of this name, begins
            self.begun = self.said = now
            self.step = 0
        self.done = done
        step = done * STEPS // max(total, 1) if done < total else STEPS
        if step > self.step and now - self.said >= PAUSE:
            self.step, self.said = step, now
            left = (now - self.begun) * (total - done) / max(done, 1)
            rest = f", about {tell_seconds(left)} left" if done < total else f" in {tell_seconds(now - self.begun)}"
            say(f"{datetime.now():%H:%M:%S} {self.title} {done}/{total}{rest}")
        if done >= total:
            self.begun = 0.0


class _Steps:
    """The steps of one job. The first that is reported may have others before it, which an earlier process did."""

    def __init__(self, title: str, total: int, whole: bool) -> None:
        self.title, self.total, self.whole, self.done = title, total, whole, -1
        self.before = self.said = time.monotonic()

    def report(self, done: int, text: str, quick: bool = False) -> None:
        now, new = time.monotonic(), done - self.done if self.done >= 0 else 1
        if quick and self.done < 0:  # what came before, such as loading packages, says nothing of quick steps
            self.done, self.before, self.said = done, now, now
        if _silent or (quick and not sys.stderr.isatty() and now - self.said < PAUSE):
            return
        begun = self.before if self.whole else max(self.before, _prepared[0])
        spent = (now - begun) / max(new, 1)
        rest = f"about {tell_seconds(spent * (self.total - done))} left" if 0 < done < self.total else ""
        self.done, self.before = done, now
        if sys.stderr.isatty():
            _draw(self.title, done, self.total, "  ".join(part for part in (rest, text) if part))
            return
        self.said = now
        say(f"{datetime.now():%H:%M:%S} {self.title}: {text}" + (f"  ({rest})" if rest else ""))


def say(text: str) -> None:
    """Print one line at once, passwords of addresses masked and what a terminal must not get of a file's name escaped."""
    if _shown:
        _shown[0].clear()
    print(f"  {escape_controls(mask(text))}", flush=True)
    if _shown:
        _shown[0].refresh()


def escape_controls(text: str) -> str:
    r"""The text with what UTF-8 cannot encode as `\udce9` and control characters as `\x1b`, but for line breaks and tabs."""
    valid = text.encode(errors="backslashreplace").decode()
    return CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}" if ord(found[0]) < 256 else f"\\u{ord(found[0]):04x}", valid)


def say_wrapped(begin: str, text: str) -> None:
    """Print a text under its begin, in the width of a terminal; elsewhere on one line, for programs."""
    width = shutil.get_terminal_size().columns - MARGIN if sys.stdout.isatty() else sys.maxsize
    indent = " " * (len(begin) if begin.startswith(" ") else 2)
    whole = begin + " ".join(text.split())
    for line in textwrap.wrap(whole, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False):
        say(line)


def tell_time_left(seconds: float, done: int, total: int) -> str:
    """`took 3 min; about 6 min left`, from the seconds that `done` of `total` equal parts took."""
    left = seconds / done * (total - done)
    return f"took {tell_seconds(seconds / done)}" + (f"; about {tell_seconds(left)} left" if done < total else "")


def tell_seconds(seconds: float) -> str:
    """A duration for people: `12 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 and whole < 600 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def tell_bytes(count: float) -> str:
    """A size for people, in powers of 1000: `512 B`, `3.2 MB`."""
    power = 0
    while count >= 1000 and power < len(UNITS) - 1:
        count, power = count / 1000, power + 1
    return f"{count:.0f} {UNITS[power]}" if not power or count >= 100 else f"{count:.1f} {UNITS[power]}"


@contextmanager
def lines_to(stream: TextIO | None) -> Iterator[None]:
    """Print all lines into a stream instead of standard output; with None neither lines nor bars are printed."""
    if stream is not None:
        with redirect_stdout(stream):
            yield
        return
    _silent.append(True)
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
            yield
    finally:
        _silent.pop()
