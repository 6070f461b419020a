"""The list of sheets: pictures of a film beyond one map per method. A new one is a function and one line here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hilum.data.annotations import FilmAnnotations
from hilum.explain.drawing.panels import FilmPrediction, Row, draw_rows
from hilum.explain.drawing.stamp import stamp_title
from hilum.explain.explained_model import ExplainedModel, OnFilm, check_model
from hilum.explain.methods import lime_superpixels
from hilum.explain.methods.members import members_of
from hilum.explain.methods.registry import METHODS, caption
from hilum.explain.sheets.channel_drawing import draw_activations, draw_filters
from hilum.explain.sheets.channels import Channels, activations_at, filters_of
from hilum.explain.sheets.layer_maps import choose_layers, gradcam_at_layers, shap_at_layers
from hilum.explain.sheets.lime_drawing import draw_lime_views
from hilum.explain.sheets.lime_views import view_superpixels
from hilum.explain.sheets.ranked_classes import maps_of_ranked_classes
from hilum.records import Attribution, Films, Images, Labels, Probabilities
from hilum.settings.explain import Explain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SheetFilms:
    """The films that sheets show, with their predictions, annotations and maps.

    films: (N, H, W); images: (N, H, W, 1) the same as a model takes them; targets: (N,) classes that maps explain;
    probabilities: (N, K); classes: K names; predictions, annotations: one per film; found: existing maps,
    of these films first.
    """

    explained: ExplainedModel
    films: Films
    images: Images
    targets: Labels
    probabilities: Probabilities
    classes: Sequence[str]
    predictions: Sequence[FilmPrediction]
    annotations: Sequence[FilmAnnotations]
    found: Mapping[str, Attribution]


def first_films(shown: SheetFilms, count: int) -> SheetFilms:
    """The first `count` films."""
    few = slice(0, count)
    return replace(
        shown,
        films=shown.films[few],
        images=shown.images[few],
        targets=shown.targets[few],
        probabilities=shown.probabilities[few],
        predictions=shown.predictions[few],
        annotations=shown.annotations[few],
    )


@dataclass(frozen=True)
class Drawn:
    """A sheet: a picture per film, or one of the model alone; and the maps that were made for it."""

    pictures: "Sequence[Figure]"
    maps: Sequence[Attribution] = ()


@dataclass(frozen=True)
class Sheet:
    """One kind of sheet.

    draw: (shown, settings of `explain`, seed, on_film) -> Drawn; title: as displayed.
    background: whether it reads `explained.background`, by the settings of `explain`; per_film: False if it shows the model
    alone.
    """

    draw: Callable[[SheetFilms, Explain, int, OnFilm], Drawn]
    title: str
    background: Callable[[Explain], bool] = lambda settings: False
    per_film: bool = True


def _gradcam_layers(shown: SheetFilms, settings: Explain, seed: int, on_film: OnFilm) -> Drawn:
    own = settings.gradcam_layers.model_dump()
    found = {n: gradcam_at_layers(one, shown.images, shown.targets, own, seed, on_film) for n, one in _networks(shown).items()}
    return _rows("Grad-CAM", shown, found)


def _shap_layers(shown: SheetFilms, settings: Explain, seed: int, on_film: OnFilm) -> Drawn:
    own = {**settings.shap_layer.model_dump(exclude={"layer"}), **settings.shap_layers.model_dump()}
    found = {n: shap_at_layers(one, shown.images, shown.targets, own, seed, on_film) for n, one in _networks(shown).items()}
    return _rows("SHAP", shown, found)


def _networks(shown: SheetFilms) -> dict[str, ExplainedModel]:
    """The networks whose layers are shown: of an ensemble its members by name, else the model without one."""
    return members_of(shown.explained) or {"": shown.explained}


def _rows(name: str, shown: SheetFilms, found: Mapping[str, Sequence[Attribution]]) -> Drawn:
    """One method's maps at several layers, each named by its layer; a row for each network."""
    pictures = []
    for i, prediction in enumerate(shown.predictions):
        rows = []
        for network, maps in found.items():
            titles = [f"{one.layer}, for {prediction.target}" for one in maps]
            rows.append(Row(f"{name} at {len(maps)} layers" + _of(network), maps, i, prediction, titles))
        pictures.append(draw_rows(shown.films[i], rows, shown.annotations[i]))
    return Drawn(pictures, [one for maps in found.values() for one in maps])


def _of(network: str) -> str:
    return f" of {network}" if network else ""


def _ranked(shown: SheetFilms, settings: Explain, seed: int, on_film: OnFilm) -> Drawn:
    """One scale for all classes of a film: maps of an improbable class are often faint."""
    name, count = settings.ranked.method, settings.ranked.classes
    own: Mapping[str, Any] = getattr(settings, name).model_dump()
    maps = maps_of_ranked_classes(name, shown.explained, shown.images, shown.probabilities, count, own, seed, on_film)
    maps = [replace(one, sanity=shown.found[name].sanity if name in shown.found else "") for one in maps]
    pictures = []
    for i, prediction in enumerate(shown.predictions):
        ranked = [int(one.targets[i]) for one in maps]
        titles = [f"{METHODS[name].title}, for {shown.classes[k]} {shown.probabilities[i, k]:.1%}" for k in ranked]
        row = Row(f"{METHODS[name].title} of the {len(maps)} most probable classes", maps, i, prediction, titles, same_scale=True)
        pictures.append(draw_rows(shown.films[i], [row], shown.annotations[i]))
    return Drawn(pictures, maps)


def _lime_views(shown: SheetFilms, settings: Explain, seed: int, on_film: OnFilm) -> Drawn:
    lime = shown.found.get("lime")
    made = lime or lime_superpixels.explain(
        shown.explained, shown.images, shown.targets, settings.lime.model_dump(), seed, on_film
    )
    own = settings.lime_views.model_dump()
    pictures = []
    for i, prediction in enumerate(shown.predictions):
        views = view_superpixels(shown.films[i], made, i, own)
        trust = caption(made, i).replace("\n", "; ")
        picture = draw_lime_views(shown.films[i], views, prediction, shown.annotations[i], trust, settings.lime_views.features)
        stamp_title(picture, 0.985, 0.985, made.sanity)
        pictures.append(picture)
    return Drawn(pictures, [] if lime else [made])


def _activations(shown: SheetFilms, settings: Explain, seed: int, on_film: OnFilm) -> Drawn:
    channels: list[list[Channels]] = [[] for _ in shown.films]
    for network, one in _networks(shown).items():
        model = check_model("activations", one, shown.targets)
        layers = choose_layers("activations", model, settings.activations.layers)
        for own, found in zip(channels, activations_at(model, shown.images, layers, settings.activations.channels), strict=True):
            own += [replace(layer, layer=f"{layer.layer}{_of(network)}") for layer in found]
    predicted = [replace(prediction, target=prediction.predicted) for prediction in shown.predictions]  # explains no class
    rows = zip(shown.films, channels, predicted, shown.annotations, strict=True)
    return Drawn([draw_activations(film, found, prediction, annotations) for film, found, prediction, annotations in rows])


def _filters(shown: SheetFilms, settings: Explain, seed: int, on_film: OnFilm) -> Drawn:
    found: list[Channels] = []
    for network, one in _networks(shown).items():
        model = check_model("filters", one, shown.targets)
        layers = filters_of(model, settings.filters.layers, settings.filters.channels)
        found += [replace(layer, layer=f"{layer.layer}{_of(network)}") for layer in layers]
    return Drawn([draw_filters(found, str(check_model("filters", shown.explained, shown.targets).name))])


def _always(settings: Explain) -> bool:
    return True


SHEETS: dict[str, Sheet] = {
    "gradcam_layers": Sheet(_gradcam_layers, "Grad-CAM at several layers"),
    "shap_layers": Sheet(_shap_layers, "SHAP at several layers", _always),
    "ranked": Sheet(_ranked, "the most probable classes", lambda settings: METHODS[settings.ranked.method].background),
    "lime_views": Sheet(_lime_views, "LIME's views"),
    "activations": Sheet(_activations, "activations"),
    "filters": Sheet(_filters, "filters", per_film=False),
}
