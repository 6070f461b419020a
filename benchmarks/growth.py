"""The cost of prepare and split per film, near duplicates included, with few films and with ten times as many.

Run: python benchmarks/growth.py [--few 2000] [--many 20000] [--size 64] [--rounds 2]

Phantoms are drawn by `acquire`; then `prepare`, `split` and `prepare` again (with films from the cache) run as a
user runs them, each in its own process. Reported per film, the minimum of the rounds, which alternate few and many films:
wall-clock time, processor time (less affected by other work on the machine) and peak memory, each above that of
a process that only loads the stage. Including loading, few films would look costlier than they are.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
TOLD: dict[
    str, tuple[float, Callable[[Iterable[float]], float]]
] = {  # a table's row -> its unit in seconds or bytes, and how it combines over two stages
    "clock, ms": (1e-3, sum),
    "processors, ms": (1e-3, sum),
    "memory, KiB": (1024, max),
}
STAGES = {"prepare": ("prepare",), "split": ("split",), "prepare again": ("prepare",)}


@dataclass(frozen=True)
class Cost:
    """Of one process: wall-clock seconds, processor seconds, peak memory in bytes."""

    clock: float
    processors: float
    memory: float

    def beyond(self, idle: "Cost", what: str) -> float:
        """The cost of this process above an idle one; `what` is a key of TOLD."""
        return float(getattr(self, what.split(",")[0]) - getattr(idle, what.split(",")[0]))


def main() -> None:
    """Print the cost per film for both numbers of films, and the ratio of the larger to the smaller."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=2000)
    parser.add_argument("--many", type=int, default=20000)
    parser.add_argument("--size", type=int, default=64, help="side of the films, drawn and prepared, pixels")
    parser.add_argument("--rounds", type=int, default=2)
    asked = parser.parse_args()
    counts = (asked.few, asked.many)
    idle = {name: load(*stage) for name, stage in STAGES.items()}
    with tempfile.TemporaryDirectory() as folder:
        projects = {count: draw(Path(folder) / str(count), count, asked.size) for count in counts}
        rounds = [{count: measure(projects[count]) for count in counts} for _ in range(asked.rounds)]
    rows = []
    for name in [*STAGES, "prepare + split"]:
        parts = ("prepare", "split") if "+" in name else (name,)
        for what, (unit, join) in TOLD.items():
            few, many = (
                min(join(one[count][part].beyond(idle[part], what) for part in parts) for one in rounds) / count / unit
                for count in counts
            )
            rows.append(f"| {name} | {what} | {few:.3f} | {many:.3f} | {many / few:.2f} |")
    print(f"\n{asked.size} px, best of {asked.rounds}; per film\n")
    print(f"| stage | | {asked.few:,} films | {asked.many:,} films | ratio |\n|---|---|---|---|---|")
    print("\n".join(rows))


def draw(root: Path, films: int, size: int) -> Path:
    """A project whose only source is this many drawn phantoms."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    values["acquire"]["sources"]["phantom"].update(films=films, size=size)
    values["prepare"]["size"] = size
    root.mkdir()
    (root / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    shutil.copy(ROOT / "dvc.yaml", root)
    start([str(ROOT / "src" / "hilum"), "acquire", "--source", "phantom"], root)
    return root


def measure(project: Path) -> dict[str, Cost]:
    """The cost of each stage of STAGES, the first with an empty cache."""
    shutil.rmtree(project / ".hilum", ignore_errors=True)
    return {name: start([str(ROOT / "src" / "hilum"), *stage], project) for name, stage in STAGES.items()}


def load(stage: str) -> Cost:
    """The cost of a process that only loads the stage's modules and their late imports."""
    code = f"import hilum.stages.{stage}, sklearn.neighbors, matplotlib.figure"
    return start(["-c", code], ROOT)


def start(arguments: list[str], folder: Path) -> Cost:
    """Run Python in a folder; this process stays small, because a child's peak memory starts at that of its parent."""
    begun = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    child = subprocess.Popen([sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"every stage must end well, got {child.returncode} from {' '.join(arguments)}; see above")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * unit)


if __name__ == "__main__":
    main()
