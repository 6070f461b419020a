"""What `check --dry-run` announces is what `dvc repro` then does; and it writes nothing, not even below `.dvc`."""

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hilum.project.plan import ALWAYS, MAY, RESTORED, RUNS, Planned, plan_stages
from hilum.workspace import Workspace
from project import SMALL, Project, make_project

STAGES = """
stages:
  check:
    cmd: mkdir -p data && cp facts.src data/facts.json
    always_changed: true
    outs: [data/facts.json]
  acquire:
    foreach: ${acquire.sources}
    do:
      cmd: mkdir -p data/raw/${key} && (cat films.txt; echo ${key}) > data/raw/${key}/films.txt
      deps: [films.txt]
      params: ["acquire.sources.${key}", {data/facts.json: ["sources.${key}"]}]
      outs: ["data/raw/${key}"]
  split:
    cmd: grep -c . data/raw/phantom/films.txt > split.txt
    deps: [data/raw]
    params: [split.seed]
    outs: [split.txt]
  train:
    cmd: sed s/^/n=/ split.txt > model.txt
    deps: [split.txt]
    params: [train]
    outs: [model.txt]
"""
VALUES = {
    "acquire": {"sources": {"phantom": {"films": 3}, "other": {"films": 5}}},
    "split": {"seed": 1},
    "train": {"seed": 1, "epochs": 2},
}
FACTS = {"sources": {"phantom": "a", "other": "b"}}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small pipeline that `dvc repro` has run."""
    made = Project(tmp_path_factory.mktemp("plan"))
    write(made, VALUES, FACTS)
    (made.root / "dvc.yaml").write_text(STAGES)
    (made.root / "films.txt").write_text("one\ntwo\n")
    made.run("git", "init", "-q")
    made.run(sys.executable, "-m", "dvc", "init", "-q")
    made.run(sys.executable, "-m", "dvc", "repro", "-q")
    return made


def write(made: Project, values: object, facts: object) -> None:
    (made.root / "params.yaml").write_text(json.dumps(values, indent=1))
    (made.root / "facts.src").write_text(json.dumps(facts))


def plan(made: Project) -> list[Planned]:
    return plan_stages(Workspace(made.root, made.root), json.loads((made.root / "facts.src").read_text()))


def copy(made: Project, folder: Path) -> Project:
    shutil.copytree(made.root, folder, symlinks=True)
    return Project(folder)


def nothing(_: Project) -> None:
    return


def other_split_seed(made: Project) -> None:
    write(made, {**VALUES, "split": {"seed": 2}}, FACTS)


def other_film(made: Project) -> None:
    (made.root / "films.txt").write_text("one\ntwo\nthree\n")


def other_facts(made: Project) -> None:
    write(made, VALUES, {"sources": {"phantom": "a", "other": "c"}})


def other_epochs(made: Project) -> None:
    write(made, {**VALUES, "train": {"seed": 1, "epochs": 3}}, FACTS)


def split_gone(made: Project) -> None:
    (made.root / "split.txt").unlink()


def cache_gone(made: Project) -> None:
    shutil.rmtree(made.root / ".dvc/cache/files")


def other_command(made: Project) -> None:
    (made.root / "dvc.yaml").write_text(STAGES.replace("s/^/n=/", "s/^/m=/"))


def new_source(made: Project) -> None:
    sources = {**VALUES["acquire"]["sources"], "third": {"films": 1}}
    write(made, {**VALUES, "acquire": {"sources": sources}}, {"sources": {**FACTS["sources"], "third": "c"}})


CHANGES: dict[Callable[[Project], None], dict[str, str]] = {
    nothing: {},
    other_split_seed: {"split": RUNS, "train": MAY},
    other_film: {"acquire@phantom": RUNS, "acquire@other": RUNS, "split": MAY, "train": MAY},
    other_facts: {"acquire@other": RUNS, "split": MAY, "train": MAY},
    other_epochs: {"train": RUNS},
    split_gone: {"split": RESTORED},
    cache_gone: dict.fromkeys(("acquire@phantom", "acquire@other", "split", "train"), RUNS),
    other_command: {"train": RUNS},
    new_source: {"acquire@third": RUNS, "split": MAY, "train": MAY},
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_plan_is_what_dvc_then_runs(change: Callable[[Project], None], ran: Project, tmp_path: Path) -> None:
    made = copy(ran, tmp_path / "project")
    change(made)
    planned = {one.name: one.kind for one in plan(made)}
    assert planned.pop("check") == ALWAYS
    assert planned == CHANGES[change]
    told = made.run(sys.executable, "-m", "dvc", "repro", "--no-run-cache").stdout
    happened = [name for name in re.findall(r"Running stage '([^']+)'", told) if name != "check"]
    certain, possible = ({name for name, kind in planned.items() if kind in kinds} for kinds in ((RUNS,), (RUNS, MAY)))
    assert certain <= set(happened) <= possible
    assert happened == [name for name in planned if name in happened], "in this order"


def test_each_reason_is_told_with_both_values(ran: Project, tmp_path: Path) -> None:
    made = copy(ran, tmp_path / "project")
    (made.root / "films.txt").write_text("one\n")
    write(made, {**VALUES, "train": {"seed": 1, "epochs": 3}}, {"sources": {"phantom": "c", "other": "b"}})
    why = {one.words: one.why for one in plan(made)}
    assert why["acquire phantom"] == ("films.txt changed", "data/facts.json: sources.phantom a -> c")
    assert why["train"] == ("train.epochs 2 -> 3",)
    assert why["split"] == ("if the results of acquire phantom, acquire other come out different",)


def test_a_project_that_dvc_cannot_read_is_refused_with_the_way_out(ran: Project, tmp_path: Path) -> None:
    made = copy(ran, tmp_path / "project")
    (made.root / "dvc.lock").write_text("")
    with pytest.raises(ValueError, match="`hilum doctor` says what mends it"):
        plan(made)


def state_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Time and bytes of every file and folder; compiled code left out."""
    paths = [folder, *(path for path in sorted(folder.rglob("*")) if "__pycache__" not in str(path))]
    return {
        str(path): (path.lstat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "")
        for path in paths
    }


def test_a_dry_run_of_the_real_pipeline_writes_nothing(tmp_path: Path) -> None:
    made = make_project(tmp_path, SMALL)
    (made.root / "folds").mkdir()
    made.hilum("check", "--help")  # compiles the code
    before = state_of(made.root)
    told = json.loads(made.hilum("check", "--dry-run", "--json").stdout)
    assert state_of(made.root) == before, "nothing has run yet"
    assert [one["stage"] for one in told["stages"]][:4] == ["check", "acquire@phantom", "acquire@phantom-findings", "prepare"]
    made.run(sys.executable, "-m", "dvc", "repro", "-q", "acquire@phantom-findings")
    before = state_of(made.root)
    lines = made.hilum("check", "--dry-run").stdout
    assert state_of(made.root) == before, "and nothing below .dvc, .git and .hilum"
    assert "acquire phantom-findings" not in lines and "  acquire phantom runs: it has not run yet" in lines
    assert "stages would run besides check" in lines
    made.run(sys.executable, "-m", "dvc", "repro", "-q", "acquire@phantom")
    made.set({"acquire.sources.phantom.seed": 5})
    lines = made.hilum("check", "--dry-run").stdout
    told = " ".join(lines.split())
    assert re.search(r"acquire phantom runs: .*seed 1 -> 5 \(last time \d+ s, 150 rows, [\d.]+ [kM]B\)", told), told
    assert re.search(r"\d+ stages would run besides check, about \d+ s and [\d.]+ [kM]B; \d+ have no earlier run", told), told
