"""Adding a workspace's results to a tracking store that lacks them; and the comparison in a few lines."""

import shlex
from functools import partial
from pathlib import Path
from typing import Any

from hilum.addresses import mask
from hilum.evaluation.scoring.metrics import sign_of
from hilum.pages.arm_results import read_arm
from hilum.pages.levels import read_setting
from hilum.progress import bar, say
from hilum.project.champion import crown
from hilum.project.clone import is_fetched
from hilum.results import base_tags, digest, epoch_metrics, folder_digest, read_json, read_table, run_key
from hilum.runs import MEASURED, fits, fold_metrics, log_history, log_measured, log_results, log_search, log_training
from hilum.settings.meaning import show_backbone, spaces, trained_arm
from hilum.settings.params import Params
from hilum.settings.tune import list_metrics
from hilum.tracking.connection import is_server
from hilum.tracking.links import compare_link, page_address
from hilum.tracking.moved_store import local_folder
from hilum.tracking.opening import open_store, store_uri
from hilum.tracking.project_run import describe_project_run
from hilum.tracking.repeat_runs import log_repeats
from hilum.tracking.run_notes import comparison_note
from hilum.tracking.saved_views import find_views, link_views, save_views
from hilum.tracking.store import Store
from hilum.workspace import Workspace

LOCAL = "make ui"  # opens the store beside params.yaml


def print_headline(workspace: Workspace, params: Params) -> None:
    """The comparison in a few lines, where the page is, and how to open the runs."""
    from hilum.pages.comparison import PAGE
    from hilum.pages.headline import headline_text  # figures take half a second, which the command line need not wait for
    from hilum.pages.repeats import repeats_text

    versions = read_json(workspace.split / "versions.json")
    arms = {arm: read_arm(workspace, arm, versions["classes"]) for arm in params.compared}
    reference, confidence = (read_setting(workspace.comparison, f"compare.{key}") for key in ("reference", "confidence"))
    print(headline_text(arms, read_table(workspace.comparison / "differences.csv"), reference, confidence), flush=True)
    if (workspace.comparison / "repeat_differences.csv").is_file():
        print(repeats_text(read_table(workspace.comparison / "repeat_differences.csv"), reference, confidence), flush=True)
    tell_places(workspace, params, PAGE)


def tell_places(workspace: Workspace, params: Params, page: str) -> None:
    """Print where the page is, how the runs are opened from where the command was typed, and the links to click then."""
    here, store = workspace.root == workspace.home and not is_fetched(workspace.root), open_store(workspace, params.tracking)
    say(f"the comparison: {workspace.comparison / page if here else find_page(workspace, store, page)}")
    opens = tell_store(workspace)
    say(f"the runs, each with its results as artifacts: {opens}")
    base, once = page_address(store_uri(workspace)), "" if opens.startswith("http") else ", once that is open"
    if opens != LOCAL:  # `make ui` prints them itself
        for title, link in link_views(find_views(store), store.experiment, base).items():
            say(f"the view {title}{once}: {link}")
    if link := link_of(workspace, store, params, base):
        say(f"the arms of this comparison side by side{once}: {link}")


def find_page(workspace: Workspace, store: Store, page: str) -> str:
    """Where to find the comparison when the workspace is gone: among the artifacts of its run."""
    run = finished(store, {"role": "comparison", "digest.comparison": folder_digest(workspace.comparison)})[0]
    folder = local_folder(run.info.artifact_uri)
    return str(folder / "comparison" / page) if folder else f"comparison/{page} in the artifacts of run {run.info.run_id}"


def link_of(workspace: Workspace, store: Store, params: Params, base: str) -> str:
    """The address below `base` that compares the runs of these very results; empty where the store has fewer than two of them."""
    settings = [read_json(workspace.arm(arm, "training") / "settings.json") for arm in params.compared]
    runs = [found[0].info.run_id for one in settings if (found := finished(store, {"run_key": run_key(one)}))]
    return compare_link(base, store.experiment, runs) if len(runs) > 1 else ""


def tell_store(workspace: Workspace) -> str:
    """How to open the store of a workspace: a command that works in any folder but `make ui`, or the address of a server."""
    uri = store_uri(workspace)
    if is_server(uri):
        return mask(uri)
    beside = Path(uri.removeprefix("sqlite:///")).resolve() == (workspace.home / "mlflow.db").resolve()
    place = shlex.quote(uri) if mask(uri) == uri else '"$MLFLOW_TRACKING_URI"'  # its password is not printed
    return LOCAL if beside else f"mlflow ui --backend-store-uri {place}"


def publish(workspace: Workspace, params: Params) -> None:
    """Publish a workspace's results to the store of its home."""
    store = open_store(workspace, params.tracking, goes_on=False)
    versions = read_json(workspace.split / "versions.json")
    parts = []
    for arm in params.arms:
        parts.append(partial(publish_search, store, workspace, params, arm, versions))
        parts.append(partial(publish_arm, store, workspace, params, arm))
        if arm in params.crossvalidate.arms:
            parts.append(partial(publish_crossvalidation, store, workspace, arm))
    parts += [partial(publish_arm, store, workspace, params, ensemble) for ensemble in params.ensembles]
    parts.append(partial(publish_comparison, store, workspace, params, versions))
    new, report = 0, bar("results compared with the store")
    for done, part in enumerate(parts, 1):
        new += part()
        report(done, len(parts))
    describe_project(store, workspace)
    crown(store, params, {name: read_arm(workspace, name, versions["classes"]) for name in params.compared})
    save_views(store)
    say(f"{new} runs published" if new else "the store has every run already")


def describe_project(store: Store, workspace: Workspace) -> None:
    """The description of the run of `mlflow run`: that of the comparison, the last of the runs that it led to."""
    if store.parent:
        run = finished(store, {"role": "comparison", "digest.comparison": folder_digest(workspace.comparison)})[0]
        describe_project_run(store, comparison_note(workspace.comparison, run.info.run_id, run.data.tags, store.experiment))


def publish_search(store: Store, workspace: Workspace, params: Params, arm: str, versions: dict[str, Any]) -> int:
    """The parent run of a search and its trials."""
    from hilum.pages.search import log_page
    from hilum.training.searching.pictures import fit_spaces, log_pictures

    folder = workspace.arm(arm, "tuning")
    trials = read_table(folder / "trials.csv")
    if not len(trials):
        return 0
    key = folder_digest(folder)
    known = finished(store, {"role": "tune", "arm": arm, "digest.tuning": key})
    if known:
        store.link(known[0].info.run_id)
        return 0
    searched = spaces(params.arms[arm])
    if not fit_spaces(trials, searched):
        say(f"{arm}: its search was of other spaces than params.yaml has now and is not published; run `dvc repro`")
        return 0
    metrics = list_metrics(read_json(folder / "settings.json")["params"]["tune.metric"])
    tags = {
        **base_tags("tune", versions),
        "arm": arm,
        "backbone": show_backbone(trained_arm(params.arms, arm)),
        "metric": ", ".join(metrics),
    }
    history = read_table(folder / "trial_history.csv")
    with store.start(f"tune-{arm}", tags, key=key) as parent:
        log_search(parent, folder, params, arm)
        signs = {metric: sign_of(metric) for metric in metrics}
        log_pictures(parent.log_folder, trials, searched, signs)
        log_page(parent.log_folder, arm, trials, searched, signs, workspace.cache)
        for row in trials.to_dict("records"):
            trial_tags = {**tags, "role": "trial", "mlflow.note.content": "", "state": row["state"]}
            with store.start(f"trial-{row['number']:03d}", trial_tags, parent.id, key) as trial:
                trial.log_params({key: row[key] for key in searched})
                trial.log_history(epoch_metrics(history[history["trial"] == row["number"]]))
                trial.log_metrics({f"best/{key}": row[key] for key in trials.columns if key.startswith("val/")})
    return 1


def finished(store: Store, tags: dict[str, str]) -> list[Any]:
    """Complete runs with these tags, newest first."""
    return [run for run in store.find(tags) if run.info.status == "FINISHED"]


def publish_arm(store: Store, workspace: Workspace, params: Params, arm: str) -> int:
    """One run per arm with training, evaluation, explanations and audit as in the files."""
    settings = read_json(workspace.arm(arm, "training") / "settings.json")
    folders = [name for name in MEASURED if fits(workspace.arm(arm, name), settings)]
    there = [
        name for name in MEASURED if (workspace.arm(arm, name) / "settings.json").is_file()
    ]  # external: none without sources
    others = [name for name in there if name not in folders]
    if others:
        say(f"{arm}: {', '.join(others)} were made from another training and are not published with this one; run `dvc repro`")
    digests = {f"digest.{name}": folder_digest(workspace.arm(arm, name)) for name in ("training", *folders)}
    known = finished(store, {"role": "arm", "arm": arm, **digests})
    if known:
        store.link(known[0].info.run_id)
        return 0
    with store.start(arm, settings["tags"], key=digest(digests)) as opened:
        opened.log_params(settings["params"])
        log_history(opened, workspace, arm)
        log_training(store, opened, workspace, arm, params.tracking.model)
        log_repeats(store, opened, workspace, arm)
        log_measured(store, opened, workspace, arm, folders)
    return 1


def publish_crossvalidation(store: Store, workspace: Workspace, arm: str) -> int:
    """The parent run of an arm's folds and a nested run per fold."""
    folder = workspace.arm(arm, "crossvalidation")
    settings = read_json(folder / "settings.json")
    key = folder_digest(folder)
    known = finished(store, {"role": "crossvalidation", "arm": arm, "digest.crossvalidation": key})
    if known:
        store.link(known[0].info.run_id)
        return 0
    history = read_table(folder / "history.csv")
    tags = settings["tags"]
    with store.start(f"crossvalidate-{arm}", tags, key=key) as parent:
        log_results(parent, folder, "crossvalidation")
        for row in read_table(folder / "folds.csv").to_dict("records"):
            fold = str(row["fold"])
            fold_tags = {**tags, "role": "fold", "fold": fold, "mlflow.note.content": ""}
            with store.start(f"fold-{fold}", fold_tags, parent.id, key) as run:
                run.log_history(epoch_metrics(history[history["fold"].astype(str) == fold]))
                run.log_metrics(fold_metrics({str(key): value for key, value in row.items()}))
    return 1


def publish_comparison(store: Store, workspace: Workspace, params: Params, versions: dict[str, Any]) -> int:
    """The comparison run."""
    key = folder_digest(workspace.comparison)
    known = finished(store, {"role": "comparison", "digest.comparison": key})
    if known:
        store.link(known[0].info.run_id)
        return 0
    tags = {**base_tags("comparison", versions), "reference": params.compare.reference}
    with store.start("comparison", tags, key=key) as opened:
        log_results(opened, workspace.comparison, "comparison")
    return 1
