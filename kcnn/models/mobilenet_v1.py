"""MobileNetV1: depthwise separable convolutions, and the same network with full ones.

Paper: Howard 2017 (1704.04861), table 1; "Conv MobileNet" in table 4, widths in table 6.
Padding is TensorFlow's "same", as in the authors' code, so stride 2 pads bottom and right on even sizes.
Departures: ReLU6 instead of ReLU and batch normalisation's epsilon 1e-3, as in the authors' code; the last depthwise
convolution has stride 1, where table 1 prints 2 and keeps 7x7 maps; batch normalisation moves its statistics by a tenth
each step (momentum 0.9).
"""

from dataclasses import dataclass

import keras

from kcnn.models.blocks import Style, activate, conv
from kcnn.models.common import ImageShape, image_input, logits, stride_plan


@dataclass(frozen=True, kw_only=True)
class MobileNetV1Spec(Style):
    """One row. `blocks` is table 1 after the stem: (maps, stride) of each separable convolution, at width 1."""

    width: float = 1.0
    separable: bool = True  # False: one full 3x3 convolution a block, the paper's "Conv MobileNet"
    stem: int = 32
    blocks: tuple[tuple[int, int], ...] = (
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        *((512, 1),) * 5,
        (1024, 2),
        (1024, 1),
    )
    dropout: float = 0.001
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "mobilenet_v1": MobileNetV1Spec(source="Howard 2017, table 1", params=4_231_976),
    "mobilenet_v1_025": MobileNetV1Spec(width=0.25, source="Howard 2017, table 6", params=470_072),
    "mobilenet_v1_050": MobileNetV1Spec(width=0.5, source="Howard 2017, table 6", params=1_331_592),
    "mobilenet_v1_075": MobileNetV1Spec(width=0.75, source="Howard 2017, table 6", params=2_585_560),
    "mobilenet_v1_full": MobileNetV1Spec(separable=False, source="Howard 2017, table 4", params=29_294_088),
    "tiny_mobilenet_v1": MobileNetV1Spec(
        stem=8,
        blocks=((8, 1), (16, 2), (16, 2), (16, 2), (32, 2)),
        dropout=0.0,
        source="kcnn, for tests",
        params=35_328,
    ),
}


def block(
    x: keras.KerasTensor, filters: int, step: tuple[int, int], spec: MobileNetV1Spec, name: str
) -> keras.KerasTensor:
    """Depthwise 3x3, then 1x1 (figure 3, right); or one full 3x3.

    Args:
        step: (stride, dilation) of the 3x3.
    """
    wide = {"strides": step[0], "dilation_rate": step[1]}
    if not spec.separable:
        return activate(conv(x, filters, 3, spec, f"{name}_conv", **wide), spec.activation, f"{name}_conv")
    x = activate(conv(x, None, 3, spec, f"{name}_depthwise", **wide), spec.activation, f"{name}_depthwise")
    return activate(conv(x, filters, 1, spec, f"{name}_pointwise"), spec.activation, f"{name}_pointwise")


def features(inputs: keras.KerasTensor, spec: MobileNetV1Spec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    plan = stride_plan("MobileNetV1", [2, *(stride for _, stride in spec.blocks)], output_stride)
    x = conv(inputs, int(spec.stem * spec.width), 3, spec, "stem", strides=plan[0][0])
    x = activate(x, spec.activation, "stem")
    levels = {"C1": x}
    for number, (filters, stride) in enumerate(spec.blocks, start=1):
        x = block(x, int(filters * spec.width), plan[number][:2], spec, f"block{number}")
        levels[f"C{len(levels) + stride - 1}"] = x
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a MobileNetV1.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images, scaled to -1..1 in the authors' code, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=32)
    levels = features(inputs, spec)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(levels[f"C{len(levels)}"])
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
