"""hilum compare RUN ...: folders and runs of a real store, of any experiment, on one page; what cannot be compared is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake_results as fake
import numpy as np
import pandas as pd
import pytest
from empty_store import forget_environment, make_store
from mlflow_server import Server

from hilum.evaluation.scoring.metrics import evaluate_all
from hilum.explain.saved_maps import save_arrays
from hilum.pages import charts
from hilum.project import any_runs
from hilum.project.chosen_runs import bring_together, choose_runs, list_names, rename_films
from hilum.project.comparison_parts import measure_trainings
from hilum.records import Attribution, Predictions
from hilum.results import pick_films, read_predictions, table_of, write_json, write_table
from hilum.settings.params import Tracking
from hilum.stages import compare
from hilum.tracking.opening import open_store
from hilum.workspace import Workspace

CLASSES = ("normal", "viral")
FILMS = 24


def write_run(folder: Path, skill: float, first: int = 0, explained: bool = False) -> Path:
    """Results of a run that tested FILMS films from number `first` on."""
    rng, true = np.random.default_rng(first), np.arange(FILMS) % 2
    chance = np.clip(0.5 + skill * (true - 0.5) + rng.normal(0, 0.2, FILMS), 0.01, 0.99)
    ids = np.array([f"s/{first + i}" for i in range(FILMS)])
    answer = Predictions(ids, np.char.add("p", ids), true, np.stack([1 - chance, chance], 1), (chance > 0.5).astype(int), CLASSES)
    settings = fake.training_settings("arm", trained=[["head"]])
    phase = {"unfreeze": "head", "epochs": 2, "decay": "none", "batch_norm": "auto"}
    settings["model"]["backbone"] = "mobilenet"
    settings["params"] |= {"weights": "none", "train.select": "auroc_macro", **{f"phases.0.{k}": v for k, v in phase.items()}}
    settings["origins"] |= dict.fromkeys(settings["params"], "params")
    write_json(folder / "training" / "settings.json", settings)
    history = {"step": [0, 1], "phase": [0, 0], "epoch": [0, 1], "val/auroc_macro": [0.7, 0.8]}
    write_table(folder / "training" / "history.csv", pd.DataFrame(history))
    write_table(folder / "evaluation" / "predictions.csv", table_of(answer, "test"))
    films = pd.DataFrame(
        {"image_id": ids, "patient_id": answer.patient_id, "part": "test", "sha256": [f"bytes of {i}" for i in ids]}
    )
    write_table(folder / "evaluation" / "films.csv", films)
    write_json(folder / "evaluation" / "metrics.json", {"val/log_loss": 1 - skill, "test/auroc_macro": 0.1})
    if explained:
        maps = Attribution(rng.random((4, 16, 16)).astype(np.float32), "gradcam", np.zeros(4, int), False, {})
        save_arrays(folder / "explanations", {"gradcam": maps}, ids[16:20].tolist())
        film = rng.integers(0, 255, (4, 16, 16), np.uint8)
        np.savez(folder / "explanations" / "films.npz", image_id=ids[16:20], films=film)
        write_json(folder / "explanations" / "annotations.json", {str(i): {"box": [], "findings": []} for i in ids[16:20]})
    return folder


@pytest.fixture
def project(tmp_path: Path, make_project: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project without data and results, whose store holds one run of another experiment."""
    workspace = make_project(tmp_path / "project", compare__bootstrap=20)
    forget_environment(monkeypatch)
    make_store(workspace.home)
    monkeypatch.chdir(workspace.root)
    monkeypatch.setattr(any_runs, "load_bundle", lambda cache: "")  # the charts are drawn in test_film_room
    store = open_store(workspace, Tracking(experiment="last year", model="hilum", tensorboard=False))
    for name, skill in (("stored", 0.6), ("unfinished", 0.0)):
        with store.start(name, {"role": "arm", "arm": name}) as run:
            if skill:
                run.log_folder(write_run(tmp_path / name, skill, 6, explained=True), "")
            run.log_params({"backbone": "mobilenet" if skill else "other"})
    return workspace


@pytest.fixture
def odd_runs(project: Workspace) -> None:
    """Runs as a stranger's store has them: crashed, still open, deleted, and two of one name."""
    client = open_store(project, Tracking(experiment="last year", model="hilum", tensorboard=False)).client
    experiment = client.get_experiment_by_name("last year").experiment_id
    for name, status in (("crashed", "FAILED"), ("open", ""), ("trash", "FINISHED"), ("twin", "FINISHED"), ("twin", "FINISHED")):
        run = client.create_run(experiment, tags={"role": "arm"}, run_name=name)
        if status:
            client.set_terminated(run.info.run_id, status)
        if name == "trash":
            client.delete_run(run.info.run_id)


def run_id(workspace: Workspace, name: str) -> str:
    store = open_store(workspace, Tracking(experiment="last year", model="hilum", tensorboard=False))
    return str(store.find({"arm": name})[0].info.run_id)


def test_a_folder_and_a_run_of_another_experiment_are_one_page(project: Workspace, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "mine", 0.9)
    compare.run(runs=[str(folder), run_id(project, "stored")], out="page.html")
    page = Path("page.html").read_text()
    assert "6 test films of mine, which not every run tested." in page and "6 test films of stored" in page
    assert "18 of 18 patients: tested by every run, learned from by none" in page
    assert "2 explained films, which not every run tested." in page
    assert "of last year, " in page and 'id="room-data"' in page and "data:image/webp" in page
    assert "The measures of maps of mine, stored: there are none." in page
    compare.run(runs=[str(folder), run_id(project, "stored")], out="bare.html", no_films=True)
    assert "data:image/webp" not in Path("bare.html").read_text()


def test_a_search_finds_runs_of_all_experiments_and_tells_what_lacks_results(project: Workspace, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "mine", 0.9)
    chosen, told = choose_runs([str(folder)], "params.backbone != 'x'", project, tmp_path / "fetched")
    assert [run.name for run in chosen] == ["mine", "stored"]
    assert len(told) == 1 and told[0].startswith("unfinished (run ") and "lacks training/settings.json" in told[0]
    assert bring_together(chosen).predictions["stored"].image_id.tolist() == [f"s/{i}" for i in range(6, FILMS)]


def test_runs_of_one_name_are_told_apart_and_one_run_counts_once(project: Workspace, tmp_path: Path) -> None:
    one, other = (
        write_run(tmp_path / "a" / "results" / "arms" / "x", 0.9),
        write_run(tmp_path / "b" / "results" / "arms" / "x", 0.5),
    )
    chosen, _ = choose_runs([str(one), str(other), str(one)], "", project, tmp_path)
    assert [run.name for run in chosen] == ["x a", "x b"]


def test_a_run_is_found_by_the_start_of_its_id_or_its_name(project: Workspace, tmp_path: Path) -> None:
    folder, known = write_run(tmp_path / "mine", 0.9), run_id(project, "stored")
    for called in (known, known[:8], f"runs:/{known}", "stored"):
        chosen, told = choose_runs([str(folder), called], "", project, tmp_path / "fetched")
        assert [run.name for run in chosen] == ["mine", "stored"] and told == []


def test_a_deleted_run_hides_no_living_one_of_its_name(project: Workspace, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "mine", 0.9)
    client = open_store(project, Tracking(experiment="last year", model="hilum", tensorboard=False)).client
    experiment = client.get_experiment_by_name("last year").experiment_id
    client.delete_run(client.create_run(experiment, tags={"role": "arm"}, run_name="stored").info.run_id)
    chosen, _ = choose_runs([str(folder), "stored"], "", project, tmp_path / "fetched")
    assert [run.name for run in chosen] == ["mine", "stored"]


def test_how_many_runs_have_a_name_is_told_as_far_as_they_were_counted(project: Workspace, tmp_path: Path) -> None:
    client = open_store(project, Tracking(experiment="last year", model="hilum", tensorboard=False)).client
    experiment = client.get_experiment_by_name("last year").experiment_id
    for _ in range(6):
        client.create_run(experiment, tags={"role": "arm"}, run_name="often")
    with pytest.raises(ValueError, match="'often' is at least 5 of the store: "):
        choose_runs([str(write_run(tmp_path / "mine", 0.9)), "often"], "", project, tmp_path)


def test_only_an_id_may_be_shortened_to_name_the_reference(project: Workspace, tmp_path: Path) -> None:
    folder = write_run(project.root / "results" / "arms" / "baseline", 0.9)
    for called in ("base", str(folder)[:-4]):
        with pytest.raises(ValueError, match="--reference must be one of the compared runs baseline, stored, got"):
            choose_runs(["baseline", run_id(project, "stored")], "", project, tmp_path / "fetched", called)


def test_any_of_the_runs_can_be_the_reference(project: Workspace, tmp_path: Path) -> None:
    folder, known = write_run(tmp_path / "mine", 0.9), run_id(project, "stored")
    for called in (known, known[:8], "stored"):
        chosen, _ = choose_runs([str(folder), known], "", project, tmp_path / "fetched", called)
        assert [run.name for run in chosen] == ["stored", "mine"]
    with pytest.raises(ValueError, match="--reference must be one of the compared runs mine, stored, got 'other'; use one"):
        choose_runs([str(folder), known], "", project, tmp_path / "fetched", "other")
    compare.run(runs=[str(folder), known], out="page.html", no_films=True, reference="stored")
    assert "reference: stored" in Path("page.html").read_text()
    with pytest.raises(ValueError, match=r"params\.yaml, baseline, got --reference finetuned; .*hilum compare"):
        compare.run(reference="finetuned")


def test_trainings_with_other_seeds_are_measured_on_the_shared_films(project: Workspace, tmp_path: Path) -> None:
    one, other = write_run(tmp_path / "one", 0.9), write_run(tmp_path / "other", 0.6, 6)
    places = [write_run(tmp_path / str(i), 0.6, 6) / "evaluation" / "predictions.csv" for i in (1, 2)]
    written = [read_predictions(place, "test", CLASSES) for place in places]
    flipped = [written[0], replace(written[1], y_prob=1 - written[1].y_prob, y_pred=1 - written[1].y_pred)]
    write_table(other / "evaluation" / "repeats.csv", pd.DataFrame({"repeat": [1, 2], "seed": [7, 8], "served": [True, False]}))
    for repeat, predictions in enumerate(flipped, 1):
        write_table(other / "evaluation" / "repeats" / f"{repeat}.csv", table_of(predictions, "test"))
    chosen, _ = choose_runs([str(one), str(other)], "", project, tmp_path)
    shared = bring_together(chosen)
    found = measure_trainings({run.name: rename_films(run, shared, {}) for run in chosen}, shared.names)
    assert list(found) == ["other"] and len(shared.predictions["one"].image_id) == FILMS - 6
    films = [f"s/{i}" for i in range(6, FILMS)]
    assert found["other"]["accuracy"] == [evaluate_all(pick_films(two, films))["accuracy"] for two in flipped]
    assert found["other"]["accuracy"][0] == pytest.approx(1 - found["other"]["accuracy"][1])


def test_runs_of_other_classes_are_refused_with_both_lists(project: Workspace, tmp_path: Path) -> None:
    one, other = write_run(tmp_path / "one", 0.9), write_run(tmp_path / "other", 0.9)
    for file in (other / "training" / "settings.json", other / "evaluation" / "predictions.csv"):
        file.write_text(file.read_text().replace("viral", "ill"))
    chosen, _ = choose_runs([str(one), str(other)], "", project, tmp_path)
    with pytest.raises(ValueError, match="same classes, got normal, viral in one and normal, ill in other; leave one"):
        bring_together(chosen)


def test_runs_of_a_server_are_fetched(project: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path / "server")
    server.folder.mkdir()
    server.begin()
    try:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        store = open_store(project, Tracking(experiment="of the hospital", model="hilum", tensorboard=False))
        with store.start("far", {"role": "arm", "arm": "far"}) as run:
            run.log_folder(write_run(tmp_path / "far", 0.6, explained=True), "")
        folder = write_run(tmp_path / "mine", 0.9)
        compare.run(runs=[str(folder)], where="tags.arm = 'far'", out="page.html")
    finally:
        server.die()
    page = Path("page.html").read_text()
    assert "of of the hospital, " in page and "data:image/webp" in page and "24 of 24 patients" in page


def test_names_come_one_by_one_or_as_one_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my results").mkdir()
    assert list_names(["a", "my results"]) == ["a", "my results"]
    assert list_names(["a b"]) == ["a", "b"] and list_names([""]) == []


@pytest.mark.parametrize(
    ("names", "where", "message"),
    [
        (["mine"], "", "takes 2 to 50 runs, got 1"),
        (
            ["mine", "0" * 32],
            "",
            "RUN must be the id of a run in the store, .* or an arm with results, got '0000",
        ),
        (["mine", "beef"], "", "got 'beef': the store has no run whose id starts like this or that has this name"),
        (["mine", "it's"], "", 'got "it\'s": the store has no run'),
        (["mine", "mine", "mine"], "", "got 1; left out: 2 of the runs, named more than once, counted once."),
        ([f"{i:032x}" for i in range(51)], "", "takes 2 to 50 runs, got 51; name runs"),
        (["mine", "unfinished"], "", "run .{8} of last year, .* lacks training/settings.json; evaluate it, or leave it out"),
        (["mine", "crashed"], "", "run .{8} of last year, .*, which is FAILED, lacks training/settings.json"),
        (["mine", "open"], "", "which has not finished, lacks training/settings.json"),
        (["mine", "trash"], "", "a run must not be deleted to be compared, but .{32} is; leave it out, or restore it by `mlflow"),
        (["mine", "twin"], "", "'twin' is 2 of the store: .{8} .twin, .*; give more of the id"),
        (["mine"], "params.backbone ~ 3", "--where must be a search of runs in MLflow's words, got"),
        (["mine", "empty"], "", "must be trained and evaluated to be compared, but .*empty lacks training/settings.json"),
    ],
)
@pytest.mark.usefixtures("odd_runs")
def test_what_cannot_be_compared_is_refused(
    project: Workspace, tmp_path: Path, names: list[str], where: str, message: str
) -> None:
    write_run(project.root / "mine", 0.9)
    (project.root / "empty" / "training").mkdir(parents=True)
    with pytest.raises(ValueError, match=message):
        choose_runs(names, where, project, tmp_path)


def test_the_best_validation_comes_first_and_runs_without_it_last() -> None:
    nan = float("nan")
    assert charts.order_runs({"a": nan, "b": 0.4, "c": 0.6}, "auroc_macro") == ["c", "b", "a"]
    assert charts.order_runs({"a": nan, "b": 0.4, "c": 0.6}, "log_loss") == ["b", "c", "a"]


def test_a_long_curve_keeps_its_ends() -> None:
    x = np.linspace(0, 1, 5000)
    short, _ = charts.thin(x, x)
    assert len(short) <= charts.POINTS and (short[0], short[-1]) == (0, 1)
