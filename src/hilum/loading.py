"""Loading packages that take seconds: without their banners, and without garbage collection meanwhile."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """The block imports packages such as TensorFlow; failures still raise."""
    with without_banners(), _without_collector():
        yield


@contextmanager
def _without_collector() -> Iterator[None]:
    """No garbage collection while packages load, nor of their objects later: they stay, and it takes a fifth of the loading."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_banners() -> Iterator[None]:
    """Hide the start-up lines of TensorFlow and LiteRT about processors; failures still raise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
