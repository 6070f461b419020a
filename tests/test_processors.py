"""The processors that a process may use, counted in a process of its own."""

import os
import subprocess
import sys

import pytest

from hilum.processors import processor_name


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="there is no affinity on this system")
def test_processors_that_a_process_is_kept_off_do_not_count() -> None:
    counts = "from hilum.processors import usable_processors as count; print(count())"
    one = min(os.sched_getaffinity(0))
    kept_off = f"import os; os.sched_setaffinity(0, [{one}]); {counts}"
    told = [subprocess.check_output([sys.executable, "-c", code], text=True) for code in (counts, kept_off)]
    assert [int(count) for count in told] == [len(os.sched_getaffinity(0)), 1]


def test_the_name_is_the_same_line_each_time() -> None:
    assert processor_name() == processor_name()
    assert "\n" not in processor_name()
