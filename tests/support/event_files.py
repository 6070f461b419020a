"""Event files, read by TensorBoard's own reader."""

from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def read_curves(folder: Path) -> dict[str, list[tuple[int, np.float32]]]:
    """Curve -> (step, value) of each of its points, over all event files of the folder."""
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    found.Reload()
    return {tag: [(point.step, np.float32(point.value)) for point in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
