"""The command line: one sub-command per verb, its stage imported only when called."""

import argparse
import importlib
import json
import math
import os
import signal
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hilum.addresses import mask
from hilum.completion import SHELLS, PrintCompletion
from hilum.examples import EXAMPLES
from hilum.exits import DONE, EXITS, FOUND, INTERRUPTED, MISUSED, REFUSED, FoundError
from hilum.full_disk import ROOM, is_full
from hilum.loading import loading
from hilum.options import (
    add_app,
    add_compare,
    add_evaluate,
    add_export,
    add_facts,
    add_predict,
    add_reading,
    add_recalibrate,
    add_workers,
)
from hilum.progress import end_bar, escape_controls, lines_to, say

CHAMPION = "models:/hilum@champion"

VERBS = {
    "check": "validate params.yaml and the files that it names; write data/facts.json",
    "doctor": "find what is wrong with this project and its environment, and what mends it",
    "acquire": "put one source of films under data/raw/",
    "prepare": "decode, square and resize the films; write the manifest",
    "split": "split the films by patient and verify the parts",
    "pretrain": "train backbones on the findings of another source",
    "tune": "search one arm's spaces",
    "train": "train one arm",
    "fingerprint": "note the digest of one arm's training, which ensembles depend on",
    "ensemble": "join the models of several arms, or the repeats of one, into one model",
    "evaluate": "measure one arm on validation and test films, or any model on any labelled films",
    "crossvalidate": "train and evaluate one arm on every fold of split.folds",
    "explain": "explain one arm's predictions for the chosen films, or a model's for one film or a folder",
    "audit": "test whether one arm relies on something outside the lungs, and where",
    "external": "test one frozen arm on the films of external.sources",
    "compare": "compare every arm with the reference",
    "publish": "add every run that the tracking store lacks",
    "verify": "read every file under DVC and compare its bytes with dvc.lock",
    "ui": "show the runs in a browser, with saved views of arms, maps and searches",
    "app": "read films in a browser: a model's prediction and maps beside the film, and the reader's own mark",
    "predict": "predict every film of a folder",
    "recalibrate": "fit a model's calibration and threshold to a site's labelled films, as a model of its own",
    "export": "write a model for LiteRT or ONNX Runtime, which predict without TensorFlow",
    "reading": "readers' marks as a source's annotations, readers against truth and model, references of training films",
    "experiment": "run the pipeline under changed parameters, leaving this folder as it is",
}
ARMED = {  # verbs that must be given an arm -> the sections of params.yaml that have it
    **dict.fromkeys(("tune", "train", "fingerprint", "crossvalidate"), "arms"),
    "ensemble": "ensembles",
    **dict.fromkeys(("audit", "external"), "arms or ensembles"),
}
ALONE = (  # need no output of another verb
    *("check", "doctor", "acquire", "verify", "ui", "app", "predict", "recalibrate", "export", "reading", "experiment"),
)
SCRIPTED = ("check", "doctor", "evaluate", "compare", "verify", "predict", "recalibrate")  # verbs with the options of scripts
OF_SCRIPTS = {  # option -> what it does; read here, unknown to stages
    "json": "print one JSON object on standard output, and all lines on standard error",
    "quiet": "print nothing but errors",
}


class MaskingParser(argparse.ArgumentParser):
    """A parser whose errors show no password of an address."""

    def error(self, message: str) -> NoReturn:
        super().error(mask(message))


def build_parser() -> argparse.ArgumentParser:
    """The parser with all verbs."""
    parser = MaskingParser(
        prog="hilum",
        description="chest X-ray classifiers that show where they look",
        epilog="\n".join(("exit status:", *(_tell_exit(code) for code in EXITS))),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--print-completion", action=PrintCompletion, choices=SHELLS, help="print the script that completes words in this shell"
    )
    added = _add_verbs(parser)
    added["check"].add_argument("--dry-run", action="store_true", help="list the stages that would run, and why; write nothing")
    added["doctor"].add_argument("--mend", action="store_true", help="mend what can be mended without a loss")
    added["acquire"].add_argument("--source", required=True, help="name in acquire.sources")
    for verb, place in ARMED.items():
        added[verb].add_argument("--arm", required=True, help=f"name in {place}")
    add_evaluate(added["evaluate"])
    explain = added["explain"]
    explain.add_argument(
        "--arm", default="", help="name in arms or ensembles: the films that `split` chose; or one film by the rest:"
    )
    explain.add_argument("--image", default="", help="a film")
    explain.add_argument("--model", default=CHAMPION, help=f"a .keras file, a run or a registered model ({CHAMPION})")
    explain.add_argument(
        "--methods", default="", help="all, or methods and sheets separated by commas (those of explain.methods and .sheets)"
    )
    explain.add_argument("--target", default="predicted", help="the class that maps explain: predicted, or its name (predicted)")
    explain.add_argument("--out", default="explained", help="folder for panel, sheets and arrays (explained)")
    explain.add_argument("--films", default="", help="or a folder of films: a panel of each, and predictions.csv; continued")
    add_workers(explain)
    added["ui"].add_argument("--port", default="5000", help="of the server on this machine (5000)")
    add_app(added["app"])
    add_predict(added["predict"])
    add_recalibrate(added["recalibrate"])
    add_export(added["export"])
    add_reading(added["reading"])
    for verb in ("evaluate", "explain", "app", "predict", "recalibrate", "export"):
        add_facts(added[verb])
    add_compare(added["compare"])
    experiment = added["experiment"]
    experiment.add_argument("--recipe", default="", help="name of a file in recipes/")
    experiment.add_argument("--set", default="", help="key=value pairs separated by spaces, keys dotted as in params.yaml")
    experiment.add_argument("named", nargs="*", metavar="NAME=VALUE", help="named parameters, as MLproject lists them")
    for verb in SCRIPTED:
        for name, text in OF_SCRIPTS.items():
            added[verb].add_argument(f"--{name}", action="store_true", help=text)
    return parser


def _add_verbs(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """A parser for each verb, with its description and examples."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    added = {}
    for verb, text in VERBS.items():
        added[verb] = verbs.add_parser(
            verb,
            help=text,
            description=textwrap.fill(text, 78),
            epilog="\n  ".join(("examples:", *EXAMPLES[verb])),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    return added


def _tell_exit(code: int) -> str:
    return textwrap.fill(EXITS[code], 78, initial_indent=f"  {code:<5}", subsequent_indent=" " * 7)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status, one of EXITS."""
    parsed, unknown = build_parser().parse_known_args(arguments)
    chosen = vars(parsed)
    verb = chosen.pop("verb")
    del chosen["print_completion"]
    as_json, quiet = (chosen.pop(name, False) for name in OF_SCRIPTS)
    if unknown:  # `mlflow run -P zz=1` passes what MLproject does not declare as `--zz 1`
        print(f"hilum {verb}: {mask(' '.join(unknown))} is not a parameter; `hilum {verb} --help` lists them", file=sys.stderr)
        return MISUSED
    signal.signal(signal.SIGTERM, _interrupt)
    _keep_freed_memory()
    with lines_to(None) if quiet else lines_to(sys.stderr) if as_json else nullcontext():
        status, found = _call(verb, chosen)
    if as_json:
        print(json.dumps(_plain({"verb": verb, "exit": status, **found}), indent=1, default=str))
    return status


def _call(verb: str, chosen: dict[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Run a verb's stage; returns the exit status and what `--json` prints of it."""
    try:
        with _ending_bars():
            return DONE, _run(verb, chosen)
    except FoundError as found:
        return FOUND, found.found
    except ModuleNotFoundError as absent:
        if absent.name and absent.name.startswith("hilum"):
            raise
        from hilum.packages import tell_missing

        return _refuse(verb, tell_missing(absent.name or str(absent)))
    except (ValueError, OSError) as refusal:  # OSError: a full disk, a file that may not be read
        refused = _refuse(verb, mask(_tell(refusal)))
        if os.environ.get("HILUM_DEBUG"):
            raise
        return refused
    except KeyboardInterrupt:
        print(f"hilum {verb}: interrupted; what is finished is kept, run the same command again to go on", file=sys.stderr)
        return INTERRUPTED, {"interrupted": True}


@contextmanager
def _ending_bars() -> Iterator[None]:
    try:
        yield
    finally:
        end_bar()


def _plain(value: Any) -> Any:
    """The value with null for each number that is not finite, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _refuse(verb: str, message: str) -> tuple[int, Mapping[str, Any]]:
    print(f"hilum {verb}: {escape_controls(message)}", file=sys.stderr)
    return REFUSED, {"refused": message}


def _run(verb: str, chosen: dict[str, Any]) -> Mapping[str, Any]:
    begun = time.monotonic()
    if verb != "experiment" and not _names_exported(chosen):  # experiment: its names are keys of params.yaml
        from hilum.project.names import check_names

        check_names(chosen, verb)
    if verb not in ALONE:
        from hilum.project.earlier_stages import check_earlier

        check_earlier(verb, chosen)
    with loading():
        stage = importlib.import_module(f"hilum.stages.{verb}")
    found = stage.run(**chosen)
    from hilum.project.stage_records import keep_record

    for line in keep_record(verb, chosen, time.monotonic() - begun):
        say(line)
    return found or {}


def _names_exported(chosen: Mapping[str, Any]) -> bool:
    """Whether `predict` is given a file of `export`: it needs no project, and no package that takes seconds to load."""
    if "engine" not in chosen:
        return False
    from hilum.serving.engines import find_engine

    return find_engine(chosen["engine"], chosen["model"]) != "keras"


def _tell(refusal: ValueError | OSError) -> str:
    """The message of an error; for a missing file also the stage that makes it."""
    if isinstance(refusal, FileNotFoundError) and isinstance(refusal.filename, str):
        from hilum.project.earlier_stages import tell_absent

        with suppress(ValueError):  # outside of a project
            return tell_absent(Path(refusal.filename)) or str(refusal)
    told = str(refusal)
    advised = any(remedy in told for remedy in ("free some", "make room"))
    return f"{told}; {ROOM}" if is_full(refusal) and not advised else told


def _keep_freed_memory() -> None:
    """Let the C library keep the freed memory of films' arrays for the next ones.

    glibc returns blocks of this size to the system, which must clear them again for every array, until it has seen a
    larger one freed (up to 32 MiB: `man mallopt`, M_MMAP_THRESHOLD). Elsewhere this does nothing.
    """
    bytearray(31 << 20)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
