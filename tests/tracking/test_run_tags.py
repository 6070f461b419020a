"""Tags of runs: digests behind one prefix, and runs of earlier versions are found by their former tags."""

from hilum.tracking.run_tags import DIGESTS, PREFIX, questions, read_tag, stored
from hilum.tracking.store import Store

KEYS = {"run_key": "k1", "model_sha256": "m1", "data_version": "d1", "split_version": "s1"}


def test_digests_are_behind_one_prefix_and_what_a_person_reads_is_not() -> None:
    assert all(name.startswith(PREFIX) for name in DIGESTS.values())
    told = stored({**KEYS, "arm": "baseline", "audit": "honest", "digest.training": "t"})
    assert {name for name in told if not name.startswith(PREFIX)} == {"arm", "audit"}
    assert told["digest.run"] == "k1" and told["digest.training"] == "t"


def test_a_tag_is_read_under_either_name() -> None:
    assert read_tag({"digest.run": "k1"}, "run_key") == read_tag({"run_key": "k1"}, "run_key") == "k1"
    assert read_tag({"arm": "baseline"}, "arm") == "baseline" and read_tag({}, "run_key") is None


def test_runs_are_asked_for_under_all_their_names() -> None:
    assert list(questions({"role": "arm"})) == [["tags.`role` = 'arm'"]]
    assert len(list(questions({"role": "arm", "run_key": "k", "model_sha256": "m"}))) == 4


def test_a_run_of_an_earlier_version_is_found_beside_those_of_today_newest_first(store: Store) -> None:
    old = store.client.create_run(store.experiment, start_time=1, tags={"role": "arm", **KEYS}).info.run_id
    with store.start("baseline", {"role": "arm", **KEYS}) as new:
        pass
    assert not set(KEYS) & set(store.client.get_run(new.id).data.tags)
    assert [run.info.run_id for run in store.find(KEYS)] == [new.id, old]
    assert [run.info.run_id for run in store.find({"role": "arm", "run_key": "k1"})] == [new.id, old]
    assert store.find({"run_key": "k2"}) == []


def test_tags_that_a_person_reads_come_first_also_where_a_later_stage_writes_them(either: Store) -> None:
    with either.start("baseline", {"role": "arm", "data_version": "d1"}) as run:
        run.tag({"data": "phantom", "run_key": "k1"})
    with either.resume(run.id, "audit") as run:
        run.tag({"audit": "honest", "digest.audit": "a1"})
    tags = either.client.get_run(run.id).data.tags
    shown = [key for key in tags if not key.startswith("mlflow.")]
    assert shown == ["role", "data", "audit", "digest.data", "digest.run", "digest.audit"]
    assert (tags["digest.data"], tags["digest.run"], tags["digest.audit"]) == ("d1", "k1", "a1")
