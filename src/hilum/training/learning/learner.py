"""What a phase trains with: the part of the network above its entry, the loss, and the optimizer."""

from collections.abc import Sequence
from typing import Any

import keras

from hilum.models.classifier import backbone_blocks
from hilum.settings.training import Optimizer, Phase, Train


def make_learner(model: keras.Model, entry: keras.KerasTensor, phase: Phase, gamma: float, settings: Train) -> keras.Model:
    """The part of the model that a phase trains, from `entry` to logits, compiled; it shares the layers.

    gamma: of the focal loss, see `loss_of`.
    """
    learner = keras.Model(entry, model.get_layer("logits").output)
    shares = layer_shares(model, settings.optimizer.layer_decay)
    share_of = {id(weight): shares[layer.name] for layer in learner.layers for weight in layer.trainable_variables}
    variables = [(weight, share_of[id(weight)]) for weight in learner.trainable_variables]
    learner.compile(
        make_optimizer(settings.optimizer, float(phase.learning_rate), variables),  # type: ignore[arg-type]
        loss_of(gamma, settings.label_smoothing, soft=bool(settings.mixup)),
        jit_compile=False,  # XLA is many times slower for these networks on a CPU
    )
    learner.optimizer.build(learner.trainable_variables)  # else the first step does it, and Keras traces the step twice
    return learner


def layer_shares(model: keras.Model, layer_decay: float) -> dict[str, float]:
    """Layer name -> its share of the learning rate: 1 for the head, `layer_decay` for the block below it, and so on.

    Source: Howard and Ruder 2018, arXiv 1801.06146, section 3.2 (by layer); Clark et al. 2020, arXiv 2003.10555 (as a power).
    """
    blocks = list(backbone_blocks(model).values())[::-1]  # from the head down
    below = {name: layer_decay**depth for depth, block in enumerate(blocks, start=1) for name in block}
    return {layer.name: below.get(layer.name, 1.0) for layer in model.layers}


def make_optimizer(
    settings: Optimizer, rate: float, variables: Sequence[tuple[keras.Variable, float]]
) -> keras.optimizers.Optimizer:
    """The optimizer that the settings name, not yet built.

    variables: those to train, each with its share of the learning rate. Weight decay applies to kernels alone, decoupled from the
    gradient and in proportion to the learning rate; clipping is by the norm of all gradients together.

    Source: Kingma and Ba 2015, arXiv 1412.6980 (adam); Loshchilov and Hutter 2019, arXiv 1711.05101 (adamw, and decay of sgd);
    Sutskever et al. 2013 (momentum, nesterov); Pascanu et al. 2013, arXiv 1211.5063 (clip).
    """
    given: dict[str, Any] = {"learning_rate": rate, "global_clipnorm": settings.clip or None}
    if settings.name == "sgd":
        given |= {"momentum": settings.momentum, "nesterov": settings.nesterov}
    if all(share == 1 for _, share in variables):
        plain = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
        if settings.name == "adam":
            return plain["adam"](**given)
        optimizer = plain[settings.name](**given, weight_decay=settings.weight_decay or None)
        optimizer.exclude_from_weight_decay(var_list=[variable for variable, _ in variables if not is_decayed(variable)])
        return optimizer
    layered = {"adam": LayeredAdam, "adamw": LayeredAdam, "sgd": LayeredSGD}[settings.name](**given)
    layered.scale_steps(variables, settings.weight_decay)
    return layered


def is_decayed(variable: keras.Variable) -> bool:
    """Whether weight decay applies: to kernels, not to biases nor to a normalisation's scales and offsets."""
    return len(variable.shape) > 1


class LayeredSteps:
    """Mixin for a Keras optimizer: each variable has its share of the learning rate, and so of the decay."""

    def scale_steps(self, variables: Sequence[tuple[keras.Variable, float]], weight_decay: float) -> None:
        """variables: in the order in which the optimizer is built, each with its share."""
        self.shares = [share for _, share in variables]
        self.decays = [weight_decay if is_decayed(variable) else 0.0 for variable, _ in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        place = self._get_variable_index(variable)  # type: ignore[attr-defined]
        rate = keras.ops.cast(learning_rate, variable.dtype) * self.shares[place]
        if self.decays[place]:
            self.assign_sub(variable, variable * (rate * self.decays[place]))  # type: ignore[attr-defined]
        super().update_step(gradient, variable, rate)  # type: ignore[misc]


class LayeredAdam(LayeredSteps, keras.optimizers.Adam):
    """Adam, or with a decay AdamW, with a learning rate for each layer."""


class LayeredSGD(LayeredSteps, keras.optimizers.SGD):
    """SGD with a learning rate for each layer."""


def loss_of(gamma: float, label_smoothing: float = 0.0, soft: bool = False) -> keras.losses.Loss:
    """The log loss, or with a gamma above 0 the focal loss: the mean of -(1 - p)^gamma ln p, p the true class's probability.

    label_smoothing: this share of each label is spread evenly over all classes. soft: labels are shares of classes (N, K).

    Source: Lin et al. 2017, arXiv 1708.02002, equation 4; Szegedy et al. 2016, arXiv 1512.00567, section 7 (smoothing).
    """
    if gamma:
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=gamma, from_logits=True, label_smoothing=label_smoothing
        )
    if label_smoothing or soft:
        return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def takes_shares(loss: keras.losses.Loss) -> bool:
    """Whether a loss takes shares of classes (N, K) as labels, not class indices (N,)."""
    return not isinstance(loss, keras.losses.SparseCategoricalCrossentropy)
