"""Classifiers as users save them: one function per form that people report, each writing a file and giving its path."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

SIZE = 32
FACTS = {"classes": ["normal", "ill"], "size": SIZE, "square": "pad", "threshold": None}
L = keras.layers


@keras.saving.register_keras_serializable("mine")
class Mine(L.Layer):
    def call(self, films: Any) -> Any:
        return films * 2


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.seen, self.end = L.GlobalAveragePooling2D(), L.Dense(2, activation="softmax")

    def call(self, films: Any) -> Any:
        return self.end(self.seen(films))


def body(channels: int = 1) -> tuple[Any, Any]:
    """The film and what is seen of it, below the end of a model."""
    film = keras.Input((SIZE, SIZE, channels))
    return film, L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu")(L.Rescaling(1 / 255)(film)))


def ending(end: Callable[[Any], Any]) -> keras.Model:
    film, seen = body()
    return keras.Model(film, end(seen))


def softmax(seen: Any) -> Any:
    return L.Dense(2, activation="softmax")(seen)


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, SIZE, SIZE, 1), np.float32))
    return model


MODELS: dict[str, Callable[[], keras.Model]] = {
    "softmax": lambda: ending(softmax),
    "ops_softmax": lambda: ending(lambda seen: keras.ops.softmax(L.Dense(2)(seen))),
    "ops_sigmoid": lambda: ending(lambda seen: keras.ops.sigmoid(L.Dense(1)(seen))),
    "cast_softmax": lambda: ending(lambda seen: L.Activation("linear", dtype="float32")(softmax(seen))),
    "softmax_below": lambda: ending(lambda seen: L.Dense(2)(softmax(seen))),
    "logits": lambda: ending(L.Dense(2)),
    "fourteen_sigmoids": lambda: ending(L.Dense(14, activation="sigmoid")),
    "two_ops_sigmoids": lambda: ending(lambda seen: keras.ops.sigmoid(L.Dense(2)(seen))),
    "softmax_of_one": lambda: ending(L.Dense(1, activation="softmax")),
    "two_outputs": lambda: ending(lambda seen: [softmax(seen), L.Dense(1)(seen)]),
    "custom_layer": lambda: ending(lambda seen: softmax(Mine()(seen))),
    "lambda": lambda: ending(lambda seen: softmax(L.Lambda(lambda values: values * 2)(seen))),
    "subclassed": subclassed,
}


def write_facts(folder: Path, **changes: Any) -> None:
    (folder / "model.json").write_text(json.dumps({**FACTS, **changes}))


def save_own(folder: Path, name: str, file: str = "model.keras") -> Path:
    """One of MODELS in a folder of its own, with model.json beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    MODELS[name]().save(folder / file)
    write_facts(folder, classes=[f"class {k}" for k in range(14)] if name == "fourteen_sigmoids" else FACTS["classes"])
    return folder / file


def rewrite(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    """The same archive with some members replaced or added: `config`, `weights`, `other`."""
    names = {"config": "config.json", "weights": "model.weights.h5", "other": "other"}
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in {**kept, **{names[key]: content for key, content in members.items()}}.items():
            archive.writestr(name, content)
    return path


def read_config(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json").decode()


def zeros_in_hdf5(values: int) -> bytes:
    """An HDF5 file whose dataset of zeros its own compression makes a thousandth of its size."""
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("layers/dense/vars/0", (values,), np.float32, compression="gzip", chunks=(2**20,), fillvalue=0)
        file["layers/dense/vars/0"][: 2**20] = 0
    return stream.getvalue()
