"""Progress without a terminal: a line now and then, and again for the next job."""

import pytest

from hilum.progress import STEPS, bar, tell_time_left


def test_a_job_says_a_few_lines_and_its_end_and_so_does_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    report = bar("films prepared")
    for _ in range(2):
        for done in range(1, 101):
            report(done, 100)
        said = capsys.readouterr().out.splitlines()
        assert len(said) == STEPS and said[-1] == "  films prepared 100/100"


def test_a_job_of_nothing_is_at_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    bar("films prepared")(0, 0)
    assert capsys.readouterr().out == "  films prepared 0/0\n"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ((60.0, 2, 5), "took 30 s; about 2 min left"),
        ((600.0, 1, 3), "took 10 min; about 20 min left"),
        ((9000.0, 1, 2), "took 2.5 h; about 2.5 h left"),
        ((40.0, 4, 4), "took 10 s"),
    ],
)
def test_the_time_that_is_left_follows_from_the_parts_that_are_done(given: tuple[float, int, int], told: str) -> None:
    assert tell_time_left(*given) == told
