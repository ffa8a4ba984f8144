"""Fully connected networks: what a convolutional network is compared with.

Paper: LeCun 1998 (Gradient-based learning applied to document recognition), section III-C.6, network
"28x28-300-100-10".
Departures: ReLU in place of the scaled tanh; logits out in place of the Euclidean output units.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import ImageShape, image_input, logits


@dataclass(frozen=True, kw_only=True)
class MlpSpec:
    """One row: the widths of the hidden layers."""

    hidden: tuple[int, ...]
    source: str
    params: int  # trainable, 10 classes, 28x28 gray


SPECS = {
    "mlp": MlpSpec(hidden=(300, 100), source="LeCun 1998, section III-C.6: 28x28-300-100-10", params=266_610),
    "tiny_mlp": MlpSpec(hidden=(16,), source="kcnn, for tests", params=12_730),
}


def build(name: str, *, num_classes: int = 10, image_shape: ImageShape = (28, 28, 1)) -> keras.Model:
    """Build a fully connected network.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels), all numbers.

    Returns: `keras.Model` from (N, H, W, C) to (N, num_classes) logits.

    Raises:
        ShapeError: height or width is open or below 1.
        ConfigError: `num_classes` is not positive.
    """
    inputs = image_input(name, image_shape, minimum=1, fixed=True)
    x = keras.layers.Flatten(name="flatten")(inputs)
    for index, units in enumerate(SPECS[name].hidden, start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense{index}")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
