"""What a registered version says of itself, and metrics that are linked to the model and the films they were measured on."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from empty_store import log_files

from hilum.tracking.logged_model import is_alias, log_model, model_name, version_tags
from hilum.tracking.open_run import Run
from hilum.tracking.store import Store

FACTS = {"arm": "baseline", "backbone": "mobilenet_025", "classes": ["normal", "viral"], "run_key": "k1", "data_version": "d1"}


@pytest.mark.parametrize(
    ("arm", "may"),
    [("baseline", True), ("fine-tuned_2", True), ("latest", False), ("champion", False), ("V2", False), ("a b", False)],
)
def test_an_arm_is_an_alias_unless_mlflow_or_a_person_has_the_name(arm: str, may: bool) -> None:
    assert is_alias(arm) is may


def test_a_logged_model_has_the_name_of_its_arm_as_far_as_mlflow_takes_it() -> None:
    assert [model_name(arm) for arm in ("fine-tuned 2", "a/b:c.d%e'f\"g")] == ["fine-tuned 2", "a_b_c_d_e_f_g"]


def test_a_version_says_its_arm_network_and_classes_and_digests_behind_their_prefix() -> None:
    wanted = {"arm": "baseline", "backbone": "mobilenet_025", "classes": "normal, viral", "digest.run": "k1", "digest.data": "d1"}
    assert version_tags(FACTS) == wanted


def test_a_version_for_a_site_says_whose_it_is_and_what_it_came_from() -> None:
    record = {"site": "north", "parent_sha256": "ab12", "films": 120, "seen": {"sha256": ["x"], "pixel_sha256": ["y"]}}
    told = version_tags({**FACTS, "recalibrated": record})
    assert {key: told[key] for key in ("site", "parent", "films")} == {"site": "north", "parent": "ab12", "films": "120"}
    assert not {"site", "parent", "films", "seen"} & set(version_tags(FACTS)) and "seen" not in told


def test_a_registered_model_has_description_tags_and_the_alias_of_its_arm(either: Store, tmp_path: Path) -> None:
    import keras

    run, name = Run(either.client, either.client.create_run(either.experiment).info.run_id, either.contact), tmp_path.name
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
    beside = tmp_path / "mean_films.npz"
    np.savez(beside, films=np.zeros((1, 4, 4, 1)))
    example, answers = np.zeros((1, 4, 4, 1), np.float32), np.full((1, 2), 0.5)
    number = log_model(either.client, run.id, model, example, answers, FACTS, beside, name)
    found = either.client.get_model_version_by_alias(name, "baseline")
    assert (
        str(found.version) == number and found.tags["digest.run"] == "k1" and found.description == "baseline, not evaluated yet."
    )
    assert "@champion" in either.client.get_registered_model(name).description
    assert either.versions(name, "k1") == [number] and either.model_of(name, "k2") is None
    logged = either.client.get_run(run.id).outputs.model_outputs
    assert [either.model_of(name, "k1")] == [output.model_id for output in logged]
    model = either.client.get_logged_model(logged[0].model_id)
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": name, "version": number}]
    assert (model.name, model.params, model.model_type) == ("baseline", {"backbone": "mobilenet_025"}, "classifier")
    run.describe_version("baseline. Test films: AUROC 0.870.")
    assert either.client.get_model_version(name, number).description == "baseline. Test films: AUROC 0.870."


def test_metrics_are_linked_to_the_model_and_to_the_films_they_were_measured_on(either: Store, tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"x")
    run_id, model_id = log_files(either.client, either.experiment, tmp_path / "model.keras", {})
    films = pd.DataFrame({"image_id": ["a"], "label": ["viral"]})
    measuring = either.client.create_run(either.experiment).info.run_id
    for user in (run_id, measuring):  # the run that made it, and one that measures it
        run = Run(either.client, user, either.contact)
        if user != run_id:
            run.use_model(model_id)
        run.log_data(films, "films-test", "test", "0123abcd")
        run.log_measured(
            pd.DataFrame([{"step": 0, "test/ece": 0.1, "val/ece": 0.2, "audit/probability": 0.3, "source_only/x": 1.0}])
        )
        linked = {
            m.key: (m.dataset_name, m.dataset_digest)
            for m in either.client.get_logged_model(model_id).metrics
            if m.run_id == user
        }
        assert linked == {"test/ece": ("films-test", "0123abcd"), "val/ece": (None, None), "audit/probability": (None, None)}
        assert set(either.client.get_run(user).data.metrics) == {"test/ece", "val/ece", "audit/probability", "source_only/x"}


def test_a_run_without_a_model_still_has_its_metrics(store: Store, run: Run) -> None:
    run.log_measured(pd.DataFrame([{"step": 0, "test/ece": 0.1}, {"step": 3, "val/ece": 0.2}]))
    assert store.client.get_run(run.id).data.metrics == {"test/ece": 0.1, "val/ece": 0.2}
