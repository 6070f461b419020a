"""Films on which letters or text are still found after they were covered: listed, shown, left out, or a reason to stop."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hilum.data.burned_in.covering import STILL_FOUND
from hilum.data.burned_in.treatment import Treatment
from hilum.data.decoding.decoding import DecodedFilm
from hilum.data.quality.alike.copies import PROBLEMS
from hilum.records import Films

SHOWN = 12  # films whose pixels are kept for the picture
NAMED = 5  # in a message


@dataclass(frozen=True)
class StillBurnedIn:
    """Films on which something is still found.

    problems: columns copies.PROBLEMS, a row per film. films: image_id -> (size, size) uint8 of the first SHOWN of them.
    boxes: image_id -> (M, 4) x, y, width, height in pixels of the prepared film, of the same.
    """

    problems: pd.DataFrame
    films: Mapping[str, NDArray[np.uint8]]
    boxes: Mapping[str, NDArray[np.float64]]


def find_still_burned_in(rows: pd.DataFrame, decoded: Sequence[DecodedFilm], films: Films, treatment: Treatment) -> StillBurnedIn:
    """The films whose second search found something.

    rows: columns image_id, path; their index: rows of `films` (N, size, size) uint8. decoded: of each row.
    """
    places = [int(one.burned_in[4] or 0) if one.burned_in else 0 for one in decoded]
    fate = "; left out by prepare.burned_in_left" if treatment.left == "exclude" else ""
    details = [f"covered and searched again: still found in {count} places{fate}" for count in places]
    found = rows[["image_id", "path"]].assign(problem=STILL_FOUND, detail=details)[np.array(places, bool)]
    shown: dict[str, NDArray[np.uint8]] = {}
    boxes: dict[str, NDArray[np.float64]] = {}
    for row, name, one in zip(rows.index.to_numpy(), rows["image_id"], decoded, strict=True):
        if len(shown) < SHOWN and one.burned_in and one.geometry and int(one.burned_in[4] or 0):
            shown[name] = films[row].copy()
            boxes[name] = one.geometry.boxes_to_prepared(np.array(json.loads(one.burned_in[5])))
    return StillBurnedIn(found[list(PROBLEMS)], shown, boxes)


def stop_where_left(still: StillBurnedIn, treatment: Treatment) -> None:
    """Refuse films on which something is still found, where the user wants that.

    Raises:
        ValueError: such a film exists and `left` is stop.
    """
    if treatment.left == "stop" and len(still.problems):
        names = ", ".join(still.problems["image_id"].head(NAMED))
        more = f" and {len(still.problems) - NAMED} more" if len(still.problems) > NAMED else ""
        raise ValueError(
            f"no burned-in text may be left on a film (`prepare.burned_in_left: stop`), got {len(still.problems)} films where it "
            f"is still found after covering: {names}{more}; cover it in the raw files, or write exclude or keep"
        )
