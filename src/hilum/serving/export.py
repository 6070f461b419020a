"""A model written for another engine, with its facts beside it, and compared with the original before it is handed out."""

import hashlib
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilum.explain.explained_model import ExplainedModel
from hilum.progress import say
from hilum.results import write_json
from hilum.serving.engines import ENGINES, open_exported
from hilum.serving.model_facts import FILE, Told

LARGEST = 1e-4  # difference of a probability between the two that is still rounding
NOISE = 16  # films of noise on which they are compared, besides the mean films of the classes


def export_model(explained: ExplainedModel, described: Mapping[str, Any], name: str, out: Path) -> float:
    """Write a model's network as one file and its facts as model.json; the largest difference of a probability.

    Scaling, calibration and softmax are inside the file: it takes grey levels 0-255, (N, S, S, 1) float32, and gives (N, K)
    probabilities. model.json beside it holds classes, threshold, decision factors, size, squaring and the treatment of burned-in
    text, as for the original, and under `exported` the format, the SHA-256 of the file and the difference found.
    explained: with its network. name: in `engines.ENGINES`. out: a folder that is not there, or empty.

    Raises:
        ValueError: the folder holds files, or a probability differs by more than LARGEST.
        ModuleNotFoundError: a package of the format is not installed.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"--out must be a new or empty folder, got {out}, which holds files; name another")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        file = Path(folder) / ENGINES[name].file
        explained.model.export(file, format=name, verbose=False)  # type: ignore[union-attr]
        facts = {key: value for key, value in described.items() if key != "scaling" or not isinstance(value, list)}
        facts["exported"] = {"format": name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "keras": version("keras")}
        write_json(Path(folder) / FILE, facts)
        predict, _ = open_exported(file, Told(), name)
        films = choose_films(explained.background, described["size"])
        differs = float(np.abs(predict(films) - explained.predict(films)).max())
        if not differs <= LARGEST:  # NaN too
            raise ValueError(
                f"the exported model must give the same probabilities within {LARGEST:g}, got a difference of {differs:g} on "
                f"{len(films)} films; nothing was written: this network cannot be exported as {name}"
            )
        facts["exported"] |= {"largest_difference": differs, "films": len(films)}
        write_json(Path(folder) / FILE, facts)
        out.mkdir(exist_ok=True)
        for part in (file, Path(folder) / FILE):
            part.replace(out / part.name)
    say(f"{out / ENGINES[name].file}: probabilities differ by at most {differs:.1e} on {len(films)} films")
    return differs


def choose_films(background: NDArray[np.float32] | None, size: int) -> NDArray[np.float32]:
    """Films to compare on, (N, size, size, 1) grey levels 0-255: mean films where there are any, noise, black, white."""
    noise = np.random.default_rng(0).integers(0, 256, (NOISE, size, size, 1)).astype(np.float32)
    plain = np.stack([np.zeros_like(noise[0]), np.full_like(noise[0], 255)])
    return np.concatenate([noise, plain, *([] if background is None else [background])])
