"""Progress reports: a bar on a terminal, a few lines elsewhere."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from hilum.addresses import mask

STEPS = 4  # lines per job where there is no terminal


def bar(title: str) -> Callable[[int, int], None]:
    """A callback (done, all) that shows the progress of a job."""
    shown: list[tqdm] = []
    reported = [0]

    def report(done: int, total: int) -> None:
        if sys.stderr.isatty():
            if not shown:
                shown.append(tqdm(total=total, desc=f"  {title}", unit="", leave=True, dynamic_ncols=True))
            shown[0].update(done - shown[0].n)
            if done >= total:
                shown.pop().close()
        elif done * STEPS // max(total, 1) > reported[0] or done >= total:
            reported[0] = done * STEPS // max(total, 1) if done < total else 0
            say(f"{title} {done}/{total}")

    return report


def say(text: str) -> None:
    """Print one line at once, passwords of addresses masked and what UTF-8 cannot encode of a file's name escaped."""
    print(f"  {mask(text)}".encode(errors="backslashreplace").decode(), flush=True)


def tell_time_left(seconds: float, done: int, total: int) -> str:
    """`took 3 min; about 6 min left`, from the seconds that `done` of `total` equal parts took."""
    left = seconds / done * (total - done)
    return f"took {_time(seconds / done)}" + (f"; about {_time(left)} left" if done < total else "")


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
