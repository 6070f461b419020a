"""The frozen rule: an answer to each question with its reason, and one word for both."""

import numpy as np
import pytest

from hilum.audit.rule import AROUND, LEAST_ABOVE, LEAST_FILMS, LEAST_PATIENTS, UNSURE, Answer, Verdict, judge, told_verdict

SOUND = {
    "spread": 0.1,
    "least_films": 120.0,
    "above_chance": 40.0,
    **dict.fromkeys(("mark_points", "mark_odds", "detail_points", "detail_odds", "class_points", "class_odds"), 0.0),
    **dict.fromkeys(("mark_points_error", "mark_odds_error", "class_points_error"), 0.5),
}
STRONG = {"mark_points": 15.0, "mark_odds": 0.6, "detail_points": 15.0, "detail_odds": 0.6, "class_odds": 0.6}


def test_a_region_that_moves_other_films_is_a_mark_wherever_else_the_model_looks() -> None:
    for around in (0.0, 20.0):
        verdict = judge({**SOUND, **STRONG, "class_points": around})
        assert verdict.says == "mark" and verdict.mark.shown == "shown" and verdict.probability > UNSURE[1]
        assert "it adds 15.0 points of balanced accuracy" in verdict.mark.why


@pytest.mark.parametrize(("around", "shown"), [(-0.6, "cannot tell"), (0.29, "cannot tell"), (0.31, "shown")])
def test_what_all_surroundings_undo_is_not_called_a_mark(around: float, shown: str) -> None:
    """They hold the region; a model that they do not move its way gains nothing from it."""
    verdict = judge({**SOUND, **STRONG, "class_odds": around})
    assert verdict.mark.shown == shown and verdict.probability > UNSURE[1]
    assert ("all surroundings together, which hold it, hardly move the model that way" in verdict.mark.why) == (shown != "shown")
    weak = {key: value / 10 for key, value in STRONG.items()}
    assert judge({**SOUND, **weak, "class_odds": around}).mark.shown == "not shown"


def test_of_three_classes_the_surroundings_count_for_the_pair_of_the_region() -> None:
    assert judge({**SOUND, **STRONG, "held_odds": 0.1}).mark.shown == "cannot tell"
    assert judge({**SOUND, **STRONG, "class_odds": 0.1, "held_odds": 0.6}).mark.shown == "shown"


def test_an_effect_of_all_surroundings_without_a_region_is_no_mark() -> None:
    verdict = judge({**SOUND, "class_points": 20.0})
    assert verdict.says == "surroundings" and verdict.mark.shown == "not shown" and verdict.surroundings.shown == "shown"


def test_nothing_shown_is_called_so() -> None:
    assert judge(SOUND).says == "neither shown"


def test_between_the_two_kinds_of_networks_the_audit_cannot_tell() -> None:
    probabilities = np.array(
        [judge({**SOUND, **{k: s * v for k, v in STRONG.items()}}).probability for s in np.linspace(0, 1, 200)]
    )
    assert (np.diff(probabilities) >= 0).all(), "the more the region moves, the more probable a mark"
    told = [judge({**SOUND, **{k: s * v for k, v in STRONG.items()}}).mark.shown for s in np.linspace(0, 1, 200)]
    assert [one for one, before in zip(told, [None, *told], strict=False) if one != before] == [
        "not shown",
        "cannot tell",
        "shown",
    ]


@pytest.mark.parametrize(
    ("points", "error", "shown"),
    [(3.0, 1.0, "shown"), (2.0, 1.0, "not shown"), (3.0, 2.0, "cannot tell"), (20.0, 2.0, "shown"), (-9.0, 2.0, "not shown")],
)
def test_the_surroundings_are_left_open_only_where_the_interval_holds_much_and_little(
    points: float, error: float, shown: str
) -> None:
    assert AROUND == (1.0, 4.0)
    verdict = judge({**SOUND, "class_points": points, "class_points_error": error})
    assert verdict.surroundings.shown == shown
    assert verdict.says == {"shown": "surroundings", "not shown": "neither shown"}.get(shown, "cannot tell")


@pytest.mark.parametrize(
    ("few", "why"),
    [
        ({"least_films": 0.0, "mark_points": float("nan")}, "all audited films are of one class"),
        ({"least_films": LEAST_FILMS - 1.0}, f"a class has {LEAST_FILMS - 1} audited films, fewer than {LEAST_FILMS}"),
        ({"least_patients": LEAST_PATIENTS - 1.0}, f"a class has {LEAST_PATIENTS - 1} audited patients"),
        ({"above_chance": LEAST_ABOVE - 1}, "points above chance on these films"),
    ],
)
def test_too_little_evidence_is_said_with_its_reason(few: dict[str, float], why: str) -> None:
    verdict = judge({**SOUND, **STRONG, **few})
    assert verdict.says == verdict.mark.shown == verdict.surroundings.shown == "cannot tell"
    assert why in verdict.mark.why and np.isnan(verdict.probability)


def test_surroundings_that_are_shown_are_said_where_a_mark_is_left_open() -> None:
    open_mark, shown = Answer("cannot tell", "a"), Answer("shown", "b")
    assert Verdict(open_mark, shown, 0.5).says == "surroundings"
    assert Verdict(open_mark, Answer("not shown", "b"), 0.5).says == "cannot tell"


def test_a_verdict_is_stored_with_an_answer_to_each_question() -> None:
    told = told_verdict(Verdict(Answer("shown", "a"), Answer("not shown", "b"), 0.9))
    assert told == {
        "says": "mark",
        "probability": 0.9,
        "questions": {"mark": {"shown": "shown", "why": "a"}, "surroundings": {"shown": "not shown", "why": "b"}},
    }
