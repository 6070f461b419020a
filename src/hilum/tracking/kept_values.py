"""Values as one file, to the bit: numbers, texts, lists, mappings, arrays, tables and records of hilum.

A file is a `.npz` with an outline in JSON and the arrays that it names, and the SHA-256 of all that. Reading one runs no code
of the file, as a pickle would.
"""

import hashlib
import importlib
import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.whole_files import write_whole

SEAL = hashlib.sha256().digest_size  # bytes at a file's end
HOUSE = "hilum."  # first part of the modules whose records are read


def write_value(file: Path, value: Any) -> None:
    """Write a value beside its file, flush it, and move it there.

    Raises:
        TypeError: it holds something that is not listed above; nothing is written.
        OSError: the disk is full, or the folder cannot be written to; the file is then what it was before.
    """
    arrays: list[NDArray[Any]] = []
    outline = json.dumps(_outline(value, arrays)).encode()
    stream = io.BytesIO()
    named: dict[str, Any] = {str(place): array for place, array in enumerate(arrays)}
    np.savez(stream, outline=np.frombuffer(outline, np.uint8), **named)
    stream.write(hashlib.sha256(stream.getbuffer()).digest())
    write_whole(file, stream.getbuffer())


def read_value(file: Path) -> Any:
    """The value of `write_value`.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: its bytes are not those that were written.
    """
    content = memoryview(file.read_bytes())
    if hashlib.sha256(content[:-SEAL]).digest() != content[-SEAL:]:
        raise ValueError(f"{file} is damaged: its bytes are not those that were written")
    with np.load(io.BytesIO(content[:-SEAL]), allow_pickle=False) as stored:
        return _value(json.loads(stored["outline"].tobytes()), stored)


def _outline(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """The value in JSON; arrays, which it names by their places, are added to the list."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) in (list, tuple):
        return {type(value).__name__: [_outline(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"mapping": [[_outline(key, arrays), _outline(item, arrays)] for key, item in value.items()]}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufU":
        arrays.append(np.asarray(value))
        return {"array" if isinstance(value, np.ndarray) else "number": len(arrays) - 1}
    if isinstance(value, pd.DataFrame) and isinstance(value.index, pd.RangeIndex):
        return {"table": [[str(name), _column(value[name], arrays)] for name in value], "rows": len(value)}
    if is_dataclass(value) and type(value).__module__.startswith(HOUSE):
        items = [[item.name, _outline(getattr(value, item.name), arrays)] for item in fields(value)]
        return {"record": f"{type(value).__module__}:{type(value).__qualname__}", "fields": items}
    raise TypeError(f"a value that is kept must be of numbers, texts, arrays, tables and records of hilum, got {type(value)}")


def _column(column: "pd.Series[Any]", arrays: list[NDArray[Any]]) -> dict[str, Any]:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf":
        return {"values": _outline(column.to_numpy(), arrays)}
    texts = [None if pd.isna(cell) else cell for cell in column]
    if any(not isinstance(text, str) for text in texts if text is not None):
        raise TypeError(f"a column that is kept must be of numbers or of texts, got {column.name} with {column.dtype}")
    return {"texts": texts, "dtype": str(column.dtype)}


def _value(outline: Any, stored: Mapping[str, NDArray[Any]]) -> Any:
    if not isinstance(outline, dict):
        return outline
    ((kind, told), *_) = outline.items()
    if kind in ("list", "tuple"):
        items = [_value(item, stored) for item in told]
        return items if kind == "list" else tuple(items)
    if kind == "mapping":
        return {_value(key, stored): _value(item, stored) for key, item in told}
    if kind in ("array", "number"):
        array = stored[str(told)]
        return array if kind == "array" else array[()]
    if kind == "table":
        columns = {name: _series(column, stored) for name, column in told}
        return pd.DataFrame(columns, index=pd.RangeIndex(outline["rows"]))
    module, _, name = told.partition(":")
    record: Any = getattr(importlib.import_module(module), name) if module.startswith(HOUSE) else None
    known = is_dataclass(record)
    if not known:
        raise ValueError(f"a kept value must be of records of hilum, got {told}")
    return record(**{field: _value(item, stored) for field, item in outline["fields"]})


def _series(column: dict[str, Any], stored: Mapping[str, NDArray[Any]]) -> Any:
    if "values" in column:
        return _value(column["values"], stored)
    return pd.Series([np.nan if text is None else text for text in column["texts"]], dtype=column["dtype"])
