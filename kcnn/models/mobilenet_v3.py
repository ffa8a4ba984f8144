"""MobileNetV3: searched inverted residuals with squeeze-excite and h-swish, for phones.

Paper: Howard 2019 (1905.02244), tables 1 and 2; the "minimalistic" forms (no squeeze-excite, h-swish or 5x5) are of the
authors' code and keras.applications.
Padding is TensorFlow's "same", as in the authors' code; torchvision's form is `padding="even"`.
Departures: squeeze-excite has a quarter of the expanded maps (section 5.3), rounded to a multiple of 8, and a hard
sigmoid; batch normalisation moves its statistics by a tenth each step. The dense layer after the pooling is the
authors' 1x1 convolution on 1x1 maps.
"""

from dataclasses import dataclass

import keras

from kcnn.models.blocks import Activation, Block, Style, activate, divisible, head, trunk
from kcnn.models.common import ImageShape, image_input, logits

Row = tuple[int, int, int, bool, Activation, int]
EXPANSION = 6  # the last 1x1 has six times the maps of the last block, 576 and 960 (tables 1 and 2)


@dataclass(frozen=True, kw_only=True)
class MobileNetV3Spec(Style):
    """One network. `blocks` is the paper's table: kernel, maps inside, maps out, SE, nonlinearity NL, stride s."""

    activation: Activation = "hard_swish"
    stem: int = 16
    blocks: tuple[Row, ...]
    hidden: int  # length of the dense layer before the logits
    dropout: float = 0.2
    source: str
    params: int  # trainable, 1000 classes, RGB


SMALL: tuple[Row, ...] = (
    (3, 16, 16, True, "relu", 2),
    (3, 72, 24, False, "relu", 2),
    (3, 88, 24, False, "relu", 1),
    (5, 96, 40, True, "hard_swish", 2),
    (5, 240, 40, True, "hard_swish", 1),
    (5, 240, 40, True, "hard_swish", 1),
    (5, 120, 48, True, "hard_swish", 1),
    (5, 144, 48, True, "hard_swish", 1),
    (5, 288, 96, True, "hard_swish", 2),
    (5, 576, 96, True, "hard_swish", 1),
    (5, 576, 96, True, "hard_swish", 1),
)
LARGE: tuple[Row, ...] = (
    (3, 16, 16, False, "relu", 1),
    (3, 64, 24, False, "relu", 2),
    (3, 72, 24, False, "relu", 1),
    (5, 72, 40, True, "relu", 2),
    (5, 120, 40, True, "relu", 1),
    (5, 120, 40, True, "relu", 1),
    (3, 240, 80, False, "hard_swish", 2),
    (3, 200, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 184, 80, False, "hard_swish", 1),
    (3, 480, 112, True, "hard_swish", 1),
    (3, 672, 112, True, "hard_swish", 1),
    (5, 672, 160, True, "hard_swish", 2),
    (5, 960, 160, True, "hard_swish", 1),
    (5, 960, 160, True, "hard_swish", 1),
)
TINY: tuple[Row, ...] = (
    (3, 8, 8, True, "relu", 2),
    (3, 16, 8, False, "relu", 2),
    (5, 24, 16, True, "hard_swish", 2),
    (5, 24, 16, True, "hard_swish", 1),
    (5, 32, 16, True, "hard_swish", 2),
)


def minimalistic(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return the rows with 3x3 kernels and ReLU only, and no squeeze-excite."""
    return tuple((3, expanded, filters, False, "relu", stride) for _, expanded, filters, _, _, stride in rows)


SPECS = {
    "mobilenet_v3_small": MobileNetV3Spec(blocks=SMALL, hidden=1024, source="Howard 2019, table 2", params=2_542_856),
    "mobilenet_v3_large": MobileNetV3Spec(blocks=LARGE, hidden=1280, source="Howard 2019, table 1", params=5_483_032),
    "mobilenet_v3_small_minimalistic": MobileNetV3Spec(
        activation="relu",
        blocks=minimalistic(SMALL),
        hidden=1024,
        source="keras.applications, minimalistic=True",
        params=2_044_736,
    ),
    "mobilenet_v3_large_minimalistic": MobileNetV3Spec(
        activation="relu",
        blocks=minimalistic(LARGE),
        hidden=1280,
        source="keras.applications, minimalistic=True",
        params=3_924_288,
    ),
    "tiny_mobilenet_v3": MobileNetV3Spec(
        stem=8, blocks=TINY, hidden=32, dropout=0.0, source="kcnn, for tests", params=45_024
    ),
}


def blocks(spec: MobileNetV3Spec) -> list[Block]:
    """Return one block a row of the paper's table."""
    return [
        Block(
            name=f"block{number}",
            expanded=expanded,
            filters=filters,
            kernel=kernel,
            stride=stride,
            squeezed=divisible(expanded / 4) if squeeze else 0,
            gate="hard_sigmoid",
            activation=activation,
        )
        for number, (kernel, expanded, filters, squeeze, activation, stride) in enumerate(spec.blocks, start=1)
    ]


def features(inputs: keras.KerasTensor, spec: MobileNetV3Spec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    return trunk(inputs, spec.stem, blocks(spec), spec, output_stride)


def network(name: str, spec: MobileNetV3Spec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=32)
    x = head(features(inputs, spec), EXPANSION * spec.blocks[-1][2], spec)
    x = keras.layers.Dense(spec.hidden, kernel_initializer="he_uniform", name="hidden")(x)
    x = activate(x, spec.activation, "hidden")
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a MobileNetV3.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images, scaled to -1..1 in the authors' code, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
