"""The part of the data report on confounding: every factor with its number, and nothing that a table says is markup."""

import re

import numpy as np
import pandas as pd

from hilum.data.confounding import measure_confounding, name_factors
from hilum.pages.data_report.confounding import SHOWN_VALUES, render_confounding
from hilum.records import MANIFEST


def rendered(**columns: object) -> str:
    table = pd.DataFrame(columns).reindex(columns=list(MANIFEST), fill_value="").assign(width=200, height=100)
    table = table.assign(image_id=[f"f{i}" for i in table.index], patient_id=[f"p{i}" for i in table.index])
    found = measure_confounding(table, name_factors(table, None, [18]), 50, 0.9, 1)
    return str(render_confounding(found, ["normal", "ill"], 0.9))


def test_every_factor_stands_there_with_its_interval_or_why_there_is_none() -> None:
    page = rendered(label=["normal", "ill"] * 40, source=["s", "t"] * 40, view=["AP"] * 80)
    assert re.search(r"<td>source</td>.*?1\.00.*?1\.00 to 1\.00.*?strong", page, re.S)
    assert re.search(r"<td>view</td>.*?undefined.*?one value only", page, re.S)
    assert "90 % interval" in page
    assert "<details open><summary>Class by source</summary>" in page and "Class by view" not in page


def test_rare_values_are_folded_and_counted() -> None:
    views = [f"view {i:02d}" for i in range(SHOWN_VALUES + 3)]
    page = rendered(label=["normal", "ill"] * len(views), view=np.repeat(views, 2))
    assert "3 rarer values" in page and "view 00" in page and views[-1] not in page


def test_what_a_source_says_is_no_markup() -> None:
    page = rendered(label=["normal", "ill"] * 10, view=["<script>x</script>", "AP"] * 10)
    assert "<script>" not in page and "&lt;script&gt;" in page
