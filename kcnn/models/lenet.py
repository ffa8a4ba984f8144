"""LeNet-5, the network that read bank cheques.

Paper: LeCun 1998 (Gradient-based learning applied to document recognition), section II-B, figure 2.
Departures, as in most of today's copies: C3 sees all maps of S2 (the paper's table I leaves some out);
sub-sampling has no weights; logits in place of the radial basis output. 28x28 digits are padded by 2 on each
side, which is the paper's 32x32 field. `lenet5` uses ReLU and max pooling, which learn faster;
`lenet5_tanh` keeps tanh and average pooling.
"""

from dataclasses import dataclass
from typing import Literal

import keras

from kcnn.models.common import ImageShape, image_input, logits


@dataclass(frozen=True, kw_only=True)
class LeNetSpec:
    """One row: maps of C1 and C3, units of C5 and F6."""

    maps: tuple[int, int]
    units: tuple[int, int]
    activation: Literal["relu", "tanh"] = "relu"
    pooling: Literal["max", "average"] = "max"
    source: str
    params: int  # trainable, 10 classes, 28x28 gray


SPECS = {
    "lenet5": LeNetSpec(maps=(6, 16), units=(120, 84), source="LeCun 1998, figure 2, full C3", params=61_706),
    "lenet5_tanh": LeNetSpec(
        maps=(6, 16),
        units=(120, 84),
        activation="tanh",
        pooling="average",
        source="LeCun 1998, figure 2, full C3",
        params=61_706,
    ),
    "tiny_lenet5": LeNetSpec(maps=(2, 4), units=(30, 21), source="kcnn, for tests", params=4_157),
}


def conv(x: keras.KerasTensor, maps: int, padding: str, spec: LeNetSpec, name: str) -> keras.KerasTensor:
    """5x5 convolution with bias, then the activation."""
    return keras.layers.Conv2D(maps, 5, padding=padding, activation=spec.activation, name=name)(x)


def pool(x: keras.KerasTensor, spec: LeNetSpec, name: str) -> keras.KerasTensor:
    """2x2 pooling at stride 2."""
    layer = keras.layers.MaxPooling2D if spec.pooling == "max" else keras.layers.AveragePooling2D
    return layer(2, name=name)(x)


def features(inputs: keras.KerasTensor, spec: LeNetSpec) -> dict[str, keras.KerasTensor]:
    """Return the pooled maps: S2 as "C1" (stride 2) and S4 as "C2" (stride 4)."""
    x = conv(inputs, spec.maps[0], "same", spec, "c1")
    levels = {"C1": pool(x, spec, "s2")}
    x = conv(levels["C1"], spec.maps[1], "valid", spec, "c3")
    return levels | {"C2": pool(x, spec, "s4")}


def build(name: str, *, num_classes: int = 10, image_shape: ImageShape = (28, 28, 1)) -> keras.Model:
    """Build a LeNet-5.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels), numbers of at least 12 pixels a side; 28x28x1 in the paper.

    Returns: `keras.Model` from (N, H, W, C) to (N, num_classes) logits.

    Raises:
        ShapeError: height or width is open or below 12.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=12, fixed=True)
    x = keras.layers.Flatten(name="flatten")(features(inputs, spec)["C2"])
    for layer, units in zip(("c5", "f6"), spec.units, strict=True):
        x = keras.layers.Dense(units, activation=spec.activation, name=layer)(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
