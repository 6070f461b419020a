"""One method's maps of a batch of films, and what measures compute from them once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from hilum.explain.explained_model import ExplainedModel
from hilum.explain.measures.faithfulness import (
    Curves,
    Numbers,
    average_drop_and_gain,
    blur_films,
    deletion_and_insertion,
    draw_subsets,
    mean_films,
    mu_fidelity,
)
from hilum.explain.measures.randomisation import permuted_models
from hilum.explain.measures.similarity import own_values, rank_correlation, structural_similarity
from hilum.explain.measures.stability import max_sensitivity, repeatability
from hilum.records import Attribution, Images, Maps
from hilum.settings.explain import Explain

Remake = Callable[[ExplainedModel, Images, int], Maps]  # model, films, seed -> the same method's maps


@dataclass(frozen=True)
class EvaluationCase:
    """One method's maps of a batch of films, and all else that measures read.

    images: (N, H, W, 1) float32 grey levels 0-255; attribution: the maps of these films; remake: repeats the method.
    """

    explained: ExplainedModel
    images: Images
    attribution: Attribution
    remake: Remake
    settings: Explain
    seed: int

    @cached_property
    def blurred(self) -> Curves:
        return self._curves(blur_films(self.images))

    @cached_property
    def levelled(self) -> Curves:
        return self._curves(mean_films(self.images))

    @cached_property
    def drop_and_gain(self) -> tuple[Numbers, Numbers]:
        return average_drop_and_gain(self.explained.predict, self.images, self.attribution.values, self.attribution.targets)

    @cached_property
    def randomisation(self) -> pd.DataFrame:
        """Similarity of each map to the original at each stop of the cascade: columns film, seed, stop, layer, spearman, ssim."""
        rows = []
        first = self.attribution.values
        for k in range(self.settings.randomisation.seeds):
            cascade = permuted_models(self.explained, self.settings.randomisation.stops, self.seed + k)
            for stop, (layer, other) in enumerate(cascade, 1):
                maps = self.remake(other, self.images, self.seed)
                similarity = structural_similarity(first, maps)
                for i in range(len(first)):
                    pair = own_values(self.attribution, first, i), own_values(self.attribution, maps, i)
                    rows.append((i, k, stop, layer, rank_correlation(*pair), similarity[i]))
        return pd.DataFrame(rows, columns=["film", "seed", "stop", "layer", "spearman", "ssim"])

    def after_randomisation(self, what: str) -> Numbers:
        """Per film the mean over seeds of the size of a column of `randomisation` at the last stop, (N,)."""
        table = self.randomisation
        last = table[table["stop"] == table["stop"].max()].assign(size=lambda rows: rows[what].abs())
        return last.groupby("film")["size"].mean().reindex(range(len(self.images))).to_numpy(np.float64)

    def noise_sensitivity(self) -> Numbers:
        asked = self.settings.sensitivity
        maps = self.attribution.values
        return max_sensitivity(
            lambda images: self.remake(self.explained, images, self.seed),
            self.images,
            maps,
            asked.radius,
            asked.samples,
            self.seed,
        )

    def repeated(self) -> Numbers:
        drawn = [self.remake(self.explained, self.images, self.seed + k) for k in range(1, self.settings.repeats)]
        own, rows = self.attribution, range(len(self.images))
        return repeatability([[own_values(own, maps, i) for i in rows] for maps in (own.values, *drawn)])

    def fidelity(self) -> Numbers:
        asked = self.settings.mu_fidelity
        subsets = draw_subsets(self.images.shape[1:3], asked.samples, asked.grid, asked.share, self.seed)
        maps, targets = self.attribution.values, self.attribution.targets
        return mu_fidelity(self.explained.predict, self.images, maps, targets, subsets, mean_films(self.images))

    def _curves(self, replacement: Images) -> Curves:
        maps, targets = self.attribution.values, self.attribution.targets
        return deletion_and_insertion(self.explained.predict, self.images, maps, targets, self.settings.steps, replacement)
