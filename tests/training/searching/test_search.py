"""The search with a train function that costs nothing, on real studies in a real database."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from search_settings import make_tune, run_here

from hilum.ownership import Owner
from hilum.settings.search_space import Choices, Range
from hilum.training.searching.pruning import Outcome, Pruned, Report, Values
from hilum.training.searching.search import Found, Watch, search, study_name
from hilum.training.searching.studies import open_study

SPACES: dict[str, Range | Choices] = {
    "head.dropout": Range(low=0.0, high=0.5, start=0.2),
    "phases.0.learning_rate": Range(low=1e-4, high=1e-2, log=True, start=1e-3),
    "phases.0.epochs": Range(low=2, high=9, start=5),
    "head.weight_decay": Choices(choices=[0.0, 1e-4, 1e-2], start=1e-4),
}
START = {key: space.start for key, space in SPACES.items()}


def never_waits(owner: Owner) -> None:
    raise AssertionError(f"waits for {owner}, and there is one process")


class Diary:
    """What a search reported, and what was asked of the train function."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.asked: list[Values] = []
        self.told: list[str] = []

    def watch(self) -> Watch:
        def ended(number: int, values: Values, outcome: Outcome) -> None:
            self.events.append((number, values, outcome.state, outcome.metrics, outcome.history))

        return Watch(ended, never_waits, self.told.append)

    def train(self, values: Values, report: Report) -> dict[str, float]:
        """Six epochs that rise to a height that the values decide; best at a rate of 3e-3 and little dropout."""
        self.asked.append(values)
        height = 0.9 - abs(math.log10(values["phases.0.learning_rate"] / 3e-3)) / 4 - values["head.dropout"] / 10
        for step in range(6):
            report(step, {"select": height * (step + 1) / 6, "val/auroc": height * (step + 1) / 6})
        return {"select": height, "val/auroc": height}


def run(folder: Path, trials: int, diary: Diary, train: Any = None, **given: Any) -> Found:
    name, spaces, signs = given.pop("name", "baseline-1"), given.pop("spaces", SPACES), given.pop("signs", {"auroc": 1})
    parts = given.pop("parts", {"code": "1"})
    tune = make_tune(trials=trials, **given)
    database = folder / "deep" / "studies.db"
    return search(name, spaces, tune, signs, database, run_here(tune, train or diary.train), diary.watch(), parts)


def test_no_trials_and_no_spaces_take_every_start(tmp_path: Path) -> None:
    diary = Diary()
    found = run(tmp_path, 0, diary)
    assert found.best == START
    assert len(found.trials) == len(found.history) == 0
    assert run(tmp_path, 5, diary, spaces={}).best == {}
    assert diary.asked == diary.events == []
    assert not (tmp_path / "deep").exists()


def test_the_first_trial_is_start_and_the_best_value_is_returned(tmp_path: Path) -> None:
    diary = Diary()
    found = run(tmp_path, 4, diary)
    assert diary.asked[0] == START
    assert len(diary.asked) == len(found.trials) == 4
    finished = found.trials[found.trials["state"] == "COMPLETE"]
    assert found.trials["best"].sum() == 1 and found.trials["best"][finished["value"].idxmax()]
    row = finished.loc[finished["value"].idxmax()]
    assert found.best == {key: row[key] for key in SPACES}
    assert found.trials["value"].equals(found.trials["val/auroc"])


def test_values_stay_in_their_spaces(tmp_path: Path) -> None:
    diary = Diary()
    found = run(tmp_path, 12, diary)
    rates = []
    for values in diary.asked:
        assert set(values) == set(SPACES)
        assert 0 <= values["head.dropout"] <= 0.5
        assert 1e-4 <= values["phases.0.learning_rate"] <= 1e-2
        assert isinstance(values["phases.0.epochs"], int)
        assert 2 <= values["phases.0.epochs"] <= 9
        assert values["head.weight_decay"] in [0.0, 1e-4, 1e-2]
        rates.append(values["phases.0.learning_rate"])
    assert min(rates) < 1e-3 < max(rates)
    assert len(set(rates)) == 12  # the sampler is seeded anew for each trial, but not with the same number
    assert isinstance(found.best["phases.0.epochs"], int)


def test_a_logarithmic_range_gives_each_power_of_ten_its_share(tmp_path: Path) -> None:
    """Of the random trials before the model takes over, about half lie below the geometric mean; linearly a tenth would."""
    key = "phases.0.learning_rate"
    drawn: list[float] = []

    def train(values: Values, report: Report) -> dict[str, float]:
        drawn.append(values[key])
        report(0, {"select": 0.5, "val/auroc": 0.5})
        return {"select": 0.5, "val/auroc": 0.5}

    for seed in range(4):
        run(
            tmp_path, 5, Diary(), train=train, name=f"study-{seed}", seed=100 * seed, sampler_startup=5, spaces={key: SPACES[key]}
        )
    assert 4 <= sum(rate < 1e-3 for rate in drawn) <= 12


def without_learning(values: Values, report: Report) -> dict[str, float]:
    raise AssertionError("a finished search must not train")


def test_a_study_is_continued_to_a_number_of_trials_not_by_it(tmp_path: Path) -> None:
    first, second, third = Diary(), Diary(), Diary()
    run(tmp_path, 3, first)
    longer = run(tmp_path, 5, second)
    assert (len(first.asked), len(second.asked), len(longer.trials)) == (3, 2, 5)
    again = run(tmp_path, 5, third, train=without_learning)
    pd.testing.assert_frame_equal(again.trials, longer.trials)
    pd.testing.assert_frame_equal(again.history, longer.history)
    assert again.best == longer.best


def test_n_trials_are_the_first_n_however_many_the_study_holds(tmp_path: Path) -> None:
    few, longer = Diary(), Diary()
    wanted = run(tmp_path / "few", 3, few)
    best = run(tmp_path / "many", 8, longer)
    assert best.best != wanted.best, "a later trial must be the best, or this test shows nothing"
    again = Diary()
    found = run(tmp_path / "many", 3, again, train=without_learning)
    assert found.best == wanted.best
    pd.testing.assert_frame_equal(found.trials, wanted.trials)
    pd.testing.assert_frame_equal(found.history, wanted.history)
    assert again.events == few.events, "what is replayed is of the first three too"
    assert run(tmp_path / "many", 8, Diary(), train=without_learning).best == best.best
    assert len(run(tmp_path / "many", 9, Diary()).trials) == 9


def test_the_first_n_trials_are_refused_if_all_of_them_were_pruned(tmp_path: Path) -> None:
    diary = Diary()

    def train(values: Values, report: Report) -> dict[str, float]:
        if len(diary.asked) < 2:
            diary.asked.append(values)
            report(0, {"select": math.nan, "val/auroc": math.nan})
            return {"select": math.nan, "val/auroc": math.nan}
        return diary.train(values, report)

    assert len(run(tmp_path, 4, diary, train=train).trials) == 4
    with pytest.raises(ValueError, match="all 2 of baseline-1 were pruned"):
        run(tmp_path, 2, Diary(), train=without_learning)


@pytest.mark.parametrize(("startup", "modelled"), [(2, [2, 3, 4, 5]), (4, [4, 5]), (6, [])])
def test_the_sampler_models_after_its_own_number_of_trials(
    startup: int, modelled: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen where the sampler fits its densities, which it does for no random trial."""
    import optuna

    fitted: list[int] = []
    sample = optuna.samplers.TPESampler._sample

    def listen(self: Any, study: Any, trial: Any, search_space: Any) -> Any:
        fitted.append(trial.number)
        return sample(self, study, trial, search_space)

    monkeypatch.setattr(optuna.samplers.TPESampler, "_sample", listen)
    run(tmp_path, 6, Diary(), sampler_startup=startup)
    assert sorted(set(fitted)) == modelled


def test_a_continued_search_tells_all_trials_again(tmp_path: Path) -> None:
    """The record of a continued search equals that of one that ran through."""
    through, second = Diary(), Diary()
    run(tmp_path / "one", 5, through)
    run(tmp_path / "two", 3, Diary())
    run(tmp_path / "two", 5, second)
    assert second.events == through.events


@pytest.mark.parametrize("cut_off", [0, 2, 7])
def test_an_interrupted_search_finds_what_an_uninterrupted_one_does(cut_off: int, tmp_path: Path) -> None:
    through = Diary()
    expected = run(tmp_path / "one", 9, through)
    diary = Diary()

    def stop(values: Values, report: Report) -> dict[str, float]:
        if len(diary.asked) == cut_off:
            report(0, {"select": 0.1, "val/auroc": 0.1})
            raise KeyboardInterrupt
        return diary.train(values, report)

    for _ in range(2):  # interrupted twice at the same place
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "two", 9, diary, train=stop)
    second = Diary()
    found = run(tmp_path / "two", 9, second)
    assert diary.asked + second.asked == through.asked
    assert found.best == expected.best
    pd.testing.assert_frame_equal(found.trials, expected.trials)
    pd.testing.assert_frame_equal(found.history, expected.history)
    assert second.events == through.events


def test_a_trial_that_an_earlier_version_left_unfinished_changes_nothing(tmp_path: Path) -> None:
    through, diary = Diary(), Diary()
    expected = run(tmp_path / "one", 4, through)
    run(tmp_path / "two", 1, Diary())
    with open_study("baseline-1", tmp_path / "two" / "deep" / "studies.db", 1, never_waits, {}, diary.told.append) as study:
        study.ask().suggest_float("head.dropout", 0.0, 0.5)
    found = run(tmp_path / "two", 4, diary)
    assert found.best == expected.best
    pd.testing.assert_frame_equal(found.trials, expected.trials)
    assert diary.events == through.events


def test_a_search_by_a_loss_stops_the_higher_ones_keeps_the_lowest_and_tells_them_as_they_are(tmp_path: Path) -> None:
    losses = iter([0.9, 0.6, 2.5, 0.4, 0.7])

    def train(values: Values, report: Report) -> dict[str, float]:
        loss = next(losses)
        metrics = {"select": -loss, "val/log_loss": loss}
        for step in range(6):
            report(step, metrics)
        return metrics

    found = run(tmp_path, 5, Diary(), train=train, metric="log_loss", signs={"log_loss": -1})
    assert found.trials["state"].tolist() == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE", "PRUNED"]
    assert found.trials["value"].tolist() == [0.9, 0.6, 2.5, 0.4, 0.7]
    assert found.trials["best"].tolist() == [False, False, False, True, False]
    assert found.best == {key: found.trials[key][3] for key in SPACES}


def test_a_trial_worse_than_the_median_is_stopped_and_recorded(tmp_path: Path) -> None:
    diary = Diary()
    heights = iter([0.5, 0.6, 0.1, 0.7])

    def train(values: Values, report: Report) -> dict[str, float]:
        height = next(heights)
        for step in range(6):
            report(step, {"select": height, "val/auroc": height})
        return {"select": height, "val/auroc": height}

    found = run(tmp_path, 4, diary, train=train)
    assert found.trials["state"].tolist() == ["COMPLETE", "COMPLETE", "PRUNED", "COMPLETE"]
    assert found.trials["value"].tolist() == [0.5, 0.6, 0.1, 0.7]
    assert found.trials["number"].tolist() == [0, 1, 2, 3]
    assert found.history.groupby("trial")["step"].count().tolist() == [6, 6, 4, 6]
    assert [event[2] for event in diary.events] == found.trials["state"].tolist()
    assert diary.events[2][3] == {"select": 0.1, "val/auroc": 0.1}


def test_no_trial_is_stopped_before_the_stated_number_has_finished(tmp_path: Path) -> None:
    heights = iter([0.9, 0.1, 0.1])

    def train(values: Values, report: Report) -> dict[str, float]:
        height = next(heights)
        for step in range(6):
            report(step, {"select": height, "val/auroc": height})
        return {"select": height, "val/auroc": height}

    assert set(run(tmp_path, 3, Diary(), train=train, startup_trials=3).trials["state"]) == {"COMPLETE"}


def test_a_search_whose_trials_were_all_stopped_is_refused(tmp_path: Path) -> None:
    def train(values: Values, report: Report) -> dict[str, float]:
        report(0, {"select": 0.1, "val/auroc": 0.1})
        raise Pruned

    told = r"all 3 of baseline-1 were pruned or had no value of auroc; raise tune\.startup_trials, or choose tune\.pruner none"
    with pytest.raises(ValueError, match=told):
        run(tmp_path, 3, Diary(), train=train)
    with pytest.raises(
        ValueError, match=r"had no value of auroc; choose tune\.pruner none"
    ):  # no other pruner reads startup_trials
        run(tmp_path / "hyperband", 3, Diary(), train=train, pruner="hyperband")


def test_a_search_without_a_pruner_whose_metric_was_never_defined_says_so(tmp_path: Path) -> None:
    def train(values: Values, report: Report) -> dict[str, float]:
        report(0, {"select": math.nan, "val/auroc": math.nan})
        return {"select": math.nan, "val/auroc": math.nan}

    with pytest.raises(ValueError, match=r"auroc was undefined in all 3 of baseline-1; choose log_loss as tune\.metric"):
        run(tmp_path, 3, Diary(), train=train, pruner="none")


def test_an_error_in_training_reaches_the_caller_and_the_trial_runs_again(tmp_path: Path) -> None:
    def fail(values: Values, report: Report) -> dict[str, float]:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(tmp_path, 2, Diary(), train=fail)
    diary = Diary()
    assert len(run(tmp_path, 2, diary).trials) == 2
    assert diary.asked[0] == START


def test_a_trial_that_diverges_is_recorded_and_does_not_end_the_search(tmp_path: Path) -> None:
    diary = Diary()

    def train(values: Values, report: Report) -> dict[str, float]:
        if not diary.asked:
            diary.asked.append(values)
            for step in range(6):
                report(step, {"select": math.nan, "val/auroc": math.nan})
            return {"select": math.nan, "val/auroc": math.nan}
        return diary.train(values, report)

    found = run(tmp_path, 3, diary, train=train)
    assert len(found.trials) == 3
    assert found.trials["state"][0] != "COMPLETE"
    assert found.best == {key: diary.asked[found.trials["value"].idxmax()][key] for key in SPACES}


@pytest.mark.parametrize("undefined", ["val/auroc", "val/log_loss"])
def test_a_trial_without_one_of_several_metrics_is_recorded_and_does_not_end_the_search(undefined: str, tmp_path: Path) -> None:
    diary, signs = Diary(), {"auroc": 1, "log_loss": -1}

    def train(values: Values, report: Report) -> dict[str, float]:
        reached = {**diary.train(values, lambda *_: None), "val/log_loss": 0.5}
        reached |= {undefined: math.nan} if len(diary.asked) in (1, 4) else {}
        metrics = {**reached, "select": reached["val/auroc"]}
        report(0, metrics)
        return metrics

    found = run(tmp_path, 6, diary, train=train, metric=list(signs), signs=signs, pruner="none")
    assert (found.trials["state"] == "COMPLETE").tolist() == [False, True, True, False, True, True]
    assert not found.trials["best"][[0, 3]].any() and found.trials["best"].sum() == 1


def test_another_study_of_the_same_database_starts_anew(tmp_path: Path) -> None:
    run(tmp_path, 3, Diary())
    other = Diary()
    run(tmp_path, 3, other, name="baseline-2")
    assert len(other.asked) == 3


def test_another_seed_draws_other_trials(tmp_path: Path) -> None:
    one, other = Diary(), Diary()
    run(tmp_path, 3, one)
    run(tmp_path, 3, other, name="baseline-2", seed=99)
    assert one.asked[0] == other.asked[0]
    assert one.asked[1] != other.asked[1]


def test_an_unreadable_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "studies.db").write_bytes(b"no database" * 500)
    with pytest.raises(ValueError, match=r"studies\.db"):
        run(tmp_path, 3, Diary())


def test_a_study_is_named_after_its_arm_and_all_that_decides_it() -> None:
    made_of = {"seed": 1, "versions": {"data": "a", "split": "b"}, "weights": Path("w")}
    name = study_name("baseline", made_of)
    assert name.startswith("baseline-")
    assert study_name("baseline", dict(reversed(made_of.items()))) == name
    assert study_name("finetuned", made_of).split("-")[1] == name.split("-")[1]
    assert study_name("baseline", {**made_of, "seed": 2}) != name
    assert study_name("baseline", {**made_of, "versions": {"data": "a", "split": "c"}}) != name
