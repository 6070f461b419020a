"""Saved views in a store: written once, kept up to date, and never over another's."""

import base64
import json
import zlib
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from hilum.tracking import saved_views
from hilum.tracking.saved_views import LONGEST, TAG, save_views, server_version
from hilum.tracking.store import Store
from hilum.tracking.views import ARMS, MAPS, SEARCH


def tag_of(store: Store, key: str) -> str:
    return str(store.client.get_experiment(store.experiment).tags.get(f"{TAG}{key}", ""))


def state_of(text: str) -> dict[str, Any]:
    """As MLflow's page reads it: `deflate;`, base64, zlib, JSON."""
    packed = json.loads(text)["state"]
    assert packed.startswith("deflate;")
    return dict(json.loads(zlib.decompress(base64.b64decode(packed.removeprefix("deflate;")))))


def test_all_views_are_written_in_the_form_of_mlflow_the_first_one_newest(store: Store) -> None:
    assert list(save_views(store)) == [ARMS, MAPS, SEARCH]
    told = [json.loads(tag_of(store, key)) for key in (ARMS, MAPS, SEARCH)]
    assert [one["name"] for one in told] == ["Arms", "Maps side by side", "Search"]
    assert [one["createdAt"] for one in told] == sorted((one["createdAt"] for one in told), reverse=True), "the list is by age"
    assert state_of(tag_of(store, ARMS))["searchFilter"] == "tags.role = 'arm'"


def test_a_view_follows_what_the_runs_hold_and_is_left_as_it_is_otherwise(store: Store) -> None:
    save_views(store)
    before = tag_of(store, ARMS)
    save_views(store)
    assert tag_of(store, ARMS) == before
    with store.start("baseline", {"role": "arm", "selected_by": "val/brier"}):
        pass
    save_views(store)
    assert "metrics.`val/brier`" in state_of(tag_of(store, ARMS))["selectedColumns"]
    assert json.loads(tag_of(store, ARMS))["createdAt"] == json.loads(before)["createdAt"]


@pytest.mark.parametrize("change", ["another's", "edited", "broken"])
def test_a_view_that_is_not_hilums_own_stays(store: Store, capsys: pytest.CaptureFixture[str], change: str) -> None:
    save_views(store)
    written = json.loads(tag_of(store, ARMS))
    mine = {
        "another's": json.dumps({key: written[key] for key in ("name", "createdAt", "updatedAt", "state")}),
        "edited": json.dumps({**written, "state": json.loads(tag_of(store, SEARCH))["state"]}),
        "broken": "{",
    }[change]
    store.client.set_experiment_tag(store.experiment, f"{TAG}{ARMS}", mine)
    save_views(store)
    assert tag_of(store, ARMS) == mine
    assert "the view Arms was changed or written by someone else" in capsys.readouterr().out


def test_a_store_that_refuses_a_view_costs_a_line(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(experiment: str, key: str, value: str) -> None:
        raise MlflowException("tags of experiments may not be set")

    monkeypatch.setattr(store.client, "set_experiment_tag", refuse)
    assert save_views(store) == {}
    assert "the view Search is not saved: tags of experiments may not be set" in capsys.readouterr().out


def test_a_view_too_long_for_a_tag_is_not_written(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_views, "LONGEST", 100)
    assert save_views(store) == {} and LONGEST == 20_000
    assert "and MLflow takes 100" in capsys.readouterr().out and not tag_of(store, ARMS)


def test_an_unknown_version_of_mlflow_costs_a_line(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server_version(store) == mlflow.__version__
    monkeypatch.setattr(mlflow, "__version__", "9.1.0")
    assert save_views(store) == {} and not tag_of(store, ARMS)
    assert "known for MLflow 3.17, got 9.1.0" in capsys.readouterr().out
