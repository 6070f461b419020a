"""Jobs for executors: they square a number, and write down that they began; some fail, wait or end their process."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare_counting(folder: str) -> Callable[[dict[str, Any]], int]:
    """A job is {"number"}; with `fails` it raises, with `dies` its first so many workers are killed, with `ends` they exit
    with code 1, with `seconds` it waits.
    """
    file = Path(folder) / "begun.txt"

    def work(job: dict[str, Any]) -> int:
        number = job["number"]
        with file.open("a") as stream:
            stream.write(f"{number}\n")
        time.sleep(job.get("seconds", 0))
        if job.get("fails"):
            raise ValueError(f"of job {number}")
        if file.read_text().split().count(str(number)) <= job.get("dies", 0):
            os.kill(os.getpid(), signal.SIGKILL)
        if job.get("ends"):
            os._exit(1)
        return int(number**2)

    return work


def prepare_summing(threads: int) -> Callable[[object], int]:
    """TensorFlow with so many threads; a job has it add numbers, and says how many threads it has."""
    import tensorflow as tf

    from hilum.training.learning.fit import begin_training

    begin_training(1, threads)

    def work(job: object) -> int:
        tf.reduce_sum(tf.ones(8)).numpy()
        return int(tf.config.threading.get_intra_op_parallelism_threads())

    return work
