"""doctor: find what is wrong with a project and its environment; each finding with the command that mends it."""

from pathlib import Path
from typing import Any

from hilum.doctor.finding import Examined, Finding, Project
from hilum.doctor.registry import EXAMINATIONS
from hilum.exits import FoundError
from hilum.progress import say, say_wrapped
from hilum.workspace import find_workspace


def run(mend: bool = False) -> dict[str, Any]:
    workspace = find_workspace(Path.cwd())
    facts, left, mended = {}, [], []
    for area in EXAMINATIONS:
        examined = examine(area, Project(workspace))
        tell(area, examined)
        done = mend_all(area, examined.findings) if mend else []
        if done:
            examined = examine(area, Project(workspace))
            mended += done
        facts[area] = examined.facts
        left += [
            {"area": area, "finding": one.what, "remedy": one.remedy, "mendable": bool(one.mend)} for one in examined.findings
        ]
    found = {"facts": facts, "findings": left, "mended": mended}
    if left:
        mendable = sum(bool(one["mendable"]) for one in left)
        hint = f"; `hilum doctor --mend` mends {mendable} of them" if mendable and not mend else ""
        say(f"{len(left)} finding{'s' * (len(left) > 1)}{' left' if mended else ''}{hint}")
        raise FoundError(found)
    say("nothing is left to mend" if mended else "nothing is wrong")
    return found


def examine(area: str, project: Project) -> Examined:
    """One examination; one that fails is a finding of its own, so that the others go on."""
    try:
        return EXAMINATIONS[area](project)
    except Exception as error:
        remedy = "HILUM_DEBUG=1 hilum check shows more; report it if the words above do not help"
        return Examined(findings=[Finding(f"could not be examined: {type(error).__name__}: {error}", remedy)])


def tell(area: str, examined: Examined) -> None:
    """Print an area's facts on one line, and two lines for each finding."""
    say_wrapped(f"{area}: ", "; ".join(examined.facts) or ("see below" if examined.findings else "as it should be"))
    for one in examined.findings:
        say_wrapped("  ! ", one.what)
        say_wrapped("    -> ", one.remedy)


def mend_all(area: str, findings: list[Finding]) -> list[dict[str, str]]:
    """Mend what can be mended; a mend that fails is reported, and its finding stays."""
    done = []
    for one in findings:
        if one.mend is not None:
            try:
                what = one.mend()
            except (OSError, ValueError) as error:
                say_wrapped("    not mended: ", str(error))
                continue
            say_wrapped("    mended: ", what)
            done.append({"area": area, "finding": one.what, "mended": what})
    return done
