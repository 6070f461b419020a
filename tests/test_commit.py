"""Which commit is told, and when its files count as changed: in the project, in a copy of an experiment, and without git."""

from pathlib import Path

import pytest
import yaml

from hilum.commit import Commit, describe_commit, find_commit
from hilum.workspace import Workspace, find_workspace
from project import Project


def call(folder: Path, *command: str) -> str:
    return Project(folder).run(*command).stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a commit in which a stage writes what `find_commit` says into a file."""
    lines = ("pathlib import Path", "hilum.commit import find_commit", "hilum.workspace import find_workspace")
    code = "".join(f"from {line}\n" for line in lines) + "print(find_commit(find_workspace(Path.cwd())))\n"
    stage = {"cmd": "python src/tell.py > told.txt", "deps": ["src"], "params": ["seed"], "outs": ["told.txt"]}
    files = {
        "params.yaml": "seed: 1\n",
        "dvc.yaml": yaml.safe_dump({"stages": {"tell": stage}}),
        "src/tell.py": code,
        "README.md": "a project\n",
        "dvc.lock": "schema: '2.0'\n",
    }
    folder = tmp_path / "project"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    call(folder, "git", "init", "-q")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "-m", "one")
    return folder


def test_without_git_or_a_commit_there_is_none(tmp_path: Path) -> None:
    assert find_commit(Workspace(tmp_path, tmp_path)) == Commit("", changed=False)
    call(tmp_path, "git", "init", "-q")
    assert find_commit(Workspace(tmp_path, tmp_path)) == Commit("", changed=False)
    assert describe_commit(Commit("", changed=False)) == "none"


def test_a_fresh_commit_is_unchanged(folder: Path) -> None:
    found = find_commit(find_workspace(folder))
    assert found == Commit(call(folder, "git", "rev-parse", "HEAD"), changed=False)
    assert describe_commit(found) == found.id[:12] and len(found.id) == 40


@pytest.mark.parametrize("name", ["dvc.lock", "new.txt", "src/new.py"])
def test_what_dvc_writes_and_what_git_does_not_know_is_no_change(folder: Path, name: str) -> None:
    (folder / name).write_text("# other\n")
    assert not find_commit(find_workspace(folder)).changed


@pytest.mark.parametrize("staged", [False, True])
@pytest.mark.parametrize("name", ["src/tell.py", "params.yaml", "dvc.yaml"])
def test_a_changed_file_is_told(folder: Path, name: str, staged: bool) -> None:
    before = find_commit(find_workspace(folder))
    (folder / name).write_text((folder / name).read_text() + "# other\n")
    if staged:
        call(folder, "git", "add", "-A")
    found = find_commit(find_workspace(folder))
    assert found == Commit(before.id, changed=True)
    assert describe_commit(found) == f"{before.id[:12]} with uncommitted changes"


def test_a_deleted_file_and_a_new_one_for_the_next_commit_are_changes(folder: Path) -> None:
    (folder / "README.md").unlink()
    assert find_commit(find_workspace(folder)).changed
    call(folder, "git", "checkout", "-q", "README.md")
    (folder / "src" / "new.py").write_text("")
    call(folder, "git", "add", "src/new.py")
    assert find_commit(find_workspace(folder)).changed


def test_a_project_in_a_folder_of_a_repository_is_judged_alone(folder: Path) -> None:
    inner = folder / "inner"
    inner.mkdir()
    for name in ("params.yaml", "dvc.yaml"):
        (inner / name).write_text("")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "-m", "two")
    (folder / "README.md").write_text("other")
    assert not find_commit(find_workspace(inner)).changed and find_commit(find_workspace(folder)).changed


def test_the_overrides_of_an_experiment_in_a_copy_are_no_change_and_edited_code_is(folder: Path) -> None:
    """Real copies: DVC makes a repository of its own for each, at the commit of its start."""
    call(folder, "dvc", "init", "-q")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "-m", "with dvc")
    head = call(folder, "git", "rev-parse", "HEAD")
    (folder / "README.md").write_text("edited at home, and so in the copy\n")
    for name, changed in (("edited", True), ("clean", False)):
        if name == "clean":
            call(folder, "git", "checkout", "-q", "README.md")
        call(folder, "dvc", "exp", "run", "-q", "--temp", "-n", name, "-S", f"seed={7 if changed else 8}")
        call(folder, "dvc", "get", "-q", ".", "told.txt", "--rev", name, "-o", f"{name}.txt")
        assert (folder / f"{name}.txt").read_text().strip() == str(Commit(head, changed=changed))
