"""The texts of the comparison page, from the arms' folders and the registries; not a stage."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hilum.commit import describe_commit, find_commit
from hilum.data.annotations import KINDS
from hilum.data.prepared.loading import read_manifest
from hilum.evaluation.scoring.decisions import factors_of
from hilum.evaluation.scoring.epochs import tell_epoch
from hilum.evaluation.scoring.scaling import BOUND, HIGH, LOW, WIDEST
from hilum.evaluation.signed_numbers import signed
from hilum.explain.drawing.panels import tell_rule
from hilum.explain.measures.registry import MEASURES, QUESTIONS, column
from hilum.pages.arm_results import ArmResults
from hilum.pages.comparison import ArmSummary, CalibrationRow
from hilum.pages.data_report.counts import warn_of_confounding
from hilum.pages.ensembles import describe_ensemble, tell_members
from hilum.pages.explanations import Agreement, MeasureNote, agree
from hilum.pages.levels import Levels, interval_name, name_intervals, name_resamples, read_setting, tell_resamples
from hilum.pages.numbers import number
from hilum.pages.sanity import SanityResults
from hilum.pages.subgroups import warn_of_subgroups
from hilum.records import GIVEN
from hilum.results import read_json, read_table
from hilum.settings.params import Params
from hilum.workspace import Workspace


def measure_notes() -> list[MeasureNote]:
    """Every measure in words, those of annotations once for each kind of annotation, in the order of the page."""
    notes = []
    for question, text in QUESTIONS.items():
        for kind, annotation in KINDS.items() if question == "place" else {"": ""}.items():
            for name, measure in MEASURES.items():
                if measure.question == question:
                    top = "no limit" if measure.high is None else f"{measure.high:g}"
                    notes.append(
                        MeasureNote(
                            name=column(name, kind) if kind else name,
                            title=measure.title,
                            question=text,
                            annotation=annotation,
                            direction=measure.better,
                            judged=measure.judged,
                            reads=measure.reads,
                            scope=f"{measure.low:g} to {top}".replace("-", "−"),
                            says=measure.says,
                            chance=measure.chance,
                        )
                    )
    return notes


def read_agreement(name: str, arm: ArmResults, titles: Mapping[str, str]) -> Agreement:
    """The agreement of one arm's methods, from its folder."""
    folder = arm.folder["explanations"]
    return agree(
        name,
        read_table(folder / "agreement.csv"),
        read_table(folder / "disagreement.csv"),
        len(arm.explained),
        read_json(folder / "chance.json")["spearman"],
        titles,
    )


def read_sanity(arm: ArmResults) -> SanityResults:
    """The sanity gate of one arm, with the settings behind its verdicts."""
    folder = arm.folder["explanations"]
    settings = {key: read_setting(folder, f"explain.sanity.{key}") for key in ("seeds", "limit", "evidence")}
    return SanityResults(arm.sanity, confidence=read_setting(folder, "explain.confidence"), **settings)


def name_levels(arms: Mapping[str, ArmResults], confidence: float) -> Levels:
    """The names of the page's intervals: those of the arms by their folders. confidence: of the differences."""
    own, maps = name_intervals(folders(arms, "evaluation"), "evaluate"), name_intervals(folders(arms, "explanations"), "explain")
    return Levels(own, interval_name(confidence), maps)


def folders(arms: Mapping[str, ArmResults], name: str) -> dict[str, Path]:
    """arm -> its folder of this name."""
    return {arm: results.folder[name] for arm, results in arms.items()}


def gather_facts(
    arms: Mapping[str, ArmResults], params: Params, workspace: Workspace, versions: dict[str, Any]
) -> list[tuple[str, str]]:
    """The page's facts on the data and the method."""
    proof = read_json(workspace.split / "proof.json")
    facts = [(f"{part} films", f"{c['films']} of {c['patients']} patients") for part, c in proof["splits"].items()]
    facts += [("test part", ", ".join(f"{source}: {kind}" for source, kind in proof["test_part"].items()))]
    facts += [("film size", f"{versions['size']} px, {versions['square']}")]
    joined = {name: arm.settings["model"] for name, arm in arms.items() if "ensemble" in arm.settings["model"]}
    facts += [("ensembles", "; ".join(f"{name}: {tell_members(model)}" for name, model in joined.items()))] if joined else []
    facts += [("seeds", f"split {params.split.seed}, training {params.train.seed}")]
    facts += [("data version", versions["data_version"][:16]), ("split version", versions["split_version"][:16])]
    facts += [("git commit", describe_commit(find_commit(workspace)))]
    facts += [("metrics of an arm", name_resamples(folders(arms, "evaluation"), "evaluate"))]
    facts += [("differences", tell_resamples(params.compare.confidence, params.compare.bootstrap))]
    return [*facts, ("measures of maps", name_resamples(folders(arms, "explanations"), "explain"))]


def summarise_arm(name: str, arm: ArmResults, films: int) -> ArmSummary:
    """An arm's settings in words. films: that the trained arms were trained on."""
    logged, model = arm.settings["params"], arm.settings["model"]
    given, ensemble = "given" in model, "ensemble" in model
    count = len({key.split(".")[1] for key in logged if key.startswith("phases.")})
    phases, falls = [], {"cosine": ", cosine decay", "plateau": ", reduced on plateaus"}
    for i in range(count):
        trained = f"{len(arm.settings['trained'][i])} layers trained"
        if logged.get(f"phases.{i}.solver") == "convex":
            chosen = read_json(arm.folder["training"] / "metrics.json")[f"penalty/phases.{i}"]
            phases.append(f"solved to convergence, penalty {chosen:.2g}, unfrozen: head; {trained}")
            continue
        phase = {key: logged[f"phases.{i}.{key}"] for key in ("unfreeze", "epochs", "learning_rate", "decay", "batch_norm")}
        if phase["batch_norm"] == "auto":
            phase["batch_norm"] = "trained" if logged["weights"] == "none" else "frozen"
        phases.append(
            f"{phase['epochs']} epochs at {float(phase['learning_rate']):.2g}"
            f"{falls.get(phase['decay'], '')}, unfrozen: {phase['unfreeze']}, "
            f"batch norm {phase['batch_norm']}; {trained}"
        )
    origins = arm.settings["origins"]
    return ArmSummary(
        name=name,
        backbone=model["backbone"],
        weights=str(logged["model" if given and not ensemble else "weights"]),
        weights_are="model file" if given and not ensemble else "initial weights",
        phases=phases,
        films_trained_on=0 if given else films,
        kept=f"the mean of {tell_members(model)}" if ensemble else "the file as it was given" if given else tell_kept(arm),
        model_sha256=model["model_sha256"],
        decision=tell_rule(model["classes"], model["threshold"], factors_of(model)),
        calibration=read_calibration(arm.folder["training"] / "calibration.json"),
        values=[(key, f"{value:.6g}" if isinstance(value, float) else str(value), origins[key]) for key, value in logged.items()],
        notes=describe_ensemble(arm.folder["training"], model) if ensemble else [UNKNOWN] if given else [],
    )


def tell_kept(arm: ArmResults) -> str:
    """`phase 2 epoch 3, val/log_loss 0.512`: which epoch of an arm's training was kept."""
    history = read_table(arm.folder["training"] / "history.csv").set_index("step")
    best, select = history.loc[arm.settings["best_step"]], f"val/{arm.settings['params']['train.select']}"
    return f"{tell_epoch(best)}, {select} {best[select]:.3f}"


def read_calibration(file: Path) -> CalibrationRow | None:
    """What a training's calibration.json says, in words; None where there is none, as in results of earlier versions."""
    if not file.is_file():
        return None
    told = read_json(file)
    scaling = f"temperature {number(told['temperature'])}"
    if told["calibration"] == "temperature_and_biases":
        scaling += f"; biases {', '.join(f'{name} {signed(bias)}' for name, bias in told['biases'].items())}"
    prior = ", ".join(f"{name} {share:.1%}" for name, share in told["prior"].items())

    def both(name: str) -> str:
        return f"{number(_or_nan(told['before'][name]))}, {number(_or_nan(told['after'][name]))}"

    return CalibrationRow(
        scaling=scaling if told["folds"] else "none",
        fitted=f"{told['films']} films of {told['patients']} patients; prior: {prior}" if told["folds"] else "nothing",
        log_loss=both("log_loss"),
        brier=both("brier"),
        ece=both("ece"),
        note=tell_limits(told["note"], told["temperature"], list(told["biases"].values())),
    )


def tell_limits(note: str, temperature: float, biases: Sequence[float]) -> str:
    """A fit's note; where it says that a bound was reached, which one. biases: one of each class."""
    before, bound, _ = note.partition(BOUND)
    if not bound:
        return note
    reached = []
    if np.isclose(temperature, HIGH):
        told = "the logits hardly tell the classes apart, or are far too large"
        reached.append(f"the temperature is the highest allowed, {HIGH:g}: {told}")
    if np.isclose(temperature, LOW):
        reached.append(f"the temperature is the lowest allowed, {LOW:g}: the model is far less sure than it is right")
    if max(biases) - min(biases) >= WIDEST * (1 - 1e-6):
        reached.append(f"biases are as far apart as is allowed, {WIDEST:g}: the films tell too little of a class")
    return "; ".join([*filter(None, [before.removesuffix("; ")]), *(reached or [BOUND])])


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


UNKNOWN = "It is not known which films this model was trained on."
HOW = ("phases.0.solver", "phases.0.penalty")  # how the same head is fitted on the same features: by steps or solved
OF_STEPS = ("batch_size", "patience", "optimizer.", "schedule.", "label_smoothing", "mixup", "averaging")  # below `train`


def what_differs(reference: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """Parameters of both that differ, without how a head is fitted on the same features and what a solved one ignores."""
    solvers = {value for key, value in reference.items() if key.startswith("phases.") and key.endswith(".solver")}
    idle = tuple(f"train.{key}" for key in OF_STEPS) if solvers == {"convex"} else ()
    differ = [key for key in set(own) & set(reference) if own[key] != reference[key] and key not in HOW]
    return sorted(
        (key for key in differ if not (idle and key.startswith(idle))), key=lambda key: (key.startswith("phases."), key)
    )


def warn_of_given(arms: Mapping[str, ArmResults]) -> list[str]:
    """What is not known about given models and ensembles that have one, a sentence each."""
    return [
        f"{name} {_tell_given(arm.settings)}: it is not known whether it was trained on these films; if it was, its "
        "figures are too good, and so are differences in its favour"
        for name, arm in arms.items()
        if "given" in arm.settings["model"]
    ]


def _tell_given(settings: Mapping[str, Any]) -> str:
    if "ensemble" in settings["model"]:
        return f"has a given model among its members ({', '.join(one['file'] for one in settings['model']['given'])})"
    return f"is a given model ({settings['params']['model']})"


def find_warnings(
    arms: dict[str, ArmResults], params: Params, workspace: Workspace, subgroups: Mapping[str, pd.DataFrame]
) -> list[str]:
    """What a reader must know before relying on the page. subgroups: as `read_subgroups` gives them."""
    warnings = warn_of_given(arms)
    reference = arms[params.compare.reference].settings["params"]
    for name, arm in arms.items():
        if GIVEN in (reference.get("backbone"), arm.settings["params"].get("backbone")) or "ensemble" in arm.settings["model"]:
            continue  # nothing of a given model or an ensemble was trained
        if differ := what_differs(reference, arm.settings["params"]):
            listed = ", ".join(f"{key} ({reference[key]} and {arm.settings['params'][key]})" for key in differ[:5])
            warnings.append(f"{name} differs from {params.compare.reference} in more than further phases: {listed}")
    manifest = read_manifest(workspace.prepared / "manifest.csv")
    if manifest["source"].nunique() > 1:
        warnings += warn_of_confounding(manifest)
    warnings += warn_of_subgroups(subgroups)
    notes = workspace.prepared / "notes.txt"
    return warnings + [line for line in notes.read_text().splitlines() if line]
