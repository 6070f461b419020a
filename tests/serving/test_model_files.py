"""A user's file is refused for its kind and its sizes before anything of it is unpacked."""

import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from own_models import SIZE, read_config, rewrite, save_own
from spoilt_models import SPOILT, cut

from hilum.serving.model_files import check_model_file, convert_lines, names_file


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_own(tmp_path / "own", "softmax")


@pytest.mark.parametrize("kind", SPOILT)
def test_a_file_that_is_no_whole_model_is_refused(model: Path, kind: str) -> None:
    spoil, told = SPOILT[kind]
    spoil(model)
    with pytest.raises(ValueError, match=told):
        check_model_file(model)


def test_a_whole_file_tells_how_many_weights_it_holds(model: Path) -> None:
    assert check_model_file(model) == keras.saving.load_model(model).count_params()
    rewrite(model, zipfile.ZIP_DEFLATED)
    assert check_model_file(model) == keras.saving.load_model(model).count_params()


def test_an_archive_without_weights_is_refused(model: Path) -> None:
    config = read_config(model)
    with zipfile.ZipFile(model, "w") as archive:
        archive.writestr("config.json", config)
    with pytest.raises(ValueError, match=r"must hold config\.json and model\.weights\.h5 once each, got .* with 'config\.json';"):
        check_model_file(model)


@pytest.mark.parametrize("link", [h5py.ExternalLink("/etc/passwd", "/"), h5py.SoftLink("/layers")])
def test_weights_that_lead_elsewhere_are_refused(model: Path, tmp_path: Path, link: object) -> None:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["vars"] = link
    rewrite(model, weights=(tmp_path / "weights.h5").read_bytes())
    with pytest.raises(ValueError, match="vars leads elsewhere"):
        check_model_file(model)


def test_a_path_that_is_no_model_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    with pytest.raises(ValueError, match="which is a folder; name the file in it"):
        check_model_file(tmp_path / "saved")
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"graph")
    for path in (tmp_path / "saved", tmp_path / "saved" / "saved_model.pb"):
        with pytest.raises(ValueError, match=r"the folder \S*/saved, a SavedModel: .* save it by model\.save\('model\.keras'\)"):
            check_model_file(path)
    with pytest.raises(ValueError, match="which does not exist"):
        check_model_file(tmp_path / "none.keras")
    (tmp_path / "notes.txt").write_text("no model")
    with pytest.raises(ValueError, match=r"must be a \.keras file, got .*notes\.txt; save it by"):
        check_model_file(tmp_path / "notes.txt")


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "named.keras", "MODEL.H5"])
def test_the_two_lines_for_an_older_file_make_one_that_passes(tmp_path: Path, name: str) -> None:
    old = save_own(tmp_path / "it's own", "softmax", "model.h5").rename(tmp_path / "it's own" / name)
    with pytest.raises(ValueError, match="with these two lines of Python:\n") as refusal:
        check_model_file(old)
    lines = str(refusal.value).split("Python:\n")[1]
    assert lines == convert_lines(old) and len(lines.splitlines()) == 2
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    new = old.with_suffix(".keras")
    assert (old.parent / "model.json").is_file()
    assert check_model_file(new) > 0
    assert keras.saving.load_model(new)(np.zeros((1, SIZE, SIZE, 1), np.float32)).shape == (1, 2)


def test_an_older_file_that_cannot_be_converted_says_so(tmp_path: Path) -> None:
    keras.saving.load_model(save_own(tmp_path, "softmax")).save_weights(tmp_path / "model.weights.h5")
    with pytest.raises(ValueError, match=r"with weights alone; load them into their model where it was made"):
        check_model_file(tmp_path / "model.weights.h5")
    cut(save_own(tmp_path, "softmax", "model.h5"), 0.5)
    with pytest.raises(ValueError, match=r"older HDF5 format \(\.h5\) and is truncated or damaged"):
        check_model_file(tmp_path / "model.h5")


def test_a_file_is_told_from_a_run_and_a_registered_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved").mkdir()
    for name in ("model.keras", "MODEL.KERAS", "model.h5", "saved", "folder/none"):
        assert names_file(name), name
    for name in ("models:/hilum@champion", "models:/hilum/3", "0123456789abcdef0123456789abcdef", "none"):
        assert not names_file(name), name
