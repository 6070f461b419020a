"""Small presets of KerasHub with random weights, written to the disk."""

from pathlib import Path

import keras
import keras_hub
import numpy as np

PATCH, WIDTH, REGISTERS = 14, 16, 2  # of the DINOv2, px, channels and tokens


def write_preset(kind: str, folder: Path, patch: int = PATCH) -> None:
    """kind: resnet, or dinov2 for films of 4 x 4 patches, whose positions were learned for 5 x 5."""
    keras.utils.set_random_seed(3)
    if kind == "resnet":
        made = keras_hub.models.ResNetBackbone([64], [3], [64, 64], [1, 1], [1, 2], "basic_block")
    else:
        made = keras_hub.models.DINOV2Backbone(
            *(patch, 2, WIDTH, 2, 32),
            layer_scale_init_value=0.5,
            num_register_tokens=REGISTERS,
            image_shape=(4 * patch, 4 * patch, 3),
            position_embedding_shape=(5 * patch, 5 * patch),
        )
    noise = np.random.default_rng(0)
    for weight in made.weights:  # registers begin as zeros, biases too: random ones show a weight in the wrong place
        if "moving" not in weight.path and "interpolated" not in weight.path:
            weight.assign(weight.numpy() + noise.normal(0, 0.05, weight.shape))
    made.save_to_preset(str(folder))
