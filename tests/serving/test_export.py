"""An exported model gives the probabilities of the original through `predict`, without TensorFlow and pandas."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from own_models import MODELS, SIZE, body, softmax
from PIL import Image

from hilum.cli import main
from hilum.serving.engines import ENGINES
from hilum.workspace import Workspace

TELL = ["--classes", "normal,ill", "--size", str(SIZE), "--square", "pad"]
SLIM = """
import sys
from hilum.cli import main
status = main(sys.argv[1:])
print(sorted({"tensorflow", "keras", "pandas", "mlflow"} & set(sys.modules)))
sys.exit(status)
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """`main` sets a handler for its process, which here is pytest's."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_project(tmp_path / "project").root
    (root / "films").mkdir()
    for number in range(3):
        grey = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        Image.fromarray(grey // (number + 1)).save(root / "films" / f"{number}.png")
    (root / "films" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    monkeypatch.chdir(root)
    return root


def probabilities(file: Path) -> dict[str, list[float]]:
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    return {row["file"]: [float(row[key]) for key in row if key.startswith("p_")] for row in rows if not row["error"]}


def predict(model: str, out: str, *more: str) -> dict[str, list[float]]:
    assert main(["predict", "--model", model, "--images", "films", "--out", out, *more]) == 0
    return probabilities(Path(out))


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("kind", ["softmax", "ops_sigmoid"])
def test_an_exported_model_gives_the_same_probabilities(project: Path, name: str, kind: str) -> None:
    MODELS[kind]().save(project / "theirs.keras")
    asked = [*TELL, "--threshold", "0.4", "--scaling=1/255,-0.5"]
    assert main(["export", "--model", "theirs.keras", "--format", name, "--out", "given", *asked]) == 0
    file = ENGINES[name].file
    assert sorted(path.name for path in (project / "given").iterdir()) == sorted([file, "model.json"])
    written = json.loads((project / "given" / "model.json").read_text())
    assert (written["classes"], written["threshold"], written["size"]) == (["normal", "ill"], 0.4, SIZE)
    assert written["exported"]["format"] == name and written["exported"]["largest_difference"] < 1e-5
    first, second = predict("theirs.keras", "keras.csv", *asked), predict(f"given/{file}", "exported.csv", "--engine", name)
    assert set(first) == set(second) == {"0.png", "1.png", "2.png"}
    np.testing.assert_allclose(list(first.values()), list(second.values()), atol=1e-5)
    assert len({tuple(row) for row in first.values()}) == 3


@pytest.mark.parametrize("name", ENGINES)
def test_an_exported_model_needs_neither_tensorflow_nor_pandas_nor_a_project(project: Path, tmp_path: Path, name: str) -> None:
    MODELS["softmax"]().save(project / "theirs.keras")
    assert main(["export", "--model", "theirs.keras", "--format", name, "--out", "given", *TELL]) == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (project / "films").rename(elsewhere / "films")
    command = ["predict", "--model", str(project / "given" / ENGINES[name].file), "--images", "films", "--out", "out.csv"]
    ended = subprocess.run([sys.executable, "-c", SLIM, *command], cwd=elsewhere, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0 and ended.stderr == "", ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"
    assert len(probabilities(elsewhere / "out.csv")) == 3


@pytest.mark.parametrize("name", ENGINES)
def test_a_model_of_three_channels_and_one_without_facts_are_read(project: Path, name: str) -> None:
    film, seen = body(3)
    network = keras.Model(film, softmax(seen))
    network(np.zeros((1, SIZE, SIZE, 3), np.float32))  # Keras exports a model that was called
    network.export(project / ENGINES[name].file, format=name, verbose=False)
    found = predict(ENGINES[name].file, "out.csv", *TELL)
    images = [np.array(Image.open(project / "films" / key), np.float32) for key in found]
    expected = network.predict(np.repeat(np.stack(images)[..., None], 3, axis=-1), verbose=0)
    np.testing.assert_allclose(list(found.values()), expected, atol=1e-5)


def test_a_model_of_keras_is_predicted_without_banners_of_its_packages(project: Path) -> None:
    MODELS["softmax"]().save(project / "theirs.keras")
    command = ["predict", "--model", "theirs.keras", "--images", "films", "--out", "out.csv", *TELL]
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    ended = subprocess.run(
        [sys.executable, "-c", SLIM, *command], cwd=project, env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0 and ended.stderr == ""
    assert "tensorflow" in ended.stdout.splitlines()[-1]


def spoil(project: Path, fault: str) -> list[str]:
    """The options of a `predict` that is refused."""
    file = project / "given" / "model.tflite"
    if fault == "cut":
        file.write_bytes(file.read_bytes()[:1000])
        (project / "given" / "model.json").unlink()
    elif fault == "changed":
        content = bytearray(file.read_bytes())
        content[-200] ^= 1
        file.write_bytes(content)
    elif fault == "text":
        file.write_text("no model")
        (project / "given" / "model.json").unlink()
    elif fault == "size":
        (project / "given" / "model.json").unlink()
        return ["--classes", "normal,ill", "--size", "48", "--square", "pad"]
    elif fault == "classes":
        (project / "given" / "model.json").unlink()
        return ["--classes", "normal,ill,other", "--size", str(SIZE), "--square", "pad"]
    elif fault == "folder":
        file.unlink()
        file.mkdir()
    elif fault == "panels":
        return ["--explain", "gradcam"]
    elif fault == "engine":
        return ["--engine", "onnx"]
    elif fault == "facts":
        (project / "given" / "model.json").unlink()
        return []
    return TELL if fault in ("cut", "text") else []


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("cut", "must be given a whole .tflite file"),
        ("changed", "export it again"),
        ("text", "must be given a whole .tflite file"),
        ("size", r"must take films as (N, 48, 48, 1)"),
        ("classes", "an output for each of 3 classes, got 2"),
        ("folder", "which is no file"),
        ("panels", "--explain must be given a .keras model"),
        ("engine", "--engine onnx must be given a .onnx file"),
        ("facts", "model.json must be beside the model"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(
    project: Path, capfd: pytest.CaptureFixture[str], fault: str, told: str
) -> None:
    MODELS["softmax"]().save(project / "theirs.keras")
    assert main(["export", "--model", "theirs.keras", "--format", "litert", "--out", "given", *TELL]) == 0
    more = spoil(project, fault)
    capfd.readouterr()
    assert main(["predict", "--model", "given/model.tflite", "--images", "films", "--out", "out.csv", *more]) == 1
    error = capfd.readouterr().err
    assert told in error and "Traceback" not in error
    assert not (project / "out.csv").exists()


def test_a_folder_that_holds_files_is_not_written_into(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    MODELS["softmax"]().save(project / "theirs.keras")
    assert main(["export", "--model", "theirs.keras", "--format", "onnx", "--out", "films", *TELL]) == 1
    assert "must be a new or empty folder" in capfd.readouterr().err
    assert main(["export", "--model", "theirs.keras", "--format", "pdf", "--out", "given", *TELL]) == 1
    assert "--format must be one of litert, onnx, got 'pdf'" in capfd.readouterr().err
