"""MobileNetV2: inverted residuals and linear bottlenecks, for phones.

Paper: Sandler 2018 (1801.04381), table 2; widths in table 4 and section 6.1.
Padding is TensorFlow's "same", as in the authors' code, so stride 2 pads bottom and right on even sizes.
Parameters are those of the layer table, trainable and with a 1000-way head: 3,504,872 at width 1 (3.4 M in table 4)
and 6,108,776 at 1.4, where table 4 prints 6.9 M; keras.applications counts as we do.
Departures: batch normalisation moves its statistics by a tenth each step (momentum 0.9; 0.999 in
keras.applications), or trainings of a few hundred steps would be judged by statistics of the start; the head
stays at 1280 maps below width 1, as the paper says in section 6.1.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import ImageShape, image_input, logits, stride_plan


@dataclass(frozen=True, kw_only=True)
class MobileNetV2Spec:
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
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "mobilenet_v2": MobileNetV2Spec(source="Sandler 2018, table 2", params=3_504_872),
    "mobilenet_v2_035": MobileNetV2Spec(width=0.35, source="Sandler 2018, section 6.1", params=1_677_128),
    "mobilenet_v2_050": MobileNetV2Spec(width=0.5, source="Sandler 2018, section 6.1", params=1_968_680),
    "mobilenet_v2_075": MobileNetV2Spec(width=0.75, source="Sandler 2018, section 6.1", params=2_636_424),
    "mobilenet_v2_140": MobileNetV2Spec(width=1.4, source="Sandler 2018, table 4", params=6_108_776),
    "tiny_mobilenet_v2": MobileNetV2Spec(
        stem=8,
        head=32,
        blocks=((1, 8, 1, 1), (2, 8, 2, 2), (2, 8, 1, 2), (2, 16, 1, 2), (2, 16, 1, 2)),
        dropout=0.0,
        source="kcnn, for tests",
        params=37_512,
    ),
}


def divisible(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, losing at most 10 %: the rounding of the authors' code."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


def norm(x: keras.KerasTensor, name: str, relu: bool = True) -> keras.KerasTensor:
    """Batch normalisation, then ReLU6 unless the layer is linear."""
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=6.0, name=f"{name}_relu")(x) if relu else x


def conv_norm(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    """Convolution without bias, batch normalisation, ReLU6."""
    x = keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return norm(x, name)


def inverted_residual(
    x: keras.KerasTensor, expansion: int, filters: int, stride: int, dilation: int, name: str
) -> keras.KerasTensor:
    """Expand by a 1x1, filter by a depthwise 3x3, project linearly; add the input where shapes allow."""
    entry, channels = x, x.shape[-1]
    if expansion > 1:
        x = conv_norm(x, expansion * channels, 1, 1, f"{name}_expand")
    x = keras.layers.DepthwiseConv2D(
        3, stride, padding="same", dilation_rate=dilation, use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = norm(x, f"{name}_depthwise")
    x = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x)
    x = norm(x, f"{name}_project", relu=False)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([entry, x])
    return x


def features(inputs: keras.KerasTensor, spec: MobileNetV2Spec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    strides = [2, *(stride for *_, stride in spec.blocks)]
    plan = stride_plan("mobilenet_v2", strides, output_stride)
    x = conv_norm(inputs, divisible(spec.stem * spec.width), 3, plan[0][0], "stem")
    levels, level = {}, 1
    for stage, (expansion, channels, repeats, stride) in enumerate(spec.blocks, start=1):
        if stride > 1:
            levels[f"C{level}"] = x
            level += 1
        first_stride, first_dilation, dilation = plan[stage]
        for block in range(repeats):
            x = inverted_residual(
                x,
                expansion,
                divisible(channels * spec.width),
                first_stride if block == 0 else 1,
                first_dilation if block == 0 else dilation,
                f"stage{stage}_block{block + 1}",
            )
    return levels | {f"C{level}": x}


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
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=32)
    levels = features(inputs, spec)
    x = levels[f"C{len(levels)}"]
    x = conv_norm(x, divisible(spec.head * max(spec.width, 1.0)), 1, 1, "head")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
