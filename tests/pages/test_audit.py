"""The audit on the comparison page."""

import itertools

import numpy as np
import pytest
from analytic import draw, linear, surroundings

from hilum.audit.drawing import audit_figure
from hilum.audit.evidence import measure
from hilum.audit.exchange import draw_pairs
from hilum.audit.rule import PROBING, RATES, judge, told_verdict
from hilum.evaluation.style import to_png
from hilum.pages.audit import ArmAudit, audit_warnings, render_audit


def found(lungs: float, shortcut: float, outlines: float | None = 0.5) -> ArmAudit:
    films, labels = draw(60, 0, 0.6)
    around = surroundings(60)
    evidence = measure(linear(lungs, shortcut), films, labels, around, PROBING, 0)
    verdict = judge(evidence.numbers)
    figure = audit_figure(films, evidence, around.regions["made"].around, verdict, "ill", "Audit of arm")
    told = {
        **told_verdict(verdict),
        "target": "ill",
        "films": 60,
        "lungs": {"made": "60 lung masks together"},
        "numbers": {**evidence.numbers, "outlines_auroc": outlines},
    }
    return ArmAudit(told, to_png(figure))


@pytest.fixture(scope="module")
def audits() -> dict[str, ArmAudit]:
    return {"baseline <b>": found(0.2, 0.0), "finetuned": found(0.0, 0.05)}


def test_the_section_shows_every_verdict_and_escapes_what_users_named(audits: dict[str, ArmAudit]) -> None:
    page = render_audit(audits)
    assert page.count("data:image/png;base64,") == 2
    assert ">neither shown</span>" in page and ">mark</span>" in page
    assert RATES in page and "honest" not in page and "shortcut" not in page
    assert "baseline &lt;b&gt;" in page and "<b>" not in page.replace("baseline &lt;b&gt;", "")
    assert "made: 60 lung masks together" in page


def test_few_films_are_said_to_be_few(audits: dict[str, ArmAudit]) -> None:
    one = audits["finetuned"]
    assert "60 test films, which are few" in render_audit(audits)
    assert "which are few" not in render_audit({"finetuned": ArmAudit({**one.found, "films": 240}, one.picture)})


def test_only_a_model_that_rests_on_a_mark_is_warned_of(audits: dict[str, ArmAudit]) -> None:
    (warning,) = audit_warnings(audits)
    assert warning.startswith("finetuned rests on a local mark outside the lungs")


@pytest.mark.parametrize(
    ("outlines", "said"), [(0.965, "reach AUROC 0.965"), (None, "is undefined"), (float("nan"), "is undefined")]
)
def test_outlines_are_reported_or_undefined(audits: dict[str, ArmAudit], outlines: float | None, said: str) -> None:
    one = audits["finetuned"]
    numbers = {**one.found["numbers"], "outlines_auroc": outlines}
    assert said in render_audit({"finetuned": ArmAudit({**one.found, "numbers": numbers}, one.picture)})


def test_the_same_audit_gives_the_same_picture() -> None:
    assert found(0.1, 0.02).picture == found(0.1, 0.02).picture
    assert np.frombuffer(found(0.0, 0.0).picture[:8], np.uint8)[1:4].tobytes() == b"PNG"


@pytest.mark.parametrize("count", [4, 6, 21])
def test_an_audit_of_few_films_is_drawn_and_no_film_is_its_own_donor(count: int) -> None:
    films, labels = draw(count, 0, 1.0)
    evidence = measure(linear(0.1, 0.01), films, labels, surroundings(count), PROBING, 0)
    ranking = evidence.ranking
    assert len(ranking.high) >= 2
    assert not set(ranking.high.tolist()) & set(ranking.low.tolist())
    rows, low, high = draw_pairs(ranking, count, 6, np.random.default_rng(0))
    assert (rows != low).all()
    assert (rows != high).all()
    around = surroundings(count).regions["made"].around
    figure = audit_figure(films, evidence, around, judge(evidence.numbers), "ill", "Audit of arm")
    assert to_png(figure)
    shown = [axes for axes in figure.axes if axes.images]
    side = films.shape[1]
    assert all(sorted(axes.get_xlim()) == sorted(axes.get_ylim()) == [-0.5, side - 0.5] for axes in shown), "the whole film"
    assert {axes.get_aspect() for axes in shown} == {1.0}, "not stretched"
    titles = [axes.title.get_window_extent() for axes in shown]
    assert not [pair for pair in itertools.combinations(titles, 2) if pair[0].overlaps(pair[1])]


def test_an_audit_by_the_earlier_rule_is_shown_as_such(audits: dict[str, ArmAudit]) -> None:
    one = audits["finetuned"]
    gone = ("mark_", "detail_", "class_", "seams")
    numbers = {name: value for name, value in one.found["numbers"].items() if not name.startswith(gone)}
    old = {key: value for key, value in one.found.items() if key != "questions"} | {"numbers": numbers}
    shown = {
        "first": ArmAudit({**old, "says": "honest"}, one.picture),
        "second": ArmAudit({**old, "says": "shortcut"}, one.picture),
    }
    page = render_audit(shown)
    assert ">not shown (earlier rule)</span>" in page and ">shortcut (earlier rule)</span>" in page and "undefined" in page
    assert "honest" not in page
    assert audit_warnings(shown) == ["second is a shortcut model according to the audit by its earlier rule; audit it again"]
