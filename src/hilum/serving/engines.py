"""Engines that run a model outside TensorFlow: LiteRT and ONNX Runtime; neither TensorFlow nor pandas is imported here."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import Predict
from hilum.loading import without_banners
from hilum.serving.model_facts import FILE, Told, gather_facts

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (1, S, S, C) -> (1, K)


@dataclass(frozen=True)
class Opened:
    """A network in its engine. shape: of its input without the films, (S, S, C). outputs: number of its outputs."""

    run: Run
    shape: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Engine:
    """file: name of the file that `export` writes. open: reads one, with so many threads."""

    file: str
    open: Callable[[Path, int], Opened]

    @property
    def ending(self) -> str:
        return Path(self.file).suffix


def open_exported(file: Path, told: Told, name: str, threads: int = 0) -> tuple[Predict, dict[str, Any]]:
    """A model that `export` wrote, or another file of this engine with model.json beside it or its facts in options.

    Its facts are those of `opening.open_served`. The file must take float32 grey levels (or, with `scaling`, what that makes of
    them) as (N, S, S, 1) or, the film three times, (N, S, S, 3), and give probabilities; one output is that of the second class.
    name: in ENGINES. threads: 0 for one per processor. Films are run one by one, so that memory does not grow with them.

    Raises:
        ValueError: no model of this engine, a file changed since it was exported, facts that are missing or do not fit.
        ModuleNotFoundError: the engine's package is not installed.
    """
    if not file.is_file():
        raise ValueError(f"--model must name a {ENGINES[name].ending} file for --engine {name}, got {file}, which is no file")
    described = gather_facts(file, told)
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    if (written := described.get("exported", {}).get("sha256", content)) != content:
        raise ValueError(
            f"{file} must be the file that {FILE} beside it describes ({written[:12]}), got {content[:12]}; export it again"
        )
    try:
        opened = ENGINES[name].open(file, threads or os.cpu_count() or 1)
    except (ValueError, RuntimeError) as fault:
        raise ValueError(f"--engine {name} must be given a whole {ENGINES[name].ending} file, got {file}: {fault}") from None
    _check_shape(file, opened, described)
    described.setdefault("model_sha256", content)
    return _predictor(opened, described), described


def _check_shape(file: Path, opened: Opened, described: dict[str, Any]) -> None:
    """Refuse an input that is no square film of the stated size, and outputs that are not the classes."""
    size, classes = described["size"], described["classes"]
    if opened.shape not in {(size, size, 1), (size, size, 3)}:
        raise ValueError(
            f"{file} must take films as (N, {size}, {size}, 1) or (N, {size}, {size}, 3), as {FILE} or --size says, got "
            f"(N, {', '.join(map(str, opened.shape))}); export it with channels last, or correct the size"
        )
    if max(opened.outputs, 2) != len(classes):
        raise ValueError(f"{file} must have an output for each of {len(classes)} classes, got {opened.outputs}; name its classes")


def _predictor(opened: Opened, described: dict[str, Any]) -> Predict:
    channels = opened.shape[-1]
    scaling = described.get("scaling")
    factor, offset = scaling if isinstance(scaling, list) else (1.0, 0.0)

    def predict(images: NDArray[np.float32]) -> NDArray[np.float64]:
        found = np.empty((len(images), len(described["classes"])), np.float64)
        for i, image in enumerate(images):
            film = np.repeat(np.float32(factor) * image + np.float32(offset), channels, axis=-1)  # (S, S, channels)
            output = opened.run(film[None].astype(np.float32))[0].astype(np.float64)  # (K,) or (1,)
            found[i] = output if opened.outputs > 1 else (1 - output[0], output[0])
        return found / found.sum(axis=1, keepdims=True)

    return predict


def _open_litert(file: Path, threads: int) -> Opened:
    from ai_edge_litert.interpreter import Interpreter  # an extra

    with without_banners():
        interpreter = Interpreter(str(file), num_threads=threads)
    (taken, *more), (given, *others) = interpreter.get_input_details(), interpreter.get_output_details()
    _check_ends(more, others, {taken["dtype"], given["dtype"]})
    shape = tuple(int(side) for side in taken["shape"][1:])
    interpreter.resize_tensor_input(taken["index"], (1, *shape))
    with without_banners():
        interpreter.allocate_tensors()

    def run(film: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(taken["index"], film)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(given["index"]))

    return Opened(run, shape, int(given["shape"][-1]))


def _open_onnx(file: Path, threads: int) -> Opened:
    import onnxruntime  # an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (taken, *more), (given, *others) = session.get_inputs(), session.get_outputs()
    kinds = {"tensor(float)": np.float32}
    _check_ends(more, others, {kinds.get(end.type, end.type) for end in (taken, given)})

    def run(film: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(session.run([given.name], {taken.name: film})[0])

    return Opened(run, tuple(taken.shape[1:]), int(given.shape[-1]))


def _check_ends(more: list[Any], others: list[Any], kinds: set[Any]) -> None:
    if more or others:
        raise ValueError(f"it must have one input and one output, got {1 + len(more)} and {1 + len(others)}")
    if kinds != {np.float32}:
        named = ", ".join(sorted(getattr(kind, "__name__", str(kind)) for kind in kinds))
        raise ValueError(f"its input and output must be float32, got {named}; a file quantised inside takes and gives float32")


ENGINES = {
    "litert": Engine("model.tflite", _open_litert),
    "onnx": Engine("model.onnx", _open_onnx),
}


def find_engine(asked: str, model: str) -> str:
    """The engine for `--model`: as asked, else by the file's ending; `keras` for everything that no engine here reads.

    Raises:
        ValueError: an unknown engine, or one that does not read a file of this ending.
    """
    ending = Path(model).suffix.lower()
    own = next((name for name, engine in ENGINES.items() if engine.ending == ending), "keras")
    if asked and asked not in ("keras", *ENGINES):
        raise ValueError(f"--engine must be keras or one of {', '.join(ENGINES)}, got {asked!r}")
    if asked and asked != own:
        endings = {"keras": ".keras", **{name: engine.ending for name, engine in ENGINES.items()}}
        raise ValueError(
            f"--engine {asked} must be given a {endings[asked]} file, got {model}; name one, or write one with `hilum export`"
        )
    return own
