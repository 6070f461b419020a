"""The comparison page: one file, everything in it, and words that agree with the numbers."""

import base64
import dataclasses
import html
import io
import re

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup
from PIL import Image

from hilum.evaluation.comparison import compare_arms, mcnemar_table, prediction_changes
from hilum.evaluation.scoring.metrics import METRICS, evaluate_all
from hilum.evaluation.statistics import Interval, patient_bootstrap
from hilum.evaluation.tables import class_table
from hilum.pages.comparison import (
    SHOWN_CHANGES,
    ArmSummary,
    ComparisonPage,
    change_counts,
    conclude,
    render_comparison,
)
from hilum.pages.explanations import MeasureNote, agree
from hilum.pages.headline import flag_warnings, headline_rows, shortcut_baseline_rows
from hilum.pages.levels import Levels
from hilum.pages.numbers import number
from hilum.pages.repeats import PageRepeats
from hilum.records import Predictions
from hilum.results import read_table, write_table

CLASSES = ("normal", "bacterial", "viral")
BASELINE_METRICS = {
    "acquisition_only/auroc_macro": 0.7,
    "acquisition_only/auroc_macro.low": 0.65,
    "acquisition_only/auroc_macro.high": 0.75,
    "above_acquisition_only/auroc_macro": 0.1,
    "above_acquisition_only/auroc_macro.low": 0.04,
    "above_acquisition_only/auroc_macro.high": 0.15,
    "source_only/auroc_macro": None,
    "flagged/acquisition_only": 1.0,
}
KEY = ["auroc_macro", "accuracy", "brier"]
HOSTILE = "<script>alert('x')</script>"
EXPLANATION = ["arm", "method", "measure", "value", "low", "high", "films", "chance_random", "chance_centre"]

DELETION = MeasureNote(
    "deletion_blur", "deletion AUC", "Faithful?", "", "lower", True, "signed values", "0 to 1", "An area.", "half"
)
PAIRS = pd.DataFrame(
    [("lime", "shap", "spearman", 0.41), ("lime", "shap", "overlap", 0.255)], columns=["first", "second", "measure", "value"]
)
DISAGREEING = pd.DataFrame([("film/007", 0.11)], columns=["image_id", "best"])


def films(skill, count=90, seed=0, name="film"):
    rng = np.random.default_rng(seed)
    y_true = np.arange(count) % 3
    logits = rng.normal(size=(count, 3))
    logits[np.arange(count), y_true] += skill
    y_prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([f"{name}/{i:03d}" for i in range(count)])
    patients = np.array([f"patient/{i // 2:03d}" for i in range(count)])
    return Predictions(ids, patients, y_true, y_prob, y_prob.argmax(axis=1), CLASSES)


def png():
    stream = io.BytesIO()
    Image.new("L", (4, 3)).save(stream, format="png")
    return stream.getvalue()


def summary(name, values=()):
    return ArmSummary(name, "mobilenet_025", "pretrained", "initial weights", ["head, 20 epochs"], 912,
                      "phase 1, epoch 14", "ab" * 32, "the most probable class decides", None,
                      [("train.batch_size", 32, "params"), *values], [])  # fmt: skip


def make(arms, reference="baseline", figures=True):
    """A page over real tables of these arms: name -> predictions."""
    found = {arm: patient_bootstrap(p, 20, 0.95, 1) for arm, p in arms.items()}
    differences = compare_arms(arms, reference, 20, 0.95, 1)
    majority = dict.fromkeys(evaluate_all(arms[reference]), 0.4)
    keys = [f"learning/{arm}" for arm in arms]
    return ComparisonPage(
        title="Comparison",
        classes=list(CLASSES),
        reference=reference,
        headline=headline_rows(found, majority, differences, KEY, {"acquisition only": {}, "source only": {}}),
        facts=[("data version", "4f3c2a19")],
        levels=Levels("95 % interval", "90 % interval", "99 % interval"),
        arms=[summary(arm) for arm in arms],
        class_tables={arm: class_table(p, found[arm], np.array([0.3, 0.4, np.nan])) for arm, p in arms.items()},
        differences=differences,
        mcnemar=mcnemar_table(arms, reference, 1),
        changes={arm: prediction_changes(arms[reference], p) for arm, p in arms.items() if arm != reference},
        shortcut_baselines=shortcut_baseline_rows(
            dict.fromkeys(arms, BASELINE_METRICS), {arm: i["auroc_macro"] for arm, i in found.items()}
        ),
        margin=0.05,
        explanation=pd.DataFrame(
            [(arm, "LIME", "deletion_blur", 0.4, 0.3, 0.5, 12, 0.6, 0.45) for arm in arms], columns=EXPLANATION
        ),
        notes=[DELETION],
        agreement=[agree(arm, PAIRS, DISAGREEING, 9, 0.3, {"lime": "LIME", "shap": "SHAP"}) for arm in arms],
        figures=dict.fromkeys(keys, png()) if figures else {},
        warnings=["Every class comes from one source"],
        folds="",
        audit="",
        sanity="",
    )


@pytest.fixture(scope="module")
def page():
    return make({"baseline": films(0.8), "finetuned": films(1.6), "third": films(0.8, seed=2)})


@pytest.fixture(scope="module")
def disagreeing():
    return make({"baseline": films(0.8)}, figures=False)


def test_what_arms_were_calibrated_to_stands_in_a_table(page):
    row = {"scaling": "temperature 1.734", "fitted": "240 films of 180 patients; prior: normal 33.3%", "note": ""}
    row |= {"log_loss": "0.612, 0.541", "brier": "0.350, 0.331", "ece": "0.092, 0.031"}
    bounded = {**row, "note": "the highest allowed, 10"}
    arms = [
        dataclasses.replace(page.arms[0], calibration=row),
        dataclasses.replace(page.arms[1], calibration=bounded),
        page.arms[2],
    ]
    said = text(render_comparison(dataclasses.replace(page, arms=arms)))
    assert "no test film takes part" in said and "of patients that the fit did not see" in said
    cells = " ".join(row[key] for key in ("fitted", "log_loss", "brier", "ece"))
    assert f"temperature 1.734 {cells}" in said and f"temperature 1.734 the highest allowed, 10 {cells}" in said
    assert "no test film takes part" not in text(render_comparison(page)), "results of before say nothing of it"


def text(rendered):
    """What a reader sees: no tags, no styles, one space between words."""
    bare = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", rendered, flags=re.S))
    return re.sub(r"\s+", " ", html.unescape(bare))


def only(page, *found):
    """The page with these differences of `finetuned` alone: (metric, reference, arm, low, high, judgement)."""
    rows = [("finetuned", m, a, b, b - a, low, high, 0.0, 0.1, judgement) for m, a, b, low, high, judgement in found]
    differences = pd.DataFrame(rows, columns=page.differences.columns)
    headline = [
        {
            "metric": row[1],
            "name": row[1],
            "arms": {"baseline": number(row[2]), "finetuned": number(row[3])},
            "majority": "0.333",
            "shortcut_baselines": {"acquisition only": "0.7", "source only": "undefined"},
            "differences": {"finetuned": ("", row[-1])},
        }
        for row in rows
    ]
    arms = [arm for arm in page.arms if arm.name != "third"]
    return dataclasses.replace(page, arms=arms, headline=headline, differences=differences, figures={})


def test_page_needs_no_other_file(page):
    rendered = render_comparison(page)
    sources = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', rendered)
    pictures = [source for source in sources if not source.startswith("#")]
    assert len(pictures) == len(page.figures)
    assert all(base64.b64decode(p.removeprefix("data:image/png;base64,"), validate=True) == png() for p in pictures)
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe", rendered)
    targets = [source[1:] for source in sources if source.startswith("#")]
    assert len(targets) == 9 and all(f'id="{target}"' in rendered for target in targets)


def test_every_arm_class_metric_and_setting_is_named(page):
    seen = text(render_comparison(page))
    for word in [*(arm.name for arm in page.arms), *CLASSES, "majority class", "not a medical device", *page.warnings]:
        assert word in seen
    for metric in METRICS.values():
        assert metric.title in seen
    for row in page.headline:
        for told in (row["name"], *row["arms"].values(), *(t for t, _ in row["differences"].values())):
            assert told in seen
    assert "train.batch_size 32 params" in seen and "4f3c2a19" in seen


def test_an_arm_that_is_not_above_what_the_rim_reaches_is_flagged_in_words(page):
    seen = text(render_comparison(page))
    assert "baseline acquisition only" in seen and "0.700 [0.650, 0.750] +0.100 [+0.040, +0.150] flagged" in seen
    assert "source only" in seen and "reaches below +0.05" in seen
    told = flag_warnings(page.shortcut_baselines, page.margin)
    assert [line.split(" ")[0] for line in told] == ["baseline", "finetuned", "third"]
    assert all("not clearly 0.05 above the 0.700 [0.650, 0.750]" in line for line in told)
    by_source = [
        {**row, "verdict": "flagged" if row["classifier"] == "source only" else "not flagged"} for row in page.shortcut_baselines
    ]
    assert all("sees the source of the films and no lung" in line for line in flag_warnings(by_source, page.margin))
    clear = [{**row, "verdict": "not flagged"} for row in page.shortcut_baselines]
    assert flag_warnings(clear, page.margin) == []
    assert "not flagged" in text(render_comparison(dataclasses.replace(page, shortcut_baselines=clear)))


def test_a_shortcut_baseline_is_beside_the_majority_in_every_row():
    predictions = films(0.8)
    beside = {"acquisition only": {"auroc_macro": Interval(0.7, 0.6, 0.8, 0), "accuracy": Interval(0.5, np.nan, np.nan, 0)}}
    empty = pd.DataFrame(columns=["arm", "metric"])
    found = {"baseline": patient_bootstrap(predictions, 20, 0.95, 1)}
    rows = headline_rows(found, evaluate_all(predictions), empty, KEY, {**beside, "source only": {}})
    assert {name for row in rows for name in row["shortcut_baselines"]} == {"acquisition only"}, "undefined everywhere: left out"
    assert [row["shortcut_baselines"]["acquisition only"] for row in rows] == ["0.700 [0.600, 0.800]", "0.500", "undefined"]


def test_equal_pages_are_equal_texts(page):
    assert render_comparison(page) == render_comparison(page)


def test_only_sections_with_content_are_in_the_contents(disagreeing):
    rendered = render_comparison(disagreeing)
    for id_ in ("learning", "changes"):
        assert f'href="#{id_}"' not in rendered and f'id="{id_}"' not in rendered
    assert "<img" not in rendered


@pytest.mark.parametrize(
    ("found", "claim", "sure"),
    [
        (("accuracy", 0.8, 0.9, 0.05, 0.15, "better"), "finetuned is better than baseline in accuracy.", "excludes 0"),
        (("accuracy", 0.9, 0.8, -0.15, -0.05, "worse"), "finetuned is worse than baseline in accuracy.", "excludes 0"),
        (("brier", 0.4, 0.3, -0.15, -0.05, "better"), "finetuned is better than baseline in brier.", "excludes 0"),
        (("accuracy", 0.8, 0.82, -0.01, 0.05, "unclear"),
         "It is unclear whether finetuned or baseline is better in accuracy.", "contains 0"),
    ],
)  # fmt: skip
def test_conclusion_says_what_the_interval_says(page, found, claim, sure):
    changed = only(page, found)
    conclusion, *more = conclude(changed)
    assert not more and conclusion.judgement == found[-1] and conclusion.claim == claim
    metric, reference, arm, low, high, _ = found
    lower = " (lower is better)" if metric == "brier" else ""
    signed = f"{arm - reference:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")
    expected = f"finetuned {arm:.3f}, baseline {reference:.3f}{lower}: a difference of {signed}; its 90 % interval {sure}."
    assert conclusion.evidence[0] == expected
    assert f'class="conclusion {found[-1]}"' in render_comparison(changed) and claim in text(render_comparison(changed))


def test_conclusion_reports_where_a_better_arm_is_worse(page):
    conclusion = conclude(only(page, ("auroc_macro", 0.8, 0.9, 0.05, 0.15, "better"), ("accuracy", 0.8, 0.7, -0.2, -0.1, "worse"),
                               ("brier", 0.4, 0.4, -0.1, 0.1, "unclear"), ("ece", 0.1, 0.2, 0.05, 0.15, "worse")))[0]  # fmt: skip
    assert conclusion.claim == "finetuned is better than baseline in auroc_macro, but worse in accuracy and ece."
    assert conclusion.evidence[1] == "Of the 4 key metrics: better in auroc_macro; worse in accuracy and ece; unclear in brier."


def test_conclusion_of_an_undefined_difference(page):
    nan = np.nan
    conclusion = conclude(only(page, ("accuracy", 0.8, nan, nan, nan, "unclear")))[0]
    assert conclusion.claim == "finetuned and baseline cannot be compared: accuracy is undefined."


def test_conclusions_agree_with_the_tables(page):
    judged = page.differences[page.differences["metric"] == KEY[0]].set_index("arm")["judgement"]
    found = conclude(page)
    assert [c.judgement for c in found] == [judged["finetuned"], judged["third"]] and judged["finetuned"] == "better"
    assert f"Films whose prediction changed: {change_counts(page.changes['third'])}." == found[1].evidence[-1]


def test_one_arm_alone(disagreeing):
    (conclusion,) = conclude(disagreeing)
    assert conclusion.judgement == "alone" and conclusion.claim.startswith("baseline is the only arm")
    assert disagreeing.headline[0]["arms"]["baseline"] in conclusion.evidence[0] and "0.400" in conclusion.evidence[0]
    seen = text(render_comparison(disagreeing))
    assert conclusion.claim in seen and "better than baseline" not in seen


def test_names_from_data_are_escaped(page):
    bad = make({"baseline": films(0.8, name=HOSTILE), HOSTILE: films(1.6, name=HOSTILE)})
    arms = [summary("baseline"), summary(HOSTILE, [(HOSTILE, HOSTILE, "search")])]
    explanation = page.explanation.assign(method=HOSTILE, measure=HOSTILE)
    bad = dataclasses.replace(
        bad, title=HOSTILE, arms=arms, explanation=explanation, warnings=[HOSTILE], facts=[(HOSTILE, HOSTILE)],
        mcnemar=bad.mcnemar.assign(arm=HOSTILE),
    )  # fmt: skip
    rendered = render_comparison(bad)
    assert "<script" not in rendered and "<b onclick" not in rendered and HOSTILE in text(rendered)


def test_no_explanations_and_no_changes(page):
    empty = {arm: table.head(0) for arm, table in page.changes.items()}
    bare = dataclasses.replace(page, explanation=page.explanation.head(0), agreement=[], changes=empty, figures={})
    seen = text(render_comparison(bare))
    assert "No explanations were given" in seen and "finetuned against baseline: no prediction changed" in seen
    assert "Films whose prediction changed: none." in seen
    assert "No explanations" in text(render_comparison(dataclasses.replace(bare, explanation=pd.DataFrame())))


def test_undefined_numbers_are_words(page):
    """Defect 16: a class that is never predicted has no precision, and the page says so."""
    one = films(1.0)
    never = dataclasses.replace(one, y_pred=np.where(one.y_pred == 2, 0, one.y_pred))
    bad = make({"baseline": never, "finetuned": films(1.6)})
    row = ("baseline", "LIME", "deletion_blur", np.nan, np.nan, np.nan, 0, np.nan, np.nan)
    bad = dataclasses.replace(
        bad,
        explanation=pd.DataFrame([row], columns=EXPLANATION),
        arms=[summary("baseline", [("head.dropout", np.nan, "search")]), summary("finetuned")],
    )
    seen = text(render_comparison(bad))
    assert not re.search(r"\bnan\b|NaN", seen) and "never predicted" in seen
    assert "head.dropout undefined search" in seen and "LIME undefined random map undefined" in seen
    assert re.search(r"precision, viral finetuned undefined 0\.\d{3} undefined", seen)


def test_class_table_from_csv_is_the_same_page(page, tmp_path):
    """An undefined number in a CSV must come back as a number, or the page cannot show its column."""
    for arm, table in page.class_tables.items():
        write_table(tmp_path / f"{arm}.csv", table)
    tables = {arm: read_table(tmp_path / f"{arm}.csv") for arm in page.class_tables}
    assert render_comparison(dataclasses.replace(page, class_tables=tables)) == render_comparison(page)


def test_settings_that_differ_are_marked(page):
    arms = [
        summary("baseline", [("head.dropout", 0.2, "params"), ("seed", 1, "params")]),
        summary("finetuned", [("head.dropout", 0.35, "search"), ("seed", 1, "search"), ("phases.1.epochs", 12, "params")]),
    ]
    rendered = render_comparison(dataclasses.replace(make({"baseline": films(0.8), "finetuned": films(1.6)}), arms=arms))
    marked = re.findall(r'<tr class="different"><td class="long">([^<]+)<', rendered)
    assert marked == ["head.dropout", "phases.1.epochs"]
    seen = text(rendered)
    assert "head.dropout 0.2 params 0.35 search" in seen and "phases.1.epochs not set 12 params" in seen
    assert "seed 1 params 1 search" in seen


def test_a_long_list_of_changes_reports_what_is_left_out(page):
    table = page.changes["finetuned"].head(1)
    many = pd.concat([table.assign(image_id=f"film-{i:03d}") for i in range(SHOWN_CHANGES + 1)], ignore_index=True)
    rendered = render_comparison(dataclasses.replace(page, changes={"finetuned": many}))
    assert f"film-{SHOWN_CHANGES - 1:03d}" in rendered and f"film-{SHOWN_CHANGES:03d}" not in rendered
    assert f"The first {SHOWN_CHANGES} of {SHOWN_CHANGES + 1} films." in rendered


def test_every_interval_of_the_page_says_its_own_level(page):
    """95 %: metrics of the arms; 90 %: differences of arms; 99 %: measures of maps."""
    rendered = render_comparison(page)
    parts = {part.split('"')[0]: text(part) for part in re.split(r'<(?:h1|h2|h3) id="', rendered)[1:]}
    assert {name: re.findall(r"\d+ % interval", part) for name, part in parts.items() if "% interval" in part} == {
        "conclusion": ["90 % interval", "90 % interval"],
        "metrics": ["95 % interval", "90 % interval"],
        "shortcut_baselines": ["95 % interval", "90 % interval"],
        "classes": ["95 % interval"],
        "explanations": ["99 % interval"],
    }
    assert (
        "value and 95 % interval over patients, below it the difference from baseline and its 90 % interval" in parts["metrics"]
    )
    assert "when the 95 % interval of this difference reaches" in parts["shortcut_baselines"]
    assert "arm difference 90 % interval judgement" in parts["shortcut_baselines"], "the column of all differences"
    assert "with the 95 % interval below each value" in parts["classes"]
    assert "only where its whole 99 % interval is better than both" in parts["explanations"]


def test_an_arm_alone_says_the_level_of_its_own_interval(disagreeing):
    assert f"{disagreeing.headline[0]['arms']['baseline']}, 95 % interval;" in conclude(disagreeing)[0].evidence[0]
    assert "90 % interval" not in render_comparison(disagreeing), "there is no difference"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "other"}, "reference must be one of the arms baseline, finetuned, third, got 'other'"),
        ({"figures": {"rok/baseline": png()}}, "figure's key must be one of .* got rok/baseline"),
        ({"headline": []}, "headline must have at least one metric"),
    ],
)
def test_what_the_page_refuses(page, change, message):
    with pytest.raises(ValueError, match=message):
        render_comparison(dataclasses.replace(page, **change))


def test_where_arms_were_repeated_the_conclusion_is_over_seeds_and_patients():
    page = make({"baseline": films(0.8), "finetuned": films(1.6)})
    usual = conclude(page)[0]
    assert usual.judgement == "better" and "mean of" not in usual.evidence[0]
    means = page.differences.assign(low=-0.1, judgement="unclear", reference_repeats=1, arm_repeats=5)
    section = Markup('<h2 id="repeats">Repeats</h2>')
    page = dataclasses.replace(page, repeats=PageRepeats(section, means, "80 % interval"))
    found = conclude(page)[0]
    assert found.judgement == "unclear" and found.claim.startswith("It is unclear whether finetuned or baseline is better")
    assert "(mean of 5 trainings), baseline" in found.evidence[0] and "80 % interval over seeds and patients" in found.evidence[0]
    assert "changed (of the served models):" in " ".join(found.evidence)
    text = render_comparison(page)
    assert text.count('<h2 id="repeats">') == 1 and '<a href="#repeats">Repeats</a>' in text
    assert "or after another training" not in text


def together(page, **judged):
    """The page with simultaneous intervals of its main metric: arm -> (low, high, judgement)."""
    rows = [(page.reference, arm, KEY[0], 0.1, *found) for arm, found in judged.items()]
    columns = ["reference", "arm", "metric", "difference", "low", "high", "judgement"]
    return dataclasses.replace(page, simultaneous=pd.DataFrame(rows, columns=columns))


def test_of_several_arms_the_conclusion_rests_on_the_interval_that_holds_for_all(page):
    found = conclude(together(page, finetuned=(0.01, 0.2, "better"), third=(-0.2, 0.3, "not distinguishable")))
    assert [one.judgement for one in found] == ["better", "unclear"]
    assert found[1].claim == "third and baseline are not distinguishable in AUROC, mean of classes."
    assert "[−0.200, +0.300]; its simultaneous 90 % interval contains 0." in found[1].evidence[0]


def test_many_arms_are_counted_first_and_have_a_row_each():
    many = make({f"arm {i}": films(0.5 + i / 5, seed=i) for i in range(8)}, reference="arm 0", figures=False)
    rendered = render_comparison(many)
    found = [one.judgement for one in conclude(many)]
    counts = {what: found.count(what) for what in ("better", "worse", "unclear")}
    assert f"Of 7 runs, {counts['better']} " in text(rendered)
    table = rendered.split('aria-label="Key metrics"')[1].split("</table>")[0]
    assert table.count("<tr>") == 1 + 8 and table.count('<th class="wrap">') == len(KEY)


def test_what_was_left_out_is_said_and_escaped(page):
    rendered = render_comparison(dataclasses.replace(page, left_out=[HOSTILE]))
    assert "What was left out." in rendered and HOSTILE in text(rendered) and "<script" not in rendered
    assert "What was left out." not in render_comparison(page)
