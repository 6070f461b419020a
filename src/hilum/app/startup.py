"""What `hilum app` hands to the script that Streamlit runs: one JSON text as its only argument."""

import json
from dataclasses import asdict, dataclass, field

from hilum.serving.model_facts import Told


@dataclass(frozen=True)
class Startup:
    """What the app was started with.

    root: the project's folder. models: addresses of one or two models, as `predict --model` takes them; none: the first that is
    offered. offered: addresses to choose from. told: facts of the first. films: folder of films to page through, or empty.
    readings: folder of readers' marks and of blinded readings; it is made when the first is written. shared: whether others
    reach the app over a network, who must not name files of this machine.
    """

    root: str
    models: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    told: Told = field(default_factory=Told)
    films: str = ""
    readings: str = ""
    shared: bool = False

    def as_argument(self) -> str:
        return json.dumps(asdict(self))


def read_argument(text: str) -> Startup:
    """The start that `as_argument` wrote."""
    values = json.loads(text)
    return Startup(**{**values, **{key: tuple(values[key]) for key in ("models", "offered")}, "told": Told(**values["told"])})
