"""Inception-v3: large kernels as stacks of small and of one-sided ones, on grids of 35, 17 and 8.

Paper: Szegedy 2015 (1512.00567), table 1 and figures 5 to 7, 10; the widths are those of the authors' code.
The stem and the two grid reductions are unpadded, so that 299 pixels give 35x35, 17x17 and 8x8 maps.
Departures: normalisation shifts and does not scale, as in the authors' code; the auxiliary classifier is left out.
Below `output_stride` a reduction that no longer strides is padded and keeps the size, and a dilated average counts the
zeros beyond the border. Batch normalisation moves its statistics by a tenth each step.
"""

import itertools
from dataclasses import dataclass

import keras

from kcnn.models.common import BN_MOMENTUM, ImageShape, dilated_pool, image_input, logits, relu, stride_plan

Conv = tuple[int, int, int]  # maps, kernel height, kernel width
Fork = tuple[Conv, Conv]  # two convolutions of the same maps, concatenated
Branch = tuple[Conv | Fork, ...]


@dataclass(frozen=True, kw_only=True)
class Module:
    """Branches on the same maps, the last of which pools first; the output is their concatenation."""

    branches: tuple[Branch, ...]
    pooled: Conv | None = None  # after 3x3 average pooling; without it 3x3 max pooling alone
    stride: int = 1  # 2: the last convolution of each branch strides, and the pooling


def grid35(pooled: int, slim: int = 1) -> Module:
    """Figure 5: 1x1, 5x5, two 3x3."""
    a, b, c = 64 // slim, 48 // slim, 96 // slim
    branches = (((a, 1, 1),), ((b, 1, 1), (a, 5, 5)), ((a, 1, 1), (c, 3, 3), (c, 3, 3)))
    return Module(branches=branches, pooled=(pooled // slim, 1, 1))


def grid17(width: int, slim: int = 1) -> Module:
    """Figure 6 with n = 7: 7x7 as 1x7 after 7x1, once and twice."""
    w, m = width // slim, 192 // slim
    once: Branch = ((w, 1, 1), (w, 1, 7), (m, 7, 1))
    twice: Branch = ((w, 1, 1), (w, 7, 1), (w, 1, 7), (w, 7, 1), (m, 1, 7))
    return Module(branches=(((m, 1, 1),), once, twice), pooled=(m, 1, 1))


def grid8(slim: int = 1) -> Module:
    """Figure 7: 3x3 as 1x3 beside 3x1, which widens the output."""
    m = 384 // slim
    fork: Fork = ((m, 1, 3), (m, 3, 1))
    branches: tuple[Branch, ...] = (((320 // slim, 1, 1),), ((m, 1, 1), fork), ((448 // slim, 1, 1), (m, 3, 3), fork))
    return Module(branches=branches, pooled=(192 // slim, 1, 1))


def reduction17(slim: int = 1) -> Module:
    """Figure 10, from 35x35 to 17x17."""
    c = 96 // slim
    return Module(branches=(((384 // slim, 3, 3),), ((64 // slim, 1, 1), (c, 3, 3), (c, 3, 3))), stride=2)


def reduction8(slim: int = 1) -> Module:
    """Figure 10, from 17x17 to 8x8."""
    m = 192 // slim
    return Module(branches=(((m, 1, 1), (320 // slim, 3, 3)), ((m, 1, 1), (m, 1, 7), (m, 7, 1), (m, 3, 3))), stride=2)


@dataclass(frozen=True, kw_only=True)
class InceptionSpec:
    """Table 1."""

    stem: tuple[Conv, ...] = ((32, 3, 3), (32, 3, 3), (64, 3, 3), (80, 1, 1), (192, 3, 3))
    modules: tuple[Module, ...]
    dropout: float = 0.2
    smallest: int = 75  # pixels that leave one cell
    lost: int = 4  # cells that unpadded convolutions take from a level
    source: str
    params: int  # trainable, 1000 classes, RGB


SPECS = {
    "inception_v3": InceptionSpec(
        modules=(
            *(grid35(pooled) for pooled in (32, 64, 64)),
            reduction17(),
            *(grid17(width) for width in (128, 160, 160, 192)),
            reduction8(),
            *(grid8() for _ in range(2)),
        ),
        source="Szegedy 2015, table 1",
        params=23_817_352,
    ),
    "tiny_inception_v3": InceptionSpec(
        stem=((8, 3, 3), (8, 3, 3), (8, 3, 3), (8, 1, 1), (16, 3, 3)),
        modules=(grid35(32, 16), reduction17(16), grid17(128, 16), reduction8(16), grid8(16)),
        dropout=0.0,
        source="kcnn, for tests",
        params=168_469,
    ),
}


def conv(
    x: keras.KerasTensor, step: Conv, name: str, stride: int = 1, dilation: int = 1, padding: str = "same"
) -> keras.KerasTensor:
    """Convolution without bias, normalisation without scale, ReLU."""
    filters, *kernel = step
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding=padding,
        dilation_rate=dilation,
        use_bias=False,
        kernel_initializer="he_uniform",
        name=name,
    )(x)
    x = keras.layers.BatchNormalization(momentum=BN_MOMENTUM, epsilon=1e-3, scale=False, name=f"{name}_bn")(x)
    return relu(x, name)


def inception(x: keras.KerasTensor, module: Module, stride: int, dilation: int, name: str) -> keras.KerasTensor:
    """The branches of `module` side by side; at stride 2 the last step of each is unpadded, as the pooling."""
    last = {"stride": stride, "padding": "valid"} if stride > 1 else {}
    outputs = []
    for number, branch in enumerate(module.branches, start=1):
        names, y = (f"{name}_branch{number}_conv{index}" for index in itertools.count(1)), x
        for place, step in enumerate(branch, start=1):
            if isinstance(step[0], tuple):
                halves = [conv(y, half, next(names), dilation=dilation) for half in step]
                y = keras.layers.Concatenate(name=f"{name}_branch{number}_fork")(halves)
            else:
                y = conv(y, step, next(names), dilation=dilation, **(last if place == len(branch) else {}))
        outputs.append(y)
    pooling = f"{name}_branch{len(module.branches) + 1}"
    if module.pooled:
        y = dilated_pool(x, 3, dilation, f"{pooling}_pool", centred=True, kind="average")
        outputs.append(conv(y, module.pooled, f"{pooling}_conv1"))
    elif stride > 1:
        outputs.append(keras.layers.MaxPooling2D(3, stride, name=f"{pooling}_pool")(x))
    else:
        outputs.append(dilated_pool(x, 3, dilation, f"{pooling}_pool", centred=True))
    return keras.layers.Concatenate(name=name)(outputs)


def features(inputs: keras.KerasTensor, spec: InceptionSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated).

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    plan = stride_plan("inception_v3", [2, 2, 2, *(module.stride for module in spec.modules)], output_stride)
    x = conv(inputs, spec.stem[0], "stem_conv1", stride=2, padding="valid")
    x = conv(x, spec.stem[1], "stem_conv2", padding="valid")
    levels = {"C1": conv(x, spec.stem[2], "stem_conv3")}
    x = keras.layers.MaxPooling2D(3, 2, name="stem_pool1")(levels["C1"])
    x = conv(x, spec.stem[3], "stem_conv4", padding="valid")
    levels["C2"] = conv(x, spec.stem[4], "stem_conv5", padding="valid")
    x = keras.layers.MaxPooling2D(3, 2, name="stem_pool2")(levels["C2"])
    level = 3
    for place, module in enumerate(spec.modules):
        x = inception(x, module, *plan[3 + place][:2], f"mixed{place}")
        level += module.stride - 1
        levels[f"C{level}"] = x
    return levels


def build(name: str, *, num_classes: int = 1000, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build an Inception-v3.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits.
        image_shape: (height, width, channels); height and width at least 75 pixels (299 in the paper), or None.

    Returns: `keras.Model` from (N, H, W, C) images, scaled to -1..1 by the authors, to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below 75.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=spec.smallest)
    x = list(features(inputs, spec).values())[-1]
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if spec.dropout:
        x = keras.layers.Dropout(spec.dropout, name="dropout")(x)
    return keras.Model(inputs, logits(x, name, num_classes), name=name)
