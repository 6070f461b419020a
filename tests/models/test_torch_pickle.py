"""The reader of PyTorch's older files: tensors come out, anything else is refused before it acts or takes memory."""

import hashlib
import io
import pickle
import sys
import tracemalloc
import types
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilum.models.torch_pickle import MAGIC, VERSION, read_tensors

MACHINE = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """The names by which PyTorch writes, so that pickle writes them; the reader under test imports none of them."""
    module, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "HalfStorage"):
        setattr(module, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2(*arguments: Any) -> None:
        raise AssertionError("the reader has a function of its own")

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    inner._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", module)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)
    return module


class Saved:
    """A tensor as PyTorch pickles it."""

    def __init__(self, values: np.ndarray, key: str, kind: str = "", **told: Any) -> None:
        self.key, self.kind = key, kind or {"float32": "FloatStorage", "int64": "LongStorage"}[str(values.dtype)]
        self.bytes, self.count = np.ascontiguousarray(values).tobytes(), told.pop("count", values.size)
        steps = tuple(step // values.itemsize for step in values.strides)
        self.arguments = (told.pop("offset", 0), told.pop("size", values.shape), told.pop("steps", steps), False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (_Id(self), *self.arguments)


class _Id:
    def __init__(self, saved: Saved) -> None:
        self.saved = saved


class _Pickler(pickle.Pickler):
    def persistent_id(self, thing: Any) -> Any:
        if not isinstance(thing, _Id):
            return None
        saved = thing.saved
        return "storage", getattr(sys.modules["torch"], saved.kind), saved.key, "cpu", saved.count, None


def dump(thing: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, 2).dump(thing)
    return stream.getvalue()


def write(
    state: Any, keys: list[str] | None = None, machine: dict[str, Any] = MACHINE, counts: dict[str, int] | None = None
) -> bytes:
    """A file as `torch.save(state, path, _use_new_zipfile_serialization=False)` lays it out."""
    saved = {one.key: one for one in state.values() if isinstance(one, Saved)} if isinstance(state, dict) else {}
    keys = sorted(saved) if keys is None else keys
    head = b"".join(dump(thing) for thing in (MAGIC, VERSION, machine, state, keys))
    numbers = [(counts or {}).get(key, saved[key].count).to_bytes(8, "little") + saved[key].bytes for key in keys if key in saved]
    return head + b"".join(numbers)


def read(content: bytes) -> dict[str, np.ndarray]:
    return read_tensors(content, hashlib.sha256(content).hexdigest())


def named(**tensors: Any) -> OrderedDict[str, Any]:
    state = OrderedDict(tensors)
    state._metadata = OrderedDict(version=1)  # type: ignore[attr-defined]
    return state


@pytest.mark.usefixtures("torch")
def test_tensors_come_out_as_they_were_whatever_their_order_steps_and_place() -> None:
    state = named(
        kernel=Saved(KERNEL, "b"),
        turned=Saved(KERNEL, "a", size=(4, 3), steps=(1, 4)),
        part=Saved(KERNEL, "c", size=(2,), steps=(4,), offset=5),
        counter=Saved(np.array(7), "d"),
    )
    found = read(write(state))
    assert list(found) == ["kernel", "turned", "part", "counter"]
    np.testing.assert_array_equal(found["kernel"], KERNEL)
    np.testing.assert_array_equal(found["turned"], KERNEL.T)
    np.testing.assert_array_equal(found["part"], [5, 9])
    assert (found["counter"].shape, found["counter"].dtype, int(found["counter"])) == ((), np.int64, 7)
    assert not found["kernel"].flags.writeable


@pytest.mark.usefixtures("torch")
def test_two_tensors_may_share_a_storage() -> None:
    one = Saved(KERNEL, "a")
    found = read(write(named(one=one, same=one, row=Saved(KERNEL, "a", size=(4,), steps=(1,), offset=4))))
    np.testing.assert_array_equal(found["row"], KERNEL[1])
    np.testing.assert_array_equal(found["same"], KERNEL)


@pytest.mark.usefixtures("torch")
def test_the_hash_is_checked_before_a_byte_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    content = write(named(kernel=Saved(KERNEL, "a")))
    right = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr("hilum.models.torch_pickle._parse", lambda content: pytest.fail("it was parsed"))
    for other in (content[:-1], content + b"\0", content[:-1] + b"\1", b"", b"PK\x03\x04"):
        with pytest.raises(ValueError, match=f"must have the SHA-256 {right}, got {hashlib.sha256(other).hexdigest()}"):
            read_tensors(other, right)


def test_the_zip_form_is_refused_with_the_way_to_the_older_one() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(ValueError, match=r"got the zip format of newer versions; .*_use_new_zipfile_serialization=False"):
        read(stream.getvalue())


@pytest.mark.usefixtures("torch")
def test_a_file_cut_anywhere_is_refused() -> None:
    content = write(named(kernel=Saved(KERNEL, "a"), counter=Saved(np.array(7), "b")))
    for end in range(len(content)):
        with pytest.raises(ValueError, match="must be an ordered dict of tensors and nothing else, got "):
            read(content[:end])
    assert len(read(content)) == 2


class Opens:
    """A pickle that makes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("place", range(5))
def test_other_names_are_refused_in_every_part_and_nothing_runs(place: int, tmp_path: Path) -> None:
    parts = [MAGIC, VERSION, MACHINE, named(kernel=Saved(KERNEL, "a")), ["a"]]
    parts[place] = {"kernel": Opens(tmp_path / "made")}
    with pytest.raises(ValueError, match=r"got ValueError: the name (io|_io)\.open, which no tensor needs"):
        read(b"".join(dump(part) for part in parts))
    assert not (tmp_path / "made").exists()


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"kernel": 1}, "objects that are no tensors"),
        (["kernel"], "objects that are no tensors"),
        (named(kernel=1.5), "the opcode BINFLOAT"),
        (named(kernel=Saved(KERNEL, "a"), other=named()), "objects that are no tensors"),
        (named(kernel=Saved(KERNEL, "a", kind="HalfStorage")), r"the name torch\.HalfStorage"),
        (named(kernel=Saved(KERNEL, "a", size=(3, 5))), "ends at number 12 of 12"),
        (named(kernel=Saved(KERNEL, "a", offset=1)), "ends at number 12 of 12"),
        (named(kernel=Saved(KERNEL, "a", offset=-1)), "-1 in the place of a count"),
        (named(kernel=Saved(KERNEL, "a", steps=(-4, 1))), "-4 in the place of a count"),
        (named(kernel=Saved(KERNEL, "a", size=(2**40, 4), steps=(0, 1))), "of 12"),
        (named(kernel=Saved(KERNEL, "a", size=(0, 2**62))), "a tensor of"),
        (named(kernel=Saved(KERNEL, "a", size=(3,))), "in steps of"),
        (named(kernel=Saved(KERNEL, "a", count=2**40)), "buffer is smaller than requested size"),
        (named(kernel=Saved(KERNEL, "a"), other=Saved(KERNEL[:2], "a")), "other storages"),
    ],
)
def test_what_is_no_whole_tensor_is_refused(state: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(write(state))


@pytest.mark.usefixtures("torch")
def test_storages_must_be_those_of_the_tensors_and_end_with_the_file() -> None:
    state = named(kernel=Saved(KERNEL, "a"))
    for keys in ([], ["b"], ["a", "a"], ["a", "b"]):
        with pytest.raises(ValueError, match="other storages than those of the tensors"):
            read(write(state, keys))
    with pytest.raises(ValueError, match="storage a of another length than 12"):
        read(write(state, counts={"a": 2**60}))
    with pytest.raises(ValueError, match="1 bytes after the last storage"):
        read(write(state) + b"\0")
    with pytest.raises(ValueError, match="another beginning"):
        read(write(state, machine={**MACHINE, "little_endian": False}))


BOMBS = {  # opcodes that claim a size, in the place of the state
    "a memo of 4 billion": b"\x80\x02}r\xff\xff\xff\xff.",
    "a text of 2 GB": b"\x80\x02X\xff\xff\xff\x7f.",
    "a number of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
    "a bytearray of 1 EB": b"\x80\x05\x96\0\0\0\0\0\0\0\x10.",
    "a frame of 1 EB": b"\x80\x04\x95\0\0\0\0\0\0\0\x10}.",
}


@pytest.mark.parametrize("claim", BOMBS)
def test_a_claimed_size_takes_no_memory(claim: str) -> None:
    content = dump(MAGIC) + dump(VERSION) + dump(MACHINE) + BOMBS[claim] + dump([])
    tracemalloc.start()
    with pytest.raises(ValueError, match="must be an ordered dict of tensors and nothing else"):
        read(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4e6


@pytest.mark.usefixtures("torch")
def test_whatever_bytes_change_it_is_refused_or_read_as_tensors() -> None:
    content = write(named(kernel=Saved(KERNEL, "a"), turned=Saved(KERNEL, "b", size=(4, 3), steps=(1, 4))))
    rng, refused = np.random.default_rng(0), 0
    for _ in range(3000):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 4)):
            changed[place] = rng.integers(0, 256)
        try:
            found = read(bytes(changed))
        except ValueError:
            refused += 1
        else:
            assert all(isinstance(tensor, np.ndarray) and np.isfinite(tensor.size) for tensor in found.values())
            assert sum(float(np.nan_to_num(tensor).sum(dtype=np.float64)) for tensor in found.values()) < 1e60
    assert refused > 1000
