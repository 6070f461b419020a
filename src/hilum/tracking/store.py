"""The tracking store of a project: runs are opened, closed with the right status, and found."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hilum.addresses import mask
from hilum.ownership import has_ended, read_owner, this_process
from hilum.progress import say
from hilum.tracking.contact import Contact, tell
from hilum.tracking.moved_store import local_folder
from hilum.tracking.open_run import Point, Run
from hilum.tracking.run_notes import ENDED, ended_note
from hilum.tracking.run_tags import DIGESTS, MOVING, NOTE, PREFIX, move_digests_last, questions, read_tag, restore_digests, stored

OWNER = "owner"  # tag of an open run: the process that writes into it
ADDING = "adding"  # tag of a finished run while more is written into it: what
INPUTS = "unfinished"  # tag of a run until a later stage adds to it: the key of all that decides what it holds, to continue it by
BROKEN_OFF = "broken_off."  # with what was being added: tag of a finished run whose addition is incomplete, and how it ended


@dataclass(frozen=True)
class Store:
    """The tracking store of a project: where runs are found and opened. parent: the run that `mlflow run` opened, if any."""

    client: Any
    experiment: str
    parent: str | None
    contact: Contact

    @contextmanager
    def start(
        self, name: str, tags: Mapping[str, Any], parent: str | None = None, key: str = "", finished: bool = True
    ) -> Iterator[Run]:
        """Open a run; it ends FINISHED, KILLED if interrupted, or FAILED. Unfinished runs of ended processes are closed first.

        key: of all that decides what the run will hold. A run of that key that was interrupted or failed is continued, and so are
        the runs below it, by their names; also one that has finished, unless a later stage has added to it: the process was ended
        before DVC noted its results. finished: whether such a run is continued at all.
        """
        own = {kind: str(tags[kind]) for kind in ("role", "arm") if kind in tags}
        wanted = {"mlflow.parentRunId": parent} if parent else {INPUTS: key, **own}
        left = self._find_earlier(name if parent else "", wanted, finished) if key else None
        if left is not None:
            with self._go_on(left, name, tags, parent) as run:
                yield run
            return
        if parent is None:
            self.close_left(tags)
        above = parent or self.parent
        all_tags = {"mlflow.source.name": "hilum", "mlflow.source.type": "PROJECT", OWNER: this_process().record(), **tags}
        if key and not parent:
            all_tags[INPUTS] = key
        if above:
            all_tags["mlflow.parentRunId"] = above
        run_id = ""
        with self.contact.while_answered(), self.contact.asking(f"run {name}"):
            shown = {key: mask(str(value)) for key, value in stored(all_tags).items()}
            run_id = self.client.create_run(self.experiment, run_name=name, tags=shown).info.run_id
        with self._until_end(run_id):
            yield Run(self.client, run_id, self.contact)

    def _find_earlier(self, name: str, wanted: Mapping[str, str], finished: bool) -> Any:
        """The newest run of that key, or below a parent the run of that name, unless a living process writes into it."""
        with self.contact.while_answered():
            for run in self.find(wanted) or self._find_restored(wanted):
                owner = read_owner(run.data.tags.get(OWNER, ""))
                named = not name or run.info.run_name in {name, *(ended_name(name, status) for status in ENDED)}
                free = run.info.status != "RUNNING" or (owner and has_ended(owner))
                if named and free and (run.info.status != "FINISHED" or (finished and self.keeps(run))):
                    return run
        return None

    def _find_restored(self, wanted: Mapping[str, str]) -> list[Any]:
        """As `find`, after runs whose processes were killed while their digests were being moved have all of them again."""
        with self.contact.asking("the runs left open"):
            for run in self.client.search_runs([self.experiment], f"tags.`{MOVING}` LIKE '%'"):
                owner = read_owner(run.data.tags.get(OWNER, ""))
                if owner and has_ended(owner):
                    restore_digests(self.client, run)
        return self.find(wanted)

    @contextmanager
    def _go_on(self, left: Any, name: str, tags: Mapping[str, Any], parent: str | None) -> Iterator[Run]:
        """Continue an earlier run; points that its curves have are not written again. A finished one stays below its parent."""
        run_id, points, over = left.info.run_id, frozenset[Point](), parent or self.parent
        above = {"mlflow.parentRunId": over} if over and left.info.status != "FINISHED" else {}
        if not parent and left.info.status == "FINISHED":
            self.link(run_id)
        with self.contact.while_answered(), self.contact.asking(f"run {run_id}"):
            for tag, value in stored({OWNER: this_process().record(), **tags, **above, NOTE: ""}).items():
                self.client.set_tag(run_id, tag, mask(str(value)))
            self.client.update_run(run_id, status="RUNNING", name=name)
            points = self._points_of(left)
            say(f"run {name} of {run_id[:8]} is continued")
        if parent is None:
            self.close_left(tags)
        with self._until_end(run_id):
            yield Run(self.client, run_id, self.contact, points)

    def _points_of(self, run: Any) -> frozenset[Point]:
        histories = [self.client.get_metric_history(run.info.run_id, metric) for metric in run.data.metrics]
        return frozenset((point.key, point.step, point.value) for history in histories for point in history)

    @contextmanager
    def resume(self, run_id: str, adding: str, key: str = "") -> Iterator[Run]:
        """Write more into a finished run. It stays FINISHED, also when that is interrupted, which a tag records.

        adding: what is written, such as the name of a folder of results; key: of all that decides it, as of `start`.
        """
        points = frozenset[Point]()
        with self.contact.while_answered(), self.contact.asking(f"run {run_id}"):
            before = self.client.get_run(run_id)
            self.client.set_tag(run_id, OWNER, this_process().record())
            self.client.set_tag(run_id, ADDING, adding)
            if key:  # set before the old one is deleted, so that a killed addition is found
                self.client.set_tag(run_id, DIGESTS[INPUTS], key)
            for tag in ({INPUTS} if key else {INPUTS, DIGESTS[INPUTS]}) & {*before.data.tags}:
                self.client.delete_tag(run_id, tag)
            if {f"{BROKEN_OFF}{adding}", f"{PREFIX}{adding}"} & {*before.data.tags}:
                points = self._points_of(before)
                say(f"run {before.info.run_name} of {run_id[:8]} is continued")
            self.client.update_run(run_id, status="RUNNING")
        with self._until_end(run_id, adding):
            yield Run(self.client, run_id, self.contact, points)

    @contextmanager
    def _until_end(self, run_id: str, adding: str = "") -> Iterator[None]:
        status, reason = "FAILED", ""
        try:
            yield
            status = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            status = "KILLED"
            raise
        except Exception as error:
            reason = tell(error)
            raise
        finally:
            with self.contact.while_answered(), self.contact.asking(f"the end of run {run_id}"):
                if status == "FINISHED":
                    move_digests_last(self.client, run_id)  # first: a run that is killed meanwhile is not taken for finished
                end_run(self.client, run_id, status, adding, reason)
                self.client.delete_tag(run_id, OWNER)

    def close_left(self, tags: Mapping[str, Any]) -> None:
        """End runs of this role and arm, and those nested below, that a killed process of this host left RUNNING."""
        own_arm = next(questions({key: tags[key] for key in ("arm",) if key in tags}))
        question = " and ".join(["attributes.status = 'RUNNING'", *own_arm])
        with self.contact.while_answered(), self.contact.asking("the runs left open"):
            left = {}
            for run in self.client.search_runs([self.experiment], question):
                owner = read_owner(run.data.tags.get(OWNER, ""))
                if owner and has_ended(owner):
                    left[run.info.run_id] = run, owner
            own = {run_id for run_id, (run, _) in left.items() if run.data.tags.get("role") == tags.get("role")}
            for run_id, (run, owner) in left.items():
                if run_id in own or run.data.tags.get("mlflow.parentRunId") in own:
                    adding = run.data.tags.get(ADDING, "")
                    end_run(self.client, run_id, "KILLED", adding, f"{owner} ended without closing it")
                    closed = f"FINISHED, without {adding}, which was being added" if adding else "KILLED"
                    say(f"run {run.info.run_name} is closed as {closed}: {owner} has ended without doing so")

    def find(self, tags: Mapping[str, str]) -> list[Any]:
        """Runs of the experiment with all these tags, newest first, deleted ones excluded."""
        newest = ["attributes.start_time DESC"]
        with self.contact.asking("earlier runs"):
            found = [
                run
                for conditions in questions(tags)
                for run in self.client.search_runs([self.experiment], " and ".join(conditions), order_by=newest)
            ]
        return sorted({run.info.run_id: run for run in found}.values(), key=lambda run: run.info.start_time, reverse=True)

    def keeps(self, run: Any) -> bool:
        """Whether a run's artifacts are in this project's artifact folder: not if it was copied here without them."""
        with self.contact.asking("the place of artifacts"):
            beside = local_folder(self.client.get_experiment(self.experiment).artifact_location)
        place = local_folder(run.info.artifact_uri)
        return beside is None or place is None or beside in place.parents

    def fetch(self, run_id: str, place: str, into: Path) -> Path | None:
        """Copy an artifact of a run into a folder; None if the run has none there.

        Raises:
            ValueError: the store does not answer.
        """
        with self.contact.asking(f"the artifacts of run {run_id}"):
            above = place.rpartition("/")[0]
            if place not in {entry.path for entry in self.client.list_artifacts(run_id, above or None)}:
                return None
            return Path(self.client.download_artifacts(run_id, place, str(into)))

    def link(self, run_id: str) -> None:
        """Record in the run of `mlflow run` that it used this run of an earlier call."""
        if not self.parent or self.parent == run_id:
            return
        with self.contact.while_answered(), self.contact.asking(f"run {run_id}"):
            run = self.client.get_run(run_id)
            if run.data.tags.get("mlflow.parentRunId") != self.parent:
                known = self.client.get_run(self.parent).data.tags.get("reused_runs", "").split()
                self.client.set_tag(self.parent, "reused_runs", " ".join(dict.fromkeys([*known, run_id])))

    def versions(self, model: str, run_key: str) -> list[str]:
        """Registered versions of the model from runs with this key."""
        with self.contact.asking(f"the versions of {model}"):
            found = self.client.search_model_versions(f"name = '{model}'")
        return [str(version.version) for version in found if read_tag(version.tags, "run_key") == run_key]

    def model_of(self, model: str, run_key: str) -> str | None:
        """The logged model of the newest version with this key; empty where its run logged none, None without a version."""
        from mlflow.exceptions import MlflowException

        with self.contact.asking(f"the versions of {model}"):
            found = self.client.search_model_versions(f"name = '{model}'")
            own = [version for version in found if read_tag(version.tags, "run_key") == run_key]
            if not own:
                return None
            try:  # stores do not keep the model's id with the version
                outputs = self.client.get_run(own[0].run_id).outputs.model_outputs if own[0].run_id else []
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return ""  # its run was removed for good
        return outputs[0].model_id if outputs else ""

    def champion(self, model: str) -> str | None:
        """The version that the alias `champion` names, None if there is none or no such model.

        Raises:
            ValueError: the store does not answer, so that there may be one.
        """
        from mlflow.exceptions import MlflowException

        with self.contact.asking(f"the champion of {model}"):
            try:  # for a missing alias, MLflow raises the same error as for an invalid request
                version = self.client.get_registered_model(model).aliases.get("champion")
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return None
        return None if version is None else str(version)

    def crown(self, model: str, version: str) -> None:
        with self.contact.asking(f"the champion of {model}"):
            self.client.set_registered_model_alias(model, "champion", version)


def end_run(client: Any, run_id: str, status: str, adding: str, reason: str = "") -> None:
    """End a run, with the reason in its name and description; one that something was added to stays finished.

    status: FINISHED, KILLED or FAILED, of the run or of what was added.
    """
    run = client.get_run(run_id)
    restore_digests(client, run)
    if status != "FINISHED":
        client.set_tag(run_id, NOTE, ended_note(status, reason, adding, run.data.tags.get(NOTE, "")))
        if not adding:
            client.update_run(run_id, name=ended_name(run.info.run_name, status))
    if adding:
        if status != "FINISHED":
            client.set_tag(run_id, f"{BROKEN_OFF}{adding}", status)
        elif f"{BROKEN_OFF}{adding}" in run.data.tags:  # whole now
            client.delete_tag(run_id, f"{BROKEN_OFF}{adding}")
    client.set_terminated(run_id, "FINISHED" if adding else status)
    if ADDING in run.data.tags:  # last: a run that is killed before has an addition that is closed, and is not closed itself
        client.delete_tag(run_id, ADDING)


def ended_name(name: str, status: str) -> str:
    """`baseline, interrupted`: the name of a run that did not finish."""
    return f"{name}, {ENDED[status].removeprefix('was ')}"
