"""The registered version of a model that was recalibrated for a site, and the run that it belongs to."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.evaluation.outside.seen_films import RECORD
from hilum.evaluation.site_learning_curve import flat_pair
from hilum.models.classifier import load_classifier
from hilum.models.forward import predictor
from hilum.project.recalibrated_model import Parent
from hilum.project.recalibration_words import describe_site
from hilum.results import read_json
from hilum.serving.model_facts import FILE
from hilum.serving.opening import MEANS
from hilum.settings.params import Params
from hilum.tracking.store import Store

ROLE = "recalibration"
LOGGED = ("log_loss", "ece", "balanced_accuracy")  # of the metrics; the run's artifacts have all
ARTIFACTS = "recalibration"
LEFT_HERE = ("model.keras", MEANS)  # the model is logged as a model


def check_version(parent: Parent, params: Params) -> None:
    """Refuse a site whose version would take the alias of an arm."""
    if (name := f"{parent.name}-{parent.site}") in params.compared:
        raise ValueError(
            f"--site must not make the name of an arm, got {parent.site}, which makes {name}; name the site otherwise"
        )


def register_site(store: Store, folder: Path, model_name: str, effect: str, effects: pd.DataFrame) -> str:
    """Log a recalibrated model with a run of its own and register it, both ways in which models are served.

    folder: what `recalibrate` wrote. effect: the sentence on it. effects: of `tabulate_pair`. Returns the address of the version.
    The version has the alias `<arm>-<site>`, and never `champion`: a person moves that.

    Raises:
        ValueError: the store stops answering.
    """
    facts: dict[str, Any] = read_json(folder / FILE)
    record, text = facts[RECORD], describe_site(facts, effect)
    tags = {
        "role": ROLE,
        "arm": facts["arm"],
        "site": record["site"],
        "parent": record["parent_sha256"],
        "model_sha256": facts["model_sha256"],
    }
    model, means = load_classifier(folder / "model.keras"), folder / MEANS
    example = np.full((1, facts["size"], facts["size"], 1), 128, np.float32)  # no film of the site leaves it
    if means.is_file():
        with np.load(means) as stored:
            example = stored["films"][:1].astype(np.float32)
    with store.start(facts["arm"], tags) as run:
        run.log_params({key: record[key] for key in ("site", "method", "films", "patients", "parent", "temperature")})
        flat = flat_pair(effects)
        run.log_metrics({f"site/{key}": value for key, value in flat.items() if key.split("/")[1].split(".")[0] in LOGGED})
        for file in sorted(folder.iterdir()):
            if file.name not in LEFT_HERE:
                run.log_file(file, ARTIFACTS)
        beside = means if means.is_file() else folder / FILE
        version = run.log_model(model, example, predictor(model)(example), facts, beside, model_name)
        run.log_film_model(folder / "model.keras", facts, facts, model_name)
        run.tag({"registered_version": version})
        run.describe(text)
        run.describe_version(text)
    return f"models:/{model_name}/{version}"
