"""Progress without a terminal: a line now and then, and again for the next job."""

import pytest

from hilum.progress import STEPS, bar


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
