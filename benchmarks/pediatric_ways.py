"""Ways to train an arm on real films of children, a row each, for `pediatric_arms.py`.

The first rows are heads on frozen backbones, then what was tried on a small part of the films, then those trained on all films.
What a row does not name is as params.yaml says, so class weights, four augmented views, a temperature and selection by log loss.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Way:
    """One row. size: pixels. phases: as in an arm of params.yaml; empty for a linear probe of scikit-learn.

    train: what differs from `train` of params.yaml. probe: logistic regression, plain or with balanced classes, or discriminant.
    like: name of the row whose training this one shares. prevalence: class shares that its probabilities are then shifted to.
    """

    backbone: str
    size: int
    phases: tuple[dict[str, Any], ...] = ()
    train: dict[str, Any] = field(default_factory=dict)
    probe: str = ""
    like: str = ""
    prevalence: tuple[float, ...] = ()


SOLVED = {"unfreeze": "head", "solver": "convex", "penalty": "auto"}
HEAD = {"unfreeze": "head", "epochs": 15, "learning_rate": 1e-3, "decay": "none", "batch_norm": "auto"}
ADAMW = {"patience": 20, "optimizer": {"name": "adamw", "weight_decay": 0.05}}
WARM = {**ADAMW, "schedule": {"warmup": 0.5}}
AVERAGED = {**WARM, "averaging": 0.98}
SLOWLY = {**WARM, "averaging": 0.995}
SMALL_BATCHES = {**SLOWLY, "batch_size": 16}
SMALL_BATCHES_WARM = {**SMALL_BATCHES, "schedule": {"warmup": 1.0}}
AS_THEY_ARE = {"unchanged": 1}  # one of the four views
WIDER = {"zoom": 0.16, "shift": 0.1, "gamma": 0.3, "contrast": 0.16, "brightness": 0.16}
BETWEEN = (0.3, 0.4, 0.3)  # an even prior and the shares of the training films, 0.26, 0.48 and 0.26
LITE, V2, SMALL = "efficientnet_lite0", "mobilenetv2", "mobilenet_025"


def above(block: str, rate: float = 4e-4, epochs: int = 6) -> dict[str, Any]:
    """A phase with a cosine that trains from a block upwards."""
    return {"unfreeze": block, "epochs": epochs, "learning_rate": rate, "decay": "cosine", "batch_norm": "frozen"}


BEFORE = (HEAD, above("block_13", 2e-4, 8))
WAYS = {
    "mobilenet_025, head solved": Way(SMALL, 160, (SOLVED,)),
    "mobilenet_025, head by steps": Way(SMALL, 160, (HEAD,)),
    "mobilenet_025, probe, plain": Way(SMALL, 160, probe="plain"),
    "mobilenet_025, probe, balanced": Way(SMALL, 160, probe="balanced"),
    "mobilenet_025, probe, discriminant": Way(SMALL, 160, probe="discriminant"),
    "mobilenetv2, head solved": Way(V2, 160, (SOLVED,)),
    "mobilenetv2, head by steps": Way(V2, 160, (HEAD,)),
    "mobilenetv2, probe, plain": Way(V2, 160, probe="plain"),
    "mobilenetv2, probe, balanced": Way(V2, 160, probe="balanced"),
    "mobilenetv2, probe, discriminant": Way(V2, 160, probe="discriminant"),
    "lite0, head solved": Way(LITE, 160, (SOLVED,)),
    "lite0, head by steps": Way(LITE, 160, (HEAD,)),
    "lite0, probe, plain": Way(LITE, 160, probe="plain"),
    "lite0, probe, balanced": Way(LITE, 160, probe="balanced"),
    "lite0, probe, discriminant": Way(LITE, 160, probe="discriminant"),
    "mobilenetv2, head, block_13": Way(V2, 160, BEFORE),
    "lite0, block_6": Way(LITE, 160, (SOLVED, above("block_6")), AVERAGED),
    "lite0, block_6, rate 1e-4": Way(LITE, 160, (SOLVED, above("block_6", 1e-4)), AVERAGED),
    "lite0, block_6, no average": Way(LITE, 160, (SOLVED, above("block_6")), WARM),
    "lite0, block_6, average .995": Way(LITE, 160, (SOLVED, above("block_6")), SLOWLY),
    "lite0, block_6, no average, no warm-up": Way(LITE, 160, (SOLVED, above("block_6")), ADAMW),
    "lite0, block_6, head by steps first": Way(LITE, 160, (HEAD, above("block_6")), AVERAGED),
    "lite0, block_6, no head first": Way(LITE, 160, (above("block_6"),), AVERAGED),
    "mobilenetv2, block_6": Way(V2, 160, (SOLVED, above("block_6")), AVERAGED),
    "mobilenetv2, all": Way(V2, 160, (SOLVED, above("all")), AVERAGED),
    "lite0, block_12": Way(LITE, 160, (SOLVED, above("block_12")), AVERAGED),
    "lite0, block_9": Way(LITE, 160, (SOLVED, above("block_9")), AVERAGED),
    "lite0, all": Way(LITE, 160, (SOLVED, above("all")), AVERAGED),
    "lite0, block_6, batch 16": Way(LITE, 160, (SOLVED, above("block_6")), {**AVERAGED, "batch_size": 16}),
    "lite0, block_6, no class weights": Way(LITE, 160, (SOLVED, above("block_6")), {**AVERAGED, "imbalance": "none"}),
    "lite0, block_6, smoothing .1": Way(LITE, 160, (SOLVED, above("block_6")), {**AVERAGED, "label_smoothing": 0.1}),
    "lite0, block_6, exposure and framing x 2": Way(
        LITE,
        160,
        (SOLVED, above("block_6")),
        {**AVERAGED, "augment": WIDER},
    ),
    "lite0, block_6, films as they are": Way(LITE, 160, (SOLVED, above("block_6")), {**AVERAGED, "augment": {"views": 0}}),
    "lite0, block_6, 224 px": Way(LITE, 224, (SOLVED, above("block_6")), AVERAGED),
    "224 px: lite0, block_6, batch 16": Way(LITE, 224, (above("block_6"),), SMALL_BATCHES_WARM),
    "224 px: lite0, block_6, batch 16, prevalence": Way(
        LITE, 224, (above("block_6"),), like="224 px: lite0, block_6, batch 16", prevalence=BETWEEN
    ),
    "224 px: lite0, all, batch 16": Way(LITE, 224, (above("all"),), SMALL_BATCHES_WARM),
    "224 px: lite0, all, batch 16, prevalence": Way(
        LITE, 224, (above("all"),), like="224 px: lite0, all, batch 16", prevalence=BETWEEN
    ),
    "224 px: lite0, all, batch 16, exposure and framing x 2": Way(
        LITE, 224, (above("all"),), {**SMALL_BATCHES_WARM, "augment": WIDER}
    ),
    "224 px: lite0, block_6, batch 16, mixup .2": Way(LITE, 224, (above("block_6"),), {**SMALL_BATCHES_WARM, "mixup": 0.2}),
    "224 px: lite0, block_6, batch 16, no class weights": Way(
        LITE, 224, (above("block_6"),), {**SMALL_BATCHES_WARM, "imbalance": "none"}
    ),
    "224 px: lite0, block_6, batch 16, smoothing .1": Way(
        LITE, 224, (above("block_6"),), {**SMALL_BATCHES_WARM, "label_smoothing": 0.1}
    ),
    "224 px: lite0, block_6, batch 16, exposure and framing x 2": Way(
        LITE, 224, (above("block_6"),), {**SMALL_BATCHES_WARM, "augment": WIDER}
    ),
    "224 px: lite0, block_6, batch 16, one view unchanged": Way(
        LITE, 224, (above("block_6"),), {**SMALL_BATCHES_WARM, "augment": AS_THEY_ARE}
    ),
    "224 px: lite0, block_6, batch 16, one view unchanged, prevalence": Way(
        LITE, 224, (above("block_6"),), like="224 px: lite0, block_6, batch 16, one view unchanged", prevalence=BETWEEN
    ),
    "288 px: lite0, block_6, batch 16": Way(LITE, 288, (above("block_6"),), SMALL_BATCHES_WARM),
    "288 px: lite0, block_6, batch 16, prevalence": Way(
        LITE, 288, (above("block_6"),), like="288 px: lite0, block_6, batch 16", prevalence=BETWEEN
    ),
    "224 px: lite0, block_6, batch 16, smoothing .1, prevalence": Way(
        LITE, 224, (above("block_6"),), like="224 px: lite0, block_6, batch 16, smoothing .1", prevalence=BETWEEN
    ),
    "224 px: lite0, block_6, batch 16, exposure and framing x 2, prevalence": Way(
        LITE, 224, (above("block_6"),), like="224 px: lite0, block_6, batch 16, exposure and framing x 2", prevalence=BETWEEN
    ),
    "160 px: lite0, all, batch 16": Way(LITE, 160, (above("all"),), SMALL_BATCHES),
    "before: mobilenetv2, head, block_13, 224 px": Way(V2, 224, BEFORE),
    "before, epoch by AUROC": Way(V2, 224, BEFORE, {"select": "auroc_macro"}),
}
