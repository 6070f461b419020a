"""A model's answers for a folder of films: a CSV with a row per file, written as it goes, and panels beside it."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hilum.data.annotations import FilmMarks, no_marks
from hilum.data.decoding.marked_film import prepare_marked
from hilum.data.prepared.rows import as_images
from hilum.data.readers.listing import list_pictures_and_dicoms
from hilum.evaluation.scoring.decisions import verdict
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import Answer, draw_panel, tell_answer
from hilum.explain.explained_model import Subject
from hilum.explain.methods.registry import METHODS
from hilum.models.forward import BATCH
from hilum.progress import bar, say
from hilum.records import Labels
from hilum.settings.params import Params


def predict_folder(
    subject: Subject, described: dict[str, Any], images: Path, out: Path, methods: Mapping[str, str], params: Params
) -> None:
    """Answer for every film below a folder that the CSV does not hold yet.

    methods: those to explain by -> the sanity gate's verdict on each.
    """
    classes = list(described["classes"])
    header = ["file", "predicted", *(f"p_{name}" for name in classes), "error", "model_sha256"]
    done = read_done(out, header, described["model_sha256"])
    names = [str(path) for path in list_pictures_and_dicoms(images)]
    if not names:
        raise ValueError(f"--images must hold films (PNG, JPEG, DICOM), got none below {images}")
    todo = [name for name in names if name not in done]
    say(f"{len(names)} films, {len(done & set(names))} answered before")
    report = bar("films answered")
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not done and file.tell() == 0:
            writer.writerow(header)
        for start in range(0, len(todo), BATCH):
            for row in answer_batch(subject, described, images, todo[start : start + BATCH], methods, params, out):
                writer.writerow([*row, described["model_sha256"]])
            file.flush()
            report(min(start + BATCH, len(todo)), len(todo))


def read_done(out: Path, header: list[str], model_sha256: str) -> set[str]:
    """The files that a CSV holds already; a line that was cut off is dropped.

    Raises:
        ValueError: the CSV has other columns or comes from another model.
    """
    if not out.is_file() or not out.stat().st_size:
        return set()
    text = out.read_text()
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        out.write_text(text)
    rows = list(csv.reader(text.splitlines()))
    if rows and rows[0] != header:
        raise ValueError(f"{out} must have the columns {', '.join(header)}, got {', '.join(rows[0])}; name another file")
    strange = {row[-1] for row in rows[1:]} - {model_sha256}
    if strange:
        raise ValueError(f"{out} holds answers of another model ({min(strange)[:12]}); name another file")
    return {row[0] for row in rows[1:]}


def answer_batch(
    subject: Subject,
    described: dict[str, Any],
    images: Path,
    names: list[str],
    methods: Mapping[str, str],
    params: Params,
    out: Path,
) -> list[list[str]]:
    """A row per file, in the order of the names: the verdict and probabilities, or the error."""
    films: dict[str, np.ndarray] = {}
    marks: list[FilmMarks] = []
    errors: dict[str, str] = {}
    for name in names:
        try:
            film = prepare_marked(images / name, described["size"], described["square"], described.get("markers", "keep"))
            films[name] = film.film
            marks.append(no_marks(film.geometry))
        except ValueError as fault:
            errors[name] = str(fault)
    classes = list(described["classes"])
    answers: dict[str, list[str]] = {name: [name, "", *("" for _ in classes), error] for name, error in errors.items()}
    if films:
        stack = np.stack(list(films.values()))
        probabilities = subject.predict(as_images(stack))
        verdicts = verdict(probabilities, described["threshold"])
        for name, row, k in zip(films, probabilities, verdicts, strict=True):
            answers[name] = [name, classes[k], *(f"{p:.6g}" for p in row), ""]
        if methods:
            threshold = described["threshold"]
            told = [
                tell_answer(name, classes, row, int(k), int(k), threshold)
                for name, row, k in zip(films, probabilities, verdicts, strict=True)
            ]
            draw_explanations(subject, stack, told, marks, verdicts, methods, params, out)
    return [answers[name] for name in names]


def draw_explanations(
    subject: Subject,
    films: np.ndarray,
    answers: Sequence[Answer],
    marks: Sequence[FilmMarks],
    verdicts: Labels,
    methods: Mapping[str, str],
    params: Params,
    out: Path,
) -> None:
    """One panel per film beside the CSV, in <name of the CSV>_panels/."""
    folder = out.with_name(f"{out.stem}_panels")
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for method, sanity in methods.items():
        settings = getattr(params.explain, method).model_dump()
        explained = METHODS[method].explain(
            subject, as_images(films), verdicts, settings, params.explain.seed, bar(METHODS[method].title)
        )
        found.append(replace(explained, sanity=sanity))
    for index, answer in enumerate(answers):
        figure = draw_panel(films[index], found, index, answer, marks[index])
        (folder / f"{answer.film.replace('/', '_')}.png").write_bytes(png_bytes(figure))
