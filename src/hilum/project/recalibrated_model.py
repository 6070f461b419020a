"""The model of a site: its file, and the facts in model.json that say whose it is and which films it has seen."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.addresses import mask
from hilum.evaluation.outside.seen_films import BEFORE, RECORD, keep_hashes
from hilum.evaluation.outside.seen_people import PEOPLE, Namings, keep_people
from hilum.evaluation.site_calibration import SiteFit, read_logits
from hilum.explain.explained_model import ExplainedModel
from hilum.models.classifier import load_classifier, model_sha256, save_classifier
from hilum.models.forward import predictor
from hilum.results import write_json
from hilum.serving.export import choose_films
from hilum.serving.model_facts import FILE
from hilum.serving.model_files import check_model_file, names_file
from hilum.serving.opening import MEANS
from hilum.training.recalibrated_model import fold_scaling

LARGEST = 1e-5  # difference of a probability between the written model and the fit that is still rounding
NOT_ITS_OWN = ("run_key", "model_sha256")  # facts of the parent that belong to its own training and weights


@dataclass(frozen=True)
class Parent:
    """The model as it is. address: as it was named. described: its facts. site: whose films it is recalibrated on."""

    address: str
    described: Mapping[str, Any]
    site: str

    @property
    def name(self) -> str:
        """Its arm, or the name of a user's own file."""
        own = Path(self.address).stem if names_file(self.address) else "model"
        return str(self.described.get("arm", own))

    @property
    def origin(self) -> str:
        """Its address in a store, or the name of its file."""
        return Path(self.address).name if names_file(self.address) else mask(self.address)


@dataclass(frozen=True)
class SiteModel:
    """A parent with what was fitted.

    films: rows with label, source, patient_id, sha256 and pixel_sha256. patients: how many they are of. namings: of
    their sources.
    """

    parent: Parent
    method: str
    fit: SiteFit
    films: pd.DataFrame
    patients: int
    namings: Namings

    @property
    def name(self) -> str:
        return f"{self.parent.name}-{self.parent.site}"


def name_site(site: str, data: str, sources: Sequence[str]) -> str:
    """The name of a site: as given, else that of its one source of films, else of the recipe.

    Raises:
        ValueError: it has other characters than an alias in a store may have.
    """
    if site and not re.fullmatch(r"[A-Za-z0-9_-]+", site):
        raise ValueError(f"--site must be of letters, digits, - and _, got {site!r}; it becomes part of the model's name")
    return site or (sources[0] if len(sources) == 1 else Path(data).stem)


def describe_site_model(made: SiteModel, sha256: str) -> dict[str, Any]:
    """The facts of the recalibrated model, for its model.json. sha256: of its weights and graph."""
    described, fit, classes = made.parent.described, made.fit, made.parent.described["classes"]
    record: dict[str, Any] = {
        "site": made.parent.site,
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "method": made.method,
        "temperature": fit.scaling.temperature,
        "biases": dict(zip(classes, fit.scaling.biases.tolist(), strict=True)),
        "films": len(made.films),
        "patients": made.patients,
        "films_by_class": {name: int((made.films["label"] == name).sum()) for name in classes},
        "parent": made.parent.origin,
        "parent_sha256": described["model_sha256"],
        "seen": keep_hashes(made.films),
        PEOPLE: keep_people(made.films, made.namings),
    }
    if RECORD in described:
        record[BEFORE] = described[RECORD]
    facts = {key: value for key, value in described.items() if key not in NOT_ITS_OWN}
    factors = None if fit.factors is None else dict(zip(classes, fit.factors.tolist(), strict=True))
    facts |= {"arm": made.name, "model_sha256": sha256, "threshold": fit.threshold, "decision_factors": factors, RECORD: record}
    if fit.threshold_rule:
        facts["threshold_rule"] = fit.threshold_rule
    if fit.prior is not None:
        facts["prior"] = dict(fit.prior)
    if fit.scaling.prior_learnt and facts.get("prevalence"):
        facts["prevalence"] = None  # the site's own shares now
    return {**facts, "scaling": "inside the model: give it grey levels 0-255"}


def write_site_model(folder: Path, made: SiteModel, explained: ExplainedModel) -> dict[str, Any]:
    """Write model.keras, model.json and the mean films; returns the facts of model.json.

    explained: the parent with its network, whose weights may be changed in place. Its compiled `predict` stays as it was.

    Raises:
        ValueError: the written model does not give the fitted probabilities.
    """
    file, scaling = folder / "model.keras", made.fit.scaling
    network = fold_scaling(explained.model, scaling.temperature, scaling.biases)
    save_classifier(network, file)
    check_model_file(file)
    films = choose_films(explained.background, made.parent.described["size"])
    wanted, written = scaling.apply(read_logits(explained.predict(films))), load_classifier(file)
    differs = float(np.abs(predictor(written)(films) - wanted).max())
    if not differs <= LARGEST:  # NaN too
        raise ValueError(
            f"the recalibrated model must give the fitted probabilities within {LARGEST:g}, got a difference of {differs:g} on "
            f"{len(films)} films; nothing was written: this network cannot be recalibrated"
        )
    facts = describe_site_model(made, model_sha256(written))
    write_json(folder / FILE, facts)
    if explained.background is not None:
        np.savez(folder / MEANS, films=explained.background, classes=np.array(facts["classes"]))
    return facts
