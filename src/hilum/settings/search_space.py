"""The parts of a section of params.yaml: numbers and names in their ranges, and values that may be searched."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]  # accepted by NumPy, Keras and scikit-learn
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]  # accepted as a key by DVC's overrides


def read_number(value: Any) -> Any:
    """The value; a fraction such as 1/255, which YAML has as text, as a number."""
    above, slash, below = value.partition("/") if isinstance(value, str) else ("", "", "")
    try:
        return float(above) / float(below) if slash else value
    except (ValueError, ZeroDivisionError):
        return value


TwoNumbers = Annotated[list[Annotated[float, BeforeValidator(read_number)]], Field(min_length=2, max_length=2)]


class Section(BaseModel):
    """Values of one mapping of params.yaml; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Choice = bool | float | int | str
When = dict[str, list[Choice]]  # key of another space -> the values of it with which a space is searched


class Range(Section):
    """A searched number: low and high inclusive, start is tried first, on a logarithmic scale if log.

    step: between two values that are tried; None for any value. when: searched only while these spaces have these values.
    """

    low: float
    high: float
    log: bool = False
    start: float
    step: Positive | None = None
    when: When = {}

    @model_validator(mode="after")
    def _ordered(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got low={self.low}, high={self.high}; a single value needs no search")
        if not self.low <= self.start <= self.high:
            raise ValueError(f"start must lie within low..high, got start={self.start} for {self.low}..{self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range must have low above 0, got low={self.low}")
        if self.step is not None and self.log:
            raise ValueError(f"a range must have a step or a logarithmic scale, got both, step={self.step}; remove one")
        if self.step is not None:
            for name, value in (("high", self.high), ("start", self.start)):
                steps = (value - self.low) / self.step
                if abs(steps - round(steps)) > 1e-9:
                    raise ValueError(
                        f"{name} must be a whole number of steps above low, got {value} for {self.low} + n x {self.step}"
                    )
        return self


class Choices(Section):
    """A searched value from a list; start is tried first. when: as in `Range`."""

    choices: list[Choice]
    start: Choice
    when: When = {}

    @model_validator(mode="after")
    def _contained(self) -> "Choices":
        if len(set(self.choices)) < 2 or self.start not in self.choices:
            raise ValueError(f"choices must be two or more that include start, got {self.choices} and start={self.start}")
        return self


def kind_of_space(value: Any) -> str:
    """range, list or value: the intended kind of a searched value, by its keys."""
    keys = value if isinstance(value, Mapping) else type(value).model_fields if isinstance(value, Section) else ()
    return "range" if "low" in keys or "high" in keys else "list" if "choices" in keys else "value"


T = TypeVar("T")
Chosen = Annotated[Annotated[T, Tag("value")] | Annotated[Choices, Tag("list")], Discriminator(kind_of_space)]  # no number
Searched = Annotated[
    Annotated[T, Tag("value")] | Annotated[Range, Tag("range")] | Annotated[Choices, Tag("list")], Discriminator(kind_of_space)
]
