"""predict: a model's predictions for a folder of films, a row per file, written batch by batch and continued if interrupted."""

from pathlib import Path
from typing import Any

from hilum.project.clone import check_full_path
from hilum.serving.engines import find_engine, open_exported
from hilum.serving.folder import panels_beside, predict_folder
from hilum.serving.folder_workers import Served, choose_workers, start_workers
from hilum.serving.keras_folder import predict_by_keras
from hilum.serving.model_facts import Told
from hilum.workspace import find_workspace


def run(
    model: str,
    images: Path,
    out: Path,
    explain: str,
    engine: str = "",
    workers: str = "",
    executor: str = "",
    threads: str = "",
    classes: str = "",
    size: str = "",
    square: str = "",
    scaling: str = "",
    threshold: str = "",
) -> dict[str, Any]:
    told = Told(classes, size, square, scaling, threshold)
    chosen = choose_workers(executor, workers, threads)
    if not images.is_dir():
        raise ValueError(f"--images must be a folder of films, got {images}")
    if (name := find_engine(engine, model)) == "keras":
        return predict_by_keras(model, images, out, explain, told, chosen)
    if explain:
        raise ValueError(f"--explain must be given a .keras model, whose network the methods read, got --engine {name}")
    for option, path in {"--model": model, "--images": images, "--out": out}.items():
        check_full_path(Path.cwd(), option, str(path))
    predict, described = open_exported(Path(model), told, name, chosen.threads)
    if chosen.executor == "serial":
        return predict_folder(predict, described, images, out)
    from hilum.settings.params import read_params

    workspace = find_workspace(Path.cwd())
    served = Served(model, told, name, chosen.threads, workspace, None, {}, panels_beside(out))
    with start_workers(chosen, served, read_params(workspace.params).tune.dask) as run_batches:
        return predict_folder(predict, described, images, out, None, run_batches)
