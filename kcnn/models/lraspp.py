"""LR-ASPP: the segmentation head of MobileNetV3, two 1x1 convolutions and a gate.

Paper: Howard 2019 (1905.02244), section 6.4 and figure 10.
Departures: the gate sees the mean of the whole image, as in torchvision, where the paper averages over 49x49 maps at
stride 16x20; the trunk keeps the maps of its last blocks, which the paper halves. The early level is the last at stride
8, torchvision's is the first, and the block whose stride is dropped is not dilated itself, torchvision's is.
"""

from dataclasses import dataclass

import keras

from kcnn.models.blocks import last_conv
from kcnn.models.common import ImageShape, batch_norm, even_conv, image_input, relu
from kcnn.models.dense import enlarge, scores, trunk


@dataclass(frozen=True, kw_only=True)
class LRASPPSpec:
    """One row."""

    trunk: str  # the classifier that the network starts with, whose weights fit
    changes: tuple[tuple[str, object], ...] = ()  # (field, value) of its row to replace
    top: int = 960  # maps of the classifier's 1x1 "head"
    output_stride: int = 16
    skip: str = "C3"  # level, or layer of the trunk, that gives scores of its own
    width: int = 128  # maps of the head
    source: str
    params: int  # trainable, 21 classes, RGB


SPECS = {
    "lraspp_mobilenet_v3_large": LRASPPSpec(
        trunk="mobilenet_v3_large", source="Howard 2019, figure 10; torchvision's form", params=3_221_538
    ),
    "tiny_lraspp": LRASPPSpec(trunk="tiny_mobilenet_v3", top=96, width=8, source="kcnn, for tests", params=10_850),
}


def network(name: str, spec: LRASPPSpec, num_classes: int, image_shape: ImageShape) -> keras.Model:
    """Build the network of any spec, a row of `SPECS` or `dataclasses.replace` of one; see `build`."""
    inputs = image_input(name, image_shape, minimum=32)
    levels, row = trunk(inputs, spec.trunk, spec.output_stride, spec.changes)
    deep = last_conv(levels, spec.top, row)
    skip = levels.get(spec.skip)
    if skip is None:
        skip = keras.Model(inputs, deep).get_layer(spec.skip).output
    x = relu(batch_norm(even_conv(deep, spec.width, 1, 1, "lraspp_conv"), "lraspp_conv"), "lraspp_conv")
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name="lraspp_pool")(deep)
    gate = even_conv(gate, spec.width, 1, 1, "lraspp_gate", activation="sigmoid")
    x = enlarge(keras.layers.Multiply(name="lraspp_gated")([x, gate]), skip, "lraspp_enlarged")
    parts = [scores(x, name, num_classes), scores(skip, name, num_classes, "logits_skip")]
    x = keras.layers.Add(name="logits_add", dtype="float32")(parts)
    return keras.Model(inputs, enlarge(x, inputs, "enlarged"), name=name)


def build(name: str, *, num_classes: int = 21, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build an LR-ASPP network.

    Args:
        name: a row of `SPECS`.
        num_classes: scores of each pixel.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images, as the classifier of the trunk takes them, to
        (N, H, W, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    return network(name, SPECS[name], num_classes, image_shape)
