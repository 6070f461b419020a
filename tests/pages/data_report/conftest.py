"""Twelve films of two sources, as the data report takes them."""

import numpy as np
import pandas as pd
import pytest

from hilum.records import MANIFEST


@pytest.fixture
def manifest() -> pd.DataFrame:
    rows = [
        {
            "image_id": f"{source}/{label}{number}",
            "patient_id": f"{source}/{label}{number // 2}",
            "source": source,
            "label": label,
        }
        for source, label, count in (("s", "ill", 2), ("s", "normal", 6), ("t", "normal", 4))
        for number in range(count)
    ]
    table = pd.DataFrame(rows).reindex(columns=list(MANIFEST), fill_value="")
    return table.assign(
        width=[200 + 10 * row for row in range(12)], height=100, finding=table["label"], view=["AP"] * 8 + [""] * 4
    )


@pytest.fixture
def films() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (12, 16, 16), np.uint8)
