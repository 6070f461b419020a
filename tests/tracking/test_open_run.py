"""What a stage writes into a run, with a real MLflow."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hilum.tracking.open_run import LONGEST, Run
from hilum.tracking.store import Store


def artifacts(run: Run, place: str | None = None) -> list[str]:
    found = []
    for entry in run.client.list_artifacts(run.id, place):
        found += artifacts(run, entry.path) if entry.is_dir else [entry.path]
    return sorted(found)


def test_parameters_may_be_logged_twice_but_not_changed(store: Store, run: Run) -> None:
    run.log_params({"seed": 1, "phases.0.epochs": 3, "note": None})
    run.log_params({"seed": 1, "size": 128})
    assert store.client.get_run(run.id).data.params == {"seed": "1", "phases.0.epochs": "3", "note": "None", "size": "128"}
    with pytest.raises(ValueError, match=r"refuses: .*[Cc]hang"):
        run.log_params({"seed": 2})


def test_many_and_long_parameters_are_logged(store: Store, run: Run) -> None:
    params = {f"p{i}": i for i in range(150)} | {"long": "x" * (LONGEST + 5)}
    run.log_params(params)
    run.log_params(params)
    logged = store.client.get_run(run.id).data.params
    assert len(logged) == 151
    assert logged["long"] == "x" * LONGEST


def test_undefined_metrics_are_left_out(store: Store, run: Run) -> None:
    run.log_metrics({"test/auroc_macro": 0.5, "test/mcc": float("nan"), "test/ece": np.float64("inf"), "n": np.int64(3)})
    assert store.client.get_run(run.id).data.metrics == {"test/auroc_macro": 0.5, "n": 3.0}


def test_a_history_is_one_point_per_row(store: Store, run: Run) -> None:
    rows = pd.DataFrame({"step": [0, 1, 5], "loss": [0.3, np.nan, 0.1 + 0.2], "text": ["a", "b", "c"]})
    run.log_history(rows)
    points = [(point.step, point.value) for point in store.client.get_metric_history(run.id, "loss")]
    assert points == [(0, 0.3), (5, 0.1 + 0.2)]
    assert list(store.client.get_run(run.id).data.metrics) == ["loss"]


def test_a_history_longer_than_one_call_arrives_whole(store: Store, run: Run) -> None:
    run.log_history(pd.DataFrame({"step": range(700), "a": np.arange(700.0), "b": np.arange(700.0)}))
    assert sorted(point.step for point in store.client.get_metric_history(run.id, "b")) == list(range(700))


def test_a_folder_stands_below_its_place(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "evaluation"
    (folder / "keys").mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")
    (folder / "keys" / "a.png").write_text("picture")
    run.log_folder(folder, "evaluation")
    run.log_dict({"a": [1, None]}, "config/params.json")
    assert artifacts(run) == ["config/params.json", "evaluation/keys/a.png", "evaluation/metrics.json"]
    local = run.client.download_artifacts(run.id, "config/params.json", str(tmp_path))
    assert json.loads(Path(local).read_text()) == {"a": [1, None]}


def test_an_image_is_logged_under_its_key(tmp_path: Path, run: Run) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    run.log_image(image, key="gradcam-viral")
    full = [path for path in artifacts(run) if path.endswith(".png")]
    assert len(full) == 1
    assert "gradcam-viral" in full[0]
    with Image.open(run.client.download_artifacts(run.id, full[0], str(tmp_path))) as picture:
        assert np.array_equal(np.asarray(picture), image)


def test_the_films_of_a_split_are_named_as_input(store: Store, run: Run) -> None:
    table = pd.DataFrame({"image_id": ["a", "b"], "label": ["normal", "viral"]})
    run.log_data(table, "films", "train", "abc")
    run.log_data(table[:1], "films", "val", "def")
    inputs = store.client.get_run(run.id).inputs.dataset_inputs
    assert {(item.dataset.name, item.dataset.digest, item.tags[0].value) for item in inputs} == {
        ("films", "abc", "train"),
        ("films", "def", "val"),
    }
