"""A user's own `.keras` file as a backbone: flat, without its head, in blocks that begin at layers with weights."""

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from hilum.workspace import home

ENDING = ".keras"
GRAPH = "own_network"
SMALLEST = 8  # px


def is_own(backbone: str) -> bool:
    """Whether the name of an arm's backbone is a user's file, or that of a classifier's graph is of one."""
    return backbone.endswith(ENDING) or backbone == GRAPH


def describe_own(backbone: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a `Backbone` for a file under an arm's options, or those that the name of a graph tells.

    Raises:
        ValueError: there is no such file, or its network is no backbone.
    """
    row = {
        "graph": GRAPH,
        "block": "(.+?)--",
        "maps": ".*",
        "names": "file",
        "scaling": (1.0, 0.0),
        "smallest": SMALLEST,
    }
    if backbone == GRAPH:
        return {**row, "application": _refuse, "blocks": ()}
    path = find_file(backbone)
    taken = {"parameters": ("layer", "scaling"), "fit": partial(_fit, path)}
    return {**row, "application": partial(_build, path), "preset": str(path), **taken, **_fit(path, options)}


def find_file(backbone: str) -> Path:
    """The file, from the working folder or the project that DVC's copy belongs to. Raises ValueError: it does not exist."""
    written = Path(backbone).expanduser()
    for place in (written, home(Path.cwd()) / written):
        if place.is_file():
            return place.resolve()
    raise ValueError(
        f"a backbone {ENDING} must be a file of your own, got {backbone}, which does not exist; put it there, or correct the path"
    )


def _refuse(**arguments: Any) -> Any:
    raise ValueError(
        f"a network of your own must be built from its file, got its graph's name; write the path of the {ENDING} file"
    )


def _fit(path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What of the row depends on the file, on the layer where it ends, and on the scaling that the arm states."""
    blocks, channels = _look_at(path, path.stat().st_mtime_ns, options.get("layer"))
    scaling = {"scaling": tuple(options["scaling"])} if options.get("scaling") else {}
    return {"blocks": blocks, "channels": channels, **scaling}


@lru_cache  # each reading of the row looks at the file
def _look_at(path: Path, written: int, layer: str | None) -> tuple[tuple[str, ...], int]:
    """Blocks of the network up to a layer, and channels of its films. written: time of the file, as it may be replaced."""
    from hilum.models.own_layers import BETWEEN, build_body, open_own

    made = build_body(open_own(path), path, None, layer)
    names = [one.name for one in made.layers[1:]]
    return tuple(dict.fromkeys(name.split(BETWEEN)[0] for name in names)), int(made.input_shape[-1])


def _build(
    path: Path,
    input_shape: tuple[int, int, int],
    include_top: bool = False,
    weights: str | None = None,
    layer: str | None = None,
    scaling: Any = None,
) -> Any:
    """The network (H, W, C) -> (h, w, D) with the signature of keras.applications; weights: `preset`, or None for random ones."""
    from hilum.models.own_layers import build_body, open_own, renew_weights

    model = open_own(path)
    return build_body(model if weights else renew_weights(model), path, input_shape[0], layer)
