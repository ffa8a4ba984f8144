"""Xception: Inception modules taken to their limit, depthwise separable convolutions with shortcuts.

Paper: Chollet 2016 (1610.02357), figure 5; dropout in section 4.3.
Padding is that of the author's code: none in the two convolutions of the stem, TensorFlow's "same" after them, so
stride 2 pads bottom and right on even sizes.
Departures: below `output_stride` a pooling that no longer strides keeps its 3x3 window. Batch normalisation moves its
statistics by a tenth each step.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import ImageShape, batch_norm, even_conv, image_input, logits, relu, stride_plan

EPSILON = 1e-3


@dataclass(frozen=True, kw_only=True)
class XceptionSpec:
    """Figure 5 from top to bottom: maps of each convolution."""

    stem: tuple[int, int] = (32, 64)
    entry: tuple[int, ...] = (128, 256, 728)  # one strided block each
    middle: int = 8  # blocks that keep size and maps
    exit: tuple[int, int] = (728, 1024)  # the last strided block
    top: tuple[int, int] = (1536, 2048)
    dropout: float = 0.5
    lost: int = 3  # cells that the unpadded stem takes from a level
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "xception": XceptionSpec(source="Chollet 2016, figure 5", params=22_855_952),
    "tiny_xception": XceptionSpec(
        stem=(8, 8),
        entry=(8, 16, 16),
        middle=1,
        exit=(16, 24),
        top=(24, 32),
        dropout=0.0,
        source="kcnn, for tests",
        params=40_808,
    ),
}


def separable(x: keras.KerasTensor, filters: int, dilation: int, name: str) -> keras.KerasTensor:
    """A 3x3 in every map, a 1x1 across maps, nothing between (section 3), then batch normalisation."""
    x = keras.layers.SeparableConv2D(
        filters,
        3,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
        pointwise_initializer="he_uniform",
        name=name,
    )(x)
    return batch_norm(x, name, EPSILON)


def strided_block(
    x: keras.KerasTensor, widths: tuple[int, int], plan: tuple[int, int, int], name: str, *, activated: bool = False
) -> keras.KerasTensor:
    """Two separable convolutions and 3x3 max pooling, beside a 1x1 with the same stride.

    Args:
        plan: (stride, dilation before it, dilation after it); a stride of 1 pools without shrinking.
        activated: ReLU has been applied to `x`, as the stem does.
    """
    stride, dilation, _ = plan
    shortcut = even_conv(x, widths[1], 1, stride, f"{name}_shortcut")
    shortcut = batch_norm(shortcut, f"{name}_shortcut", EPSILON)
    for index, filters in enumerate(widths, start=1):
        if index > 1 or not activated:
            x = relu(x, f"{name}_conv{index}_pre")
        x = separable(x, filters, dilation, f"{name}_conv{index}")
    x = keras.layers.MaxPooling2D(3, stride, padding="same", name=f"{name}_pool")(x)
    return keras.layers.Add(name=name)([x, shortcut])


def middle_block(x: keras.KerasTensor, dilation: int, name: str) -> keras.KerasTensor:
    """Three separable convolutions, each after ReLU, beside the input itself."""
    entry = x
    for index in (1, 2, 3):
        x = relu(x, f"{name}_conv{index}_pre")
        x = separable(x, entry.shape[-1], dilation, f"{name}_conv{index}")
    return keras.layers.Add(name=name)([x, entry])


def features(inputs: keras.KerasTensor, spec: XceptionSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    plan = stride_plan("xception", [2, *(2 for _ in spec.entry), 2], output_stride)
    x = inputs
    for index, filters in enumerate(spec.stem, start=1):
        name, stride = f"block1_conv{index}", 2 if index == 1 else 1
        x = keras.layers.Conv2D(filters, 3, stride, use_bias=False, kernel_initializer="he_uniform", name=name)(x)
        x = relu(batch_norm(x, name, EPSILON), name)
    levels = {"C1": x}
    for block, filters in enumerate(spec.entry, start=2):
        x = strided_block(x, (filters, filters), plan[block - 1], f"block{block}", activated=block == 2)
        levels[f"C{block}"] = x
    for _ in range(spec.middle):
        block += 1
        x = middle_block(x, plan[-2][2], f"block{block}")
    levels[f"C{len(levels)}"] = x
    x = strided_block(x, spec.exit, plan[-1], f"block{block + 1}")
    for index, filters in enumerate(spec.top, start=1):
        name = f"block{block + 2}_conv{index}"
        x = relu(separable(x, filters, plan[-1][2], name), name)
    return levels | {f"C{len(levels) + 1}": x}


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build an Xception.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels (299 in the paper), or None.

    Returns: `keras.Model` from (N, H, W, C) images, scaled to -1..1 by the author, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=32)
    x = list(features(inputs, spec).values())[-1]
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
