"""MobileNetV2: inverted residuals and linear bottlenecks, for phones.

Paper: Sandler 2018 (1801.04381), table 2; widths in table 4 and section 6.1.
Padding is TensorFlow's "same", as in the authors' code, so stride 2 pads bottom and right on even sizes; torchvision's
form is `padding="even", epsilon=1e-5`.
Parameters are those of the layer table, trainable and with a 1000-way head: 3,504,872 at width 1 (3.4 M in table 4)
and 6,108,776 at 1.4, where table 4 prints 6.9 M; keras.applications counts as we do.
Departures: batch normalisation moves its statistics by a tenth each step (momentum 0.9; 0.999 in
keras.applications), or trainings of a few hundred steps would be judged by statistics of the start; the head
stays at 1280 maps below width 1, as the paper says in section 6.1.
"""

from dataclasses import dataclass

import keras

from kcnn.models.blocks import Block, Style, divisible, head, trunk
from kcnn.models.common import ImageShape, image_input, logits


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Spec(Style):
    """One row. `blocks` is table 2: expansion t, channels c, repeats n, stride s of each stage."""

    width: float = 1.0
    stem: int = 32
    head: int = 1280
    blocks: tuple[tuple[int, int, int, int], ...] = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    dropout: float = 0.2
    resolution: int = 224  # pixels a side of the images it was made for
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "mobilenet_v2": MobileNetV2Spec(source="Sandler 2018, table 2", params=3_504_872),
    "mobilenet_v2_035": MobileNetV2Spec(width=0.35, source="Sandler 2018, section 6.1", params=1_677_128),
    "mobilenet_v2_050": MobileNetV2Spec(width=0.5, source="Sandler 2018, section 6.1", params=1_968_680),
    "mobilenet_v2_075": MobileNetV2Spec(width=0.75, source="Sandler 2018, section 6.1", params=2_636_424),
    "mobilenet_v2_140": MobileNetV2Spec(width=1.4, source="Sandler 2018, table 4", params=6_108_776),
    "mobilenet_v2_050_cifar": MobileNetV2Spec(
        width=0.5,
        stem_stride=1,
        resolution=32,
        blocks=(
            (1, 16, 1, 1),
            (6, 24, 2, 1),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ),
        source="Sandler 2018, section 6.1; strides of the first two stages left out",
        params=1_968_680,
    ),
    "tiny_mobilenet_v2": MobileNetV2Spec(
        stem=8,
        head=32,
        blocks=((1, 8, 1, 1), (2, 8, 2, 2), (2, 8, 1, 2), (2, 16, 1, 2), (2, 16, 1, 2)),
        dropout=0.0,
        source="kcnn, for tests",
        params=37_512,
    ),
}


def blocks(spec: MobileNetV2Spec) -> list[Block]:
    """Return the rows of table 2 as one block each, at the row's width."""
    found, channels = [], divisible(spec.stem * spec.width)
    for stage, (expansion, filters, repeats, stride) in enumerate(spec.blocks, start=1):
        for repeat in range(repeats):
            name, filters_out = f"stage{stage}_block{repeat + 1}", divisible(filters * spec.width)
            found.append(
                Block(
                    name=name,
                    expanded=expansion * channels,
                    filters=filters_out,
                    stride=stride if repeat == 0 else 1,
                    activation=spec.activation,
                )
            )
            channels = filters_out
    return found


def features(inputs: keras.KerasTensor, spec: MobileNetV2Spec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    return trunk(inputs, divisible(spec.stem * spec.width), blocks(spec), spec, output_stride)


def network(name: str, spec: MobileNetV2Spec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=32)
    x = head(features(inputs, spec), divisible(spec.head * max(spec.width, 1.0)), spec)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a MobileNetV2.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images, scaled to -1..1 in the paper, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
