"""Progress as a person wants it: a bar on a terminal, a line now and then elsewhere."""

import sys
from collections.abc import Callable

from tqdm import tqdm

from hilum.addresses import mask

STEPS = 4  # lines per job where there is no terminal


def bar(title: str) -> Callable[[int, int], None]:
    """A callback (done, all) that shows how far a job is."""
    shown: list[tqdm] = []
    told = [0]

    def report(done: int, total: int) -> None:
        if sys.stderr.isatty():
            if not shown:
                shown.append(tqdm(total=total, desc=f"  {title}", unit="", leave=True, dynamic_ncols=True))
            shown[0].update(done - shown[0].n)
            if done >= total:
                shown.pop().close()
        elif done * STEPS // max(total, 1) > told[0] or done >= total:
            told[0] = done * STEPS // max(total, 1) if done < total else 0
            say(f"{title} {done}/{total}")

    return report


def say(text: str) -> None:
    """One line to a person, at once, without the passwords of addresses; what UTF-8 cannot hold of a file's name is escaped."""
    print(f"  {mask(text)}".encode(errors="backslashreplace").decode(), flush=True)
