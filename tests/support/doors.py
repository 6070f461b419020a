"""Every way by which a trained model predicts a film: probabilities of the same films through each of them."""

import base64
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilum.app.film import open_film
from hilum.app.film_predictions import predict_film
from hilum.app.served_models import open_model
from hilum.data.prepared.examples import as_images
from hilum.data.prepared.loading import load_split
from hilum.results import read_predictions, read_table
from hilum.serving import one_film
from hilum.serving.engines import ENGINES
from hilum.serving.model_facts import Told
from hilum.settings.params import read_params
from hilum.stages import evaluate, export, predict
from hilum.workspace import Workspace

STARTS_WITHIN = 400  # seconds; on a busy machine its imports alone take minutes


@dataclass(frozen=True)
class Answers:
    """probabilities: (N, K) of the test films, in the order of the split; predicted: (N,) names of classes."""

    probabilities: np.ndarray
    predicted: list[str]


def by_evaluate(workspace: Workspace, arm: str, classes: Sequence[str]) -> Answers:
    """What the stage wrote, by films as `prepare` left them."""
    found = read_predictions(workspace.arm(arm, "evaluation") / "predictions.csv", "test", tuple(classes))
    return Answers(found.y_prob, [classes[k] for k in found.y_pred])


def by_predict(model: str, films: Mapping[str, Path], out: Path) -> Answers:
    """`predict` on the folder that holds the raw films."""
    (folder,) = {file.parent for file in films.values()}
    predict.run(model, folder, out, "")
    with out.open(newline="") as text:
        rows = {row["file"]: row for row in csv.DictReader(text)}
    own = [rows[file.name] for file in films.values()]
    return Answers(
        np.array([[float(row[key]) for key in row if key.startswith("p_")] for row in own]), [row["predicted"] for row in own]
    )


def by_any_evaluation(model: str, films: Mapping[str, Path], out: Path, workspace: Workspace) -> Answers:
    """`evaluate --model --data` on the raw films in a folder of one class: a label changes no answer."""
    folder = out / "films" / "normal"
    folder.mkdir(parents=True)
    for file in films.values():
        shutil.copy(file, folder)
    evaluate.run(model=model, data=str(folder.parent), out=str(out / "evaluated"))
    table = read_table(out / "evaluated" / "predictions.csv").set_index("image_id")
    own = table.loc[[f"films/normal/{file.stem}" for file in films.values()]]
    return Answers(own[[name for name in own if name.startswith("p_")]].to_numpy(float), own["predicted"].tolist())


def by_reading_room(model: str, films: Mapping[str, Path], workspace: Workspace) -> Answers:
    """What the page of `hilum app` shows of each film that is handed to it."""
    served = open_model(model, workspace, read_params(workspace.params))
    found = [predict_film(served, open_film(file.read_bytes(), file.name), workspace) for file in films.values()]
    return Answers(np.array([one.probabilities for one in found]), [one.name for one in found])


def by_explain(model: str, films: Mapping[str, Path], out: Path, workspace: Workspace) -> Answers:
    """`explain --image` on each film: the numbers that its panel shows."""
    shown: list[tuple[np.ndarray, int]] = []
    classes: list[str] = []
    describe = one_film.describe_prediction

    def listen(film: str, names: Sequence[str], probabilities: np.ndarray, predicted: int, *more: Any, **options: Any) -> Any:
        shown.append((np.array(probabilities), predicted))
        classes[:] = names
        return describe(film, names, probabilities, predicted, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(one_film, "describe_prediction", listen)
        for file in films.values():
            one_film.explain_image(file, model, Told(), "saliency", "predicted", out, workspace, read_params(workspace.params))
    return Answers(np.stack([row for row, _ in shown]), [classes[k] for _, k in shown])


def by_export(model: str, films: Mapping[str, Path], name: str, out: Path) -> Answers:
    """`export` in a format, then `predict` with the file."""
    export.run(model, name, out)
    return by_predict(str(out / ENGINES[name].file), films, out.with_suffix(".csv"))


def by_grey_levels(url: str, workspace: Workspace, classes: Sequence[str]) -> np.ndarray:
    """The served model that takes grey levels, (N, K), asked for the prepared test films."""
    films = load_split(workspace.prepared, workspace.split, "test", list(classes))
    answer = ask(url, {"inputs": as_images(films.examples.films).tolist()})
    return np.array(answer["predictions"], np.float64)


def by_bytes(url: str, contents: Sequence[bytes]) -> list[dict[str, Any]]:
    """The rows of the served model that takes the bytes of films."""
    rows = [{"film": base64.b64encode(content).decode()} for content in contents]
    found: list[dict[str, Any]] = ask(url, {"dataframe_records": rows})["predictions"]
    return found


def ask(url: str, question: Any) -> Any:
    request = urllib.request.Request(
        f"{url}/invocations", json.dumps(question).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=STARTS_WITHIN) as answer:
        return json.loads(answer.read(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@contextmanager
def serving(models: Mapping[str, str], workspace: Workspace) -> Iterator[dict[str, str]]:
    """`mlflow models serve` of each model on a free port of this machine: name -> address. models: name -> models:/..."""
    started: dict[str, tuple[subprocess.Popen[bytes], str]] = {}
    try:
        for name, model in models.items():
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            log = (workspace.root / f"{name}.log").open("wb")
            command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
            environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{workspace.home / 'mlflow.db'}"}
            environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
            environment["PYTHONPATH"] = str(Path(one_film.__file__).resolve().parents[2])
            started[name] = (
                subprocess.Popen(
                    [*command, "--host", "127.0.0.1", "--port", str(port)],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                ),
                f"http://127.0.0.1:{port}",
            )
        for name, (child, url) in started.items():
            await_server(child, url, workspace.root / f"{name}.log")
        yield {name: url for name, (_, url) in started.items()}
    finally:
        for child, _ in started.values():
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def await_server(child: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until and child.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"{url} did not answer:\n{log.read_text()[-3000:]}")
