"""ConvNeXt: a residual network rebuilt with the habits of vision transformers.

Paper: Liu 2022 (2201.03545), section 2, table 9 (the last columns' layout) and section 3.1 (widths and depths).
A block filters each map by a 7x7, normalises each position over its maps, and mixes maps by a wide 1x1, GELU, 1x1.
Layer scale (Touvron 2021, 2103.17239) is a depthwise 1x1 without bias; stochastic depth (Huang 2016, 1603.09382) is
dropout of whole images, rising from 0 in the first block to `drop_path` in the last.
Departures: none in the layers. Where dilation replaces a stride (`output_stride`), the 2x2 that strode pads
bottom and right, so that every strided map is a sample of the dilated one.
"""

from dataclasses import dataclass

import keras

from kcnn.models.common import ImageShape, image_input, logits, stride_plan

EPSILON = 1e-6
EXPANSION = 4


@dataclass(frozen=True, kw_only=True)
class ConvNeXtSpec:
    """One row: widths C and blocks B of the four stages (section 3), stochastic depth (table 5)."""

    widths: tuple[int, int, int, int]
    repeats: tuple[int, int, int, int]
    drop_path: float  # probability that training drops the last block
    scale: float = 1e-6  # where layer scale starts
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "convnext_tiny": ConvNeXtSpec(
        widths=(96, 192, 384, 768),
        repeats=(3, 3, 9, 3),
        drop_path=0.1,
        source="Liu 2022, section 3, ConvNeXt-T",
        params=28_589_128,
    ),
    "convnext_small": ConvNeXtSpec(
        widths=(96, 192, 384, 768),
        repeats=(3, 3, 27, 3),
        drop_path=0.4,
        source="Liu 2022, section 3, ConvNeXt-S",
        params=50_223_688,
    ),
    "convnext_base": ConvNeXtSpec(
        widths=(128, 256, 512, 1024),
        repeats=(3, 3, 27, 3),
        drop_path=0.5,
        source="Liu 2022, section 3, ConvNeXt-B",
        params=88_591_464,
    ),
    "tiny_convnext": ConvNeXtSpec(
        widths=(8, 8, 16, 16),
        repeats=(1, 1, 2, 1),
        drop_path=0.1,
        source="kcnn, for tests",
        params=30_216,
    ),
}


def norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Layer normalisation over the maps at each position (Ba 2016, 1607.06450)."""
    return keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm")(x)


def conv(x: keras.KerasTensor, filters: int, kernel: int, stride: int, name: str) -> keras.KerasTensor:
    """Convolution with bias and without padding, from the paper's truncated normal of 0.02 (table 5)."""
    start = keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.layers.Conv2D(filters, kernel, stride, kernel_initializer=start, name=name)(x)


def block(x: keras.KerasTensor, dilation: int, drop: float, scale: float, name: str) -> keras.KerasTensor:
    """x + scaled branch: 7x7 depthwise, normalisation, 1x1 to four times the width, GELU, 1x1 (figure 4)."""
    entry, width = x, x.shape[-1]
    x = keras.layers.DepthwiseConv2D(
        7,
        padding="same",
        dilation_rate=dilation,
        depthwise_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        name=f"{name}_depthwise",
    )(x)
    x = norm(x, f"{name}_depthwise")
    x = conv(x, EXPANSION * width, 1, 1, f"{name}_expand")
    x = keras.layers.Activation("gelu", name=f"{name}_gelu")(x)
    x = conv(x, width, 1, 1, f"{name}_project")
    x = keras.layers.DepthwiseConv2D(
        1, use_bias=False, depthwise_initializer=keras.initializers.Constant(scale), name=f"{name}_scale"
    )(x)
    if drop:
        x = keras.layers.Dropout(drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(x)
    return keras.layers.Add(name=f"{name}_add")([entry, x])


def downsample(x: keras.KerasTensor, filters: int, plan: tuple[int, int, int], name: str) -> keras.KerasTensor:
    """Normalisation, then a 2x2 at stride 2; without stride its taps keep their distance in the image.

    Args:
        plan: (stride, dilation of this convolution, dilation after it).
    """
    x, (stride, dilation, _) = norm(x, name), plan
    if stride == 2:
        return conv(x, filters, 2, 2, name)
    x = keras.layers.ZeroPadding2D(((0, dilation), (0, dilation)), name=f"{name}_pad")(x)
    start = keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.layers.Conv2D(filters, 2, dilation_rate=dilation, kernel_initializer=start, name=name)(x)


def features(inputs: keras.KerasTensor, spec: ConvNeXtSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map of each stage: "C2" (stride 4) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    plan = stride_plan("convnext", (4, 2, 2, 2), output_stride)
    x = norm(conv(inputs, spec.widths[0], 4, 4, "stem"), "stem")
    levels, done, last = {}, 0, sum(spec.repeats) - 1
    for stage, (repeats, width) in enumerate(zip(spec.repeats, spec.widths, strict=True), start=2):
        if stage > 2:
            x = downsample(x, width, plan[stage - 2], f"stage{stage}_downsample")
        for index in range(1, repeats + 1):
            drop = spec.drop_path * done / last
            x = block(x, plan[stage - 2][2], drop, spec.scale, f"stage{stage}_block{index}")
            done += 1
        levels[f"C{stage}"] = x
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a ConvNeXt.

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
    x = keras.layers.GlobalAveragePooling2D(name="pool")(features(inputs, SPECS[name])["C5"])
    return keras.Model(inputs, logits(norm(x, "pool"), name, num_classes), name=name)
