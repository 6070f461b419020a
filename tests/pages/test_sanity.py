import re

import numpy as np
import pandas as pd
import pytest

from hilum.explain.sanity.verdicts import FAILS, NO_EVIDENCE, PASSES
from hilum.pages.sanity import LOOKS, SanityResults, render_sanity

COLUMNS = ["method", "verdict", "spearman", "low", "high", "films", "patients", "pairs", "empty"]
TITLES = {"gradcam": "Grad-CAM", "lime": "LIME", "shap": "SHAP"}


def results(*rows):
    return SanityResults(pd.DataFrame(rows, columns=COLUMNS), seeds=5, limit=0.4, evidence=0.5, confidence=0.99)


@pytest.fixture
def page():
    first = results(("gradcam", FAILS, 0.6, 0.5, 0.7, 9, 8, 45, 4), ("lime", PASSES, 0.12, 0.062, 0.178, 3, 3, 15, 0))
    second = results(("shap", NO_EVIDENCE, np.nan, np.nan, np.nan, 0, 0, 15, 15))
    return str(render_sanity({"one": first, "<two>": second}, TITLES))


def rows_of(page):
    body = page[page.index("<tbody>") :]
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.S) for row in re.findall(r"<tr.*?</tr>", body, re.S)]
    return [[" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in row] for row in cells]


def test_every_method_of_every_arm_stands_with_its_evidence(page):
    assert rows_of(page) == [
        ["one", "Grad-CAM", "fails sanity", "0.600 0.500 to 0.700", "9 of 8 patients", "4 of 45"],
        ["", "LIME", "passes", "0.120 0.062 to 0.178", "3 of 3 patients", "0 of 15"],
        ["&lt;two&gt;", "SHAP", "no evidence", "undefined", "0 of 0 patients", "15 of 15"],
    ]


def test_the_rule_stands_in_words_with_its_numbers(page):
    told = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "with 5 permutations" in told
    assert "if the upper end of its 99 % interval over patients is below 0.4; otherwise it fails sanity" in told
    assert "fewer than 50 % of its pairs" in told


def test_every_verdict_has_its_look(page):
    assert set(LOOKS) == {PASSES, FAILS, NO_EVIDENCE}
    assert '<span class="tag worse">fails sanity</span>' in page and '<span class="tag better">passes</span>' in page
