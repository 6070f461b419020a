"""What `hilum app` hands to the script that Streamlit runs: one JSON text as its only argument."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Startup:
    """What the app was started with.

    models: addresses of one or two models, as `predict --model` takes them; none: the app chooses. films: folder of films to page
    through, or empty. readings: folder of readers' marks and of blinded readings; it is made when the first is written.
    """

    root: str
    models: tuple[str, ...] = ()
    films: str = ""
    readings: str = ""

    def as_argument(self) -> str:
        return json.dumps(asdict(self))


def read_argument(text: str) -> Startup:
    """The start that `as_argument` wrote."""
    values = json.loads(text)
    return Startup(**{**values, "models": tuple(values["models"])})
