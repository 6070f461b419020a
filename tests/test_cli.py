"""The command line: one sub-command per verb, refusals in one line with exit status 1, unknown options with 2."""

import gc
import importlib
import json
import os
import re
import shlex
import signal
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hilum.cli import OF_SCRIPTS, SCRIPTED, VERBS, build_parser, main
from hilum.completion import SHELLS
from hilum.examples import EXAMPLES
from hilum.exits import EXITS, FoundError
from hilum.full_disk import ROOM
from hilum.project import earlier_stages, names, stage_records

ROOT = Path(__file__).resolve().parents[1]
UNTOLD = dict.fromkeys(("classes", "size", "square", "scaling", "threshold"), "")  # of a user's own model
CALLS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "check": (["--dry-run"], {"dry_run": True}),
    "doctor": (["--mend", "--quiet"], {"mend": True}),
    **{verb: ([], {}) for verb in ("verify", "prepare", "split", "pretrain", "publish")},
    **{
        verb: (["--arm", "baseline"], {"arm": "baseline"})
        for verb in ("tune", "train", "fingerprint", "ensemble", "crossvalidate", "audit", "external")
    },
    "evaluate": (
        ["--model", "m.keras", "--data", "films", "--labels", "a=b"],
        {
            "arm": "",
            "model": "m.keras",
            "data": "films",
            "labels": "a=b",
            "columns": "",
            "pattern": "",
            "explain": "",
            "audit": False,
            "out": "",
            **UNTOLD,
        },
    ),
    "explain": (
        ["--image", "film.png", "--model", "m.keras", "--methods", "all"],
        {
            "arm": "",
            "image": "film.png",
            "films": "",
            "model": "m.keras",
            "methods": "all",
            "target": "predicted",
            "out": "explained",
            "workers": "",
            "executor": "",
            "threads": "",
            **UNTOLD,
        },
    ),
    "compare": (
        ["3f2a", "results/arms/baseline", "--where", "params.a = '1'", "--out", "c.html", "--no-films", "--reference", "3f2a"],
        {
            "runs": ["3f2a", "results/arms/baseline"],
            "where": "params.a = '1'",
            "out": "c.html",
            "no_films": True,
            "reference": "3f2a",
        },
    ),
    "acquire": (["--source", "phantom"], {"source": "phantom"}),
    "predict": (
        [
            "--model",
            "m.keras",
            "--images",
            "films",
            "--out",
            "a/b.csv",
            "--explain",
            "lime,shap",
            "--workers",
            "2",
            *("--size", "64"),
        ],
        {
            "model": "m.keras",
            "images": Path("films"),
            "out": Path("a/b.csv"),
            "explain": "lime,shap",
            "engine": "",
            "workers": "2",
            "executor": "",
            "threads": "",
            **UNTOLD,
            "size": "64",
        },
    ),
    "ui": (["--port", "5001"], {"port": "5001"}),
    "app": (
        ["--model", "m.keras", "--beside", "models:/hilum/2", "--films", "films", "--port", "8502", "--let-others-in"],
        {
            "model": "m.keras",
            "beside": "models:/hilum/2",
            "films": "films",
            "readings": "",
            "port": "8502",
            "address": "127.0.0.1",
            "let_others_in": True,
            **UNTOLD,
        },
    ),
    "recalibrate": (
        ["--model", "m.keras", "--data", "films", "--site", "north", "--register"],
        {
            "model": "m.keras",
            "data": "films",
            "labels": "",
            "columns": "",
            "pattern": "",
            "out": "recalibrated",
            "site": "north",
            "method": "temperature",
            "register": True,
            **UNTOLD,
        },
    ),
    "export": (
        ["--model", "m.keras", "--format", "onnx", "--out", "given"],
        {"model": "m.keras", "format": "onnx", "out": Path("given"), **UNTOLD},
    ),
    "reading": (
        ["--marks", "films/clinic", "--table", "labels.csv", "--column", "film"],
        {
            "readings": "readings",
            "marks": "films/clinic",
            "table": "labels.csv",
            "column": "film",
            "truth": "",
            "predictions": "",
            "out": "reading",
            "references": "",
        },
    ),
    "experiment": (
        ["--recipe", "", "--set", "a=1 b=2", "seed=", "films=3"],
        {"recipe": "", "set": "a=1 b=2", "named": ["seed=", "films=3"]},
    ),
}


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`main` sets a handler and a variable for its process, which here is pytest's."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    monkeypatch.delenv("HILUM_DEBUG", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Stage:
    """Stands for a stage's module, so that none is really imported."""

    def __init__(self, failure: BaseException | None = None, found: dict[str, Any] | None = None) -> None:
        self.failure, self.found = failure, found
        self.imported: list[str] = []
        self.calls: list[dict[str, Any]] = []

    def run(self, **arguments: Any) -> dict[str, Any] | None:
        self.calls.append(arguments)
        print("a line of the stage")
        if self.failure:
            raise self.failure
        return self.found

    def import_module(self, name: str) -> "Stage":
        self.imported.append(name)
        return self


def put_in_place(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException | None = None, found: dict[str, Any] | None = None
) -> Stage:
    stage = Stage(failure, found)
    monkeypatch.setattr(stage_records, "keep_record", lambda verb, chosen, seconds: [])
    monkeypatch.setattr(names, "check_names", lambda chosen, verb: None)
    monkeypatch.setattr(earlier_stages, "check_earlier", lambda verb, chosen: None)
    monkeypatch.setattr(importlib, "import_module", stage.import_module)
    return stage


def test_every_verb_is_called_here() -> None:
    assert set(CALLS) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_imports_its_stage_alone_and_hands_its_options_over(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = put_in_place(monkeypatch)
    given, wanted = CALLS[verb]
    assert main([verb, *given]) == 0
    assert stage.imported == [f"hilum.stages.{verb}"]
    assert stage.calls == [wanted]


@pytest.mark.parametrize("verb", ["evaluate", "recalibrate"])
@pytest.mark.parametrize(("given", "wanted"), [([], False), ([""], False), (["no"], False), (["yes"], True), (["Yes "], True)])
def test_an_option_of_yes_is_given_with_a_value_by_mlflow_run(
    verb: str, given: list[str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, option = put_in_place(monkeypatch), {"evaluate": "audit", "recalibrate": "register"}[verb]
    needed = ["--model", "m.keras", "--data", "films"]
    assert main([verb, *needed, *([f"--{option}", *given] if given else [])]) == 0
    assert main([verb, f"--{option}", *needed]) == 0
    assert [call[option] for call in stage.calls] == [wanted, True]


def test_another_value_of_such_an_option_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stage = put_in_place(monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main(["recalibrate", "--model", "m.keras", "--data", "films", "--register", "perhaps"])
    assert ended.value.code == 2 and stage.imported == []
    assert "takes yes or no, or no value for yes, got 'perhaps'" in capsys.readouterr().err


ENTRIES = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
SAME = {  # entry point -> its parameters by `mlflow run -P`, and the same call by hand
    "evaluate": ({"arm": "baseline"}, ["--arm", "baseline"]),
    "recalibrate": (
        {"model": "m.keras", "data": "my films", "register": "yes"},
        ["--model", "m.keras", "--data", "my films", "--register"],
    ),
    "explain": ({"arm": "baseline"}, ["--arm", "baseline"]),
}


@pytest.mark.parametrize("verb", SAME)
def test_an_entry_point_hands_over_what_the_verb_does_by_itself(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow puts a value, quoted, in the place of every parameter: those that nobody gave are empty or defaults."""
    stage, entry = put_in_place(monkeypatch), ENTRIES[verb]
    given, by_hand = SAME[verb]
    default = {name: rule["default"] for name, rule in entry["parameters"].items() if isinstance(rule, dict)}
    values = {**default, **given}
    command = entry["command"].format(**{name: shlex.quote(value) for name, value in values.items()})
    assert main(shlex.split(command)[2:]) == 0 and main([verb, *by_hand]) == 0
    assert stage.calls[0] == stage.calls[1]


@pytest.mark.parametrize("name", ENTRIES)
def test_the_command_of_an_entry_point_takes_each_of_its_parameters_once(name: str) -> None:
    entry, text = ENTRIES[name], (ROOT / "MLproject").read_text()
    own = re.split(r"^  (?=\S)", text[text.index(f"\n  {name}:") + 1 :], maxsplit=2, flags=re.MULTILINE)[1]
    wanted = [part[1] for part in string.Formatter().parse(entry["command"]) if part[1]]
    assert sorted(wanted) == sorted(entry.get("parameters", {}))
    listed = re.findall(r"^      (\w+):", own, flags=re.MULTILINE)
    assert len(listed) == len(set(listed)), "YAML would keep the last of two parameters of a name"


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_option_is_refused_before_the_stage_is_imported(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = put_in_place(monkeypatch)
    assert main([verb, *CALLS[verb][0], "--zz", "1"]) == 2  # as `mlflow run -P zz=1` hands it over
    assert stage.imported == []
    told = capsys.readouterr().err
    assert told.startswith(f"hilum {verb}: --zz")
    assert f"`hilum {verb} --help` lists them" in told


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train"], ["acquire"], ["predict", "--model", "m.keras"]])
def test_an_unknown_verb_or_a_missing_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_a_refusal_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    put_in_place(monkeypatch, ValueError("size must be even, got 3; use 4"))
    assert main(["check"]) == 1
    assert capsys.readouterr().err == "hilum check: size must be even, got 3; use 4\n"


def test_a_missing_package_is_told_with_the_way_to_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, ModuleNotFoundError("No module named 'pandas'", name="pandas"))
    assert main(["check"]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"hilum check: {sys.executable} has no package pandas; activate the environment")


def test_a_missing_driver_of_the_store_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "mysql://anna:geheim@localhost/runs")
    assert main(["explain", "--image", str(ROOT / "params.yaml"), "--model", "models:/hilum@champion"]) == 1
    told = capsys.readouterr().err
    assert "a tracking store in MySQL needs the package mysqlclient (MySQLdb)" in told and "activate" not in told
    assert "geheim" not in told


def test_a_missing_part_of_hilum_is_no_matter_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, ModuleNotFoundError("No module named 'hilum.x'", name="hilum.x"))
    with pytest.raises(ModuleNotFoundError):
        main(["check"])


def test_a_full_disk_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    put_in_place(monkeypatch, OSError(28, "No space left on device", "a.csv"))
    assert main(["check"]) == 1
    assert capsys.readouterr().err == f"hilum check: [Errno 28] No space left on device: 'a.csv'; {ROOM}\n"


def test_the_traceback_is_there_for_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, ValueError("size"))
    monkeypatch.setenv("HILUM_DEBUG", "1")
    with pytest.raises(ValueError, match="size"):
        main(["check"])


def test_the_search_for_garbage_rests_while_a_stage_is_loaded_and_goes_on_after(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def load(name: str) -> None:
        seen.append(gc.isenabled())
        raise ModuleNotFoundError("no tensorflow", name="tensorflow")

    monkeypatch.setattr(importlib, "import_module", load)
    assert main(["check"]) == 1
    assert seen == [False] and gc.isenabled()


def test_a_mistake_of_the_program_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    put_in_place(monkeypatch, TypeError("a bug"))
    with pytest.raises(TypeError):
        main(["check"])


def test_an_interrupt_ends_with_130_and_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, KeyboardInterrupt())
    assert main(["train", "--arm", "baseline"]) == 130
    assert "interrupted; what is finished is kept, run the same command again" in capsys.readouterr().err


def test_a_sigterm_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = put_in_place(monkeypatch)
    monkeypatch.setattr(stage, "run", lambda **_: os.kill(os.getpid(), signal.SIGTERM))
    assert main(["check"]) == 130


def test_help_lists_every_verb_and_every_exit_status() -> None:
    text = " ".join(build_parser().format_help().split())
    assert all(f" {verb} {what}" in text for verb, what in VERBS.items())
    assert all(f" {code} {meaning}" in text for code, meaning in EXITS.items())


@pytest.mark.parametrize("columns", ["80", "120"])
@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_fits_the_terminal(
    verb: str, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit):
        main([*[verb] * bool(verb), "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= int(columns)


def test_every_verb_has_examples_and_each_is_a_command_that_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(EXAMPLES) == list(VERBS)
    for verb, examples in EXAMPLES.items():
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        told = capsys.readouterr().out
        for example in examples:
            assert example in told
            words = shlex.split(example, comments=True)
            call = words[words.index("hilum") + 1 :]
            end = next((i for i, word in enumerate(call) if word in ("|", "&&")), len(call))
            assert vars(build_parser().parse_args(call[:end]))["verb"] == verb


@pytest.mark.parametrize("verb", SCRIPTED)
def test_a_script_gets_one_json_object_and_the_lines_aside(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = put_in_place(monkeypatch, found={"films": 3, "auroc": float("nan"), "out": Path("a.csv")})
    assert main([verb, *CALLS[verb][0], "--json"]) == 0
    out, err = capsys.readouterr()
    assert stage.calls and err.strip() == ("" if "--quiet" in CALLS[verb][0] else "a line of the stage")
    assert json.loads(out) == {"verb": verb, "exit": 0, "films": 3, "auroc": None, "out": "a.csv"}


@pytest.mark.parametrize(
    ("failure", "status", "told"),
    [
        (ValueError("size must be even"), 1, {"refused": "size must be even"}),
        (FoundError({"changed": ["a"]}), 3, {"changed": ["a"]}),
        (KeyboardInterrupt(), 130, {"interrupted": True}),
    ],
)
def test_a_script_learns_from_json_too_how_a_verb_ended(
    failure: BaseException, status: int, told: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, failure)
    assert main(["verify", "--json"]) == status
    assert status in EXITS
    assert json.loads(capsys.readouterr().out) == {"verb": "verify", "exit": status, **told}


def test_quiet_prints_errors_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    put_in_place(monkeypatch)
    assert main(["check", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    put_in_place(monkeypatch, ValueError("size must be even"))
    assert main(["check", "--quiet"]) == 1
    assert capsys.readouterr() == ("", "hilum check: size must be even\n")


def test_only_verbs_that_scripts_use_have_their_options() -> None:
    for verb in VERBS:
        given = [*CALLS[verb][0], *(f"--{name}" for name in OF_SCRIPTS)]
        assert bool(build_parser().parse_known_args([verb, *given])[1]) == (verb not in SCRIPTED)


def complete(line: str, folder: Path) -> list[str]:
    """What bash offers for the last word of a line, by the script that hilum prints."""
    script = call(["--print-completion", "bash"], folder)
    assert script.returncode == 0, script.stderr
    (folder / "completion.sh").write_text(script.stdout)
    words = shlex.join(line.split(" "))
    asked = (
        "source ./completion.sh; COMP_WORDS=(" + words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
        "$(complete -p hilum | sed 's/.*-F \\([^ ]*\\).*/\\1/') hilum; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    answer = subprocess.run(["bash", "-c", asked], cwd=folder, capture_output=True, text=True, check=False)
    return answer.stdout.split()


def test_bash_completes_verbs_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "my.keras").touch()
    assert complete("hilum e", tmp_path) == ["ensemble", "evaluate", "explain", "external", "export", "experiment"]
    assert complete("hilum predict --mo", tmp_path) == ["--model"]
    assert complete("hilum predict --model my", tmp_path) == ["my.keras"]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_gets_a_script_with_every_verb(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    assert ended.value.code == 0
    script = capsys.readouterr().out
    assert all(verb in script for verb in VERBS)


def call(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "src" / "hilum"), *arguments]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_folder_of_the_package_is_a_program(tmp_path: Path) -> None:
    answer = call(["check", "--help"], tmp_path)
    assert answer.returncode == 0
    assert answer.stdout.startswith("usage: hilum check")


def test_a_refusal_is_a_line_and_no_traceback(tmp_path: Path) -> None:
    answer = call(["check"], tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("hilum check: hilum runs inside a project with params.yaml and dvc.yaml")
    assert len(answer.stderr.splitlines()) == 1
    assert answer.stdout == ""
