"""What a registered version says of itself, and metrics that are linked to the model and the films they were measured on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from empty_store import log_files

from hilum.tracking.logged_model import is_alias, log_model, version_tags
from hilum.tracking.open_run import Run
from hilum.tracking.store import Store

FACTS = {"arm": "baseline", "backbone": "mobilenet_025", "classes": ["normal", "viral"], "run_key": "k1", "data_version": "d1"}


@pytest.mark.parametrize(
    ("arm", "may"),
    [("baseline", True), ("fine-tuned_2", True), ("latest", False), ("champion", False), ("V2", False), ("a b", False)],
)
def test_an_arm_is_an_alias_unless_mlflow_or_a_person_has_the_name(arm: str, may: bool) -> None:
    assert is_alias(arm) is may


def test_a_version_says_its_arm_network_and_classes_and_digests_behind_their_prefix() -> None:
    wanted = {"arm": "baseline", "backbone": "mobilenet_025", "classes": "normal, viral", "digest.run": "k1", "digest.data": "d1"}
    assert version_tags(FACTS) == wanted


def test_a_registered_model_has_description_tags_and_the_alias_of_its_arm(store: Store, run: Run, tmp_path: Path) -> None:
    import keras

    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    beside = tmp_path / "mean_films.npz"
    np.savez(beside, films=np.zeros((1, 4, 4, 1)))
    example, answers = np.zeros((1, 4, 4, 1), np.float32), np.full((1, 2), 0.5)
    number = log_model(store.client, run.id, model, example, answers, FACTS, beside, "hilum")
    found = store.client.get_model_version_by_alias("hilum", "baseline")
    assert (
        str(found.version) == number and found.tags["digest.run"] == "k1" and found.description == "baseline, not evaluated yet."
    )
    assert "@champion" in store.client.get_registered_model("hilum").description
    assert store.versions("hilum", "k1") == [number] and store.model_of("hilum", "k2") is None
    logged = store.client.get_run(run.id).outputs.model_outputs
    assert [store.model_of("hilum", "k1")] == [output.model_id for output in logged]
    run.describe_version("baseline. Test films: AUROC 0.870.")
    assert store.client.get_model_version("hilum", number).description == "baseline. Test films: AUROC 0.870."


def test_metrics_are_linked_to_the_model_and_to_the_films_they_were_measured_on(store: Store, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"x")
    run_id, model_id = log_files(store.client, store.experiment, tmp_path / "model.keras", {})
    films = pd.DataFrame({"image_id": ["a"], "label": ["viral"]})
    for user in (run_id, store.client.create_run(store.experiment).info.run_id):  # the run that made it, and one that measures it
        run = Run(store.client, user, store.contact)
        if user != run_id:
            run.use_model(model_id)
        run.log_data(films, "films-test", "test", "0123abcd")
        run.log_measured(
            pd.DataFrame([{"step": 0, "test/ece": 0.1, "val/ece": 0.2, "audit/probability": 0.3, "source_only/x": 1.0}])
        )
        linked = {
            m.key: (m.dataset_name, m.dataset_digest) for m in store.client.get_logged_model(model_id).metrics if m.run_id == user
        }
        assert linked == {"test/ece": ("films-test", "0123abcd"), "val/ece": (None, None), "audit/probability": (None, None)}
        assert set(store.client.get_run(user).data.metrics) == {"test/ece", "val/ece", "audit/probability", "source_only/x"}


def test_a_run_without_a_model_still_has_its_metrics(store: Store, run: Run) -> None:
    run.log_measured(pd.DataFrame([{"step": 0, "test/ece": 0.1}, {"step": 3, "val/ece": 0.2}]))
    assert store.client.get_run(run.id).data.metrics == {"test/ece": 0.1, "val/ece": 0.2}
