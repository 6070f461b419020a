"""The tensors of a file in PyTorch's older format, read without PyTorch: no code of it is run, and every number is checked."""

import hashlib
import io
import math
import pickle
import pickletools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # the first bytes of every file of this format
ITEMS = {"FloatStorage": "<f4", "LongStorage": "<i8"}
OPCODES = {  # all that tensors in an ordered dict need; none that allocates by a length claimed in the file
    *("PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"),
    *("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "APPEND", "APPENDS"),
    *("SETITEM", "SETITEMS", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "GLOBAL", "REDUCE", "BUILD", "BINPERSID"),
}


def read_tensors(content: bytes, sha256: str) -> dict[str, NDArray[Any]]:
    """The tensors of a file by name, float32 or int64, as views of its bytes.

    sha256: the hash, in hexadecimal digits, that the content must have; it is checked before a byte is parsed.

    Raises:
        ValueError: it has another hash, or it holds anything but tensors of these two types, or is incomplete.

    Source: `_legacy_load` in torch/serialization.py.
    """
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ValueError(f"it must have the SHA-256 {sha256}, got {found}")
    if content[:4] == b"PK\x03\x04":
        raise ValueError(
            "weights of PyTorch must be in its older format, got the zip format of newer versions; save them again by "
            "torch.save(state, path, _use_new_zipfile_serialization=False)"
        )
    try:
        return _parse(content)
    except Exception as fault:  # whatever pickle raises on bytes that are not a pickle: there is no list
        raise ValueError(
            f"weights of PyTorch must be an ordered dict of tensors and nothing else, got {type(fault).__name__}: {fault}; "
            "take the file from its publisher again"
        ) from fault


class _Storage(NamedTuple):
    """A pickle's description of a block of numbers: its key in the file, their type and count."""

    key: str
    items: str
    length: int


class _Tensor(NamedTuple):
    """A pickle's description of a tensor."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    steps: tuple[int, ...]  # strides along each axis, counted in numbers


class _Named(dict[str, Any]):
    """Instead of an ordered dict: its further state in the file (versions of modules) is dropped."""

    def __setstate__(self, state: object) -> None:
        pass


class _TensorUnpickler(pickle.Unpickler):
    """Allows four names. The placeholder for a type of storage cannot be called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Named
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe_tensor
        if module == "torch" and name in ITEMS:
            return ITEMS[name]
        raise ValueError(f"the name {module}.{name}, which no tensor needs")

    def persistent_load(self, saved: Any) -> _Storage:
        word, items, key, _, count, view = saved
        if word != "storage" or view is not None or items not in ITEMS.values():
            raise ValueError(f"a stored object {word!r}, which is no whole storage")
        return _Storage(str(key), str(items), _whole(count))


def _describe_tensor(storage: Any, offset: Any, size: Any, steps: Any, *_: object) -> _Tensor:
    tensor = _Tensor(storage, _whole(offset), tuple(map(_whole, size)), tuple(map(_whole, steps)))
    if not isinstance(storage, _Storage) or len(tensor.size) != len(tensor.steps) or 0 in tensor.size:
        raise ValueError(f"a tensor of {size} in steps of {steps}")
    last = tensor.offset + sum((side - 1) * step for side, step in zip(tensor.size, tensor.steps, strict=True))
    if last >= storage.length or math.prod(tensor.size) > storage.length:
        raise ValueError(f"a tensor of {size} that ends at number {last} of {storage.length}")
    return tensor


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise ValueError(f"{number!r} in the place of a count")
    return number


def _parse(content: bytes) -> dict[str, NDArray[Any]]:
    stream = io.BytesIO(content)
    magic, version, machine, tensors, keys = (_read_pickle(stream) for _ in range(5))
    if (magic, version) != (MAGIC, VERSION) or machine["little_endian"] is not True:
        raise ValueError("another beginning")
    if not isinstance(tensors, _Named) or not all(isinstance(tensor, _Tensor) for tensor in tensors.values()):
        raise ValueError("objects that are no tensors")
    storages = _read_storages(content, stream.tell(), keys, {tensor.storage for tensor in tensors.values()})
    return {str(name): _view(storages[tensor.storage.key], tensor) for name, tensor in tensors.items()}


def _view(storage: NDArray[Any], tensor: _Tensor) -> NDArray[Any]:
    """A transposed tensor is stored transposed."""
    steps = [step * storage.itemsize for step in tensor.steps]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.size, steps, writeable=False)


def _read_pickle(stream: io.BytesIO) -> Any:
    """The next object; its opcodes are checked before any of them is executed."""
    start = stream.tell()
    for i, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        if opcode.name not in OPCODES:
            raise ValueError(f"the opcode {opcode.name}, which no tensor needs")
        if opcode.name in ("BINPUT", "LONG_BINPUT") and (argument or 0) > i:  # a table of that length would be allocated
            raise ValueError(f"object {argument} after {i} opcodes")
    return _TensorUnpickler(io.BytesIO(stream.getbuffer()[start : stream.tell()])).load()


def _read_storages(content: bytes, start: int, keys: Any, told: set[_Storage]) -> dict[str, NDArray[Any]]:
    """For each key in the file's order a count of 8 bytes and the numbers themselves, up to the end of the file."""
    left = {storage.key: storage for storage in told}
    if len(left) != len(told) or sorted(keys) != sorted(left):
        raise ValueError("other storages than those of the tensors")
    found = {}
    for key in keys:
        storage = left[key]
        values = start + 8
        if int.from_bytes(content[start:values], "little", signed=True) != storage.length:
            raise ValueError(f"storage {key} of another length than {storage.length}")
        found[key] = np.frombuffer(content, storage.items, storage.length, values)
        start = values + found[key].nbytes
    if start != len(content):
        raise ValueError(f"{len(content) - start} bytes after the last storage")
    return found
