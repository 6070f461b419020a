"""The inputs of one phase: cached activations at a frozen cut, with those that SMOTE synthesises, or the films themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from hilum.data.prepared.examples import Examples, as_images
from hilum.models.classifier import cut
from hilum.models.forward import Forward, compile_forward
from hilum.settings.training import Train
from hilum.training.learning.augmentation import Changes, draw_views, epoch_views, further_views
from hilum.training.learning.features import cached_features
from hilum.training.learning.imbalance import Sampling, make_up

OnFilm = Callable[[int, int], None]
POOLED = "pool"  # the layer whose output SMOTE works on


class Feed:
    """The inputs of one phase.

    entry: the tensor that takes them. validation: those of the validation films.
    labels: (M + S,) class indices of the rows of an epoch: the films sampled, then what SMOTE synthesises.
    """

    def __init__(
        self,
        model: keras.Model,
        name: str | None,
        train: Examples,
        val: Examples,
        shown: Sampling,
        settings: Train,
        seed: int,
        cache: Path | None,
        on_film: OnFilm,
    ) -> None:
        """name: the frozen cut whose activations are used, None for the films themselves. cache: folder of activations; None
        computes them anew for each batch.

        Raises:
            ValueError: SMOTE on anything but cached pooled features.
        """
        self.train, self.shown, self.seed, self.count = train, shown, seed, settings.augment.views
        self.changes = Changes(**settings.augment.model_dump(exclude={"views"}))
        self.keys = [train.keys[i] for i in shown.rows]
        self.labels = np.append(train.labels[shown.rows], shown.made_up)
        self.stored: list[NDArray[np.float32]] | None = None
        self.made_up: list[NDArray[np.float32]] = []
        if len(shown.made_up) and (name != POOLED or cache is None):
            raise ValueError(
                f"smote works on pooled features, in a phase that trains the head alone, got the cut {name}; "
                "say what other phases do in train.balance.smote_above_head"
            )
        self.forward: Forward = lambda images: images
        if name is None:
            self.entry, self.validation = model.input, as_images(val.films)
            return
        prefix, _ = cut(model, name)
        self.entry = model.get_layer(name).output
        if cache is None:
            self.forward = compile_forward(prefix, constants=False)
            self.validation = self.forward(as_images(val.films))
            return

        def features(rows: Examples, view: int | NDArray[np.intp] | None) -> NDArray[np.float32]:
            return cached_features(prefix, rows, view, seed, self.changes, cache, on_film)

        self.stored = [features(train, view) for view in range(self.count)] or [features(train, None)]
        if len(shown.made_up):
            neighbours = settings.balance.smote_neighbours
            self.made_up = [make_up(found, train.labels, neighbours, seed + i) for i, found in enumerate(self.stored)]
        self._store_further_views(features)
        self.validation = np.asarray(features(val, None))

    def _store_further_views(self, features: Callable[[Examples, NDArray[np.intp]], NDArray[np.float32]]) -> None:
        """For films with more copies than views, so that all copies differ."""
        films, views = further_views(self.shown.rows, self.keys, self.count) if self.count else (np.zeros(0, np.intp),) * 2
        self.place = {pair: i for i, pair in enumerate(zip(films.tolist(), views.tolist(), strict=True))}
        self.further = features(self.train.take(films), views) if len(films) else None

    def reader(self, step: int) -> Callable[[NDArray[np.intp]], Any]:
        """A function from positions in an epoch's rows to a batch of inputs, in the views of the epoch at this step."""
        views = epoch_views(self.keys, self.count, step) if self.count else np.zeros(len(self.keys), np.intp)

        def read(chosen: NDArray[np.intp]) -> Any:
            if self.stored is not None:
                return np.stack([self._activation(i, views, step) for i in chosen.tolist()])
            films = self.train.take(self.shown.rows[chosen])
            shown = draw_views(films, views[chosen], self.seed, self.changes) if self.count else films.films
            return self.forward(as_images(shown))

        return read

    def _activation(self, i: int, views: NDArray[np.intp], step: int) -> NDArray[np.float32]:
        if i >= len(views):  # synthesised, from another view in each epoch
            made_up = self.made_up[(i + step) % len(self.made_up)]
            return made_up[i - len(views)]
        row, view = int(self.shown.rows[i]), int(views[i])
        if self.further is not None and view >= self.count:
            return self.further[self.place[row, view]]
        return self.stored[view][row]  # type: ignore[index]
