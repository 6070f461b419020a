"""The pipeline end to end, through real DVC and real MLflow, on a shrunken phantom."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import psutil
import pytest
import yaml
from sklearn.metrics import accuracy_score, roc_auc_score
from stepping import take_steps

from project import Project, clean_environment, make_project

pytestmark = pytest.mark.slow
ARMS = ("baseline", "finetuned")
FOLDERS = ("tuning", "training", "evaluation", "explanations", "audit")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project after its first `dvc repro`."""
    made = make_project(tmp_path_factory.mktemp("pipeline"))
    made.run("dvc", "repro")
    return made


def stages_run(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def runs_of(project: Project, tags: str, store: str | None = None) -> list[Any]:
    client = mlflow.MlflowClient(store or project.store)
    experiment = client.get_experiment_by_name("hilum")
    return list(client.search_runs([experiment.experiment_id], tags, order_by=["attributes.start_time DESC"]))


def artifacts_of(run: Any) -> dict[str, str]:
    """Path -> SHA-256 of every artifact of a run, pictures by key left out (their names carry times)."""
    top = Path(run.info.artifact_uri.removeprefix("file://"))
    files = [path for path in top.rglob("*") if path.is_file() and path.relative_to(top).parts[0] != "images"]
    return {path.relative_to(top).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def hear_interrupts() -> None:
    """A shell starts what it puts into the background deaf to SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def state_of(root: Path) -> str:
    """Hash over everything that belongs to the caller: bytes of parameters and lock, size and time of data and results."""
    lines = [(root / name).read_text() for name in ("params.yaml", "dvc.lock")]
    files = [path for part in ("data", "results") for path in sorted((root / part).rglob("*")) if path.is_file()]
    lines += [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_every_arm_has_one_finished_run_with_all_its_folders(project: Project) -> None:
    for arm in ARMS:
        runs = runs_of(project, f"tags.role = 'arm' and tags.arm = '{arm}'")
        assert [run.info.status for run in runs] == ["FINISHED"]
        for folder in FOLDERS:
            assert f"digest.{folder}" in runs[0].data.tags
            assert any(name.startswith(f"{folder}/") for name in artifacts_of(runs[0]))
        assert "explanations/sheets/filters.png" in artifacts_of(runs[0])
        told = [json.loads((project.root / "results/arms" / arm / name / "settings.json").read_text()) for name in FOLDERS[1:]]
        assert {one["run_key"] for one in told} == {runs[0].data.tags["digest.run"]}
        assert runs[0].data.params["phases.0.unfreeze"] == "head"
        assert {i.tags[0].value for i in runs[0].inputs.dataset_inputs} == {"train", "val", "test"}
        assert runs[0].outputs.model_outputs
    assert not runs_of(project, "tags.role = 'tune' and tags.arm = 'baseline'"), "nothing of it is searched"
    trials = runs_of(project, "tags.role = 'trial'")
    (parent,) = runs_of(project, "tags.role = 'tune' and tags.arm = 'finetuned'")
    assert len(trials) == 3
    assert {trial.data.tags["mlflow.parentRunId"] for trial in trials} == {parent.info.run_id}
    assert all(trial.data.tags["state"] in ("COMPLETE", "PRUNED") for trial in trials)


def test_metrics_recomputed_from_the_predictions_are_those_of_files_mlflow_and_page(project: Project) -> None:
    page = (project.root / "results/comparison/comparison.html").read_text()
    for arm in ARMS:
        folder = project.root / "results/arms" / arm / "evaluation"
        table = pd.read_csv(folder / "predictions.csv")
        stored = json.loads((folder / "metrics.json").read_text())
        logged = runs_of(project, f"tags.role = 'arm' and tags.arm = '{arm}'")[0].data.metrics
        classes = [name.removeprefix("p_") for name in table.columns if name.startswith("p_")]
        for part in ("val", "test"):
            rows = table[table["split"] == part]
            scores = rows[[f"p_{name}" for name in classes]].to_numpy()
            each = [roc_auc_score(rows["label"] == name, scores[:, k]) for k, name in enumerate(classes)]
            wanted = {
                f"{part}/accuracy": accuracy_score(rows["label"], rows["predicted"]),
                f"{part}/auroc_macro": float(np.mean(each)),
            }
            for key, value in wanted.items():
                assert stored[key] == pytest.approx(value, abs=1e-12)
                assert logged[key] == pytest.approx(value, abs=1e-12)
        assert f"{stored['test/auroc_macro']:.3f}" in page
        shortcut_baselines = pd.read_csv(folder / "acquisition_only.csv")
        each = [roc_auc_score(shortcut_baselines["label"] == name, shortcut_baselines[f"p_{name}"]) for name in classes]
        for record in (stored, logged):
            assert record["acquisition_only/auroc_macro"] == pytest.approx(float(np.mean(each)), abs=1e-12)
        assert f"{stored['acquisition_only/auroc_macro']:.3f}" in page
        assert stored["source_only/auroc_macro"] is None and not (folder / "source_only.csv").exists(), "there is one source"
        assert sorted(shortcut_baselines["image_id"]) == sorted(table.loc[table["split"] == "test", "image_id"])


def test_every_interval_says_its_own_level_and_the_commit_what_was_changed(project: Project) -> None:
    """95 %: of arms; 90 %: of differences; 99 %: of maps; 80 %: of what goes together with the class."""
    page = (project.root / "results/comparison/comparison.html").read_text()
    parts = {part.split('"')[0]: part for part in re.split(r'<h[123] id="', page)[1:]}
    told = {name: set(re.findall(r"[\d.]+ % interval", part)) for name, part in parts.items() if "% interval" in part}
    assert told.pop("conclusion") == {"90 % interval"}
    assert told.pop("metrics") == {"95 % interval", "90 % interval"} == told.pop("shortcut_baselines")
    assert told.pop("classes") == {"95 % interval"} == told.pop("chart-metrics") == told.pop("subgroups")
    assert told.pop("chart-differences") == {"90 % interval"}
    assert told.pop("explanations") == {"99 % interval"} == told.pop("sanity")
    assert told.pop("data") == {"95 % interval", "90 % interval", "99 % interval"} and not told
    printed = project.hilum("publish").stdout
    assert "test films, over patients: 95 % interval of each arm, 90 % interval of differences" in printed
    report = (project.root / "data/split/report.html").read_text()
    assert set(re.findall(r"[\d.]+ % interval", report)) == {"80 % interval"}
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    assert f"<dt>git commit</dt><dd>{head[:12]}</dd>" in page, "DVC's own files are no change"
    for role in ("arm", "tune", "comparison"):
        first = runs_of(project, f"tags.role = '{role}'")[-1].data.tags
        assert (first["mlflow.source.git.commit"], first["git_dirty"]) == (head, "false")


def test_no_patient_is_in_two_splits(project: Project) -> None:
    parts = {p: set(pd.read_csv(project.root / f"data/split/{p}.csv")["patient_id"]) for p in ("train", "val", "test")}
    assert not parts["train"] & parts["val"] and not parts["train"] & parts["test"] and not parts["val"] & parts["test"]
    assert set(pd.read_csv(project.root / "data/split/explain.csv")["patient_id"]) <= parts["test"]


def test_a_search_begins_with_the_start_values_and_an_arm_without_spaces_has_none(project: Project) -> None:
    baseline, finetuned = (pd.read_csv(project.root / f"results/arms/{arm}/tuning/trials.csv") for arm in ARMS)
    assert baseline.empty and len(finetuned) == 3
    assert (finetuned["head.dropout"][0], finetuned["phases.0.learning_rate"][0]) == (0.2, 1e-3)


def test_nothing_changed_runs_nothing_but_check(project: Project) -> None:
    assert stages_run(project.run("dvc", "repro").stdout) == {"check"}


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("explain.steps", 5, {*(f"{verb}@{arm}" for verb in ("explain", "audit") for arm in ARMS), "compare"}),
        ("evaluate.bootstrap", 70, {*(f"{verb}@{arm}" for verb in ("evaluate", "external") for arm in ARMS), "compare"}),
        ("compare.bootstrap", 70, {"compare"}),
        ("tracking.experiment", "elsewhere", set()),
        (
            "arms.finetuned.phases.1.learning_rate",
            5e-4,
            {
                *(f"{verb}@finetuned" for verb in ("tune", "train", "fingerprint", "evaluate", "explain", "audit", "external")),
                "compare",
            },
        ),
    ],
)
def test_a_change_runs_again_what_it_touches(project: Project, key: str, value: Any, wanted: set[str]) -> None:
    before = (project.root / "params.yaml").read_text()
    try:
        project.set({key: value})
        output = project.run("dvc", "repro", "--dry").stdout
    finally:
        (project.root / "params.yaml").write_text(before)
    assert stages_run(output) - {"check"} <= wanted
    assert {stage for stage in wanted if stage != "compare"} & stages_run(output) or wanted <= {"compare"}


def test_the_sanity_gate_recomputed_from_its_maps_is_that_of_files_mlflow_and_page(project: Project) -> None:
    page = (project.root / "results/comparison/comparison.html").read_text()
    for arm in ARMS:
        folder = project.root / "results/arms" / arm / "explanations"
        verdicts = pd.read_csv(folder / "sanity.csv").set_index("method")
        pairs = pd.read_csv(folder / "sanity_maps.csv")
        assert list(verdicts.index) == ["gradcam", "lime", "shap"]
        assert pairs.groupby("method")["seed"].nunique().to_dict() == dict.fromkeys(verdicts.index, 2)
        pairs["size"] = pairs["spearman"].abs()
        means = pairs.groupby(["method", "patient_id"])["size"].mean().groupby("method").mean()
        logged = runs_of(project, f"tags.role = 'arm' and tags.arm = '{arm}'")[0].data.metrics
        for method, row in verdicts.iterrows():
            assert row["spearman"] == pytest.approx(means[method], nan_ok=True)
            assert logged.get(f"explain/sanity_spearman/{method}", np.nan) == pytest.approx(row["spearman"], nan_ok=True)
            assert row["empty"] == pairs.loc[pairs["method"] == method, "spearman"].isna().sum()
            assert row["verdict"] in page


def test_dvc_shows_metrics_plots_and_experiments(project: Project) -> None:
    shown = json.loads(project.run("dvc", "metrics", "show", "--json").stdout)
    assert set(shown[""]["data"]["results/comparison/arms.json"]["data"]) == set(ARMS)
    project.run("dvc", "plots", "show")
    project.run("dvc", "exp", "show")


def test_mlflow_run_with_an_override_leaves_the_caller_alone(project: Project) -> None:
    before = state_of(project.root)
    door = ("mlflow", "run", ".", "--env-manager", "local", "--experiment-name", "hilum")
    output = project.run(*door, "-P", "finetuned_epochs=1")
    assert state_of(project.root) == before
    assert not list((project.root / ".dvc/tmp/exps").glob("tmp*"))
    ran = stages_run(output.stdout + output.stderr)
    assert "train@finetuned" in ran and not any("baseline" in stage for stage in ran)
    newest = runs_of(project, "tags.role = 'arm' and tags.arm = 'finetuned'")[0]
    assert newest.data.params["phases.1.epochs"] == "1" and newest.info.status == "FINISHED"
    assert any(name.endswith(".png") for name in artifacts_of(newest))
    parent = newest.data.tags["mlflow.parentRunId"]
    reused = runs_of(project, "tags.role = 'arm' and tags.arm = 'baseline'")[0].info.run_id
    assert reused in mlflow.MlflowClient(project.store).get_run(parent).data.tags["reused_runs"].split()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [("set=train.epochz=3", "epochz"), ("zz=1", "--zz"), ("recipe=nowhere", "nowhere"), ("trials=many", "many")],
)
def test_a_wrong_override_is_refused_before_anything_runs(project: Project, wrong: str, named: str) -> None:
    key, _, value = wrong.partition("=")
    done = project.run(
        "mlflow", "run", ".", "--env-manager", "local", "--experiment-name", "hilum", "-P", f"{key}={value}", check=False
    )
    said = [line for line in done.stderr.splitlines() if "Running command" not in line]
    assert done.returncode and any(named in line for line in said)
    assert not stages_run(done.stdout) and "Traceback" not in "\n".join(said)


def test_publish_gives_an_empty_store_what_the_first_one_has(project: Project, tmp_path: Path) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'empty.db'}"
    project.hilum("publish", MLFLOW_TRACKING_URI=elsewhere)
    again = project.hilum("publish", MLFLOW_TRACKING_URI=elsewhere).stdout
    assert "has every run already" in again
    for role in ("arm", "tune", "trial", "comparison"):
        copies = {
            copy.info.run_name + copy.data.tags.get("arm", ""): copy
            for copy in runs_of(project, f"tags.role = '{role}'", elsewhere)
        }
        assert copies
        for name, copy in copies.items():
            original = next(
                run
                for run in runs_of(project, f"tags.role = '{role}'")
                if run.info.run_name + run.data.tags.get("arm", "") == name
                and run.data.tags.get("digest.training") == copy.data.tags.get("digest.training")
                and run.data.tags.get("digest.comparison") == copy.data.tags.get("digest.comparison")
            )
            assert copy.data.params == original.data.params
            assert copy.data.metrics == original.data.metrics
            timed = {"config/seconds.json"}  # of the run that took them
            assert artifacts_of(copy) == {k: v for k, v in artifacts_of(original).items() if k not in timed}
            # Files do not say of which commit they are; by the key of its inputs a stage goes on in a run of its own.
            ignored = ("mlflow.", "registered_version", "git_dirty", "digest.inputs")
            tags = [{k: v for k, v in run.data.tags.items() if not k.startswith(ignored)} for run in (copy, original)]
            assert tags[0] == tags[1]


def test_results_restored_by_dvc_are_published(project: Project, tmp_path: Path) -> None:
    import shutil

    shutil.rmtree(project.root / "results")
    output = project.run("dvc", "repro").stdout
    assert stages_run(output) == {"check"}
    elsewhere = f"sqlite:///{tmp_path / 'empty.db'}"
    project.hilum("publish", MLFLOW_TRACKING_URI=elsewhere)
    assert {run.data.tags["arm"] for run in runs_of(project, "tags.role = 'arm'", elsewhere)} == set(ARMS)


def test_an_interrupted_search_ends_killed_and_is_continued(project: Project) -> None:
    before = (project.root / "params.yaml").read_text()
    try:
        params = take_steps(yaml.safe_load(before))
        params["arms"]["baseline"]["phases"][0]["epochs"] = 3
        (project.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        project.set({"tune.trials": 25, "tune.seed": 99})
        command = [sys.executable, "-u", "src/hilum", "tune", "--arm", "baseline"]
        child = subprocess.Popen(
            command,
            cwd=project.root,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=hear_interrupts,
        )
        assert child.stdout
        for line in child.stdout:
            if "trial 2/25" in line:
                child.send_signal(signal.SIGINT)
                break
        child.communicate(timeout=120)
        assert child.returncode == 130
        newest = runs_of(project, "tags.role = 'tune' and tags.arm = 'baseline'")[0]
        assert newest.info.status == "KILLED"
        output = project.hilum("tune", "--arm", "baseline").stdout
        assert output.count("trial 1/25") == 1 and "trial 25/25" in output
        assert len(pd.read_csv(project.root / "results/arms/baseline/tuning/trials.csv")) == 25
        newest = runs_of(project, "tags.role = 'tune' and tags.arm = 'baseline'")[0]
        assert newest.info.status == "FINISHED"
    finally:
        (project.root / "params.yaml").write_text(before)
        project.run("dvc", "checkout", "--force")


def test_the_champion_answers_for_a_folder(project: Project, tmp_path: Path) -> None:
    films = project.root / "data/raw/phantom/films"
    out = tmp_path / "predictions.csv"
    folder = tmp_path / "films"
    folder.mkdir()
    chosen = sorted(films.glob("*.png"))[:3]
    for film in chosen:
        (folder / film.name).write_bytes(film.read_bytes())
    (folder / "broken.PNG").write_bytes(b"no picture")
    asked = ("predict", "--model", "models:/hilum@champion", "--images", str(folder), "--out", str(out), "--explain", "gradcam")
    project.hilum(*asked)
    table = pd.read_csv(out).set_index("file")
    assert set(table.index) == {film.name for film in chosen} | {"broken.PNG"}
    assert isinstance(table.loc["broken.PNG", "error"], str)
    assert len(list((tmp_path / "predictions_panels").glob("*.png"))) == 3
    stored = pd.concat(
        [pd.read_csv(project.root / f"results/arms/{arm}/evaluation/predictions.csv").assign(arm=arm) for arm in ARMS]
    )
    versions = {arm: yaml.safe_load((project.root / f"results/arms/{arm}/training/model.json").read_text()) for arm in ARMS}
    champion = next(arm for arm in ARMS if versions[arm]["model_sha256"] == table["model_sha256"].iloc[0])
    known = stored[(stored["arm"] == champion)].set_index("image_id")
    for name, row in table.iterrows():
        image_id = f"phantom/{Path(str(name)).stem}"
        if image_id in known.index:  # the same file gives the same tensor in training and in prediction
            assert row["p_normal"] == pytest.approx(known.loc[image_id, "p_normal"], abs=1e-5)


def test_an_arm_is_added_and_removed_in_params_alone(project: Project) -> None:
    before = (project.root / "params.yaml").read_text()
    try:
        params = yaml.safe_load(before)
        params["arms"]["third"] = params["arms"]["baseline"]
        (project.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        project.hilum("check")
        listed = project.run("dvc", "stage", "list", "--name-only").stdout.split()
        assert {f"{verb}@third" for verb in ("tune", "train", "evaluate", "explain", "audit")} <= set(listed)
        assert "tune@third" in stages_run(project.run("dvc", "repro", "--dry", "tune@third").stdout)
        assert stages_run(project.run("dvc", "repro", "--dry", "explain@baseline").stdout) == {"check"}
        del params["arms"]["third"], params["arms"]["finetuned"]
        (project.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        assert stages_run(project.run("dvc", "repro", "--dry").stdout) - {"check"} == {"compare"}
        del params["arms"]["baseline"]
        params["arms"]["other"] = yaml.safe_load(before)["arms"]["finetuned"]
        (project.root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        refused = project.hilum("check", check=False)
        assert refused.returncode == 1 and "compare.reference" in refused.stderr
    finally:
        (project.root / "params.yaml").write_text(before)
        project.hilum("check")


def test_folds_are_nested_runs_below_one_parent_and_the_test_part_stays_closed(project: Project) -> None:
    assert not runs_of(project, "tags.role = 'crossvalidation'"), "no folds, no run"
    assert "crossvalidate" not in project.run("dvc", "stage", "list").stdout, "no folds, no stage"
    before = (project.root / "params.yaml").read_text()
    try:
        project.set({"split.folds": 2, "crossvalidate.arms": list(ARMS)})
        dry = stages_run(project.run("dvc", "repro", "--dry").stdout)
        assert dry == {"check", "split", "crossvalidate@baseline", "crossvalidate@finetuned", "compare"}, "one stage per arm"
        ran = stages_run(project.run("dvc", "repro", "crossvalidate@baseline").stdout)
        assert ran == {"check", "split", "crossvalidate@baseline"}, "the trained arm stays as it is"
        parents, folds = (runs_of(project, f"tags.role = '{role}'") for role in ("crossvalidation", "fold"))
        assert [run.data.tags["arm"] for run in parents] == ["baseline"]
        assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {parents[0].info.run_id} and len(folds) == 2
        folder = project.root / "results/arms/baseline/crossvalidation"
        table = pd.read_csv(folder / "predictions.csv")
        parts = {name: set(pd.read_csv(project.root / f"data/split/{name}.csv")["image_id"]) for name in ("train", "val", "test")}
        assert table["image_id"].is_unique and set(table["image_id"]) == parts["train"] | parts["val"]
        names = [name for name in table.columns if name.startswith("p_")]
        pooled = np.mean([roc_auc_score(table["label"] == name.removeprefix("p_"), table[name]) for name in names])
        stored = json.loads((folder / "metrics.json").read_text())
        for record in (stored, parents[0].data.metrics):
            assert record["out_of_fold/auroc_macro"] == pytest.approx(pooled, abs=1e-12)
        bounds = [stored[f"out_of_fold/auroc_macro.{end}"] for end in ("low", "high")]
        assert bounds[0] <= pooled <= bounds[1], "equal where so small a head predicts one class"
        contradicted = pd.read_csv(folder / "contradictions.csv")
        wrong = table[names].idxmax(axis=1).str.removeprefix("p_") != table["label"]
        assert set(contradicted["image_id"]) == set(table.loc[wrong, "image_id"])
        assert contradicted["margin"].is_monotonic_decreasing
        assert {"crossvalidation/contradictions.png", "crossvalidation/contradictions.csv"} <= set(artifacts_of(parents[0]))
    finally:
        (project.root / "params.yaml").write_text(before)
        project.run("dvc", "repro")


def test_an_interrupted_mlflow_run_leaves_no_process_and_no_copy_and_can_be_started_again(project: Project) -> None:
    before = state_of(project.root)
    door = ("mlflow", "run", ".", "--env-manager", "local", "--experiment-name", "hilum", "-P", "trials=25")
    child = subprocess.Popen(  # a session of its own, so that the signal reaches all that a Ctrl-C in a terminal would
        door,
        cwd=project.root,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=hear_interrupts,
    )
    assert child.stdout
    for line in child.stdout:
        if "trial 2/25" in line:
            os.killpg(child.pid, signal.SIGINT)
            break
    child.communicate(timeout=120)
    assert child.returncode
    assert not [process for process in psutil.process_iter() if session_of(process) == child.pid]
    assert not list((project.root / ".dvc/tmp/exps").glob("tmp*"))
    assert state_of(project.root) == before
    assert runs_of(project, "tags.role = 'tune'")[0].info.status == "KILLED"
    assert not runs_of(project, "attributes.status = 'RUNNING'")
    again = project.run(*door)
    assert {"tune@finetuned", "compare"} <= stages_run(again.stdout + again.stderr)
    assert runs_of(project, "tags.role = 'tune'")[0].info.status == "FINISHED"


def session_of(process: psutil.Process) -> int:
    """The number of the session that a process belongs to, 0 if it has just ended."""
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return 0
