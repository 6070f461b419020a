"""One film explained by any trained model."""

from pathlib import Path

import numpy as np

from hilum.data.annotations import no_annotations
from hilum.data.prepared.examples import as_images
from hilum.evaluation.scoring.decisions import decide, factors_of
from hilum.explain.drawing.file_names import file_name, printable
from hilum.explain.drawing.heat import png_bytes
from hilum.explain.drawing.panels import describe_prediction, draw_panel
from hilum.explain.maps import explain_films
from hilum.explain.methods.registry import METHODS
from hilum.explain.outputs import draw_sheets
from hilum.explain.sanity.verdicts import stamp_sanity
from hilum.explain.saved_maps import save_arrays
from hilum.explain.sheets.registry import SHEETS, SheetFilms
from hilum.progress import say
from hilum.results import read_json, write_json
from hilum.serving.model_facts import Told
from hilum.serving.opening import check_names, choose_methods, open_served
from hilum.serving.predictions import prepare_film, tell_fault
from hilum.serving.verdicts import read_verdicts
from hilum.settings.explain import PREDICTED
from hilum.settings.params import Params
from hilum.workspace import Workspace


def explain_image(
    image: Path, model: str, told: Told, asked: str, target: str, out: Path, workspace: Workspace, params: Params
) -> None:
    """One film: a panel of all wanted methods, arrays, parameters and time of each, and sheets, in the folder `out`.

    told: the facts given by options. asked: methods and sheets.
    """
    check_names("--methods", asked, [*METHODS, *SHEETS])
    if not image.is_file():
        raise ValueError(f"--image must be a film, got {image}, which does not exist")
    with open_served(model, workspace, params, told) as (explained, described):
        names, sheets = choose_methods("--methods", asked, explained, params.explain)
        prepared = prepare_film(image, described)
        films, geometry = prepared.film[np.newaxis], prepared.geometry  # films (1, H, W)
        for remark in prepared.remarks:
            say(f"unusual file, read anyway: {remark}")
        settings = params.explain.model_copy(update={"methods": names})
        classes = list(described["classes"])
        if target not in (PREDICTED, *classes):
            raise ValueError(f"--target must be {PREDICTED} or a class of the model ({', '.join(classes)}), got {target!r}")
        probabilities = explained.predict(as_images(films))
        if fault := tell_fault(probabilities[0]):
            raise ValueError(fault)
        threshold, factors = described["threshold"], factors_of(described)
        said = decide(probabilities, threshold, factors)
        targets = said if target == PREDICTED else np.array([classes.index(target)])
        seconds: dict[str, float] = {}
        found = explain_films(explained, films, targets, settings, params.explain.seed, seconds.__setitem__)
        found = stamp_sanity(found, read_verdicts(model, described, explained.background, settings, workspace, params.tracking))
        prediction = describe_prediction(
            image.name, classes, probabilities[0], int(said[0]), int(targets[0]), threshold, factors=factors
        )
        shown = SheetFilms(
            explained, films, as_images(films), targets, probabilities, classes, [prediction], [no_annotations(geometry)], found
        )
        draw_sheets(out, shown, [image.stem], sheets, settings, params.explain.seed)
    save_arrays(out, found, [image.name])
    for name in found:
        write_json(out / f"{name}.json", {**read_json(out / f"{name}.json"), "seconds": round(seconds[name], 3)})
    if found:
        figure = draw_panel(films[0], list(found.values()), 0, prediction, shown.annotations[0])
        (out / f"{file_name(image.stem)}.png").write_bytes(png_bytes(figure))
    said_of = f"{printable(image.name)}: {prediction.predicted} {prediction.probability:.1%}"
    say(f"{said_of}; {len(found)} maps and {len(sheets)} sheets in {out}")
