"""LeNet-5, the network that read bank cheques.

Paper: LeCun 1998 (Gradient-based learning applied to document recognition), section II-B, figure 2.
`lenet5_1998` is the paper's network. Its sub-sampling weighs the mean of four values, not their sum, and its output is
minus the distance, so that the largest wins. 28x28 digits are padded by 2 on each side: the paper's 32x32 field.
Departures of the others, as in most of today's copies: C3 sees all maps of S2 (the paper's table I leaves some out);
sub-sampling has no weights; logits in place of the radial basis output. `lenet5` uses ReLU and max pooling, which learn
faster; `lenet5_tanh` keeps tanh and average pooling.
"""

from dataclasses import dataclass
from typing import Literal

import keras

from kcnn.layers import RadialBasisOutput, SparseConv2D, TrainableSubsampling, scaled_tanh
from kcnn.models.common import ImageShape, class_count, image_input, logits

ACTIVATIONS = {"relu": "relu", "tanh": "tanh", "scaled_tanh": scaled_tanh}
C3_1998 = (  # table I: the maps of S2 that each of the 16 maps of C3 sees
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LeNetSpec:
    """One row: maps of C1 and C3, units of C5 and F6."""

    maps: tuple[int, int]
    units: tuple[int, int]
    activation: Literal["relu", "tanh", "scaled_tanh"] = "relu"
    pooling: Literal["max", "average", "trainable"] = "max"
    connections: tuple[tuple[int, ...], ...] | None = None  # maps of S2 that each map of C3 sees; None for all
    output: Literal["dense", "rbf"] = "dense"
    lost: int = 2  # cells that unpadded layers take from a level
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
    "lenet5_1998": LeNetSpec(
        maps=(6, 16),
        units=(120, 84),
        activation="scaled_tanh",
        pooling="trainable",
        connections=C3_1998,
        output="rbf",
        source="LeCun 1998, figure 2 and table I",
        params=60_000,
    ),
    "tiny_lenet5": LeNetSpec(maps=(2, 4), units=(30, 21), source="kcnn, for tests", params=4_157),
}


def pool(x: keras.KerasTensor, spec: LeNetSpec, name: str) -> keras.KerasTensor:
    """2x2 pooling at stride 2; the paper's has weights and squashes its output."""
    if spec.pooling == "trainable":
        x = TrainableSubsampling(name=name)(x)
        return keras.layers.Activation(ACTIVATIONS[spec.activation], name=f"{name}_squash")(x)
    layer = keras.layers.MaxPooling2D if spec.pooling == "max" else keras.layers.AveragePooling2D
    return layer(2, name=name)(x)


def features(inputs: keras.KerasTensor, spec: LeNetSpec) -> dict[str, keras.KerasTensor]:
    """Return the pooled maps: S2 as "C1" (stride 2) and S4 as "C2" (stride 4)."""
    activation = ACTIVATIONS[spec.activation]
    x = keras.layers.Conv2D(spec.maps[0], 5, padding="same", activation=activation, name="c1")(inputs)
    levels = {"C1": pool(x, spec, "s2")}
    if spec.connections is None:
        x = keras.layers.Conv2D(spec.maps[1], 5, activation=activation, name="c3")(levels["C1"])
    else:
        x = SparseConv2D(spec.connections, 5, name="c3")(levels["C1"])
        x = keras.layers.Activation(activation, name="c3_squash")(x)
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
        x = keras.layers.Dense(units, activation=ACTIVATIONS[spec.activation], name=layer)(x)
    if spec.output == "rbf":
        outputs = RadialBasisOutput(class_count(name, num_classes), dtype="float32", name="logits")(x)
    else:
        outputs = logits(x, name, num_classes)
    return keras.Model(inputs, outputs, name=name)
