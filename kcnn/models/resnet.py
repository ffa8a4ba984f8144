"""Residual networks: plain-N, ResNet, ResNet V2, ResNeXt, Wide ResNet, and the CIFAR forms.

Papers: He 2015 (1512.03385), tables 1 and 6; He 2016 (1603.05027), figure 4e; Xie 2016 (1611.05431), table 1;
Zagoruyko 2016 (1605.07146), table 1.
Padding is explicit and even, as in the authors' code.
Departures: stride sits on the 3x3 ("conv3x3"), which costs more and classifies better; the paper's choice is
"conv1x1" (the `_paper` rows, whose twins keras.applications carries). The V2 rows stride in the last block of
a stage and have biases in the stem, projections and last convolutions, as keras.applications does; their levels but
the last are raw sums, neither normalised nor activated. Basic rows project where the width changes (option B of
section 3.3), except `resnet34_pad` and ResNet-20 to 110 (option A). Batch normalisation moves its statistics by a tenth
each step.
"""

from dataclasses import dataclass
from typing import Any, Literal

import keras

from kcnn.models.common import ImageShape, batch_norm, even_conv, even_max_pool, image_input, logits, relu, stride_plan


@dataclass(frozen=True, kw_only=True)
class ResNetSpec:
    """One row of a paper's table."""

    block: Literal["basic", "bottleneck"]
    repeats: tuple[int, ...]  # blocks of each stage
    widths: tuple[int, ...] = (64, 128, 256, 512)  # maps of the 3x3 convolutions of each stage
    stem: Literal["imagenet", "cifar"] = "imagenet"  # 7x7 stride 2 and pooling, or one 3x3
    stem_width: int = 64
    shortcut: Literal["none", "pad", "project"] = "project"
    groups: int = 1  # ResNeXt's cardinality
    group_width: int = 64  # maps of a group at width 64: 4 in ResNeXt 32x4d, 128 in Wide-50-2
    stride_on: Literal["conv1x1", "conv3x3"] = "conv3x3"
    stride_block: Literal["first", "last"] = "first"
    preactivation: bool = False
    biases: bool = False  # where keras.applications keeps them: V2's stem and last convolutions
    epsilon: float = 1e-5
    classes: int = 1000
    source: str
    params: int  # trainable, `classes` classes, RGB


def _v2(repeats: tuple[int, ...], params: int) -> ResNetSpec:
    return ResNetSpec(
        block="bottleneck",
        repeats=repeats,
        stride_block="last",
        preactivation=True,
        biases=True,
        epsilon=1.001e-5,
        source="He 2016, figure 4e; biases and strides of keras.applications",
        params=params,
    )


def _cifar(depth: int, shortcut: Literal["none", "pad"], params: int) -> ResNetSpec:
    return ResNetSpec(
        block="basic",
        repeats=((depth - 2) // 6,) * 3,
        widths=(16, 32, 64),
        stem="cifar",
        stem_width=16,
        shortcut=shortcut,
        classes=10,
        source="He 2015, section 4.2, figure 6" if shortcut == "none" else "He 2015, table 6",
        params=params,
    )


BASIC18, BASIC34 = (2, 2, 2, 2), (3, 4, 6, 3)
DEEP50, DEEP101, DEEP152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

SPECS = {
    "plain18": ResNetSpec(
        block="basic", repeats=BASIC18, shortcut="none", source="He 2015, table 1", params=11_515_688
    ),
    "plain34": ResNetSpec(
        block="basic", repeats=BASIC34, shortcut="none", source="He 2015, table 1", params=21_623_848
    ),
    "resnet18": ResNetSpec(block="basic", repeats=BASIC18, source="He 2015, table 1", params=11_689_512),
    "resnet34": ResNetSpec(block="basic", repeats=BASIC34, source="He 2015, table 1", params=21_797_672),
    "resnet34_pad": ResNetSpec(
        block="basic", repeats=BASIC34, shortcut="pad", source="He 2015, section 3.3 option A", params=21_623_848
    ),
    "resnet50": ResNetSpec(block="bottleneck", repeats=DEEP50, source="He 2015, table 1", params=25_557_032),
    "resnet101": ResNetSpec(block="bottleneck", repeats=DEEP101, source="He 2015, table 1", params=44_549_160),
    "resnet152": ResNetSpec(block="bottleneck", repeats=DEEP152, source="He 2015, table 1", params=60_192_808),
    "resnet50_paper": ResNetSpec(
        block="bottleneck",
        repeats=DEEP50,
        stride_on="conv1x1",
        epsilon=1.001e-5,
        source="He 2015, table 1",
        params=25_557_032,
    ),
    "resnet101_paper": ResNetSpec(
        block="bottleneck",
        repeats=DEEP101,
        stride_on="conv1x1",
        epsilon=1.001e-5,
        source="He 2015, table 1",
        params=44_549_160,
    ),
    "resnet152_paper": ResNetSpec(
        block="bottleneck",
        repeats=DEEP152,
        stride_on="conv1x1",
        epsilon=1.001e-5,
        source="He 2015, table 1",
        params=60_192_808,
    ),
    "resnet50_v2": _v2(DEEP50, 25_568_360),
    "resnet101_v2": _v2(DEEP101, 44_577_896),
    "resnet152_v2": _v2(DEEP152, 60_236_904),
    "resnext50_32x4d": ResNetSpec(
        block="bottleneck", repeats=DEEP50, groups=32, group_width=4, source="Xie 2016, table 1", params=25_028_904
    ),
    "resnext101_32x8d": ResNetSpec(
        block="bottleneck",
        repeats=DEEP101,
        groups=32,
        group_width=8,
        source="Xie 2016, section 3; torchvision's width",
        params=88_791_336,
    ),
    "wide_resnet50_2": ResNetSpec(
        block="bottleneck", repeats=DEEP50, group_width=128, source="Zagoruyko 2016, table 8", params=68_883_240
    ),
    "wide_resnet101_2": ResNetSpec(
        block="bottleneck",
        repeats=DEEP101,
        group_width=128,
        source="torchvision, by Zagoruyko 2016, section 2",
        params=126_886_696,
    ),
    "plain20": _cifar(20, "none", 269_722),
    "plain56": _cifar(56, "none", 853_018),
    "resnet20": _cifar(20, "pad", 269_722),
    "resnet56": _cifar(56, "pad", 853_018),
    "resnet110": _cifar(110, "pad", 1_727_962),
    "wrn_28_10": ResNetSpec(
        block="basic",
        repeats=(4, 4, 4),
        widths=(160, 320, 640),
        stem="cifar",
        stem_width=16,
        preactivation=True,
        classes=10,
        source="Zagoruyko 2016, table 1",
        params=36_479_194,
    ),
    "tiny_resnet": ResNetSpec(
        block="bottleneck",
        repeats=(1, 1, 1, 1),
        widths=(4, 4, 8, 8),
        stem_width=8,
        source="kcnn, for tests",
        params=37_776,
    ),
}


def shortcut(x: keras.KerasTensor, filters: int, stride: int, spec: ResNetSpec, name: str) -> keras.KerasTensor:
    """The input itself; where shapes change, its projection by a 1x1 or its maps doubled by zeros."""
    if spec.shortcut == "project" and x.shape[-1] != filters:
        x = even_conv(x, filters, 1, stride, name, use_bias=spec.biases)
        return x if spec.preactivation else batch_norm(x, name, spec.epsilon)
    if stride > 1:
        x = keras.layers.MaxPooling2D(1, stride, name=name)(x)
    if x.shape[-1] != filters:
        zeros = keras.layers.Rescaling(0.0, name=f"{name}_zeros")(x)
        x = keras.layers.Concatenate(name=f"{name}_pad")([x, zeros])
    return x


def branch(width: int, plan: tuple[int, int, int], spec: ResNetSpec) -> list[tuple[int, int, int, dict[str, Any]]]:
    """Return (filters, kernel, stride, options) of the convolutions on the residual side."""
    stride, first, after = plan
    if spec.block == "basic":
        return [(width, 3, stride, {"dilation_rate": first}), (width, 3, 1, {"dilation_rate": after})]
    inner = width * spec.group_width // 64 * spec.groups
    early, late, dilation = (stride, 1, after) if spec.stride_on == "conv1x1" else (1, stride, first)
    spread = {"dilation_rate": dilation, "groups": spec.groups}
    return [(inner, 1, early, {}), (inner, 3, late, spread), (4 * width, 1, 1, {"use_bias": spec.biases})]


def residual_block(
    x: keras.KerasTensor, width: int, plan: tuple[int, int, int], spec: ResNetSpec, name: str
) -> keras.KerasTensor:
    """F(x) + x, then ReLU (He 2015, figure 2 and 5); without the addition in plain networks.

    Args:
        plan: (stride, dilation of the strided convolution, dilation after it).
    """
    entry, convs = x, branch(width, plan, spec)
    for index, (filters, kernel, stride, options) in enumerate(convs, start=1):
        x = even_conv(x, filters, kernel, stride, f"{name}_conv{index}", **options)
        x = batch_norm(x, f"{name}_conv{index}", spec.epsilon)
        if index < len(convs):
            x = relu(x, f"{name}_conv{index}")
    if spec.shortcut != "none":
        entry = shortcut(entry, convs[-1][0], plan[0], spec, f"{name}_shortcut")
        x = keras.layers.Add(name=f"{name}_add")([entry, x])
    return relu(x, name)


def preactivation_block(
    x: keras.KerasTensor, width: int, plan: tuple[int, int, int], spec: ResNetSpec, name: str
) -> keras.KerasTensor:
    """F(x) + x with normalisation and ReLU before each convolution (He 2016, figure 4e)."""
    entry, convs = x, branch(width, plan, spec)
    x = relu(batch_norm(x, f"{name}_pre", spec.epsilon), f"{name}_pre")
    if entry.shape[-1] != convs[-1][0]:
        entry = x  # a projection sees the activated maps
    entry = shortcut(entry, convs[-1][0], plan[0], spec, f"{name}_shortcut")
    for index, (filters, kernel, stride, options) in enumerate(convs, start=1):
        x = even_conv(x, filters, kernel, stride, f"{name}_conv{index}", **options)
        if index < len(convs):
            x = relu(batch_norm(x, f"{name}_conv{index}", spec.epsilon), f"{name}_conv{index}")
    return keras.layers.Add(name=f"{name}_add")([entry, x])


def stem(x: keras.KerasTensor, spec: ResNetSpec, stride: int) -> keras.KerasTensor:
    """7x7 at `stride` (ImageNet) or 3x3 (CIFAR), normalised here unless the blocks do it first."""
    kernel, biases = (7, spec.biases) if spec.stem == "imagenet" else (3, False)
    x = even_conv(x, spec.stem_width, kernel, stride, "stem", use_bias=biases)
    return x if spec.preactivation else relu(batch_norm(x, "stem", spec.epsilon), "stem")


def strides(spec: ResNetSpec) -> list[int]:
    """Return the stride of the stem, the pooling (1 for CIFAR) and each block, in order."""
    found = [2, 2] if spec.stem == "imagenet" else [1, 1]
    for stage, repeats in enumerate(spec.repeats):
        strided = stage > 0 if spec.stride_block == "first" else stage < len(spec.repeats) - 1
        place = 0 if spec.stride_block == "first" else repeats - 1
        found += [2 if strided and block == place else 1 for block in range(repeats)]
    return found


def features(inputs: keras.KerasTensor, spec: ResNetSpec, output_stride: int = 32) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32), "C0" to "C2" in the CIFAR forms.

    Args:
        inputs: (N, H, W, C) images.
        spec: a row of `SPECS`.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    steps, plan = strides(spec), stride_plan("resnet", strides(spec), output_stride)
    x = stem(inputs, spec, plan[0][0])
    level = steps[0] - 1
    levels = {f"C{level}": x}
    if spec.stem == "imagenet":
        x, level = even_max_pool(x, "stem_pool"), 2
    block_kind, place = (preactivation_block if spec.preactivation else residual_block), 2
    for stage, (repeats, width) in enumerate(zip(spec.repeats, spec.widths, strict=True), start=2):
        for block in range(1, repeats + 1):
            x = block_kind(x, width, plan[place], spec, f"stage{stage}_block{block}")
            level += steps[place] - 1
            levels[f"C{level}"] = x
            place += 1
    if spec.preactivation:
        levels[f"C{level}"] = relu(batch_norm(x, "post", spec.epsilon), "post")
    return levels


def build(name: str, *, num_classes: int | None = None, image_shape: ImageShape = (None, None, 3)) -> keras.Model:
    """Build a residual or plain network.

    Args:
        name: a row of `SPECS`.
        num_classes: length of the logits; default 1000, 10 for the CIFAR forms.
        image_shape: (height, width, channels); height and width at least 32 pixels (8 for the CIFAR forms), or
            None, which is the default.

    Returns: `keras.Model` from (N, H, W, C) images to (N, num_classes) logits.

    Raises:
        ShapeError: height or width below that.
        ConfigError: `num_classes` is not positive.
    """
    spec = SPECS[name]
    inputs = image_input(name, image_shape, minimum=32 if spec.stem == "imagenet" else 8)
    x = list(features(inputs, spec).values())[-1]
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, logits(x, name, spec.classes if num_classes is None else num_classes), name=name)
