"""One model, one answer: every door of a trained model gives each test film the same probabilities."""

import contextlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from dicom_forms import deflate, describe, write
from doors import (
    Answers,
    by_any_evaluation,
    by_bytes,
    by_evaluate,
    by_explain,
    by_export,
    by_grey_levels,
    by_predict,
    by_reading_room,
    serving,
)
from empty_store import VARIABLES
from PIL import Image
from sixteen_bits import png16

from hilum.data.prepared.loading import load_split, read_manifest
from hilum.results import read_json
from hilum.settings.params import read_params
from hilum.stages import acquire, check, evaluate, prepare, split, train, tune
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

CLASSES = ("normal", "ill")
IN_PROCESS, EXPORTED = 1e-5, 1e-4


@dataclass(frozen=True)
class Trained:
    """films: image_id -> raw film of each test film, in the order of the split, all in one folder."""

    workspace: Workspace
    model: str
    films: dict[str, Path]
    urls: dict[str, str]

    def threshold(self) -> float:
        found: float = read_json(Path(self.model).with_name("model.json"))["threshold"]
        return found


def shorten(workspace: Workspace) -> None:
    """One arm: a head that is fitted closely on a small network of random weights, so that films differ."""
    values = yaml.safe_load(workspace.params.read_text())
    values["arms"] = {
        "baseline": {
            "backbone": "small_cnn",
            "options": {"blocks": 2, "filters": 8, "growth": 2.0, "kernel": 3, "pooling": "max", "batch_norm": True},
            "weights": "none",
            "phases": [{"unfreeze": "head", "solver": "convex", "penalty": 0.01}],
        }
    }
    values["tune"]["trials"] = 0
    values["evaluate"]["bootstrap"] = 50
    workspace.params.write_text(yaml.safe_dump(values, sort_keys=False))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Workspace]) -> Iterator[Trained]:
    """A project of two classes, from its films to its evaluation, and both of its registered models served."""
    labels = {"normal": ["normal"], "ill": ["bacterial", "viral"]}
    workspace = make_project(tmp_path_factory.mktemp("doors") / "project", prepare__labels=labels)
    shorten(workspace)
    with pytest.MonkeyPatch.context() as patch, contextlib.chdir(workspace.root):
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        check.run()
        acquire.run(source="phantom")
        for stage in (prepare, split):
            stage.run()
        for verb in (tune, train, evaluate):
            verb.run("baseline")
        listed = load_split(workspace.prepared, workspace.split, "test", list(CLASSES)).table["image_id"]
        paths = read_manifest(workspace.prepared / "manifest.csv").set_index("image_id")["path"]
        (workspace.root / "films").mkdir()
        films = {}
        for number, image_id in enumerate(listed):
            raw = workspace.root / "data" / "raw" / paths[image_id]
            films[image_id] = workspace.root / "films" / f"{number:03d}{raw.suffix}"
            shutil.copy(raw, films[image_id])
        served = {"grey": "models:/hilum@baseline", "films": "models:/hilum-films@baseline"}
        with serving(served, workspace) as urls:
            yield Trained(workspace, str(workspace.arm("baseline", "training") / "model.keras"), films, urls)


def write_huge_png() -> bytes:
    """A PNG of one pixel whose header says 60,000 x 60,000."""
    raw = png16(np.zeros((1, 1, 1), np.uint16))
    head = b"IHDR" + struct.pack(">II", 60_000, 60_000) + raw[24:29]
    return raw[:12] + head + struct.pack(">I", zlib.crc32(head)) + raw[33:]


def by_served_bytes(one: Trained) -> Answers:
    rows = by_bytes(one.urls["films"], [file.read_bytes() for file in one.films.values()])
    return Answers(np.array([[row[f"p_{name}"] for name in CLASSES] for row in rows]), [row["predicted"] for row in rows])


def by_served_grey_levels(one: Trained) -> Answers:
    found = by_grey_levels(one.urls["grey"], one.workspace, CLASSES)
    return Answers(found, [CLASSES[int(p >= one.threshold())] for p in found[:, 1]])


Door = Callable[[Trained, Path], Answers]
DOORS: dict[str, tuple[Door, float]] = {  # (the model, an empty folder) -> answers; how far they may be from those of `evaluate`
    "predict": (lambda one, out: by_predict(one.model, one.films, out / "out.csv"), IN_PROCESS),
    "evaluate --data": (lambda one, out: by_any_evaluation(one.model, one.films, out, one.workspace), IN_PROCESS),
    "explain --image": (lambda one, out: by_explain(one.model, one.films, out / "maps", one.workspace), IN_PROCESS),
    "app": (lambda one, out: by_reading_room(one.model, one.films, one.workspace), IN_PROCESS),
    "served, grey levels": (lambda one, out: by_served_grey_levels(one), IN_PROCESS),
    "served, bytes": (lambda one, out: by_served_bytes(one), IN_PROCESS),
    "litert": (lambda one, out: by_export(one.model, one.films, "litert", out / "litert"), EXPORTED),
    "onnx": (lambda one, out: by_export(one.model, one.films, "onnx", out / "onnx"), EXPORTED),
}


def test_every_door_gives_every_test_film_the_same_answer(trained: Trained, tmp_path: Path) -> None:
    """Run with -s for the table. Predictions may differ only where the probability is that close to the threshold."""
    workspace, threshold = trained.workspace, trained.threshold()
    with contextlib.chdir(workspace.root):
        reference = by_evaluate(workspace, "baseline", CLASSES)
        spread = reference.probabilities[:, 1].std()
        assert len(reference.predicted) == len(trained.films) >= 10 and spread > 0.02, f"films that differ, {spread}"
        assert len(set(reference.predicted)) == 2
        for place, (door, (answer, limit)) in enumerate(DOORS.items()):
            (out := tmp_path / str(place)).mkdir()
            found = answer(trained, out)
            apart = np.abs(found.probabilities - reference.probabilities).max(axis=1)
            differ = [i for i, pair in enumerate(zip(found.predicted, reference.predicted, strict=True)) if len(set(pair)) > 1]
            listed = [(list(trained.films)[i], reference.probabilities[i, 1], threshold) for i in differ]
            print(f"| {door} | {len(apart)} | {apart.max():.1e} | {limit:g} | {listed or 'none'} |")
            assert apart.max() <= limit, (door, apart.max())
            assert all(abs(p - threshold) <= limit for _, p, _ in listed), (door, listed)


def test_bytes_of_every_kind_are_answered_as_predict_answers_their_files(trained: Trained, tmp_path: Path) -> None:
    grey = np.array(Image.open(next(iter(trained.films.values()))).convert("L"))
    kinds = {"a.dcm": write(describe(grey)), "b.dcm": write(describe(grey.astype(np.uint16) * 16, bits=12), "JPEG 2000 lossless")}
    for name, kind in (("c.png", "png"), ("d.jpg", "jpeg"), ("e.tif", "tiff")):
        stream = BytesIO()
        Image.fromarray(grey).save(stream, kind)
        kinds[name] = stream.getvalue()
    folder = tmp_path / "kinds"
    folder.mkdir()
    files = {name: folder / name for name in kinds}
    for name, content in kinds.items():
        files[name].write_bytes(content)
    with contextlib.chdir(trained.workspace.root):
        expected = by_predict(trained.model, files, tmp_path / "kinds.csv")
    rows = by_bytes(trained.urls["films"], list(kinds.values()))
    assert [row["error"] for row in rows] == [None] * len(kinds)
    found = np.array([[row[f"p_{name}"] for name in CLASSES] for row in rows])
    assert np.abs(found - expected.probabilities).max() <= IN_PROCESS
    assert [row["predicted"] for row in rows] == expected.predicted


def test_bytes_that_are_refused_are_rows_with_a_sentence_beside_films_that_are_answered(trained: Trained) -> None:
    film = next(iter(trained.films.values())).read_bytes()
    small = describe(np.zeros((100, 100), np.uint16))
    bombs = [deflate(small, bytes(2**20), 1100), write_huge_png()]
    rows = by_bytes(trained.urls["films"], [b"no film at all", film[: len(film) // 2], *bombs, b"", film])
    told = [row["error"] for row in rows]
    assert all(isinstance(one, str) and one and "Traceback" not in one for one in told[:-1]) and told[-1] is None
    assert "MiB" in told[2] or "bytes" in told[2]
    assert "64,000,000 pixels" in told[3]
    assert all(row["predicted"] is None and row["p_ill"] is None for row in rows[:-1])
    assert rows[-1]["predicted"] in CLASSES


def test_the_lines_of_the_documentation_ask_both_served_models(trained: Trained, root: Path, tmp_path: Path) -> None:
    lines = [line for line in (root / "docs" / "commands.md").read_text().splitlines() if "/invocations" in line]
    assert len(lines) == 2
    shutil.copy(next(iter(trained.films.values())), trained.workspace.root / "film.png")
    found = []
    for line, address in zip(lines, trained.urls.values(), strict=True):
        ours = re.sub(r"http://127\.0\.0\.1:\d+", address, line)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", ours], cwd=trained.workspace.root, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["predictions"][0])
    assert sum(found[0]) == pytest.approx(1, abs=1e-5)
    assert found[1]["p_normal"] + found[1]["p_ill"] == pytest.approx(1) and found[1]["error"] is None


def test_a_registered_model_of_bytes_has_the_tags_and_the_alias_of_the_other(trained: Trained) -> None:
    with contextlib.chdir(trained.workspace.root):
        client = open_store(trained.workspace, read_params(trained.workspace.params).tracking).client
    one, other = (client.get_model_version_by_alias(name, "baseline") for name in ("hilum", "hilum-films"))
    assert one.run_id == other.run_id and one.tags == other.tags
    outputs = client.get_run(one.run_id).outputs.model_outputs
    assert [client.get_logged_model(output.model_id).name for output in outputs] == ["baseline"]
