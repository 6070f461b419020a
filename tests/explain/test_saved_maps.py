import json

import numpy as np
import pytest

from hilum.explain.measures.similarity import own_values
from hilum.explain.methods.registry import caption
from hilum.explain.saved_maps import load_map, save_arrays
from hilum.records import Attribution, Cells

MAPS = np.random.default_rng(0).uniform(0, 1, (2, 16, 16)).astype(np.float32)
OLDER = {  # as `explain` wrote them when a program had to read the parameters: what they say -> what it means
    "gradcam": ({"output": "logits", "resize": "bilinear", "layer": "conv", "cells": [4, 2]}, Cells(4, 2, "conv")),
    "shap_layer": (
        {"layer": "pool", "cells": [4, 2], "resize": "bilinear", "background": 50, "output": "logits", "at": "input of pool"},
        Cells(4, 2, "pool"),
    ),
    "rise": ({"samples": 1500, "cells": 8, "shown": 0.5, "baseline": "mean", "output": "probability"}, Cells(8, 8)),
    "saliency": ({"output": "logits"}, None),
}
NUMBERS = {name: np.array([0.5, 0.25]) for name in ("maximum", "spread", "difference", "additivity_error")}


@pytest.mark.parametrize("name", OLDER)
def test_maps_saved_by_an_older_hilum_are_read(name, tmp_path):
    parameters, cells = OLDER[name]
    kept = {f"number_{key}": values for key, values in NUMBERS.items()}
    np.savez_compressed(tmp_path / f"{name}.npz", image_id=["a", "b"], values=MAPS, targets=np.array([0, 1]), **kept)
    (tmp_path / f"{name}.json").write_text(json.dumps({"method": name, "signed": False, "parameters": parameters}))
    maps, films = load_map(tmp_path / f"{name}.npz")
    assert films == ["a", "b"]
    assert maps.cells == cells
    assert own_values(maps, maps.values, 0).size == (cells.down * cells.across if cells else 256)
    said = caption(maps, 1)
    assert said and (cells is None or not cells.layer or f"{cells.layer}, 4x2 cells" in said)


def test_what_is_saved_says_what_the_values_are_and_comes_back(tmp_path):
    regions = np.arange(2 * 256, dtype=np.int32).reshape(2, 16, 16) % 7
    lime = Attribution(MAPS, "lime", np.array([0, 1]), True, {"features": 3}, NUMBERS, regions)
    save_arrays(tmp_path, {"lime": lime}, ["a", "b"])
    assert json.loads((tmp_path / "lime.json").read_text()) == {
        "method": "lime",
        "signed": True,
        "output": "probability",
        "cells": None,
        "parameters": {"features": 3},
    }
    back, _ = load_map(tmp_path / "lime.npz")
    assert (back.regions == regions).all() and (back.values == MAPS).all() and back.numbers.keys() == NUMBERS.keys()
    assert (back.method, back.signed, back.cells, back.sanity) == ("lime", True, None, "")
