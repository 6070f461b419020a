"""A user's own model is served, or refused with what to do: never a traceback, never advice that spoils it."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from empty_store import forget_environment, log_files, make_store
from own_models import FACTS, MODELS, SIZE, read_config, rewrite, save_own, write_facts, zeros_in_hdf5
from PIL import Image
from spoilt_models import SPOILT

from hilum.cli import main
from hilum.serving.model_facts import Told
from hilum.serving.opening import open_served
from hilum.settings.params import read_params
from hilum.stages import explain
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

TELL = ["--classes", "normal,ill", "--size", str(SIZE), "--square", "pad"]
LIGHT = """
import sys
from pathlib import Path
from hilum.cli import main
for model in sys.argv[1:]:
    status = main(["predict", "--model", model, "--images", "films", "--out", "out.csv"])
    assert status == 1, model
heavy = {"tensorflow", "keras"} & set(sys.modules)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(sorted(heavy), int(peak.split()[1]) // 1024)
"""


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`main` sets a handler and a variable for its process, which here is pytest's."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = make_project(tmp_path / "project")
    (workspace.root / "films").mkdir()
    grey = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
    Image.fromarray(grey).save(workspace.root / "films" / "a.png")
    monkeypatch.chdir(workspace.root)
    return workspace


def predict(model: Path, *options: str) -> int:
    return main(["predict", "--model", str(model), "--images", "films", "--out", "out.csv", *options])


def answered() -> list[float]:
    """The probabilities that stand in the CSV."""
    row = Path("out.csv").read_text().splitlines()[1].split(",")
    return [float(cell) for cell in row[2:4]]


def expected(model: keras.Model, factor: float = 1, offset: float = 0) -> np.ndarray:
    """What the model itself says of the film; of one sigmoid, both classes."""
    film = np.asarray(Image.open("films/a.png"), np.float32)[np.newaxis, ..., np.newaxis] * factor + offset
    said = np.asarray(model(film))[0]
    return said if len(said) == 2 else np.array([1 - said[0], said[0]])


@pytest.mark.parametrize("name", ["softmax", "ops_softmax", "ops_sigmoid", "cast_softmax"])
def test_a_model_of_every_legal_end_gives_its_own_answers(project: Workspace, name: str) -> None:
    path = save_own(project.root / "own", name)
    assert predict(path) == 0
    assert answered() == pytest.approx(expected(keras.saving.load_model(path)), abs=1e-5)


REFUSED = {
    "two_outputs": "outputs [(None, 2), (None, 1)]; serve the one with the classes alone",
    "fourteen_sigmoids": "got 14 sigmoids: each is for a finding of its own",
    "two_ops_sigmoids": "got 2 sigmoids: each is for a finding of its own",
    "softmax_below": "end the model at that one: keras.Model(model.input, model.get_layer(",
    "logits": "if it gives logits, end it by keras.Model(model.input, keras.layers.Softmax()(model.output))",
    "softmax_of_one": "a softmax over one output, which is 1 for every film",
    "custom_layer": "code of a file is never run: rebuild the model with Keras' layers",
    "lambda": "which holds Python code",
    "subclassed": "a model must be a functional or a Sequential one, got Subclassed",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_served_is_refused_with_what_to_do(
    project: Workspace, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert predict(save_own(project.root / "own", name)) == 1
    said = capsys.readouterr().err
    assert said.startswith("hilum predict: ") and REFUSED[name] in said and "Traceback" not in said
    assert len(said.splitlines()) == 1 and not Path("out.csv").exists()


def test_each_kind_of_model_is_tried_here() -> None:
    assert set(REFUSED) | {"softmax", "ops_softmax", "ops_sigmoid", "cast_softmax"} == set(MODELS)


def test_advice_on_logits_and_on_two_outputs_gives_a_model_that_is_served(project: Workspace) -> None:
    logits = keras.saving.load_model(save_own(project.root / "own", "logits"))
    two = keras.saving.load_model(save_own(project.root / "own", "two_outputs"))
    below = keras.saving.load_model(save_own(project.root / "own", "softmax_below"))
    said = next(layer.name for layer in below.layers if getattr(layer, "activation", None) is keras.activations.softmax)
    for k, model in enumerate(
        [
            keras.Model(logits.input, keras.layers.Softmax()(logits.output)),
            keras.Model(two.input, two.outputs[0]),
            keras.Model(below.input, below.get_layer(said).output),
        ]
    ):
        model.save(project.root / "own" / "mended.keras")
        Path("out.csv").unlink(missing_ok=True)
        assert predict(project.root / "own" / "mended.keras") == 0, k
        assert answered() == pytest.approx(expected(model), abs=1e-5)


def test_bad_files_are_refused_without_tensorflow_and_without_the_memory_that_they_claim(project: Workspace, root: Path) -> None:
    own = project.root / "own"
    whole = save_own(own, "softmax")
    config = read_config(whole)
    bad = {name: own / f"{name}.keras" for name in ("empty", "pointer", "half", "zeros", "inflated", "deep", "foreign", "large")}
    for file in bad.values():
        shutil.copy(whole, file)
    bad["empty"].write_bytes(b"")
    bad["pointer"].write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    bad["half"].write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    rewrite(bad["zeros"], zipfile.ZIP_DEFLATED, weights=bytes(2**30))
    rewrite(bad["inflated"], weights=zeros_in_hdf5(2**28))
    rewrite(bad["deep"], config=b'{"config":' * 5000 + b"1" + b"}" * 5000)
    rewrite(bad["foreign"], config=config.replace("keras.layers", "os").encode())
    rewrite(bad["large"], config=b" " * (33 * 2**20))
    save_own(own, "softmax", "model.h5")
    files = [str(file) for file in (*bad.values(), own / "model.h5", own / "none.keras", own)]
    done = subprocess.run(
        [sys.executable, "-c", LIGHT, *files],
        env={"PYTHONPATH": str(root / "src"), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("hilum predict: ") == len(files) and "Traceback" not in done.stderr
    loaded, peak = done.stdout.rsplit(maxsplit=1)
    assert loaded == "[]"
    assert int(peak) < 400, "MiB"


def test_enormous_layers_are_refused(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_own(project.root / "own", "softmax")
    rewrite(path, config=read_config(path).replace('"units": 2', '"units": 1000000000').encode())
    assert predict(path) == 1
    assert "got layers for 5,000,000,040 numbers and 50 in" in capsys.readouterr().err


def test_code_of_a_file_is_never_run(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    """The safe mode of Keras would refuse it as well; the file is refused before."""
    trap = project.root / "ran"
    film = keras.Input((SIZE, SIZE, 1))
    code = keras.layers.Lambda(lambda films, place=str(trap): (Path(place).touch(), films)[1])
    seen = keras.layers.GlobalAveragePooling2D()(code(film))
    (project.root / "own").mkdir()
    keras.Model(film, keras.layers.Dense(2, activation="softmax")(seen)).save(project.root / "own" / "model.keras")
    write_facts(project.root / "own")
    trap.unlink()
    assert predict(project.root / "own" / "model.keras") == 1
    with pytest.raises(ValueError, match="which holds Python code"), opened(project, project.root / "own" / "model.keras"):
        pass
    assert not trap.exists()


def opened(project: Workspace, model: Path, **told: str):
    return open_served(str(model), project, read_params(project.params), Told(**told))


def test_options_stand_for_model_json(project: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_own(project.root / "own", "softmax")
    path.with_name("model.json").unlink()
    assert predict(path) == 1
    assert "got none; write it, or pass: --classes a,b --size 224 --square pad" in capsys.readouterr().err
    assert predict(path, *TELL) == 0
    model = keras.saving.load_model(path)
    assert answered() == pytest.approx(expected(model), abs=1e-5)
    Path("out.csv").unlink()
    assert predict(path, *TELL, "--scaling=1/127.5,-1", "--threshold", "0") == 0
    assert answered() == pytest.approx(expected(model, 1 / 127.5, -1), abs=1e-5)
    assert Path("out.csv").read_text().splitlines()[1].split(",")[1] == "ill", "any probability reaches a threshold of 0"


def test_explain_takes_the_options_as_well(project: Workspace) -> None:
    path = save_own(project.root / "own", "softmax")
    path.with_name("model.json").unlink()
    command = ["explain", "--image", "films/a.png", "--model", str(path), "--methods", "saliency", "--out", "explained"]
    assert main(command) == 1
    assert main([*command, *TELL]) == 0
    assert (project.root / "explained" / "saliency.npz").is_file()
    with pytest.raises(ValueError, match=r"belong to --image and --films; an arm's own model\.json has them"):
        explain.run(arm="baseline", image="", model="", methods="", target="", out="", size="32")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"size": 64}, r"must say the size of the model's films, 32 x 32, got 64"),
        ({"classes": ["a", "b", "c"]}, r"must name 2 classes, as the model has, got a, b, c"),
        ({"threshold": 7}, "must be a probability"),
    ],
)
def test_facts_that_contradict_the_model_are_refused(project: Workspace, facts: dict[str, object], told: str) -> None:
    path = save_own(project.root / "own", "softmax")
    write_facts(project.root / "own", **facts)
    with pytest.raises(ValueError, match=told), opened(project, path):
        pass


def test_facts_as_editors_write_them_are_read(project: Workspace) -> None:
    path = save_own(project.root / "own", "softmax")
    text = '{"classes": ["normal", "ill"], "size": "32", "square": "pad", "threshold": "0.5", "scaling": ["1/255", 0]}'
    path.with_name("model.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    with opened(project, path) as (_, described):
        assert (described["size"], described["threshold"], described["scaling"]) == (32, 0.5, [1 / 255, 0])
        assert described["classes"] == FACTS["classes"]


def test_an_ending_in_capitals_is_a_model_too(project: Workspace) -> None:
    path = save_own(project.root / "own", "softmax")
    assert predict(path.rename(path.with_name("MODEL.KERAS"))) == 0


def test_films_that_are_not_square_are_refused(project: Workspace) -> None:
    film = keras.Input((SIZE, 2 * SIZE, 1))
    path = save_own(project.root / "own", "softmax")
    seen = keras.layers.GlobalAveragePooling2D()(film)
    keras.Model(film, keras.layers.Dense(2, activation="softmax")(seen)).save(path)
    with pytest.raises(ValueError, match="films, 32 x 64, got 32"), opened(project, path):
        pass


@pytest.fixture
def stored(project: Workspace, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[str]]:
    """A function that puts a file into the project's store and gives the addresses of its model."""
    forget_environment(monkeypatch)
    make_store(project.home)

    def store(model: Path) -> list[str]:
        opened = open_store(project, read_params(project.params).tracking)
        run_id, model_id = log_files(opened.client, opened.experiment, model, FACTS)
        return [f"models:/{model_id}", run_id, f"runs:/{run_id}/model"]

    return store


@pytest.mark.parametrize("kind", SPOILT)
def test_a_model_of_a_store_is_refused_as_its_file_would_be(
    project: Workspace, stored: Callable[[Path], list[str]], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, told = SPOILT[kind]
    model = save_own(project.root / "own", "softmax")
    spoil(model)
    address = stored(model)[0]
    assert main(["predict", "--model", address, "--images", "films", "--out", "out.csv"]) == 1
    error = capsys.readouterr().err
    assert re.search(told, error) and address in error and tempfile.gettempdir() + "/tmp" not in error


def test_enormous_layers_of_a_stored_model_are_refused(
    project: Workspace, stored: Callable[[Path], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_own(project.root / "own", "softmax")
    rewrite(model, config=read_config(model).replace('"units": 2', '"units": 1000000000').encode())
    assert main(["predict", "--model", stored(model)[0], "--images", "films", "--out", "out.csv"]) == 1
    assert "must have their weights in its file" in capsys.readouterr().err


def test_a_whole_model_of_a_store_answers(project: Workspace, stored: Callable[[Path], list[str]]) -> None:
    for address in stored(save_own(project.root / "own", "softmax")):
        assert main(["predict", "--model", address, "--images", "films", "--out", "out.csv"]) == 0
        (project.root / "out.csv").unlink()
