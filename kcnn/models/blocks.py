"""Inverted residuals with squeeze-excite: the block that MobileNets V2 and V3 and EfficientNets share.

Papers: Sandler 2018 (1801.04381), figure 3; Hu 2018 (1709.01507), figure 2; Howard 2019 (1905.02244), section 5.2;
Huang 2016 (1603.09382) for blocks skipped in training; Gupta 2019 (Google AI blog, EfficientNet-EdgeTPU) for fused
blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras

from kcnn.models.common import batch_norm, stride_plan

Activation = Literal["relu", "relu6", "hard_swish", "silu"]


@dataclass(frozen=True, kw_only=True)
class Style:
    """What the rows of every family here have: how a layer of the network is made.

    Attributes:
        activation: after the stem and the last convolution, and in blocks that do not name their own.
        padding: "same" as TensorFlow pads (at stride 2 and an even size bottom and right only), "even" as PyTorch.
        epsilon: of batch normalisation.
        stem_stride: 2, or 1 in the forms for 32-pixel images.
        dilate_first: below an output stride of 32 the block that no longer strides is dilated itself, as torchvision's
            segmentation networks do; otherwise those after it, which leaves the values at the old places as they were.
    """

    activation: Activation = "relu6"
    padding: Literal["same", "even"] = "same"
    epsilon: float = 1e-3
    stem_stride: Literal[1, 2] = 2
    dilate_first: bool = False


@dataclass(frozen=True, kw_only=True)
class Block:
    """One inverted residual.

    Attributes:
        expanded: maps inside; the first 1x1 is left out where the input has as many.
        squeezed: maps between the two gates of squeeze-excite; 0 leaves it out.
        gate: what bounds the factors of squeeze-excite to 0..1.
        fused: one full convolution instead of the 1x1 and the depthwise one.
        drop: share of images that skip the block in training.
    """

    name: str
    expanded: int
    filters: int
    kernel: int = 3
    stride: int = 1
    squeezed: int = 0
    squeeze_activation: Activation = "relu"
    gate: Literal["sigmoid", "hard_sigmoid"] = "sigmoid"
    activation: Activation
    fused: bool = False
    drop: float = 0.0


def divisible(channels: float, least: float = 0.9) -> int:
    """Round to a multiple of 8, half up, but never below `least` times `channels`: as the authors' code rounds."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= least * channels else rounded + 8


def activate(x: keras.KerasTensor, kind: Activation, name: str) -> keras.KerasTensor:
    """Activation after the layer called `name`, itself called `name`_relu or `name`_<kind>."""
    if kind.startswith("relu"):
        return keras.layers.ReLU(6.0 if kind == "relu6" else None, name=f"{name}_relu")(x)
    return keras.layers.Activation(kind, name=f"{name}_{kind}")(x)


def conv(
    x: keras.KerasTensor, filters: int | None, kernel: int, style: Style, name: str, **options: Any
) -> keras.KerasTensor:
    """Convolution without bias, then batch normalisation; depthwise where `filters` is None.

    Weights start with variance 2 / (kernel area * maps that each input feeds), as in Tan 2019's code: for a depthwise
    kernel that is what each output sees, which He 2015's fan-in of Keras overstates by the number of maps.

    Args:
        options: `strides` and `dilation_rate` of the layer.
    """
    stride, padding = options.get("strides", 1), "same"
    if style.padding == "even" and stride > 1:
        x = keras.layers.ZeroPadding2D(options.get("dilation_rate", 1) * (kernel - 1) // 2, name=f"{name}_pad")(x)
        padding = "valid"
    options |= {"padding": padding, "use_bias": False, "name": name}
    start = keras.initializers.VarianceScaling(2.0, mode="fan_out")
    if filters is None:
        x = keras.layers.DepthwiseConv2D(kernel, depthwise_initializer=start, **options)(x)
    else:
        x = keras.layers.Conv2D(filters, kernel, kernel_initializer=start, **options)(x)
    return batch_norm(x, name, style.epsilon)


def squeeze_excite(x: keras.KerasTensor, block: Block) -> keras.KerasTensor:
    """Weigh each map by a gate that sees the mean of all maps (Hu 2018, figure 2).

    A function and no layer class: stock layers say it, so saved models load anywhere.
    """
    name = f"{block.name}_se"
    gates = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    gates = keras.layers.Conv2D(block.squeezed, 1, kernel_initializer="he_uniform", name=f"{name}_reduce")(gates)
    gates = activate(gates, block.squeeze_activation, f"{name}_reduce")
    gates = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_expand")(gates)
    gates = keras.layers.Activation(block.gate, name=f"{name}_gate")(gates)
    return keras.layers.Multiply(name=name)([x, gates])


def inverted_residual(
    x: keras.KerasTensor, block: Block, style: Style, stride: int, dilation: int
) -> keras.KerasTensor:
    """Expand by a 1x1, filter by a depthwise convolution, project linearly; add the input where shapes allow.

    A fused block filters while it expands, or, where nothing expands, is one convolution with its activation.
    """
    entry, channels, name, kind = x, x.shape[-1], block.name, block.activation
    wide = {"strides": stride, "dilation_rate": dilation}
    if block.expanded != channels:
        kernel, options = (block.kernel, wide) if block.fused else (1, {})
        x = activate(conv(x, block.expanded, kernel, style, f"{name}_expand", **options), kind, f"{name}_expand")
    if not block.fused:
        x = activate(conv(x, None, block.kernel, style, f"{name}_depthwise", **wide), kind, f"{name}_depthwise")
    if block.squeezed:
        x = squeeze_excite(x, block)
    if block.fused and block.expanded == channels:
        x = activate(conv(x, block.filters, block.kernel, style, f"{name}_project", **wide), kind, f"{name}_project")
    else:
        x = conv(x, block.filters, 1, style, f"{name}_project")
    if block.stride == 1 and channels == block.filters:
        if block.drop:
            x = keras.layers.Dropout(block.drop, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
        x = keras.layers.Add(name=f"{name}_add")([entry, x])
    return x


def trunk(
    inputs: keras.KerasTensor, stem: int, blocks: Sequence[Block], style: Style, output_stride: int
) -> dict[str, keras.KerasTensor]:
    """Return the last map at each stride: "C1" (stride 2) to "C5" (stride 32, or dilated); from "C0" at stem stride 1.

    Args:
        inputs: (N, H, W, C) images.
        stem: maps of the first convolution, a 3x3.
        output_stride: 32, 16 or 8; below 32 the later strides become dilation, with the same weights.

    Raises:
        ConfigError: another `output_stride`.
    """
    plan = stride_plan(
        type(style).__name__.removesuffix("Spec"),
        [style.stem_stride, *(block.stride for block in blocks)],
        output_stride,
    )
    x = activate(conv(inputs, stem, 3, style, "stem", strides=plan[0][0]), style.activation, "stem")
    level = style.stem_stride - 1
    levels = {f"C{level}": x}
    for block, (stride, before, after) in zip(blocks, plan[1:], strict=True):
        x = inverted_residual(x, block, style, stride, after if style.dilate_first else before)
        level += block.stride - 1
        levels[f"C{level}"] = x
    return levels


def last_conv(levels: dict[str, keras.KerasTensor], filters: int, style: Style) -> keras.KerasTensor:
    """1x1 convolution "head" of the last level to `filters` maps."""
    return activate(conv(list(levels.values())[-1], filters, 1, style, "head"), style.activation, "head")


def head(levels: dict[str, keras.KerasTensor], filters: int, style: Style) -> keras.KerasTensor:
    """1x1 convolution of the last level to `filters` maps, then their means: (N, filters)."""
    return keras.layers.GlobalAveragePooling2D(name="pool")(last_conv(levels, filters, style))
