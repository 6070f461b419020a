"""Panels of a folder's films, beside the CSV of their predictions: drawn where none shows the current prediction yet."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hilum.data.annotations import no_annotations
from hilum.data.decoding.covered_film import CoveredFilm
from hilum.data.model_treatment import read_treatment
from hilum.data.prepared.examples import as_images
from hilum.evaluation.scoring.decisions import factors_of
from hilum.explain.drawing.file_names import file_name
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import describe_prediction, draw_panel
from hilum.explain.explained_model import ExplainedModel
from hilum.explain.methods.registry import METHODS
from hilum.explain.methods.shap_gradients import hash_films
from hilum.progress import bar
from hilum.results import digest
from hilum.serving.prediction_table import Cells
from hilum.settings.explain import Explain
from hilum.whole_files import write_whole

SEAL = "hilum-panel"  # keyword of the text in a PNG that says what the panel shows
HEAD = 33  # bytes of a PNG before its second chunk: the signature and IHDR (PNG specification, 5.2 and 11.2.1)


@dataclass(frozen=True)
class Panels:
    """The panels of one CSV.

    folder: where they are; methods: those that they show -> the sanity gate's verdict on each.
    """

    folder: Path
    explained: ExplainedModel
    described: Mapping[str, Any]
    methods: Mapping[str, str]
    settings: Explain
    seed: int

    def lacks(self, cells: Cells) -> bool:
        """Whether there is no panel of the prediction in this row of the CSV, by these methods with these settings."""
        try:
            with Image.open(self._file(cells[0])) as picture:
                return picture.info.get(SEAL) != self._seal(cells)
        except OSError:  # no file of this name, or not a picture
            return True

    def draw(self, films: Mapping[str, CoveredFilm], rows: Sequence[Cells]) -> dict[str, str]:
        """Draw the panels of these rows, all of which have predictions; films: by name. Returns name -> why it failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        classes, threshold, factors = list(self.described["classes"]), self.described["threshold"], factors_of(self.described)
        shown = [films[cells[0]] for cells in rows]
        images = as_images(np.stack([film.film for film in shown]))  # (N, H, W, 1)
        predicted = np.array([classes.index(cells[1]) for cells in rows])
        found = []
        for method, sanity in self.methods.items():
            own = getattr(self.settings, method).model_dump()
            explained = METHODS[method].explain(self.explained, images, predicted, own, self.seed, bar(METHODS[method].title))
            found.append(replace(explained, sanity=sanity))
        faults = {}
        for i, (film, cells) in enumerate(zip(shown, rows, strict=True)):
            probabilities = np.array(cells[2:-2], np.float64)
            prediction = describe_prediction(
                cells[0], classes, probabilities, int(predicted[i]), int(predicted[i]), threshold, factors=factors
            )
            try:
                figure = draw_panel(film.film, found, i, prediction, no_annotations(film.geometry))
                write_whole(self._file(cells[0]), seal_png(png_bytes(figure), self._seal(cells)))
            except (ValueError, OSError) as fault:  # OSError: its name is taken by a folder, or the disk is full
                faults[cells[0]] = str(fault)
        return faults

    def _file(self, film: str) -> Path:
        return self.folder / f"{file_name(film)}.png"

    def _seal(self, cells: Cells) -> str:
        return digest([cells, self._shared])

    @cached_property
    def _shared(self) -> str:
        own = {name: [getattr(self.settings, name).model_dump(), sanity] for name, sanity in self.methods.items()}
        background = None if self.explained.background is None else hash_films(self.explained.background)
        facts = {key: self.described.get(key) for key in ("classes", "threshold", "size", "square")}
        facts["burned_in"] = astuple(read_treatment(self.described))
        if self.described.get("decision_factors") is not None:  # left out where there are none: older panels stay valid
            facts["decision_factors"] = self.described["decision_factors"]
        return digest([own, self.seed, background, facts])


def seal_png(picture: bytes, told: str) -> bytes:
    """The picture with a text inside (PNG specification, 11.3.4.3, tEXt), which Pillow gives as `info[SEAL]`."""
    chunk = b"tEXt" + SEAL.encode() + b"\0" + told.encode("latin-1")
    framed = (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    return picture[:HEAD] + framed + picture[HEAD:]
