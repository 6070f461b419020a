"""The machine: disk, processors, memory, GPU."""

import json
import shutil
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from hilum.doctor.finding import Examined, Project
from hilum.processors import usable_processors
from hilum.progress import tell_bytes
from hilum.project.stage_records import FOLDER

LEAST_DISK = 1e9  # bytes free: less is filled by one run of the default project with its environment's caches
LEAST_MEMORY = 1.5e9  # bytes free: TensorFlow and the films of the default project
GROUPS = Path("/sys/fs/cgroup")  # limits of a container


def examine_machine(project: Project) -> Examined:
    """Free disk against what earlier runs wrote, processors, memory, and whether a GPU is used."""
    home = project.workspace.home
    free, written = shutil.disk_usage(home).free, written_before(project)
    memory, cores = free_memory(), usable_processors()
    found = Examined([f"{tell_bytes(free)} free on the disk of {home}", f"{cores} processors{_quota()}"])
    if free < max(LEAST_DISK, written):
        why = f"earlier runs of all stages wrote {tell_bytes(written)}" if written > LEAST_DISK else "a run needs about 1 GB"
        found.add(
            f"the disk of {home} has {tell_bytes(free)} free, but {why}", "free some: `dvc gc --workspace`, or another disk"
        )
    if memory is not None:
        found.facts.append(f"{tell_bytes(memory)} of memory free")
        if memory < LEAST_MEMORY:
            found.add(
                f"training needs about {tell_bytes(LEAST_MEMORY)} of memory, and {tell_bytes(memory)} are free",
                "end other programs, or raise the container's limit",
            )
    found.facts.append(_gpu())
    return found


def written_before(project: Project) -> int:
    """The bytes that the last runs of all stages wrote."""
    total = 0
    for file in (project.workspace.cache / FOLDER).glob("*.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            total += int(json.loads(file.read_text())["size"])
    return total


def free_memory() -> float | None:
    """Bytes that programs may still take, a container's limit included; None where no file has it."""
    found: list[float] = []
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(1024.0 * int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]))
    with suppress(OSError, ValueError):
        limit, used = ((GROUPS / name).read_text() for name in ("memory.max", "memory.current"))
        caches = dict(line.split() for line in (GROUPS / "memory.stat").read_text().splitlines())
        found.append(float(limit) - float(used) + float(caches.get("inactive_file", 0)))  # "max" is no number
    return min(found) if found else None


def _quota() -> str:
    with suppress(OSError, ValueError):
        quota, period = (GROUPS / "cpu.max").read_text().split()
        return f", limited to the time of {float(quota) / float(period):.1f}"
    return ""


def _gpu() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "no NVIDIA GPU"
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run([program, "-L"], capture_output=True, text=True, timeout=10, check=False)
        if answer.returncode == 0 and answer.stdout.strip():
            used = any((one.name or "").startswith("nvidia-cudnn") for one in metadata.distributions())
            return f"{answer.stdout.splitlines()[0].partition(' (UUID')[0]}" + (
                "" if used else ", not used: TensorFlow has no CUDA libraries (`uv pip install 'tensorflow[and-cuda]'`)"
            )
    return "no NVIDIA GPU that answers"
