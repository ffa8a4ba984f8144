"""Densely connected networks: every layer sees the maps of all layers before it.

Paper: Huang 2016 (1608.06993), table 1: the bottleneck form with compression, DenseNet-BC.
Padding is explicit and even, as in the authors' code.
Departures: the level of a stage is its last concatenation; the 1x1 that halves it belongs to the transition. Batch
normalisation moves its statistics by a tenth each step.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import (
    ImageShape,
    batch_norm,
    dilated_pool,
    even_conv,
    even_max_pool,
    image_input,
    logits,
    relu,
    stride_plan,
)

BOTTLENECK = 4  # a layer's 1x1 gives four times its growth (section 3, "Bottleneck layers")
COMPRESSION = 2  # a transition keeps one map of two (section 3, "Compression")


@dataclass(frozen=True, kw_only=True)
class DenseNetSpec:
    """One column of table 1."""

    repeats: tuple[int, ...]  # layers of each dense block
    growth: int = 32  # maps that each layer adds
    stem_width: int = 64
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "densenet121": DenseNetSpec(repeats=(6, 12, 24, 16), source="Huang 2016, table 1", params=7_978_856),
    "densenet169": DenseNetSpec(repeats=(6, 12, 32, 32), source="Huang 2016, table 1", params=14_149_480),
    "densenet201": DenseNetSpec(repeats=(6, 12, 48, 32), source="Huang 2016, table 1", params=20_013_928),
    "densenet161": DenseNetSpec(
        repeats=(6, 12, 36, 24),
        growth=48,
        stem_width=96,
        source="the authors' repository; torchvision's densenet161",
        params=28_681_000,
    ),
    "tiny_densenet": DenseNetSpec(
        repeats=(1, 2, 1, 1), growth=8, stem_width=16, source="kcnn, for tests", params=37_814
    ),
}


def dense_layer(x: keras.KerasTensor, growth: int, dilation: int, name: str) -> keras.KerasTensor:
    """The input with `growth` maps more: BN, ReLU, 1x1, BN, ReLU, 3x3 (section 3)."""
    y = relu(batch_norm(x, f"{name}_pre"), f"{name}_pre")
    y = even_conv(y, BOTTLENECK * growth, 1, 1, f"{name}_conv1")
    y = relu(batch_norm(y, f"{name}_conv1"), f"{name}_conv1")
    y = even_conv(y, growth, 3, 1, f"{name}_conv2", dilation_rate=dilation)
    return keras.layers.Concatenate(name=name)([x, y])


def transition(x: keras.KerasTensor, stride: int, dilation: int, name: str) -> keras.KerasTensor:
    """Half the maps at half the size: BN, ReLU, 1x1, 2x2 average pooling; at stride 1 its taps are `dilation` apart."""
    x = relu(batch_norm(x, f"{name}_pre"), f"{name}_pre")
    x = even_conv(x, x.shape[-1] // COMPRESSION, 1, 1, name)
    if stride == 1:
        return dilated_pool(x, 2, dilation, f"{name}_pool", kind="average")
    return keras.layers.AveragePooling2D(2, stride, name=f"{name}_pool")(x)


def features(inputs: keras.KerasTensor, spec: DenseNetSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    "C1" and "C5" are normalised and activated; "C2" to "C4" are raw concatenations, which each reader normalises.

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    plan = stride_plan("densenet", [2, 2, 1, *(2 for _ in spec.repeats[1:])], output_stride)
    x = even_conv(inputs, spec.stem_width, 7, 2, "stem")
    x = relu(batch_norm(x, "stem"), "stem")
    levels = {"C1": x}
    x = even_max_pool(x, "stem_pool")
    for stage, repeats in enumerate(spec.repeats, start=2):
        stride, first, dilation = plan[stage]
        if stage > 2:
            x = transition(x, stride, first, f"stage{stage}_transition")
        for layer in range(1, repeats + 1):
            x = dense_layer(x, spec.growth, dilation, f"stage{stage}_layer{layer}")
        levels[f"C{stage}"] = x
    levels[f"C{stage}"] = relu(batch_norm(x, "post"), "post")
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a DenseNet.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 32 pixels, or None.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 32.
        ConfigError: `num_classes` is not positive.
    """
    inputs = image_input(name, image_shape, minimum=32)
    x = list(features(inputs, SPECS[name]).values())[-1]
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
