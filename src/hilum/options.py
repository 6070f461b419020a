"""Options of the verbs that have many, and those that several verbs share."""

import argparse
from pathlib import Path

DATA = "a folder with a folder per class, a table (CSV) of films, or a recipe"


def add_export(export: argparse.ArgumentParser) -> None:
    """Options of `export`."""
    export.add_argument("--model", required=True, help="a .keras file, a run (its id or runs:/ID) or models:/hilum@champion")
    export.add_argument("--format", required=True, help="litert or onnx")
    export.add_argument("--out", required=True, type=Path, help="a new folder for the model and its model.json")


def add_app(app: argparse.ArgumentParser) -> None:
    """Options of `app`."""
    model = "a .keras file, a run (its id or runs:/ID) or models:/hilum@champion"
    app.add_argument("--model", default="", help=f"{model} (the champion, else the newest arm in results/)")
    app.add_argument("--beside", default="", help="a second model, predicting the same film")
    app.add_argument("--films", default="", help="a folder of films to page through")
    app.add_argument("--readings", default="", help="folder of readers' marks and of blinded readings (readings)")
    app.add_argument("--port", default="8501", help="of the server on this machine (8501)")
    app.add_argument("--address", default="127.0.0.1", help="where the server listens (127.0.0.1: only this machine reaches it)")
    app.add_argument(
        "--let-others-in",
        action="store_true",
        help="allow another --address: whoever reaches it sees films and predictions, without a password or encryption",
    )


def add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    """Options of `evaluate`."""
    evaluate.add_argument(
        "--arm", default="", help="name in arms or ensembles: its validation and test films; or any films by the rest:"
    )
    evaluate.add_argument("--model", default="", help="a .keras file, a run (its id or runs:/ID) or models:/hilum@champion")
    evaluate.add_argument("--data", default="", help=DATA)
    _add_labels(evaluate)
    evaluate.add_argument("--out", default="", help="folder for tables and page (evaluated)")
    evaluate.add_argument(
        "--explain", default="", metavar="METHODS", help="all, or methods separated by commas: maps of some films"
    )
    _add_yes(evaluate, "--audit", "test whether the model relies on something outside the lungs")


def _add_yes(parser: argparse.ArgumentParser, option: str, text: str) -> None:
    """An option that needs no value, and takes one from `mlflow run`, which gives every option one."""
    parser.add_argument(option, nargs="?", const=True, default=False, type=_read_yes, metavar="yes", help=text)


def _read_yes(text: str) -> bool:
    if (word := text.strip().lower()) not in ("yes", "no", ""):
        raise argparse.ArgumentTypeError(f"it takes yes or no, or no value for yes, got {text!r}")
    return word == "yes"


def _add_labels(parser: argparse.ArgumentParser) -> None:
    """Options for the labels and patients of films outside the pipeline."""
    parser.add_argument(
        "--labels", default="", help="class=finding,finding pairs separated by blanks (each class is the finding of its name)"
    )
    parser.add_argument(
        "--columns",
        default="",
        help="of a table: path=NAME finding=NAME patient=NAME boxes=X,Y,W,H, where the names are not the usual ones",
    )
    parser.add_argument(
        "--pattern", default="", help="regular expression with (?P<patient>...) for names of files or a table's paths"
    )


def add_predict(predict: argparse.ArgumentParser) -> None:
    """Options of `predict`."""
    predict.add_argument(
        "--model", required=True, help="a .keras file, a run (its id or runs:/ID), models:/hilum@champion, or a file of `export`"
    )
    predict.add_argument("--images", required=True, type=Path, help="folder of films")
    predict.add_argument("--out", required=True, type=Path, help="the CSV to write; continued if it is there")
    predict.add_argument("--explain", default="", metavar="METHODS", help="all, or methods separated by commas: panels")
    predict.add_argument("--engine", default="", help="keras, litert or onnx (that of the model's file)")
    add_workers(predict)


def add_workers(verb: argparse.ArgumentParser) -> None:
    """Options of verbs that share films out."""
    verb.add_argument("--workers", default="", metavar="N", help="how many predict at a time, each with the model (1)")
    verb.add_argument(
        "--executor", default="", help="serial (this process), processes, or dask where tune.dask says (by the number of workers)"
    )
    verb.add_argument(
        "--threads",
        default="",
        metavar="N",
        help="processors of each worker (1 of several, else all); they decide the last digits",
    )


def add_recalibrate(recalibrate: argparse.ArgumentParser) -> None:
    """Options of `recalibrate`."""
    recalibrate.add_argument("--model", required=True, help="a .keras file, a run (its id or runs:/ID) or models:/hilum@champion")
    recalibrate.add_argument("--data", required=True, help=DATA)
    _add_labels(recalibrate)
    recalibrate.add_argument("--out", default="recalibrated", help="folder for the model and its tables (recalibrated)")
    recalibrate.add_argument("--site", default="", help="the site's name, part of that of the model (the name of the films)")
    recalibrate.add_argument("--method", default="temperature", help="temperature or temperature_and_biases (temperature)")
    _add_yes(recalibrate, "--register", "register it as a new version in the tracking store, without the alias champion")


def add_reading(reading: argparse.ArgumentParser) -> None:
    """Options of `reading`; with none of the questions it lists what is there."""
    reading.add_argument("--readings", default="readings", help="folder of readers' records (readings)")
    reading.add_argument("--marks", default="", help="the root of a source: write its blind marks there as annotations")
    reading.add_argument("--table", default="", help="of --marks: the source's own CSV below the root, if its reader is csv")
    reading.add_argument("--column", default="path", help="of --table: the column with the film (path)")
    reading.add_argument(
        "--truth", default="", help="a CSV with films, classes and patients: measure readers, such as data/prepared/manifest.csv"
    )
    reading.add_argument("--predictions", default="", help="of --truth: a CSV of `predict`, or one with films and `predicted`")
    reading.add_argument("--out", default="reading", help="of --truth: folder for the tables (reading)")
    reading.add_argument(
        "--references", default="", help="a .keras file, a run or a registered model: store references of its training films"
    )


def add_compare(compare: argparse.ArgumentParser) -> None:
    """Options of `compare`."""
    compare.add_argument("runs", nargs="*", metavar="RUN", help="a run's id or name, a results folder or an arm; none: every arm")
    compare.add_argument("--where", default="", help="runs of arms that MLflow's search finds, of all experiments")
    compare.add_argument("--reference", default="", metavar="RUN", help="the run that the others are compared with (the first)")
    compare.add_argument("--out", default="", metavar="FILE", help="the page (comparison.html here; of every arm: a copy)")
    compare.add_argument("--no-films", action="store_true", help="a page without pictures of films")


def add_facts(parser: argparse.ArgumentParser) -> None:
    """Options for a user's own model without model.json beside it."""
    own = parser.add_argument_group("of your own .keras file, where no model.json beside it says so")
    own.add_argument("--classes", default="", help="names separated by commas, in the order of the outputs")
    own.add_argument("--size", default="", help="side of its films in pixels")
    own.add_argument("--square", default="", help="how a film becomes square: pad or stretch")
    own.add_argument(
        "--scaling", default="", help="factor,offset on grey levels 0-255 (--scaling=1/127.5,-1), if the model takes others"
    )
    own.add_argument("--threshold", default="", help="of the second of two classes; without it the most probable class")
