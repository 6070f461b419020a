"""The sanity gate's verdicts in words, and how they are attached to maps."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from hilum.records import Attribution

PASSES, FAILS, NO_EVIDENCE = "passes", "fails sanity", "no evidence"  # verdicts


def verdicts_of(table: pd.DataFrame) -> dict[str, str]:
    """Method -> verdict, from a table of `judge`."""
    return dict(zip(table["method"], table["verdict"], strict=True))


def stamp_sanity(found: Mapping[str, Attribution], verdicts: Mapping[str, str]) -> dict[str, Attribution]:
    """The maps with the verdicts on their methods; a method without one counts as not tested."""
    return {name: replace(one, sanity=verdicts.get(name, "")) for name, one in found.items()}
