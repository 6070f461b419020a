"""A data report of synthetic films, with problems of every kind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from compared_runs import CLASSES, draw_films

from hilum.data.confounding import measure_confounding, name_factors
from hilum.data.quality.alike.near_groups import NEAR
from hilum.pages.chart_script import load_bundle
from hilum.pages.data_report.confounding import render_confounding
from hilum.pages.data_report.report import Sheet, render_report
from hilum.records import MANIFEST

ODD = ("inverted", "turned", "unlike", "blank")  # the reasons of the first four films


def make_report(names: Sequence[str], cache: Path, classes: tuple[str, ...] = CLASSES, word: str = "a word") -> str:
    """The page. names: of its films, at least 30; word: in every text of a source; cache: for the script of the charts."""
    count, rng = len(names), np.random.default_rng(0)
    manifest = pd.DataFrame(
        {
            "image_id": names,
            "path": names,
            "patient_id": [f"{word} {i // 2}" for i in range(count)],
            "source": ["kermany" if i % 3 else word for i in range(count)],
            "label": [classes[i % len(classes)] for i in range(count)],
            "view": [("AP", word, "")[(i % 3 + (i % 7 == 0)) % 3] for i in range(count)],
            "sex": rng.choice(["M", "F"], count),
        }
    ).reindex(columns=list(MANIFEST), fill_value="")
    manifest = manifest.assign(width=rng.choice([1024, 2048], count), height=1024, finding=word)
    splits = pd.DataFrame({"image_id": names, "split": [("train", "val", "test")[i % 3] for i in range(count)]})
    odd = pd.DataFrame({"image_id": names[:4], "path": names[:4], "reason": ODD, "score": 0.9, "detail": word})
    near = pd.DataFrame([dict.fromkeys(NEAR, word) | {"image_id": names[10 + i], "other": names[20 + i]} for i in range(4)])
    near = near.assign(score=0.97, mirrored="no", scale_x=1.0, scale_y=1.0, shift_x=0.0, shift_y=0.0)
    problems = [(names[5], names[5], "copy", word), *((f"x{i}", f"x{i}.png", "broken film", f"{word} {i}") for i in range(30))]
    found = measure_confounding(manifest, name_factors(manifest, None, [18]), 50, 0.9, 1)
    return render_report(
        manifest,
        draw_films(count, 32),
        pd.DataFrame(problems, columns=["image_id", "path", "problem", "detail"]),
        manifest.groupby(["finding", "label", "source"]).size().reset_index(name="films"),
        classes,
        [word],
        per_class=3,
        seed=1,
        splits=splits,
        test_part={word: "official"},
        near=near,
        sheets=[Sheet("Odd films", word, b"", odd.drop(columns="path"))],
        confounding=render_confounding(found, classes, 0.9),
        odd=odd,
        bundle=load_bundle(cache),
    )
