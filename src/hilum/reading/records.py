"""One record of a reader: marks on a film, an answer, or both, and what was visible when it was made."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from hilum.reading.shapes import Shape, read_shapes, write_shapes

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
TAKEN = ("truth", "model", "film", "patient")  # columns of tables in which a reader's code is one as well
LONGEST = {"finding": 100, "comment": 500}  # characters
CONFIDENCES = {1: "guess", 2: "unsure", 3: "likely", 4: "sure", 5: "certain"}
MODEL = ("model_sha256", "data_version", "split_version")  # facts of the model that was open


@dataclass(frozen=True)
class FilmFile:
    """The film of a record.

    name: below its folder; empty where a name could be a patient's (DICOM) or is unknown. sha256: of the file's bytes.
    width, height: upright, in pixels of its own size.
    """

    name: str
    sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Seen:
    """What was visible, now or earlier in the session, when a record was made."""

    verdict: bool = False
    map: bool = False


@dataclass(frozen=True)
class Answer:
    """What a reader says of a film. label: a class. confidence: one of CONFIDENCES."""

    label: str
    confidence: int


@dataclass(frozen=True)
class Record:
    """One line of a reader's file.

    time: UTC, ISO 8601. finding: what the shapes show. model: facts of MODEL, empty without a model.
    second_thought: made after the film's answer was final and the truth or the prediction shown.
    replaces: id of the record that this one corrects, or empty. id: a hash of all else.
    """

    reader: str
    time: str
    film: FilmFile
    shapes: tuple[Shape, ...]
    seen: Seen
    finding: str = ""
    comment: str = ""
    answer: Answer | None = None
    second_thought: bool = False
    model: Mapping[str, str] = field(default_factory=dict)
    replaces: str = ""

    @property
    def id(self) -> str:
        return hashlib.sha256(json.dumps(self._values(), sort_keys=True).encode()).hexdigest()[:32]

    def line(self) -> str:
        """The record as one line of JSON, without a line break."""
        return json.dumps({"id": self.id, **self._values()}, ensure_ascii=False)

    def _values(self) -> dict[str, Any]:
        return {**asdict(self), "model": dict(self.model), "shapes": write_shapes(self.shapes)}


def check_reader(code: str) -> str:
    """A reader's code, without blanks around it.

    Raises:
        ValueError: it is not a code, but for example a name with blanks.
    """
    if not CODE.fullmatch(code.strip()) or code.strip().lower() in TAKEN:
        raise ValueError(f"a reader's code must be 1 to 32 letters, digits, _ or -, got {code!r}; use a code such as R1, no name")
    return code.strip()


def make_record(
    reader: str,
    film: FilmFile,
    shapes: Any,
    seen: Seen,
    *,
    finding: str = "",
    comment: str = "",
    answer: Answer | None = None,
    second_thought: bool = False,
    model: Mapping[str, Any] | None = None,
    replaces: str = "",
    classes: Sequence[str] = (),
) -> Record:
    """A record of now, with everything checked. shapes: plain values, as `read_shapes` takes them. classes: the legal answers.

    Raises:
        ValueError: a reader's code, shape, text or answer that is not allowed.
    """
    for name, text in (("finding", finding), ("comment", comment)):
        if len(text) > LONGEST[name]:
            raise ValueError(f"a {name} must have at most {LONGEST[name]} characters, got {len(text)}; shorten it")
    if answer and classes and answer.label not in classes:
        raise ValueError(f"an answer must be one of {', '.join(classes)}, got {answer.label!r}")
    if answer and answer.confidence not in CONFIDENCES:
        raise ValueError(f"a confidence must be one of {', '.join(map(str, CONFIDENCES))}, got {answer.confidence!r}")
    return Record(
        reader=check_reader(reader),
        time=datetime.now(UTC).isoformat(timespec="microseconds"),
        film=film,
        shapes=read_shapes(shapes, film.width, film.height),
        seen=seen,
        finding=finding.strip(),
        comment=comment.strip(),
        answer=answer,
        second_thought=second_thought,
        model={key: str(model[key]) for key in MODEL if model and model.get(key)},
        replaces=replaces,
    )


def read_record(line: str) -> Record:
    """The record of a line that `Record.line` wrote.

    Raises:
        ValueError: it is not such a line, or was changed since.
    """
    try:
        values = json.loads(line)
        told = values.pop("id")
        film, seen, answer = FilmFile(**values.pop("film")), Seen(**values.pop("seen")), values.pop("answer")
        shapes = read_shapes(values.pop("shapes"), film.width, film.height)
        record = Record(film=film, shapes=shapes, seen=seen, answer=Answer(**answer) if answer else None, **values)
    except (TypeError, KeyError, AttributeError, ValueError) as fault:
        raise ValueError(f"a line must be a reader's record, got {line[:40]!r} ({fault})") from None
    if record.id != told:
        raise ValueError(f"a record must be as it was written, got {told} with other content; the line was changed")
    return record
